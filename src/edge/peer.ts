/** Who is at the two ends of a client connection, in the form the workers take (docs/protocol.md, "Head block"). */
import type { HeadForm } from "../proto/events.ts";
import type { ClientSocket } from "./client-socket.ts";

/** The two ends of a connection, and what TLS has agreed on. */
export type Peer = Pick<
  ClientSocket,
  "remoteAddress" | "remotePort" | "localAddress" | "localPort" | "tls"
>;

/** The part of a head block that is constant for a connection: strings joined by NUL. `unixPath`: of the listener, else empty. */
export function connectionConstant(form: HeadForm, socket: Peer, unixPath: string): Buffer {
  const { remotePort, localPort, tls } = socket;
  const remote = plainAddress(socket.remoteAddress);
  const local = plainAddress(socket.localAddress);
  if (form === "cgi") {
    const client = `REMOTE_ADDR\0${remote}\0REMOTE_PORT\0${remotePort > 0 ? remotePort : ""}`;
    const server = `SERVER_NAME\0${local === "" ? "localhost" : local}\0SERVER_PORT\0${localPort > 0 ? localPort : "80"}`;
    const scheme = tls === undefined ? "http" : `https\0${tls.environ()}`;
    return Buffer.from(`${client}\0${server}\0wsgi.url_scheme\0${scheme}`);
  }
  const client = remote === "" ? "" : `${remote} ${remotePort}`;
  const server = localPort > 0 ? `${local} ${localPort}` : unixPath;
  const scheme = tls === undefined ? "http" : `https\x01${tls.scope()}`;
  return Buffer.from(`${scheme}\0${client}\0${server}`);
}

/** For logs. */
export function peerName(socket: Peer): string {
  return plainAddress(socket.remoteAddress);
}

/** An IPv4 address that came to an IPv6 socket as what it is. */
function plainAddress(address: string | undefined): string {
  if (address === undefined) return "";
  return address.startsWith("::ffff:") ? address.slice(7) : address;
}
