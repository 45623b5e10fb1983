/**
 * Listening sockets that nobody in this process accepts on: they are made once and handed to edges
 * as descriptors. What cannot be opened is a value that names the cause and the remedy.
 */
import { closeSync } from "node:fs";
import { lookup } from "node:dns/promises";
import { networkInterfaces } from "node:os";
import type { Bind } from "../config/bind.ts";
import { formatAddress, formatBind } from "../config/bind.ts";
import type { Config } from "../config/config.ts";
import type { IpAddress } from "./address.ts";
import { decodeAddress, encodeIp } from "./address.ts";
import { isShared } from "./handover.ts";
import type { PassedSocket } from "./passed.ts";
import { findPassed, nothingPassed, passedName } from "./passed.ts";
import {
  AF_INET,
  AF_INET6,
  bindTo,
  errno,
  listenOn,
  makeOwn,
  readFamily,
  reuseAddress,
  setV6Only,
  socketName,
  socketState,
  streamSocket,
} from "./libc.ts";
import type { Listener, OpenFailure, OpenResult } from "./open-result.ts";
import { failure } from "./open-result.ts";
import { setTcpOptions, type TcpSettings } from "./tcp-options.ts";
import type { UnixSettings } from "./unix.ts";

export interface ListenSettings extends TcpSettings, UnixSettings, Pick<Config, "ipv6Only"> {
  /** What else stands in the way of a socket that is open, or null. */
  readonly objection?: (listener: Listener) => OpenFailure | null;
}

/** So many ports in all that the kernel chooses may meet an objection. */
const CHOICES_OF_PORT = 5;

export type OpenedListeners =
  | { readonly ok: true; readonly listeners: readonly Listener[] }
  | { readonly ok: false; readonly failure: OpenFailure };

/** Opens all or none. `passed`: what `fd://NAME` may mean. `beside`: those that are open already. */
export async function openListeners(
  binds: readonly Bind[],
  settings: ListenSettings,
  passed: readonly PassedSocket[] = [],
  beside: readonly Listener[] = [],
): Promise<OpenedListeners> {
  const listeners: Listener[] = [];
  const ipv4Ports = portsOfIPv4(binds, passed, beside);
  for (const bind of binds) {
    const ipv6Only = settings.ipv6Only || isV6Only(bind, ipv4Ports);
    for (const open of openersOf(bind, { ...settings, ipv6Only }, passed)) {
      const result = await openSuited(bind, open, listeners, settings);
      if (!result.ok) {
        closeListeners(listeners);
        return result;
      }
      listeners.push(result.listener);
    }
  }
  return { ok: true, listeners };
}

/** A port that nobody has named is chosen anew where another program has what belongs to it. */
async function openSuited(
  bind: Bind,
  open: () => OpenResult | Promise<OpenResult>,
  before: readonly Listener[],
  { objection }: ListenSettings,
): Promise<OpenResult> {
  const choices = bind.kind === "tcp" && bind.port === 0 ? CHOICES_OF_PORT : 1;
  for (let choice = 1; ; choice++) {
    const opened = await open();
    const result = opened.ok ? refuseTwice(opened, before) : opened;
    if (!result.ok) return result;
    const listener: Listener = { ...result.listener, protocol: bind.protocol ?? "http" };
    const refusal = objection?.(listener) ?? null;
    if (refusal === null) return { ok: true, listener };
    closeListeners([listener]);
    if (choice === choices || refusal.code !== "in-use") return { ok: false, failure: refusal };
  }
}

/** A name that was passed may stand for several sockets, or for none. */
function openersOf(
  bind: Bind,
  settings: ListenSettings,
  passed: readonly PassedSocket[],
): (() => OpenResult | Promise<OpenResult>)[] {
  if (bind.kind !== "passed" && bind.kind !== "fd") return [() => openListener(bind, settings)];
  const found = findPassed(bind, passed);
  if (found.length > 0) return found.map((socket) => () => openPassed(socket));
  return [() => ({ ok: false, failure: nothingPassed(formatAddress(bind).slice(5), passed) })];
}

/** A descriptor that has both a number and a name is one socket all the same. */
function refuseTwice(result: OpenResult & { ok: true }, before: readonly Listener[]): OpenResult {
  const { fd, passedAs } = result.listener;
  if (!before.some((other) => other.fd === fd)) return result;
  return failure(
    "descriptor",
    `${passedAs} is given twice, as fd://${fd}`,
    "leave one of them out",
  );
}

/** Their descriptors' numbers may be somebody else's by now. */
const closed = new WeakSet<Listener>();

/** Those that are closed already are left alone. */
export function closeListeners(listeners: readonly Listener[]): void {
  for (const listener of listeners) {
    if (closed.has(listener)) continue;
    closed.add(listener);
    if (!isShared(listener)) listener.remove();
    closeSync(listener.fd);
  }
}

/** Without ipv6-only `[::]` takes IPv4 clients too, unless an IPv4 address of the same port is bound beside it. */
export function isV6Only(bind: Bind, ipv4Ports: ReadonlySet<number>): boolean {
  return bind.kind === "tcp" && ipv4Ports.has(bind.port);
}

/** Where IPv4 has a socket of its own: one to be made, one that was passed, one that is open already. */
export function portsOfIPv4(
  binds: readonly Bind[],
  passed: readonly PassedSocket[],
  beside: readonly Listener[],
): ReadonlySet<number> {
  const named = binds.flatMap((bind) =>
    bind.kind === "fd" || bind.kind === "passed" ? findPassed(bind, passed) : [],
  );
  const ports = [
    // A host's name means its IPv4 address, where it has one.
    ...binds.map((bind) => (bind.kind === "tcp" && !bind.host.includes(":") ? bind.port : null)),
    ...[...named, ...beside].map(({ fd }) => portOfIPv4(fd)),
  ];
  return new Set(ports.filter((port) => port !== null));
}

function portOfIPv4(fd: number): number | null {
  const bytes = socketName(fd);
  if (bytes === null || readFamily(bytes) !== AF_INET) return null;
  return decodeAddress(bytes)?.port ?? null;
}

/** Makes a socket. */
export async function openListener(
  bind: Exclude<Bind, { kind: "fd" | "passed" }>,
  settings: ListenSettings,
): Promise<OpenResult> {
  switch (bind.kind) {
    case "abstract": {
      const { openAbstract } = await import("./unix.ts");
      return openAbstract(bind.name, settings.backlog);
    }
    case "unix": {
      const { openUnix } = await import("./unix.ts");
      return openUnix(bind.path, settings);
    }
    case "tcp": {
      const address = await resolveHost(bind.host, bind.port);
      if (address !== null) return openTcp(bind, address, settings);
      const remedy = "check the spelling, or bind an address of this machine";
      return failure("address", `the host ${bind.host} has no address`, remedy);
    }
  }
}

/** IPv4 first: `localhost` is 127.0.0.1 wherever there is one. */
async function resolveHost(host: string, port: number): Promise<IpAddress | null> {
  const [name = "", zone] = host.split("%");
  if (name.includes(":")) return { host: name, port, scope: zoneNumber(zone) };
  if (/^[\d.]+$/.test(name)) return { host: name, port, scope: 0 };
  try {
    const found = await lookup(name, { all: true });
    const best = found.find(({ family }) => family === 4) ?? found[0];
    return best === undefined ? null : { host: best.address, port, scope: 0 };
  } catch {
    return null;
  }
}

function zoneNumber(zone: string | undefined): number {
  if (zone === undefined) return 0;
  if (/^\d+$/.test(zone)) return Number(zone);
  const found = networkInterfaces()[zone]?.find((entry) => entry.family === "IPv6");
  return found?.scopeid ?? 0;
}

function openTcp(
  bind: Bind & { kind: "tcp" },
  address: IpAddress,
  settings: ListenSettings,
): OpenResult | Promise<OpenResult> {
  const v6 = address.host.includes(":");
  const fd = streamSocket(v6 ? AF_INET6 : AF_INET);
  if (fd < 0) {
    const reason = errno();
    return reason === "EAFNOSUPPORT"
      ? failure("address", "this system has no IPv6", "bind an IPv4 address")
      : failure("system", `no socket can be made: ${reason}`, "see ulimit -n");
  }
  reuseAddress(fd);
  if (v6) setV6Only(fd, settings.ipv6Only);
  const refused = setTcpOptions(fd, settings);
  if (refused !== null) {
    closeSync(fd);
    return failure("system", `this system refuses ${refused}`, "leave that setting out");
  }
  const bound = bindTo(fd, encodeIp(address));
  if (!bound || !listenOn(fd, settings.backlog)) {
    const reason = errno();
    closeSync(fd);
    return cannotListen(bind, reason);
  }
  return listenerOf(fd, formatBind(bind), null);
}

async function cannotListen(bind: Bind & { kind: "tcp" }, reason: string): Promise<OpenResult> {
  const { host, port } = bind;
  const where = formatBind(bind);
  switch (reason) {
    case "EADDRINUSE": {
      const { findPortOwner } = await import("./port-owner.ts");
      const owner = findPortOwner(port);
      const who = owner === null ? "another program" : `pid ${owner.pid} (${owner.command})`;
      const free = formatBind({ ...bind, port: port < 65_535 ? port + 1 : port - 1 });
      const remedy = `stop it, or choose another port: --bind ${free}`;
      return failure("in-use", `${where} is in use by ${who}`, remedy);
    }
    case "EACCES":
    case "EPERM": {
      const text = `no permission to listen on ${where}`;
      const remedy =
        port < 1024
          ? "ports below 1024 are root's: use a higher one, a passed socket (fd://3), or a capability"
          : "a security policy of this machine forbids it";
      return failure("permission", text, remedy);
    }
    case "EADDRNOTAVAIL":
      return failure(
        "address",
        `${host} is no address of this machine`,
        "bind 127.0.0.1 (only this machine), 0.0.0.0 (everybody), or one that it has",
      );
    default:
      return failure("system", `cannot listen on ${where}: ${reason}`, "choose another address");
  }
}

/** Takes a socket as it was made. */
export function openPassed(socket: PassedSocket): OpenResult {
  const { fd } = socket;
  const name = passedName(socket);
  const state = socketState(fd);
  if (state === "listening") {
    makeOwn(fd);
    return listenerOf(fd, name, name);
  }
  const who = name === `fd://${fd}` ? name : `${name} (descriptor ${fd})`;
  const [what, remedy] = {
    "not-a-socket": ["is not an open socket", "pass a listening socket (systemd: ListenStream=)"],
    "not-a-stream": [
      "is no stream socket (TCP or unix)",
      "pass a listening one (systemd: ListenStream=); HTTP/3 opens its UDP port itself",
    ],
    "not-listening": [
      "is a socket that does not listen",
      "pass a listening one (systemd: Accept=no in the socket unit)",
    ],
  }[state] as [string, string];
  return failure("descriptor", `${who} ${what}`, remedy);
}

function listenerOf(fd: number, name: string, passedAs: string | null): OpenResult {
  const bytes = socketName(fd);
  const local = bytes === null ? null : decodeAddress(bytes);
  if (local === null) {
    return failure(
      "descriptor",
      `${name} is neither TCP nor a unix socket`,
      "bind another address",
    );
  }
  const { kind, text: address, port } = local;
  const remove = (): void => {};
  const made = { fd, kind, address, port, passedAs, remove };
  return { ok: true, listener: { ...made, protocol: "http", redirectTo: null } };
}
