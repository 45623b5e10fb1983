/**
 * Listening unix sockets. A file left by a server that is gone is replaced; a living server is
 * never displaced: the check, the removal and the bind happen under a lock on the directory, which
 * every Keelback takes.
 */
import { chmodSync, closeSync, lstatSync, openSync, statSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { encodeUnix, UNIX_PATH_BYTES_MAX } from "./address.ts";
import { AF_UNIX, bindTo, connectTo, errno, listenOn, lockFile, streamSocket } from "./libc.ts";
import type { OpenResult } from "./open-result.ts";
import { failure } from "./open-result.ts";

/** As open as a port of this machine is: who must not connect is kept out by the directory. */
const SOCKET_MODE = 0o666;

export function openUnix(path: string, backlog: number): OpenResult {
  const bytes = Buffer.byteLength(path);
  if (bytes > UNIX_PATH_BYTES_MAX) {
    const text = `unix:${path} is ${bytes} bytes long; the system takes ${UNIX_PATH_BYTES_MAX}`;
    return failure("path-too-long", text, "choose a shorter path, or a relative one with --chdir");
  }
  const lock = lockDirectory(dirname(path));
  try {
    const complaint = removeStale(path);
    return complaint ?? listenAt(path, backlog);
  } finally {
    if (lock !== null) closeSync(lock);
  }
}

/**
 * A directory that cannot be read or locked is used without: the race is small, the need is not.
 */
function lockDirectory(directory: string): number | null {
  try {
    const fd = openSync(directory, "r");
    lockFile(fd);
    return fd;
  } catch {
    return null;
  }
}

function removeStale(path: string): OpenResult | null {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return null;
  if (!found.isSocket()) {
    return failure(
      "in-use",
      `${path} exists and is no socket`,
      "remove it, or choose another path",
    );
  }
  const answer = knock(path);
  if (answer === "alive") {
    const remedy = "stop that server, or choose another path";
    return failure("in-use", `a server is listening on unix:${path}`, remedy);
  }
  if (answer !== "dead") {
    const text = `unix:${path} exists and cannot be tried (${answer})`;
    return failure("permission", text, "remove it, or choose another path");
  }
  try {
    unlinkSync(path);
    return null;
  } catch (error) {
    const text = `the stale socket ${path} cannot be removed: ${String(error)}`;
    return failure("permission", text, "remove it as the user who owns it");
  }
}

/** Connecting is the one test for life that no pid file can spoil. */
function knock(path: string): string {
  const fd = streamSocket(AF_UNIX);
  if (fd < 0) return errno();
  const connected = connectTo(fd, encodeUnix(path));
  const reason = connected ? "" : errno();
  closeSync(fd);
  // EAGAIN: its queue is full. Somebody listens.
  if (connected || reason === "EAGAIN" || reason === "EINPROGRESS") return "alive";
  return reason === "ECONNREFUSED" || reason === "ENOENT" ? "dead" : reason;
}

function listenAt(path: string, backlog: number): OpenResult {
  const fd = streamSocket(AF_UNIX);
  if (fd < 0) return failure("system", `no socket can be made: ${errno()}`, "see ulimit -n");
  if (!bindTo(fd, encodeUnix(path))) {
    const reason = errno();
    closeSync(fd);
    return cannotBind(path, reason);
  }
  chmodSync(path, SOCKET_MODE);
  if (!listenOn(fd, backlog)) {
    const reason = errno();
    closeSync(fd);
    return failure("system", `listening on unix:${path} failed: ${reason}`, "choose another path");
  }
  const { dev, ino } = statSync(path);
  const remove = (): void => removeOwn(path, dev, ino);
  const listener = { fd, kind: "unix", address: path, port: 0, redirectTo: null, remove } as const;
  return { ok: true, listener };
}

function cannotBind(path: string, reason: string): OpenResult {
  const text = `cannot bind unix:${path}: `;
  switch (reason) {
    case "ENOENT":
    case "ENOTDIR":
      return failure("address", `${text}there is no directory ${dirname(path)}`, "make it first");
    case "EACCES":
    case "EPERM":
    case "EROFS": {
      const remedy = `give this user the right to write to ${dirname(path)}`;
      return failure("permission", `${text}permission denied`, remedy);
    }
    case "EADDRINUSE":
      return failure("in-use", `${text}another server made it just now`, "choose another path");
    default:
      return failure("system", text + reason, "choose another path");
  }
}

/** Only when the file is still ours: a successor may have replaced it. */
function removeOwn(path: string, dev: number, ino: number): void {
  try {
    const now = statSync(path);
    if (now.dev === dev && now.ino === ino) unlinkSync(path);
  } catch {
    // Somebody has removed it already.
  }
}
