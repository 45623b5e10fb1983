/**
 * From a web server's variables to a request head as an HTTP/1.0 client would send it: one parser and one policy judge every request,
 * whatever way it came. HTTP/1.0, because the protocols end a response with the connection and know neither chunks nor 1xx.
 */

import { isField, type Variables } from "./variables.ts";

/** Who is at the two ends, as the web server saw them; ports are 0 where it does not say. */
export interface GatewayPeer {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly https: boolean;
  /** SCRIPT_NAME beside a PATH_INFO: where the web server mounts the app. */
  readonly scriptName: string;
  /** What its configuration sets beyond CGI: for the environ. */
  readonly extra: readonly (readonly [string, string])[];
}

export type GatewayRequest =
  | { readonly head: Buffer; readonly peer: GatewayPeer }
  /** Why it is none, as a clause. */
  | { readonly complaint: string };

/** About the web server's own connection to its client, or what must not reach an app (httpoxy). */
const DROPPED: ReadonlySet<string> = new Set([
  ...["HTTP_CONNECTION", "HTTP_KEEP_ALIVE", "HTTP_TRANSFER_ENCODING", "HTTP_TE", "HTTP_UPGRADE"],
  ...["HTTP_EXPECT", "HTTP_PROXY", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_TRAILER"],
]);

/** Dropped, too, but over HTTP/1.1 a second one makes a request invalid: somebody may have gone by the other one. */
const SINGLE = ["HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_TRANSFER_ENCODING"];

/** HTML of Apache's for its own pages, with line breaks. */
const SIGNATURE = "SERVER_SIGNATURE";

/** Made from the head by the worker, or from the peer by the edge. */
const OWN: ReadonlySet<string> = new Set([
  ...["REQUEST_METHOD", "REQUEST_URI", "PATH_INFO", "QUERY_STRING", "SCRIPT_NAME"],
  ...["SERVER_PROTOCOL", "SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "REMOTE_PORT"],
  ...["CONTENT_TYPE", "CONTENT_LENGTH", "REQUEST_SCHEME", "HTTPS", "SCGI", "GATEWAY_INTERFACE"],
  SIGNATURE,
]);

export function gatewayRequest(variables: Variables): GatewayRequest {
  const read = (name: string): string => variables.get(name);
  const { pairs } = variables;
  for (const [name, value] of pairs) {
    if (name === SIGNATURE) continue;
    // eslint-disable-next-line no-control-regex -- they are what is looked for
    if (/[\r\n\0]/.test(value) || !/^[!-~]+$/.test(name)) {
      return { complaint: `the variable ${JSON.stringify(name)} holds a control character` };
    }
  }
  const method = read("REQUEST_METHOD");
  if (method === "") return { complaint: "there is no REQUEST_METHOD" };
  if (read("HTTP_TRANSFER_ENCODING") !== "" && read("CONTENT_LENGTH") === "") {
    return { complaint: "the body has no CONTENT_LENGTH (the web server must buffer it)" };
  }
  const twice = SINGLE.find((name) => variables.repeats(name));
  if (twice !== undefined) return { complaint: `there is more than one ${twice}` };
  const lines = [`${method} ${targetOf(variables)} HTTP/1.0`];
  if (read("CONTENT_TYPE") !== "") lines.push(`Content-Type: ${read("CONTENT_TYPE")}`);
  if (read("CONTENT_LENGTH") !== "") lines.push(`Content-Length: ${read("CONTENT_LENGTH")}`);
  const extra: [string, string][] = [];
  for (const [name, value] of pairs) {
    if (!isField(name)) {
      if (!OWN.has(name)) extra.push([name, value]);
    } else if (!DROPPED.has(name)) {
      // Repeated ones, too: the parser joins them, or refuses a second Host.
      lines.push(`${name.slice(5).replaceAll("_", "-")}: ${value}`);
    }
  }
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  return { head, peer: peerOf(read, mountOf(variables), extra) };
}

/** As the client wrote it, below the mount; put together where the web server does not say. */
function targetOf(variables: Variables): string {
  const uri = variables.get("REQUEST_URI");
  const mount = mountOf(variables);
  if (uri !== "" && mount === "") return uri;
  const below = uri.startsWith(mount) ? uri.slice(mount.length) : "";
  if (/^[/?]/.test(below)) return below.startsWith("/") ? below : `/${below}`;
  const path = variables.get(variables.has("PATH_INFO") ? "PATH_INFO" : "SCRIPT_NAME");
  const query = variables.get("QUERY_STRING");
  return (quotePath(path) || "/") + (query === "" ? "" : `?${query}`);
}

/**
 * Without PATH_INFO there is no mount: SCRIPT_NAME then is all of the path, decoded and with dots resolved (Apache's mod_proxy_fcgi and
 * mod_proxy_scgi, nginx's own fastcgi_params). Where it ends in REQUEST_URI says nothing: clients could choose it by a path like `/a//`.
 */
function mountOf(variables: Variables): string {
  if (!variables.has("PATH_INFO")) return "";
  return variables.get("SCRIPT_NAME").replace(/\/+$/, "");
}

/** Percent-encodes what a path may not hold (RFC 3986 section 3.3). */
function quotePath(path: string): string {
  return path.replaceAll(/[^A-Za-z0-9\-._~!$&'()*+,;=:@/]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
  });
}

function peerOf(
  read: (name: string) => string,
  scriptName: string,
  extra: readonly (readonly [string, string])[],
): GatewayPeer {
  const name = read("SERVER_NAME");
  return {
    remoteAddress: read("REMOTE_ADDR"),
    remotePort: port(read("REMOTE_PORT")),
    // nginx: "_" is the name of a server that has none.
    localAddress: name === "" || name === "_" ? read("SERVER_ADDR") : name,
    localPort: port(read("SERVER_PORT")),
    https: /^(on|1)$/i.test(read("HTTPS")) || read("REQUEST_SCHEME") === "https",
    scriptName,
    extra,
  };
}

function port(text: string): number {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : 0;
}
