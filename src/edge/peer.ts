/**
 * Who is at the two ends of a client connection, in the form the workers take (docs/protocol.md, "Head block"): what the socket says, or
 * what a trusted proxy has said of a request.
 */
import { type Networks, plainAddress } from "../core/networks.ts";
import type { HeadForm } from "../proto/events.ts";
import type { Forwarded, ForwardingPolicy, ForwardingSource } from "../proto/forwarded.ts";
import type { ClientSocket } from "./client-socket.ts";
import type { EdgeContext } from "./context.ts";

/** The two ends of a connection, and what TLS has agreed on. */
export type Peer = Pick<
  ClientSocket,
  | ("remoteAddress" | "remotePort" | "localAddress" | "localPort")
  | ("tls" | "announced" | "mount" | "variables")
>;

/** Which peers may say what a request was like before it came to them. */
export interface ForwardingTrust {
  readonly proxies: Networks;
  readonly policy: ForwardingPolicy;
}

/** `unixPath`: of the listener, else empty. */
export function forwardingOf(ctx: EdgeContext, socket: Peer, unixPath: string): ForwardingSource {
  return () => {
    const { proxies, policy } = ctx.settings.trust;
    // Whom a PROXY header names, has not come by the socket's own way.
    const byUnix = unixPath !== "" && socket.announced !== true;
    if (proxies.includes(socket.remoteAddress ?? "", byUnix)) return policy;
    ctx.onUntrusted(peerName(socket));
    return null;
  };
}

/** The part of a head block that goes with what was said of the request; without that, `plain`. */
export function headConstant(
  forwarded: Forwarded | null,
  plain: Buffer,
  form: HeadForm,
  socket: Peer,
  unixPath: string,
): Buffer {
  if (forwarded === null) return plain;
  return (forwarded.constant ??= connectionConstant(form, socket, unixPath, forwarded));
}

/** The part of a head block that is constant for a connection: strings joined by NUL. `unixPath`: of the listener, else empty. */
export function connectionConstant(
  form: HeadForm,
  socket: Peer,
  unixPath: string,
  forwarded: Forwarded | null = null,
): Buffer {
  const said = forwarded?.client ?? null;
  const remote = said ?? plainAddress(socket.remoteAddress ?? "");
  const remotePort = said === null ? socket.remotePort : (forwarded?.clientPort ?? 0);
  const local = plainAddress(socket.localAddress ?? "");
  const { localPort } = socket;
  if (form === "asgi") {
    const client = remote === "" ? "" : `${remote} ${Math.max(0, remotePort)}`;
    const server = localPort > 0 ? `${local} ${localPort}` : unixPath;
    return Buffer.from(`${asgiScheme(socket, forwarded)}\0${client}\0${server}`);
  }
  const [name, port] = serverOf(forwarded, local, localPort);
  const client = `REMOTE_ADDR\0${remote}\0REMOTE_PORT\0${remotePort > 0 ? remotePort : ""}`;
  const server = `SERVER_NAME\0${name}\0SERVER_PORT\0${port}`;
  const prefix = prefixOf(socket, forwarded);
  const mounted = prefix === null ? "" : `\0SCRIPT_NAME\0${prefix}`;
  const scheme = cgiScheme(socket, forwarded);
  const extra = (socket.variables ?? []).map(([key, value]) => `\0${key}\0${value}`).join("");
  return Buffer.from(`${client}\0${server}\0wsgi.url_scheme\0${scheme}${mounted}${extra}`);
}

function cgiScheme({ tls }: Peer, forwarded: Forwarded | null): string {
  const scheme = forwarded?.scheme ?? (tls === undefined ? "http" : "https");
  if (scheme === "http") return scheme;
  return `https\0${tls === undefined ? "HTTPS\0on" : tls.environ()}`;
}

/** With what else there is to say, behind marks that no scheme has. */
function asgiScheme(socket: Peer, forwarded: Forwarded | null): string {
  const { tls } = socket;
  const scheme = forwarded?.scheme ?? (tls === undefined ? "http" : "https");
  const facts = scheme === "https" && tls !== undefined ? `\x01${tls.scope()}` : "";
  const prefix = prefixOf(socket, forwarded);
  return `${scheme}${prefix === null ? "" : `\x02${prefix}`}${facts}`;
}

/** Where the app is mounted; null: at the root, or where the settings say. */
function prefixOf({ mount = "" }: Peer, forwarded: Forwarded | null): string | null {
  return forwarded?.prefix ?? (mount === "" ? null : mount);
}

/** SERVER_NAME and SERVER_PORT (RFC 3875 section 4.1.14): what the client has asked for. */
function serverOf(
  forwarded: Forwarded | null,
  local: string,
  localPort: number,
): [name: string, port: number] {
  const ownPort = localPort > 0 ? localPort : 80;
  const host = forwarded?.host ?? null;
  if (host === null) return [local || "localhost", forwarded?.port || ownPort];
  const [, name = "", port = ""] = /^(.*?)(?::(\d*))?$/.exec(host) ?? [];
  return [name, Number(port) || forwarded?.port || (forwarded?.scheme === "https" ? 443 : 80)];
}

/** For logs. */
export function peerName(socket: Peer): string {
  return plainAddress(socket.remoteAddress ?? "");
}
