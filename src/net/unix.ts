/**
 * Listening unix sockets. A file left by a server that is gone is replaced; a living server is
 * never displaced: the check, the removal and the bind happen under a lock on the directory, which
 * every Keelback takes. Nobody can connect before the file has its owner and mode, as it listens
 * only then.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fstatSync,
  lchownSync,
  lstatSync,
  openSync,
  statSync,
  unlinkSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Config } from "../config/config.ts";
import { parseMode } from "../config/socket-file.ts";
import { encodeAbstract, encodeUnix, UNIX_PATH_BYTES_MAX } from "./address.ts";
import { AF_UNIX, bindTo, connectTo, errno, listenOn, lockFile, streamSocket } from "./libc.ts";
import type { OpenResult } from "./open-result.ts";
import { failure } from "./open-result.ts";
import { resolveOwner } from "./owner.ts";

export type UnixSettings = Pick<Config, "backlog" | "unixMode" | "unixOwner">;

/** Somebody else may lock the directory for long (systemd-tmpfiles(8) looks at such locks). */
const LOCK_WAIT_MS = 5000;
const LOCK_RETRY_MS = 10;
const MODE_BITS = 0o7777;
/** Linux: what stands there, held and not opened. */
const O_PATH = 0o10_000_000;

export async function openUnix(path: string, settings: UnixSettings): Promise<OpenResult> {
  const bytes = Buffer.byteLength(path);
  if (bytes > UNIX_PATH_BYTES_MAX) {
    const text = `unix:${path} is ${bytes} bytes long; the system takes ${UNIX_PATH_BYTES_MAX}`;
    return failure("path-too-long", text, "choose a shorter path, or a relative one with --chdir");
  }
  const lock = await lockDirectory(dirname(path));
  try {
    const complaint = removeStale(path);
    return complaint ?? listenAt(path, settings);
  } finally {
    if (lock !== null) closeSync(lock);
  }
}

/** Linux: a name instead of a file; it is gone with the last descriptor, and anybody of this machine may connect. */
export function openAbstract(name: string, backlog: number): OpenResult {
  if (process.platform !== "linux") {
    const text = `unix:@${name} is an abstract socket, which only Linux has`;
    return failure("address", text, "bind unix:PATH");
  }
  const fd = streamSocket(AF_UNIX);
  if (fd < 0) return failure("system", `no socket can be made: ${errno()}`, "see ulimit -n");
  if (bindTo(fd, encodeAbstract(name)) && listenOn(fd, backlog)) {
    return { ok: true, listener: { ...NEW, fd, address: `@${name}`, remove: () => {} } };
  }
  const reason = errno();
  closeSync(fd);
  return reason === "EADDRINUSE"
    ? failure("in-use", `unix:@${name} is in use by another program`, "choose another name")
    : failure("system", `cannot listen on unix:@${name}: ${reason}`, "choose another name");
}

const NEW = {
  kind: "unix",
  port: 0,
  protocol: "http",
  redirectTo: null,
  passedAs: null,
} as const;

/**
 * A directory that cannot be read or locked is used without: the race is small, the need is not.
 */
async function lockDirectory(directory: string): Promise<number | null> {
  let fd: number;
  try {
    fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch {
    return null;
  }
  for (let waited = 0; waited < LOCK_WAIT_MS; waited += LOCK_RETRY_MS) {
    if (lockFile(fd)) return fd;
    if (errno() !== "EAGAIN") break;
    await Bun.sleep(LOCK_RETRY_MS);
  }
  closeSync(fd);
  return null;
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

function listenAt(path: string, settings: UnixSettings): OpenResult {
  const fd = streamSocket(AF_UNIX);
  if (fd < 0) return failure("system", `no socket can be made: ${errno()}`, "see ulimit -n");
  if (!bindTo(fd, encodeUnix(path))) {
    const reason = errno();
    closeSync(fd);
    return cannotBind(path, reason);
  }
  const { dev, ino } = lstatSync(path);
  const remove = (): void => removeOwn(path, dev, ino);
  const complaint = adorn(path, settings, true) ?? listen(fd, path, settings.backlog);
  if (complaint === null) return { ok: true, listener: { ...NEW, fd, address: path, remove } };
  remove();
  closeSync(fd);
  return complaint;
}

function listen(fd: number, path: string, backlog: number): OpenResult | null {
  if (listenOn(fd, backlog)) return null;
  const text = `listening on unix:${path} failed: ${errno()}`;
  return failure("system", text, "choose another path");
}

/** Of a socket that listens already. What is wrong, or null; a file that is gone or somebody else's is left alone. */
export function changeFile(path: string, settings: UnixSettings): string | null {
  try {
    const found = lstatSync(path, { throwIfNoEntry: false });
    const result = found?.isSocket() === true ? adorn(path, settings, false) : null;
    return result === null || result.ok ? null : result.failure.message;
  } catch (error) {
    return `unix-mode: unix:${path} cannot be looked at: ${codeOf(error)}`;
  }
}

/**
 * Gives the file its owner and its mode. In a directory of somebody else's the name may stand for another file by now, one that a link
 * leads to: they go to what has been looked at and is held, not to a name. `fresh`: it has just been bound.
 */
function adorn(path: string, settings: UnixSettings, fresh: boolean): OpenResult | null {
  if (process.platform !== "linux") return giveAway(path, path, settings);
  let held: number;
  try {
    held = openSync(path, O_PATH | constants.O_NOFOLLOW);
  } catch (error) {
    return replaced(path, codeOf(error));
  }
  try {
    const found = fstatSync(held);
    const alone = found.isSocket() && found.nlink === 1;
    const own = alone && (!fresh || found.uid === process.geteuid?.());
    return own
      ? giveAway(path, `/proc/self/fd/${held}`, settings)
      : replaced(path, "it is another");
  } finally {
    closeSync(held);
  }
}

function replaced(path: string, why: string): OpenResult {
  const text = `unix:${path} has been replaced just now (${why})`;
  return failure("permission", text, "choose a directory that only root may write to");
}

/**
 * Owner first: to another user's file nobody but root can give a mode, and a new owner takes none away. What is right already needs
 * no rights.
 */
function giveAway(
  path: string,
  held: string,
  { unixMode, unixOwner }: UnixSettings,
): OpenResult | null {
  const { uid, gid, mode } = held === path ? lstatSync(path) : statSync(held);
  try {
    if (unixOwner !== null) {
      const resolved = resolveOwner(unixOwner);
      if ("complaint" in resolved) {
        const text = `unix-owner: ${unixOwner} ${resolved.complaint}`;
        return failure("permission", text, "name one that it has, or a number");
      }
      const { owner } = resolved;
      const right = [-1, uid].includes(owner.uid) && [-1, gid].includes(owner.gid);
      const give = held === path ? lchownSync : chownSync;
      if (!right) give(held, owner.uid, owner.gid);
    }
  } catch (error) {
    const text = `unix-owner: unix:${path} cannot be given to ${unixOwner}: ${codeOf(error)}`;
    const remedy = "start as root, or name a group that this user is in (--unix-owner :GROUP)";
    return failure("permission", text, remedy);
  }
  const wanted = parseMode(unixMode) ?? 0;
  try {
    if ((mode & MODE_BITS) !== wanted) chmodSync(held, wanted);
    return null;
  } catch (error) {
    const text = `unix-mode: unix:${path} cannot get mode ${unixMode}: ${codeOf(error)}`;
    return failure("permission", text, "leave unix-owner out, or start as root");
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
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

/** Removes the file that stands there now, as long as it is the same one; one that this user cannot even look at stays. */
export function fileRemover(path: string): () => void {
  try {
    const { dev, ino } = lstatSync(path);
    return () => removeOwn(path, dev, ino);
  } catch {
    return () => {};
  }
}

/** Only when the file is still ours: a successor may have replaced it. */
function removeOwn(path: string, dev: number, ino: number): void {
  try {
    const now = lstatSync(path);
    if (now.dev === dev && now.ino === ino) unlinkSync(path);
  } catch {
    // Somebody has removed it already.
  }
}
