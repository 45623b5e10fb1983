/**
 * The C library, for what concerns this process itself: who it runs as, how it is called, where its output goes, the clock of the system
 * and its time zone, datagrams to a service manager. Loaded on first use.
 */
import type { Pointer } from "bun:ffi";
import { FFIType, ptr, read } from "bun:ffi";
import { closeSync } from "node:fs";
import { AF_UNIX, connectTo, datagramSocket, errno, openLibrary } from "./libc.ts";
import { type LogOwner, openLog } from "./log-file.ts";

const MAC = process.platform === "darwin";
const { i32, u32, u64, pointer } = FFIType;

const FUNCTIONS = {
  send: { args: [i32, pointer, u64, i32], returns: i32 },
  dup2: { args: [i32, i32], returns: i32 },
  chroot: { args: [pointer], returns: i32 },
  sigaction: { args: [i32, pointer, pointer], returns: i32 },
  tcgetpgrp: { args: [i32], returns: i32 },
  getpgid: { args: [i32], returns: i32 },
  clock_gettime: { args: [i32, pointer], returns: i32 },
  localtime_r: { args: [pointer, pointer], returns: pointer },
  getpwnam: { args: [pointer], returns: pointer },
  getpwuid: { args: [u32], returns: pointer },
  ...(MAC ? {} : { prctl: { args: [i32, u64, u64, u64, u64], returns: i32 } }),
} as const;

type Functions = Record<
  | "send"
  | "dup2"
  | "chroot"
  | "sigaction"
  | "tcgetpgrp"
  | "getpgid"
  | "clock_gettime"
  | "localtime_r"
  | "prctl",
  (...args: (number | Pointer | null)[]) => number
> &
  Record<"getpwnam" | "getpwuid", (key: Pointer | number) => Pointer | null>;

let functions: Functions | null = null;

function load(): Functions {
  functions ??= openLibrary(FUNCTIONS) as unknown as Functions;
  return functions;
}

const PR_SET_NAME = 15;
const PR_SET_NO_NEW_PRIVS = 38;
const CLOCK_MONOTONIC = MAC ? 6 : 1;
const STDOUT = 1;
const STDERR = 2;
const MSG_NOSIGNAL = MAC ? 0x80000 : 0x4000;
/** Offsets in struct passwd on 64 bits: name, password, then the numbers. */
const PW_UID = 16;
const PW_GID = 20;
const PW_DIR = MAC ? 48 : 32;
/** In struct tm on 64 bits, behind nine numbers: seconds east of UTC. */
const TM_GMTOFF = 40;
const TM_BYTES = 56;
/** More than any struct sigaction, which begins with the handler; 1 is SIG_IGN. */
const SIGACTION_BYTES = 256;
const IGNORED = 1n;
/** Zones change their distance from UTC at quarters of an hour. */
const ZONE_STEP_MS = 900_000;

export interface User {
  readonly uid: number;
  /** Its primary group. */
  readonly gid: number;
  readonly name: string;
  readonly home: string;
}

/** By name or number, from wherever the system keeps its users; null: there is none. */
export function findUser(key: string | number): User | null {
  const { getpwnam, getpwuid } = load();
  const entry = typeof key === "number" ? getpwuid(key) : getpwnam(text(key));
  if (entry === null) return null;
  return {
    uid: read.u32(entry, PW_UID),
    gid: read.u32(entry, PW_GID),
    name: string(read.ptr(entry, 0)),
    home: string(read.ptr(entry, PW_DIR)),
  };
}

function text(value: string): Pointer {
  return ptr(Buffer.from(`${value}\0`));
}

function string(at: number): string {
  const bytes: number[] = [];
  for (;;) {
    const byte = read.u8(at, bytes.length);
    if (byte === 0) return Buffer.from(bytes).toString();
    bytes.push(byte);
  }
}

/** What a program started from here is, however it is marked, no more than this one (prctl(2)). False: see errno(). */
export function forbidNewPrivileges(): boolean {
  return MAC || load().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) === 0;
}

/** Whether a signal is ignored, as `nohup` has it, and no handler of ours has taken its place. */
export function ignoresSignal(number: number): boolean {
  const action = new BigUint64Array(SIGACTION_BYTES / 8);
  return load().sigaction(number, null, ptr(action)) === 0 && action[0] === IGNORED;
}

/** Whether a terminal takes what is typed for this process's group to be for it; null: that is none any more. */
export function isForeground(terminal: number): boolean | null {
  const group = load().tcgetpgrp(terminal);
  return group < 0 ? null : group === load().getpgid(0);
}

/** From now on `directory` is the root, and the current one (chroot(2)). Throws the name of the error. */
export function enterRoot(directory: string): void {
  // The time zone's files are outside.
  localOffsetMs(Date.now());
  if (load().chroot(text(directory)) !== 0) throw new Error(errno());
  process.chdir("/");
}

/** How `ps -o comm`, `top` and `pgrep` show this process: 15 bytes at most. Linux only. */
export function setProcessName(name: string): void {
  if (!MAC) load().prctl(PR_SET_NAME, text(name), 0, 0, 0);
}

/** CLOCK_MONOTONIC in microseconds: the runtime's own clock begins elsewhere. */
export function monotonicMicroseconds(): bigint {
  const time = new BigInt64Array(2);
  load().clock_gettime(CLOCK_MONOTONIC, ptr(time));
  return (time[0] ?? 0n) * 1_000_000n + (time[1] ?? 0n) / 1000n;
}

let zone = { step: -1, offsetMs: 0 };

/**
 * How far local time is ahead of UTC at a time (both milliseconds, since 1970). The runtime's own answer takes 6 to 20 ms and 4 MiB when
 * it is asked for the first time, which for an edge is in the middle of its work.
 */
export function localOffsetMs(at: number): number {
  const step = Math.floor(at / ZONE_STEP_MS);
  if (step !== zone.step) {
    const time = new BigInt64Array([BigInt(step * ZONE_STEP_MS) / 1000n]);
    const local = new Uint8Array(TM_BYTES);
    load().localtime_r(ptr(time), ptr(local));
    const seconds = new DataView(local.buffer).getBigInt64(TM_GMTOFF, true);
    zone = { step, offsetMs: Number(seconds) * 1000 };
  }
  return zone.offsetMs;
}

/** Sends one datagram to a unix socket without waiting. Null, or the name of the error. */
export function sendDatagram(address: Uint8Array, message: string): string | null {
  const fd = datagramSocket(AF_UNIX);
  if (fd < 0) return errno();
  try {
    return connectTo(fd, address) ? sendOn(fd, message) : errno();
  } finally {
    closeSync(fd);
  }
}

/** A datagram socket to keep, which finds its way also when the address does not lead there any more; null: nobody is there. */
export function connectDatagram(address: Uint8Array): number | null {
  const fd = datagramSocket(AF_UNIX);
  if (fd < 0 || connectTo(fd, address)) return fd < 0 ? null : fd;
  closeSync(fd);
  return null;
}

/** Sends one datagram on a connected socket without waiting. Null, or the name of the error. */
export function sendOn(fd: number, message: string): string | null {
  const bytes = Buffer.from(message);
  return load().send(fd, ptr(bytes), bytes.length, MSG_NOSIGNAL) < 0 ? errno() : null;
}

/**
 * Lets stderr go to the log file, a daemon's stdout too; it is made when it is missing. `owner`:
 * whom a plain file is to belong to. Throws what the system says.
 */
export function openLogFile(
  { logFile, daemon }: { readonly logFile: string | null; readonly daemon: boolean },
  owner: LogOwner | null = null,
): void {
  if (logFile === null || logFile === "-") return;
  const fd = openLog(logFile, { owner });
  try {
    for (const target of daemon ? [STDOUT, STDERR] : [STDERR]) load().dup2(fd, target);
  } finally {
    closeSync(fd);
  }
}
