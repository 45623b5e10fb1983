/** The listening sockets that the settings ask for: all of them or none. */
import { closeSync } from "node:fs";
import type { Bind } from "../config/bind.ts";
import { parseBind, parseRedirect } from "../config/bind.ts";
import type { Config, Sources } from "../config/config.ts";
import { publicName } from "../config/config.ts";
import { SETTINGS_OF_MADE } from "../config/network-rules.ts";
import { share } from "../net/handover.ts";
import type { Passed, PassedSocket } from "../net/passed.ts";
import { findPassed, passedName } from "../net/passed.ts";
import type { Listener, OpenFailure } from "../net/open-result.ts";
import type { InheritedSocket } from "../net/succession.ts";
import type { OpenedListeners } from "../net/sockets.ts";
import { closeListeners, isV6Only, openListeners, portsOfIPv4 } from "../net/sockets.ts";
import { tcpWarnings } from "../net/tcp-options.ts";
import { udpFailure } from "../net/udp-ports.ts";

const HTTPS_PORT = 443;

export interface Wanted {
  readonly config: Config;
  readonly sources: Sources;
  readonly passed: Passed;
  /** Those of the server that this one succeeds. */
  readonly inherited: readonly InheritedSocket[] | null;
}

/** Besides the sockets: what the person should know about them. */
export type OpenedAddresses =
  | (OpenedListeners & { readonly ok: true; readonly warnings: readonly string[] })
  | (OpenedListeners & { readonly ok: false });

export async function openAddresses({
  config,
  sources,
  passed,
  inherited,
}: Wanted): Promise<OpenedAddresses> {
  const { redirectHttp, http3 } = config;
  // One that is named for the redirect does not serve.
  const redirected = redirectHttp === null ? [] : socketsOf(redirectHttp, passed.sockets);
  const rest = passed.sockets.filter(({ fd }) => !redirected.some((other) => other.fd === fd));
  const binds = bindsOf(config, sources, rest).map((bind) => {
    return { ...bind, protocol: bind.protocol ?? config.protocol };
  });
  const taken = await takeOver({ config, sources, passed, inherited }, binds);
  if (taken.failure !== null) return closed(taken.listeners, taken.failure);
  // The predecessor has the UDP ports until it leaves.
  const settings = http3 && inherited === null ? { ...config, objection: udpFailure } : config;
  const opened = await openListeners(taken.missing, settings, passed.sockets, taken.listeners);
  if (!opened.ok) return opened;
  const listeners = [...taken.listeners, ...opened.listeners];
  const redirect =
    redirectHttp === null || taken.redirect !== null
      ? null
      : redirectBind(redirectHttp, binds, listeners);
  const wanted = redirect === null ? [] : [redirect];
  const plain = await openListeners(wanted, config, passed.sockets, listeners);
  if (!plain.ok) return closed(listeners, plain.failure);
  const https = listeners.find(({ kind, protocol }) => kind === "tcp" && protocol === "http");
  const redirectTo = https?.port ?? HTTPS_PORT;
  const redirects = [...(taken.redirect === null ? [] : [taken.redirect]), ...plain.listeners];
  const all = [...listeners, ...redirects.map((one) => ({ ...one, redirectTo }))];
  const warnings = [...taken.warnings, ...warningsOf({ config, sources, passed }, all)];
  return { ok: true, listeners: all, warnings };
}

interface Taken {
  readonly listeners: readonly Listener[];
  readonly redirect: Listener | null;
  readonly missing: readonly Bind[];
  /** What no upgrade can change. */
  readonly warnings: readonly string[];
  /** Why what is missing cannot be opened beside these. */
  readonly failure: OpenFailure | null;
}

/** Sockets of the server that this one succeeds; they are shared with it until it has left. */
async function takeOver(
  { config, passed, inherited }: Wanted,
  binds: readonly Bind[],
): Promise<Taken> {
  if (inherited === null) {
    return { listeners: [], redirect: null, missing: binds, warnings: [], failure: null };
  }
  const { takeSocket } = await import("../net/succession.ts");
  const { keptWarnings, takenByWildcard } = await import("../net/renewal.ts");
  const sockets = [...inherited];
  const found = binds.map((bind) => takeSocket(sockets, bind));
  const redirect = config.redirectHttp === null ? null : takeSocket(sockets, null);
  const listeners = found.filter((one) => one !== null);
  share(listeners);
  // The settings have changed: nobody serves these any more.
  for (const { fd, passedAs } of sockets) if (passedAs === null) closeSync(fd);
  const missing = binds.filter((_, at) => found[at] === null);
  const ipv4Ports = portsOfIPv4(binds, passed.sockets, listeners);
  const kept = binds.flatMap((bind, at) => {
    const ipv6Only = config.ipv6Only || isV6Only(bind, ipv4Ports);
    const listener = found[at] ?? null;
    return listener === null ? [] : [{ listener, ipv6Only }];
  });
  if (redirect !== null) {
    kept.push({ listener: redirect, ipv6Only: config.ipv6Only || ipv4Ports.has(redirect.port) });
  }
  const warnings = keptWarnings(kept, config);
  const failure = takenByWildcard(missing, listeners);
  return { listeners, redirect, missing, warnings, failure };
}

function closed(listeners: readonly Listener[], failure: OpenFailure): OpenedAddresses {
  closeListeners(listeners);
  return { ok: false, failure };
}

/** Sockets that are passed in go before an address that nobody has chosen for this server. */
function bindsOf(
  { bind }: Config,
  sources: Sources,
  passed: readonly PassedSocket[],
): readonly Bind[] {
  if (isChosen(sources) || passed.length === 0) return bind;
  return passed.map(({ fd }) => ({ kind: "fd", fd }));
}

function isChosen({ bind }: Sources): boolean {
  return bind.kind !== "default" && bind.kind !== "platform";
}

function socketsOf(text: string, passed: readonly PassedSocket[]): readonly PassedSocket[] {
  const read = parseBind(text);
  if ("complaint" in read) return [];
  return read.bind.kind === "fd" || read.bind.kind === "passed"
    ? findPassed(read.bind, passed)
    : [];
}

/** A port alone is on the host of the first TCP address, also where that was passed in. */
function redirectBind(
  text: string,
  binds: readonly Bind[],
  listeners: readonly Listener[],
): Bind | null {
  const addresses = listeners.flatMap(({ kind, address }) => {
    const read = kind === "tcp" ? parseBind(address) : null;
    return read !== null && "bind" in read ? [read.bind] : [];
  });
  const read = parseRedirect(text, [...binds, ...addresses]);
  return "bind" in read ? read.bind : null;
}

function warningsOf(
  { config, sources, passed }: Omit<Wanted, "inherited">,
  listeners: readonly Listener[],
): readonly string[] {
  const unused = passed.sockets.filter(({ fd }) => !listeners.some((one) => one.fd === fd));
  const names = unused.map((socket) => passedName(socket)).join(", ");
  const made = listeners.some(({ passedAs }) => passedAs === null);
  return [
    ...(made ? tcpWarnings(config) : idleSettings(sources)),
    ...(names === ""
      ? []
      : [`nobody serves sockets that were passed: ${names}; --bind names them`]),
  ];
}

/** Where all sockets are passed ones: settings that somebody has written and that none of them follows. */
function idleSettings(sources: Sources): string[] {
  const names = SETTINGS_OF_MADE.filter((key) => sources[key].kind !== "default").map(publicName);
  // Beside binds that were chosen the notes say it.
  if (names.length === 0 || isChosen(sources)) return [];
  return [`sockets that were passed stay as they were made; no effect has ${names.join(", ")}`];
}
