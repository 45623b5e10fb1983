/**
 * The PID file of a running server. Its owner holds a lock on it for as long as it lives, so that a
 * file left behind is told from one in use whatever number stands in it; a server of another kind,
 * which takes no lock, is recognised by a process that is older than the file. A symbolic link is
 * never followed, nor a second name of a file, and nothing is overwritten that is no PID file.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readFileSync,
  readSync,
  type Stats,
  unlinkSync,
  writeSync,
} from "node:fs";
import { statFields } from "../../core/proc-stat.ts";
import { lockFile, makeOwn } from "../../net/libc.ts";

const MODE = 0o644;
const CONTENT_BYTES_MAX = 64;
/** A file that was replaced between being opened and being locked is opened again. */
const TRIES_MAX = 5;
/** USER_HZ, the same on all of Linux. */
const TICKS_PER_SECOND = 100;
/** The states of a process that runs no more (proc(5)). */
const ENDED = ["Z", "X", "x"];
/** The system tells the time of its boot in seconds. */
const BOOT_TIME_MS = 1000;

/** An owned PID file, by its open descriptor: the directory may forbid to us what it allowed to root. */
export class PidFile {
  readonly path: string;
  readonly fd: number;

  constructor(path: string, fd: number) {
    this.path = path;
    this.fd = fd;
  }

  /** `pid` is the server now. */
  write(pid: number): void {
    const text = `${pid}\n`;
    writeSync(this.fd, text, 0);
    ftruncateSync(this.fd, text.length);
  }

  /** A successor has the descriptor, and with it the lock. */
  handOver(): void {
    closeSync(this.fd);
  }

  /** Where the directory does not let us remove it, it is left empty. */
  remove(): void {
    try {
      if (isSame(fstatSync(this.fd), this.path)) {
        ftruncateSync(this.fd, 0);
        unlinkSync(this.path);
      }
    } catch {
      // It is empty, or somebody has removed it already.
    }
    closeSync(this.fd);
  }
}

/** `trusted`: users besides ourselves and root whose file may be taken. Throws a sentence for a person. */
export function claimPidFile(path: string, trusted: readonly number[]): PidFile {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const fd = open(path);
    try {
      const complaint = complain(fd, trusted);
      if (complaint === null && isSame(fstatSync(fd), path)) {
        makeOwn(fd);
        const file = new PidFile(path, fd);
        file.write(process.pid);
        return file;
      }
      closeSync(fd);
      if (complaint !== null) throw new PidFileError(path, complaint);
    } catch (error) {
      if (error instanceof PidFileError) throw error;
      closeSync(fd);
      throw new PidFileError(path, error instanceof Error ? error.message : String(error));
    }
  }
  throw new PidFileError(path, "is being replaced over and over");
}

class PidFileError extends Error {
  constructor(path: string, complaint: string) {
    super(`pid: ${path} ${complaint}`);
  }
}

function open(path: string): number {
  const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    return openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, MODE);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    const why =
      code === "ELOOP"
        ? "is a symbolic link, which is not followed; name the file itself"
        : `cannot be opened: ${error instanceof Error ? error.message : String(error)}`;
    throw new PidFileError(path, why);
  }
}

function complain(fd: number, trusted: readonly number[]): string | null {
  const found = fstatSync(fd);
  if (!found.isFile()) return "is no file; choose another path";
  if (found.nlink > 1) return "has another name too, and may be anybody's; remove it";
  const own = [process.geteuid?.() ?? 0, 0, ...trusted];
  if (!own.includes(found.uid)) {
    return `belongs to user ${found.uid}, who could name any process in it; remove it, or choose another path`;
  }
  const bytes = new Uint8Array(CONTENT_BYTES_MAX);
  const text = Buffer.from(bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0))).toString();
  if (!lockFile(fd)) {
    return `belongs to a running server (pid ${text.trim()}); stop it, or choose another path`;
  }
  if (text.trim() === "") return null;
  if (!/^\d{1,10}\s*$/.test(text)) return "holds something other than a PID; choose another path";
  const pid = Number(text);
  return isOwner(pid, found)
    ? `belongs to the running process ${pid} (${commandOf(pid)}); stop it, or choose another path`
    : null;
}

/** Whether the process was there when the file was written: else its number has been given anew. */
function isOwner(pid: number, file: Stats): boolean {
  if (pid === process.pid) return false;
  if (process.platform !== "linux") return isAlive(pid);
  try {
    return startOf(pid) <= file.mtimeMs + BOOT_TIME_MS;
  } catch {
    return false;
  }
}

/**
 * When a process was started, as milliseconds of the wall clock (proc(5): the 22nd field, in ticks since the boot). Infinity: it has ended,
 * and nobody has asked for its status yet.
 */
function startOf(pid: number): number {
  const booted = Number(/^btime (\d+)$/m.exec(readFileSync("/proc/stat", "utf8"))?.[1]);
  const fields = statFields(readFileSync(`/proc/${pid}/stat`, "utf8"));
  if (ENDED.includes(fields[0]!)) return Infinity;
  const ticks = Number(fields[19]);
  return booted * 1000 + (ticks * 1000) / TICKS_PER_SECOND;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "unknown";
  }
}

function isSame(file: Stats, path: string): boolean {
  const now = lstatSync(path, { throwIfNoEntry: false });
  return now !== undefined && now.dev === file.dev && now.ino === file.ino;
}
