/**
 * A name for a unix socket that lies elsewhere: a symbolic link, put in place by one rename, so that whoever connects finds the
 * old socket or the new one. Only links are replaced, and never one that leads to a socket on which somebody listens, unless
 * that is the predecessor.
 */
import { closeSync, lstatSync, readlinkSync, renameSync, symlinkSync, unlinkSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { encodeUnix, UNIX_PATH_BYTES_MAX } from "./address.ts";
import { AF_UNIX, connectTo, errno, SOL_SOCKET, socketOption, streamSocket } from "./libc.ts";

/** SO_PEERCRED, which begins with the process; LOCAL_PEERPID of SOL_LOCAL. */
const PEER =
  process.platform === "darwin" ? { level: 0, option: 2 } : { level: SOL_SOCKET, option: 17 };

/** Null, or why it cannot be done. `replaces`: a living server's link is to be taken over. */
export function linkSocket(path: string, socket: string, replaces: boolean): string | null {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found !== undefined && !found.isSymbolicLink())
    return `${path} exists and is no link of ours`;
  const target = targetOf(path);
  if (target === socket) return null;
  if (target !== null && !replaces && isListening(target)) {
    return `${path} belongs to another server that runs`;
  }
  const temporary = `${path}.${process.pid}`;
  try {
    symlinkSync(socket, temporary);
    renameSync(temporary, path);
    return null;
  } catch (error) {
    remove(temporary);
    return error instanceof Error ? error.message : String(error);
  }
}

/** Removes the link if it still leads there. */
export function unlinkSocket(path: string, socket: string): void {
  if (targetOf(path) === socket) remove(path);
}

/** Where a link leads, made absolute; null: it is none. */
export function targetOf(path: string): string | null {
  try {
    return resolve(dirname(path), readlinkSync(path));
  } catch {
    return null;
  }
}

function isListening(path: string): boolean {
  return listenerAt(path) !== null;
}

/** The process that listens there, as the kernel has it, whatever it says of itself; 0: somebody does; null: nobody. */
export function listenerAt(path: string): number | null {
  if (Buffer.byteLength(path) > UNIX_PATH_BYTES_MAX) return null;
  const fd = streamSocket(AF_UNIX);
  if (fd < 0) return 0;
  try {
    if (connectTo(fd, encodeUnix(path))) return socketOption(fd, PEER.option, PEER.level) ?? 0;
    const reason = errno();
    return reason === "EAGAIN" || reason === "EACCES" ? 0 : null;
  } finally {
    closeSync(fd);
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is not there.
  }
}
