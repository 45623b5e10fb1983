/**
 * Options of listening TCP sockets, and what this system does not do of them. Connections get keep-alive from the socket
 * that accepts them, and TCP_NODELAY from the runtime.
 */
import { readFileSync } from "node:fs";
import type { Config } from "../config/config.ts";
import { errno, setOption, SOL_SOCKET, socketOption } from "./libc.ts";

export type TcpSettings = Pick<
  Config,
  "reusePort" | "deferAcceptMs" | "fastOpen" | "tcpKeepAliveMs"
>;

const MAC = process.platform === "darwin";
const IPPROTO_TCP = 6;
const SO_REUSEPORT = MAC ? 0x200 : 15;
const SO_KEEPALIVE = MAC ? 8 : 9;
/** Seconds of silence; on macOS its name is TCP_KEEPALIVE. */
const TCP_KEEPIDLE = MAC ? 0x10 : 4;
const TCP_KEEPINTVL = MAC ? 0x101 : 5;
const TCP_KEEPCNT = MAC ? 0x102 : 6;
/** These two as Linux has them: elsewhere they are not set. */
const TCP_DEFER_ACCEPT = 9;
const TCP_FASTOPEN = 23;

/** Questions that may stay without an answer; together they take as long again as the silence before the first. */
const PROBES = 4;
/** The bit of net.ipv4.tcp_fastopen that lets servers do it. */
const FAST_OPEN_SERVERS = 2;
const FAST_OPEN_FILE = "/proc/sys/net/ipv4/tcp_fastopen";

interface TcpOption {
  readonly setting: string;
  readonly level: number;
  readonly number: number;
  readonly value: number;
}

/** What the settings ask for: data. */
function optionsOf(settings: TcpSettings): TcpOption[] {
  const { reusePort, deferAcceptMs, fastOpen, tcpKeepAliveMs } = settings;
  const options: TcpOption[] = [];
  const add = (setting: string, level: number, number: number, value: number): void => {
    options.push({ setting, level, number, value });
  };
  if (reusePort) add("reuse-port", SOL_SOCKET, SO_REUSEPORT, 1);
  if (tcpKeepAliveMs > 0) {
    const seconds = Math.ceil(tcpKeepAliveMs / 1000);
    add("tcp-keep-alive", IPPROTO_TCP, TCP_KEEPIDLE, seconds);
    add("tcp-keep-alive", IPPROTO_TCP, TCP_KEEPINTVL, Math.ceil(seconds / PROBES));
    add("tcp-keep-alive", IPPROTO_TCP, TCP_KEEPCNT, PROBES);
    add("tcp-keep-alive", SOL_SOCKET, SO_KEEPALIVE, 1);
  }
  if (MAC) return options;
  if (deferAcceptMs > 0) {
    add("defer-accept", IPPROTO_TCP, TCP_DEFER_ACCEPT, Math.ceil(deferAcceptMs / 1000));
  }
  if (fastOpen > 0) add("fast-open", IPPROTO_TCP, TCP_FASTOPEN, fastOpen);
  return options;
}

/** Before it is bound. Null, or the setting that the system refuses, with its error. */
export function setTcpOptions(fd: number, settings: TcpSettings): string | null {
  for (const { setting, level, number, value } of optionsOf(settings)) {
    if (!setOption(fd, level, number, value)) return `${setting}: ${errno()}`;
  }
  return null;
}

/** What turns off those that need not be there before the socket is bound. */
const OFF: readonly TcpOption[] = [
  { setting: "tcp-keep-alive", level: SOL_SOCKET, number: SO_KEEPALIVE, value: 0 },
  ...(MAC
    ? []
    : [
        { setting: "defer-accept", level: IPPROTO_TCP, number: TCP_DEFER_ACCEPT, value: 0 },
        { setting: "fast-open", level: IPPROTO_TCP, number: TCP_FASTOPEN, value: 0 },
      ]),
];

/** Of a socket that listens, all but reuse-port; connections that it has accepted keep theirs. The settings that the system refuses. */
export function changeTcpOptions(fd: number, settings: TcpSettings): string[] {
  const wanted = optionsOf({ ...settings, reusePort: false });
  const unwanted = OFF.filter(
    ({ setting, level, number }) =>
      !wanted.some((other) => other.setting === setting) && isOn(fd, number, level),
  );
  return [...unwanted, ...wanted].flatMap(({ setting, level, number, value }) =>
    setOption(fd, level, number, value) ? [] : [`${setting}: ${errno()}`],
  );
}

export function sharesPort(fd: number): boolean {
  return isOn(fd, SO_REUSEPORT, SOL_SOCKET);
}

function isOn(fd: number, option: number, level: number): boolean {
  return (socketOption(fd, option, level) ?? 0) !== 0;
}

/** What the kernel says of a socket, for tests. */
export function tcpOptions(fd: number): Readonly<Record<string, number | null>> {
  return {
    reusePort: socketOption(fd, SO_REUSEPORT),
    keepAlive: socketOption(fd, SO_KEEPALIVE),
    idleSeconds: socketOption(fd, TCP_KEEPIDLE, IPPROTO_TCP),
    intervalSeconds: socketOption(fd, TCP_KEEPINTVL, IPPROTO_TCP),
    probes: socketOption(fd, TCP_KEEPCNT, IPPROTO_TCP),
    deferSeconds: socketOption(fd, TCP_DEFER_ACCEPT, IPPROTO_TCP),
    fastOpen: socketOption(fd, TCP_FASTOPEN, IPPROTO_TCP),
  };
}

/** Settings that this system takes and does not act on. `kernel`: net.ipv4.tcp_fastopen, null where there is none. */
export function tcpWarnings(
  { deferAcceptMs, fastOpen }: TcpSettings,
  kernel: number | null = fastOpenOfKernel(),
): string[] {
  const warnings: string[] = [];
  if (MAC && deferAcceptMs > 0) {
    warnings.push("defer-accept has no effect: this system cannot do that");
  }
  if (fastOpen > 0 && ((kernel ?? 0) & FAST_OPEN_SERVERS) === 0) {
    const why =
      kernel === null
        ? "this system cannot do that"
        : `net.ipv4.tcp_fastopen is ${kernel}, and servers need ${kernel | FAST_OPEN_SERVERS} ` +
          `(sysctl -w net.ipv4.tcp_fastopen=${kernel | FAST_OPEN_SERVERS})`;
    warnings.push(`fast-open has no effect: ${why}`);
  }
  return warnings;
}

function fastOpenOfKernel(): number | null {
  try {
    const value = Number(readFileSync(FAST_OPEN_FILE, "utf8"));
    return Number.isInteger(value) ? value : null;
  } catch {
    return null;
  }
}
