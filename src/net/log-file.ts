/**
 * Opening the log file. While this process is root, the directory may be one in which others decide what a name stands for: a symbolic
 * link or a second name there, to a file of root's, would have it written to or given away. So what a user can open is opened with the
 * rights of that user, what is left is opened as root where nobody but root has made the way to it, and a file changes its owner only
 * when it is this very call that has made it.
 */
import {
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  type Stats,
  statSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";

/** The user that the server is to become. */
export interface LogOwner {
  readonly uid: number;
  readonly gid: number;
  /** Null: the number is no user's of this system. */
  readonly name: string | null;
}

export interface LogOptions {
  /** Null: this process stays who it is. */
  readonly owner: LogOwner | null;
  readonly readable?: boolean;
}

const MODE = 0o640;
const WRITABLE_BY_GROUP = 0o020;
const WRITABLE_BY_ALL = 0o002;
/** Nobody can take away what is another's. */
const STICKY = 0o1000;
/** As the kernel's. */
const LINKS_MAX = 40;
/** A file may be rotated away between two looks. */
const TRIES_MAX = 5;
const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR, O_WRONLY } = constants;

/** Throws what the system says, or a sentence for a person. */
export function openLog(path: string, { owner, readable = false }: LogOptions): number {
  const access = O_APPEND | (readable ? O_RDWR : O_WRONLY);
  if (process.geteuid?.() !== 0) return openSync(path, access | O_CREAT, MODE);
  if (owner === null || owner.uid === 0) return openAsRoot(path, { owner, access, groups: null });
  const { fd, groups } = asUser(owner, () => ({
    fd: unlessForbidden(() => openSync(path, access | O_CREAT, MODE)),
    groups: process.getgroups?.() ?? [],
  }));
  return fd ?? openAsRoot(path, { owner, access, groups });
}

/** The runtime has it, its types have not. */
type Initgroups = { initgroups?(user: string, group: number): void };

/** For as long as it takes: its own rights come back. */
function asUser<T>({ uid, gid, name }: LogOwner, act: () => T): T {
  const own = { gid: process.getegid?.() ?? 0, groups: process.getgroups?.() ?? [] };
  try {
    if (name === null) process.setgroups?.([gid]);
    else (process as Initgroups).initgroups?.(name, gid);
    process.setegid?.(gid);
    process.seteuid?.(uid);
    return act();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(own.gid);
    process.setgroups?.(own.groups);
  }
}

/** Null: this user may not. */
function unlessForbidden(open: () => number): number | null {
  try {
    return open();
  } catch (error) {
    if (codeOf(error) === "EACCES" || codeOf(error) === "EPERM") return null;
    throw error;
  }
}

interface Rooted {
  readonly owner: LogOwner | null;
  readonly access: number;
  /** Those of the user; null: any group may be a stranger's. */
  readonly groups: readonly number[] | null;
}

function openAsRoot(path: string, options: Rooted): number {
  const { owner, groups } = options;
  const way = follow(resolve(path), groups);
  if (way.intruder === null) {
    const fd = createOrOpen(way.path, way.isDescriptor ? 0 : O_NOFOLLOW, options);
    return checked(fd, path, complaintOf(fstatSync(fd), owner, false));
  }
  const { intruder, directory } = way;
  if (owner !== null && owner.uid !== 0) {
    const why = `user ${owner.uid} may not open it, and root does not in ${directory}`;
    throw new Error(
      `${path} is refused: ${why}, where ${intruder} could lead it anywhere; ${GIVE}`,
    );
  }
  let fd: number;
  try {
    fd = createOrOpen(path, O_NOFOLLOW, options);
  } catch (error) {
    if (codeOf(error) !== "ELOOP") throw error;
    const why = `a symbolic link in ${directory}, where ${intruder} could lead it anywhere`;
    throw new Error(`${path} is refused: ${why}; name the file itself`, { cause: error });
  }
  return checked(fd, path, complaintOf(fstatSync(fd), owner, true));
}

const GIVE = "give the file or its directory to that user";

function checked(fd: number, path: string, complaint: string | null): number {
  if (complaint === null) return fd;
  closeSync(fd);
  throw new Error(`${path} is refused: ${complaint}`);
}

/** `strange`: somebody besides root may have put it there. */
function complaintOf(found: Stats, owner: LogOwner | null, strange: boolean): string | null {
  if (found.isCharacterDevice() || found.isFIFO()) return null;
  if (!found.isFile()) return "it is no file";
  if (strange && found.nlink > 1) return "it has another name too, and may be anybody's";
  const theirs = owner === null || owner.uid === 0 || found.uid === owner.uid;
  return theirs ? null : `it is there already, and user ${owner.uid} may not write to it; ${GIVE}`;
}

function createOrOpen(path: string, nofollow: number, { owner, access }: Rooted): number {
  for (let tries = 1; ; tries++) {
    try {
      const fd = openSync(path, access | O_CREAT | O_EXCL, MODE);
      if (owner !== null) fchownSync(fd, owner.uid, owner.gid);
      return fd;
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
    try {
      return openSync(path, access | nofollow);
    } catch (error) {
      if (codeOf(error) !== "ENOENT" || tries === TRIES_MAX) throw error;
    }
  }
}

interface Way {
  /** Without links, unless it is a descriptor's (/dev/stdout leads to /proc/self/fd/1), which only the kernel can follow. */
  readonly path: string;
  readonly isDescriptor: boolean;
  /** Who besides root could have laid it, and where; null: nobody. */
  readonly intruder: string | null;
  readonly directory: string;
}

/** Where an absolute path leads, one name after the other. */
function follow(path: string, groups: readonly number[] | null): Way {
  let names = path.split("/");
  let here = "/";
  let links = 0;
  let found: Pick<Way, "intruder" | "directory"> = { intruder: null, directory: "/" };
  for (;;) {
    const [name, ...rest] = names;
    if (name === undefined) return { ...found, path: here, isDescriptor: false };
    names = rest;
    if (name === "" || name === ".") continue;
    if (name === "..") {
      here = dirname(here);
      continue;
    }
    const at = join(here, name);
    const entry = lstatSync(at, { throwIfNoEntry: false });
    if (found.intruder === null) {
      found = { intruder: intruderIn(statSync(here), entry, groups), directory: here };
    }
    if (entry?.isSymbolicLink() !== true) {
      here = at;
    } else if (here === `/proc/${process.pid}/fd`) {
      return { ...found, path: at, isDescriptor: true };
    } else {
      if (++links > LINKS_MAX) throw new Error(`${path} leads through too many symbolic links`);
      const target = readlinkSync(at);
      if (target.startsWith("/")) here = "/";
      names = [...target.split("/"), ...names];
    }
  }
}

/** Who besides root could put something else in the place of this entry. */
function intruderIn(
  { uid, gid, mode }: Stats,
  entry: Stats | undefined,
  groups: readonly number[] | null,
): string | null {
  if (uid !== 0) return `user ${uid}`;
  const shared = gid !== 0 && (groups === null || groups.includes(gid));
  const open = (mode & WRITABLE_BY_ALL) !== 0;
  if (!open && !(shared && (mode & WRITABLE_BY_GROUP) !== 0)) return null;
  if ((mode & STICKY) === 0) return open ? "everybody" : `group ${gid}`;
  if (entry === undefined) return null;
  if (entry.uid !== 0) return `user ${entry.uid}`;
  // A second name for a file of root's is not root's doing.
  return entry.isDirectory() || entry.nlink === 1 ? null : "everybody";
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
