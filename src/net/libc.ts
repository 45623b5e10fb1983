/**
 * The C library, for what the runtime does not offer: sockets that listen without being accepted
 * on, FIFOs, locks, and the ties between processes. Contract: a call returns what C returns;
 * `errno()` is read right after a failed call, before anything else runs. Loaded on first use.
 */
import type { Pointer } from "bun:ffi";
import { dlopen, FFIType, ptr, read } from "bun:ffi";
import { constants } from "node:os";

const MAC = process.platform === "darwin";
const { i32, u32, u64, i64, pointer } = FFIType;

/**
 * Apple's ABI for arm64 passes variadic arguments on the stack: six fillers use up the registers.
 */
const VARIADIC_ON_STACK = MAC && process.arch === "arm64";
const FILLERS = VARIADIC_ON_STACK ? [i64, i64, i64, i64, i64, i64] : [];
const FILLING = FILLERS.map(() => 0);

const SYMBOLS = {
  socket: { args: [i32, i32, i32], returns: i32 },
  bind: { args: [i32, pointer, u32], returns: i32 },
  listen: { args: [i32, i32], returns: i32 },
  connect: { args: [i32, pointer, u32], returns: i32 },
  setsockopt: { args: [i32, i32, i32, pointer, u32], returns: i32 },
  getsockopt: { args: [i32, i32, i32, pointer, pointer], returns: i32 },
  getsockname: { args: [i32, pointer, pointer], returns: i32 },
  fcntl: { args: [i32, i32, ...FILLERS, i64], returns: i32 },
  mkfifo: { args: [pointer, u32], returns: i32 },
  flock: { args: [i32, i32], returns: i32 },
  recv: { args: [i32, u64, u64, i32], returns: i32 },
  sendmsg: { args: [i32, u64, i32], returns: i32 },
  ioctl: { args: [i32, u64, ...FILLERS, pointer], returns: i32 },
  poll: { args: [pointer, u64, i32], returns: i32 },
  waitpid: { args: [i32, pointer, i32], returns: i32 },
  getrlimit: { args: [i32, pointer], returns: i32 },
  getgrnam: { args: [pointer], returns: pointer },
} as const;

/** By system: where errno lives, and what only Linux has. */
const SYSTEM_SYMBOLS = MAC
  ? { __error: { args: [], returns: pointer } }
  : {
      __errno_location: { args: [], returns: pointer },
      prctl: { args: [i32, u64, u64, u64, u64], returns: i32 },
      madvise: { args: [u64, u64, i32], returns: i32 },
    };

export type Call = (...args: (number | Pointer)[]) => number;
type Calls = Record<keyof typeof SYMBOLS | "prctl" | "madvise", Call> & {
  errnoLocation: () => Pointer;
};

let calls: Calls | null = null;

function libraryNames(): string[] {
  if (MAC) return ["libSystem.B.dylib"];
  const arch = process.arch === "arm64" ? "aarch64" : "x86_64";
  return ["libc.so.6", `libc.musl-${arch}.so.1`];
}

function load(): Calls {
  if (calls !== null) return calls;
  const table = openLibrary({ ...SYMBOLS, ...SYSTEM_SYMBOLS });
  const errnoLocation = table[MAC ? "__error" : "__errno_location"] as unknown as () => Pointer;
  calls = { ...table, errnoLocation } as Calls;
  return calls;
}

/** These functions of the C library (this-process.ts has more of them). */
export function openLibrary(functions: Parameters<typeof dlopen>[1]): Record<string, Call> {
  let failure: unknown;
  for (const name of libraryNames()) {
    try {
      return dlopen(name, functions).symbols as unknown as Record<string, Call>;
    } catch (error) {
      failure = error;
    }
  }
  throw new Error(`the C library cannot be loaded: ${String(failure)}`);
}

/** Numbers that differ between systems. */
export const SOL_SOCKET: number = MAC ? 0xffff : 1;
const SO_REUSEADDR = MAC ? 4 : 2;
const SO_TYPE = MAC ? 0x1008 : 3;
const SO_ACCEPTCONN = MAC ? 2 : 30;
/** Linux alone has it. */
const SO_ATTACH_FILTER = 26;
const SO_RCVBUF = MAC ? 0x1002 : 8;
const IPPROTO_IP = 0;
const IPPROTO_TCP = 6;
const IPPROTO_IPV6 = 41;
const IP_RECVERR = 11;
const IPV6_RECVERR = 25;
const TCP_CORK = 3;
const IPV6_V6ONLY = MAC ? 27 : 26;
const F_DUPFD_CLOEXEC = MAC ? 67 : 1030;
const F_GETFL = 3;
const F_SETFL = 4;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const O_NONBLOCK = MAC ? 4 : 0o4000;
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = MAC ? 30 : 10;
export const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
/** Descriptors looked at for a socket that has just been made: the kernel gives the lowest free one. */
const RECENT_DESCRIPTORS = 1024;
const SOCKADDR_BYTES_MAX = 128;
const LOCK_EX = 2;
const LOCK_NB = 4;
const POLLIN = 1;
const POLLOUT = 4;
const MSG_DONTWAIT = MAC ? 0x80 : 0x40;
const MSG_NOSIGNAL = MAC ? 0x80000 : 0x4000;
const WNOHANG = 1;
const RLIMIT_NOFILE = MAC ? 8 : 7;
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;
const MADV_DONTNEED = 4;
/** Bytes in a socket's send queue: SIOCOUTQ, FIONWRITE. */
const SEND_QUEUE = MAC ? 0x40047477 : 0x5411;

/** Of two names the one that comes first: EAGAIN, not EWOULDBLOCK. */
const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno)
    .toReversed()
    .map(([name, number]) => [number, name]),
);

/** The name of the last failed call's error, such as EADDRINUSE. */
export function errno(): string {
  const number = read.i32(load().errnoLocation(), 0);
  return NAMES.get(number) ?? `errno ${number}`;
}

/** A stream socket that is not inherited and never blocks; -1 on failure. */
export function streamSocket(family: number): number {
  const fd = load().socket(family, SOCK_STREAM, 0);
  if (fd >= 0) makeOwn(fd);
  return fd;
}

/** A UDP socket that is not inherited; -1 on failure. */
export function datagramSocket(family: number): number {
  const fd = load().socket(family, SOCK_DGRAM, 0);
  if (fd >= 0) makeOwn(fd);
  return fd;
}

/** Programs that are started from here do not get this descriptor, unless they are told to. */
export function keepFromChildren(fd: number): void {
  load().fcntl(fd, F_SETFD, ...FILLING, FD_CLOEXEC);
}

/** Close-on-exec and non-blocking. */
export function makeOwn(fd: number): void {
  const { fcntl } = load();
  keepFromChildren(fd);
  const flags = fcntl(fd, F_GETFL, ...FILLING, 0);
  if (flags >= 0) fcntl(fd, F_SETFL, ...FILLING, flags | O_NONBLOCK);
}

/** Another descriptor of the same socket, not inherited; -1 on failure. */
export function duplicate(fd: number): number {
  return load().fcntl(fd, F_DUPFD_CLOEXEC, ...FILLING, 0);
}

export function bindTo(fd: number, address: Uint8Array): boolean {
  return load().bind(fd, ptr(address), address.length) === 0;
}

export function connectTo(fd: number, address: Uint8Array): boolean {
  return load().connect(fd, ptr(address), address.length) === 0;
}

export function listenOn(fd: number, backlog: number): boolean {
  return load().listen(fd, backlog) === 0;
}

export function reuseAddress(fd: number): void {
  setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

export function setV6Only(fd: number, only: boolean): void {
  setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, only ? 1 : 0);
}

export function isV6OnlySocket(fd: number): boolean {
  return socketOption(fd, IPV6_V6ONLY, IPPROTO_IPV6) === 1;
}

/** False: see errno(). Those of TCP are in tcp-options.ts. */
export function setOption(fd: number, level: number, option: number, value: number): boolean {
  return load().setsockopt(fd, level, option, ptr(new Int32Array([value])), 4) === 0;
}

/** Linux: what is written from here on waits, 200 ms at most, until it fills a packet or our side is shut down. */
export function cork(fd: number): void {
  if (!MAC) setOption(fd, IPPROTO_TCP, TCP_CORK, 1);
}

/** Linux: packets for this socket go through a classic BPF program. False: the system does not do that. */
export function attachFilter(fd: number, program: Uint8Array): boolean {
  if (MAC) return false;
  const header = new Uint8Array(16);
  const view = new DataView(header.buffer);
  view.setUint16(0, program.length / 8, true);
  view.setBigUint64(8, BigInt(ptr(program)), true);
  return load().setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, ptr(header), header.length) === 0;
}

/** The value of a socket option, or null: no socket, or not open. */
export function socketOption(
  fd: number,
  option: number,
  level: number = SOL_SOCKET,
): number | null {
  const value = new Int32Array(1);
  const size = new Uint32Array([4]);
  return load().getsockopt(fd, level, option, ptr(value), ptr(size)) === 0
    ? (value[0] ?? null)
    : null;
}

/** What a descriptor is, for those that are passed in. */
export function socketState(
  fd: number,
): "not-a-socket" | "not-a-stream" | "not-listening" | "listening" {
  const type = socketOption(fd, SO_TYPE);
  if (type === null) return "not-a-socket";
  if (type !== SOCK_STREAM) return "not-a-stream";
  return socketOption(fd, SO_ACCEPTCONN) === 1 ? "listening" : "not-listening";
}

/** Open UDP sockets of this process, as far as they are among its first descriptors. */
export function datagramSockets(): number[] {
  const found: number[] = [];
  for (let fd = 0; fd < RECENT_DESCRIPTORS; fd++) {
    if (socketOption(fd, SO_TYPE) === SOCK_DGRAM) found.push(fd);
  }
  return found;
}

/** Linux: an ICMP message about one peer is not put in the way of the next packet to another. */
export function ignoreIcmpErrors(fd: number): void {
  if (MAC) return;
  setOption(fd, IPPROTO_IP, IP_RECVERR, 0);
  setOption(fd, IPPROTO_IPV6, IPV6_RECVERR, 0);
}

export function enlargeReceiveBuffer(fd: number, bytes: number): void {
  setOption(fd, SOL_SOCKET, SO_RCVBUF, bytes);
}

/** The local address as the kernel's struct, or null. */
export function socketName(fd: number): Uint8Array | null {
  const bytes = new Uint8Array(SOCKADDR_BYTES_MAX);
  const size = new Uint32Array([bytes.length]);
  if (load().getsockname(fd, ptr(bytes), ptr(size)) !== 0) return null;
  return bytes.subarray(0, Math.min(size[0] ?? 0, bytes.length));
}

/** The start of a struct sockaddr: a family, on BSD systems a length before it. */
export function writeFamily(address: Uint8Array, family: number): void {
  if (MAC) {
    address[0] = address.length;
    address[1] = family;
  } else {
    address[0] = family;
  }
}

export function readFamily(address: Uint8Array): number {
  return (MAC ? address[1] : address[0]) ?? 0;
}

/** In a struct group, behind two pointers. */
const GR_GID = 16;

/** The number of a group; null: the system knows none of that name. */
export function groupId(name: string): number | null {
  const entry = load().getgrnam(ptr(Buffer.from(`${name}\0`))) as Pointer | null;
  return entry === null ? null : read.u32(entry, GR_GID);
}

/** False: see errno(). */
export function makeFifo(path: string, mode: number): boolean {
  return load().mkfifo(ptr(Buffer.from(`${path}\0`)), mode) === 0;
}

/** Takes an exclusive advisory lock, which closing the descriptor releases; false: somebody has it, or see errno(). */
export function lockFile(fd: number): boolean {
  return load().flock(fd, LOCK_EX | LOCK_NB) === 0;
}

const pollEntry = new Uint8Array(8);
const pollView = new DataView(pollEntry.buffer);

/**
 * A write of up to 4096 bytes (PIPE_BUF) would not block now. Errors count as writable: the write
 * tells.
 */
export function isWritable(fd: number): boolean {
  return pollNow(fd, POLLOUT) !== 0;
}

/** There is something to read, or to accept. */
export function isReadable(fd: number): boolean {
  return (pollNow(fd, POLLIN) & POLLIN) !== 0;
}

/** Bytes written to a socket that have not arrived (TCP; a FIN counts as one) or have not been read (unix); 0 where nobody knows. */
export function sendQueue(fd: number): number {
  const bytes = new Int32Array(1);
  const result = load().ioctl(fd, SEND_QUEUE, ...FILLING, ptr(bytes));
  return result === 0 ? (bytes[0] ?? 0) : 0;
}

/** What has come true of `events`, POLLERR and the like included. */
function pollNow(fd: number, events: number): number {
  pollView.setInt32(0, fd, true);
  pollView.setUint16(4, events, true);
  pollView.setUint16(6, 0, true);
  return load().poll(ptr(pollEntry), 1, 0) === 0 ? 0 : pollView.getUint16(6, true) || events;
}

/** Takes a dead child off the process table; false when it lives or is none of ours. */
export function reap(pid: number): boolean {
  return load().waitpid(pid, ptr(new Int32Array(1)), WNOHANG) === pid;
}

/** Open files that this process may have (the soft limit). */
export function descriptorsMax(): number {
  const limits = new BigUint64Array(2);
  if (load().getrlimit(RLIMIT_NOFILE, ptr(limits)) !== 0) return 1024;
  const soft = limits[0] ?? 0n;
  return soft > 1_000_000_000n ? 1_000_000_000 : Number(soft);
}

/** Linux: the kernel kills this process when the one that started it ends. Elsewhere nothing. */
export function dieWithParent(): void {
  if (!MAC) load().prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

/** Gives the pages of a mapping back to the system (Linux); they are read again from the file when touched. */
export function dropPages(start: number, bytes: number): void {
  if (!MAC) load().madvise(start, bytes, MADV_DONTNEED);
}

/** Where the bytes of an array lie; it must outlive the use of the address. */
export function addressOf(bytes: Uint8Array | Uint32Array): number {
  return ptr(bytes);
}

/**
 * Reads from a socket into memory without waiting: the number of bytes; 0 at the end of the stream; -1 when there is nothing now,
 * or an error.
 */
export function receiveInto(fd: number, address: number, bytes: number): number {
  return load().recv(fd, address, bytes, MSG_DONTWAIT);
}

/** Writes to a socket what a `struct msghdr` names, without waiting: the number of bytes, or -1. */
export function sendMessage(fd: number, header: number): number {
  return load().sendmsg(fd, header, MSG_DONTWAIT | MSG_NOSIGNAL);
}
