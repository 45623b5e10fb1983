/** Which driver serves a client connection. */
import type { ClientSocket } from "../client-socket.ts";
import type { ClientConnection } from "../connection.ts";
import type { EdgeContext } from "../context.ts";
import { H1Connection } from "./h1.ts";
import { H2ClientConnection } from "./h2.ts";

/** Protocols that TLS clients may choose from (ALPN, RFC 7301), the preferred one first. */
export function alpnProtocols(http2: boolean): readonly string[] {
  return http2 ? ["h2", "http/1.1"] : ["http/1.1"];
}

/** `unixPath`: of the listener, else empty. `alpn`: what TLS agreed on; null without TLS or without an agreement. */
export function openConnection(
  ctx: EdgeContext,
  socket: ClientSocket,
  unixPath: string,
  alpn: string | null,
): ClientConnection {
  if (alpn === "h2") return new H2ClientConnection(ctx, socket, unixPath);
  return new H1Connection(ctx, socket, unixPath);
}
