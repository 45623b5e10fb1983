/**
 * Listening addresses. Grammar: `HOST:PORT`, `:PORT`, `PORT`, `HOST`, `[V6]:PORT`, `[V6]`, `tcp://`
 * before any of these, `unix:PATH` (also `unix://PATH`, or a path that begins with `/`, `./` or
 * `../`), `unix:@NAME` (an abstract socket), `fd://N`, `fd://NAME`; and any of these behind
 * `uwsgi://`, `scgi://` or `fastcgi://`. Pure.
 */

/** What web servers in front speak besides HTTP. */
export const GATEWAY_PROTOCOLS = ["uwsgi", "scgi", "fastcgi"] as const;
export type GatewayProtocol = (typeof GATEWAY_PROTOCOLS)[number];

/** `protocol`: left out, the setting of that name says it. */
export type Bind = BindAddress & { readonly protocol?: "http" | GatewayProtocol };

type BindAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string }
  /** Of Linux: a unix socket without a file. */
  | { readonly kind: "abstract"; readonly name: string }
  | { readonly kind: "fd"; readonly fd: number }
  /** All sockets that were passed to the process under this name (LISTEN_FDNAMES). */
  | { readonly kind: "passed"; readonly name: string };

export type BindResult = { readonly bind: Bind } | { readonly complaint: string };

export const BIND_ALLOWED =
  "HOST:PORT, :PORT, PORT, [V6]:PORT, unix:PATH, unix:@NAME, fd://N or fd://NAME, " +
  "also behind uwsgi://, scgi:// or fastcgi://";

export const HOST_DEFAULT = "127.0.0.1";
export const PORT_DEFAULT = 8000;
export const TLS_PORT_DEFAULT = 8443;
/** sun_path holds 108 bytes with its final NUL (unix(7)). */
const UNIX_PATH_BYTES_MAX = 107;
/** Underscores are no host name's, but container names have them. */
const HOST_LABEL = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;
const FD_MAX = 1_000_000;
/** systemd.socket(5), FileDescriptorName=: ASCII without control characters and colons, 255 at most. */
const PASSED_NAME = /^[!-9;-~]{1,255}$/;

/** Reads one address. Relative unix paths stay relative. */
export function parseBind(text: string): BindResult {
  if (text === "") return { complaint: "is empty" };
  if (/[\s\0]/.test(text) && !text.startsWith("unix:")) {
    return { complaint: "holds white space" };
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === "fd") return parseFd(text.slice(5));
  if (scheme === "unix") return parseUnix(text.slice(7));
  if (scheme === "tcp") return parseTcp(text.slice(6));
  const protocol = GATEWAY_PROTOCOLS.find((one) => one === scheme);
  if (protocol !== undefined) return parseGateway(protocol, text.slice(protocol.length + 3));
  if (scheme !== undefined) return { complaint: `has the unknown scheme ${scheme}://` };
  if (/^unix:/i.test(text)) return parseUnix(text.slice(5));
  if (/^\.{0,2}\//.test(text)) return parseUnix(text);
  return parseTcp(text);
}

function parseGateway(protocol: GatewayProtocol, address: string): BindResult {
  const read = parseBind(address);
  if ("complaint" in read) return read;
  if (read.bind.protocol !== undefined) return { complaint: "names two protocols" };
  return { bind: { ...read.bind, protocol } };
}

/** The address of redirect-http: a port alone is on the host of the first TCP address. */
export function parseRedirect(text: string, binds: readonly Bind[]): BindResult {
  const beside = binds.find((bind) => bind.kind === "tcp");
  const alone = /^:?\d+$/.test(text) && beside?.kind === "tcp";
  const host = alone ? `${formatHost(beside.host)}:` : "";
  const read = parseBind(`${host}${alone ? text.replace(":", "") : text}`);
  if ("complaint" in read || !["unix", "abstract"].includes(read.bind.kind)) return read;
  return { complaint: "is no PORT or ADDRESS:PORT" };
}

/** The address as a person writes it; parseBind reads it back. */
export function formatBind(bind: Bind): string {
  const { protocol = "http" } = bind;
  return (protocol === "http" ? "" : `${protocol}://`) + formatAddress(bind);
}

/** The same without the protocol. */
export function formatAddress(bind: Bind): string {
  switch (bind.kind) {
    case "unix":
      return `unix:${bind.path}`;
    case "abstract":
      return `unix:@${bind.name}`;
    case "fd":
      return `fd://${bind.fd}`;
    case "passed":
      return `fd://${bind.name}`;
    case "tcp":
      return `${formatHost(bind.host)}:${bind.port}`;
  }
}

/** A host as it stands before `:PORT`. */
export function formatHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

function parseFd(text: string): BindResult {
  if (!PASSED_NAME.test(text)) {
    return { complaint: "needs a descriptor's number or name after fd://" };
  }
  if (!/^\d+$/.test(text)) return { bind: { kind: "passed", name: text } };
  const fd = Number(text);
  if (fd === 1 || fd === 2) return { complaint: "names stdout or stderr, not a socket" };
  if (fd > FD_MAX) return { complaint: "is no possible descriptor" };
  return { bind: { kind: "fd", fd } };
}

function parseUnix(path: string): BindResult {
  if (path === "") return { complaint: "needs a path after unix:" };
  if (path.includes("\0")) return { complaint: "holds a NUL" };
  if (path.startsWith("@")) return parseAbstract(path.slice(1));
  return { bind: { kind: "unix", path } };
}

function parseAbstract(name: string): BindResult {
  if (name === "") return { complaint: "needs a name after unix:@" };
  const bytes = Buffer.byteLength(name);
  if (bytes <= UNIX_PATH_BYTES_MAX) return { bind: { kind: "abstract", name } };
  return { complaint: `has a name of ${bytes} bytes; the system takes ${UNIX_PATH_BYTES_MAX}` };
}

/** What is wrong with a unix path once it is absolute, or null. */
export function unixPathComplaint(path: string): string | null {
  const bytes = Buffer.byteLength(path);
  if (bytes <= UNIX_PATH_BYTES_MAX) return null;
  return `is ${bytes} bytes long as ${path}; the system takes ${UNIX_PATH_BYTES_MAX}`;
}

function parseTcp(text: string): BindResult {
  if (text === "") return { complaint: "is empty" };
  if (/^\d+$/.test(text)) return tcp(HOST_DEFAULT, text);
  if (text.startsWith("[")) {
    const match = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
    if (match === null) return { complaint: "is no [V6]:PORT" };
    const host = match[1] ?? "";
    if (!isIPv6(host)) return { complaint: `has no IPv6 address in its brackets` };
    return tcp(host, match[2] ?? String(PORT_DEFAULT));
  }
  const colon = text.indexOf(":");
  if (colon === -1) return tcp(text, String(PORT_DEFAULT));
  if (text.indexOf(":", colon + 1) !== -1) {
    const complaint = isIPv6(text)
      ? `is an IPv6 address without brackets (write [${text}]:${PORT_DEFAULT})`
      : "holds more than one colon";
    return { complaint };
  }
  return tcp(text.slice(0, colon), text.slice(colon + 1));
}

function tcp(host: string, portText: string): BindResult {
  if (!/^\d{1,5}$/.test(portText) || Number(portText) > 65_535) {
    return { complaint: "has no port between 0 and 65535" };
  }
  const name = host === "" || host === "*" ? "0.0.0.0" : host;
  const complaint = hostComplaint(name);
  if (complaint !== null) return { complaint };
  return { bind: { kind: "tcp", host: name, port: Number(portText) } };
}

/**
 * What is wrong with a host (a name, an IPv4 address, or an IPv6 address without brackets), or
 * null.
 */
export function hostComplaint(host: string): string | null {
  if (host.includes(":")) return isIPv6(host) ? null : "is no IPv6 address";
  if (/^[\d.]+$/.test(host)) {
    const parts = host.split(".");
    const valid =
      parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256);
    return valid ? null : "is no IPv4 address";
  }
  if (host.length > 253) return "is too long for a host name";
  if (
    host
      .replace(/\.$/, "")
      .split(".")
      .every((label) => HOST_LABEL.test(label))
  )
    return null;
  return "is no host name";
}

function isIPv6(text: string): boolean {
  const address = text.replace(/%[A-Za-z0-9_.-]+$/, "");
  if (!/^[0-9a-fA-F:.]+$/.test(address) || !address.includes(":")) return false;
  return URL.canParse(`http://[${address}]/`);
}
