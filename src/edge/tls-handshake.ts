/**
 * A client connection until TLS is up: counted and timed like any other, closed without an answer where none can be given. When the
 * handshake is over the client's certificate is judged and the driver of the agreed protocol takes the place of this one.
 */
import { writeSync } from "node:fs";
import type { ErrorCode } from "../core/errors.ts";
import { hasUnread } from "./client-socket.ts";
import type { ClientConnection } from "./connection.ts";
import type { EdgeContext } from "./context.ts";
import { LINGER_MS } from "./drivers/linger.ts";
import { errorResponse } from "./error-response.ts";
import { type Peer, peerName } from "./peer.ts";
import type { ClientCertificate, RuntimeTlsSocket } from "./tls-socket.ts";

export interface TlsCounts {
  /** Completed, those with a resumed session among them. */
  handshakes: number;
  resumed: number;
  failed: number;
  timedOut: number;
}

export interface TlsPort {
  /** Who is at the ends, where it is not what the socket says. */
  readonly ends: Peer | null;
  readonly ctx: EdgeContext;
  readonly counts: TlsCounts;
  readonly certReqs: "none" | "optional" | "required";
  /** TLS is up: the connection that takes over. */
  up(socket: RuntimeTlsSocket, client: ClientCertificate): ClientConnection;
  /** It is over, one way or the other. */
  left(handshake: TlsHandshake): void;
  failed(client: string, why: string): void;
}

const NOBODY: ClientCertificate = { certificate: null, error: null };

/** An empty SETTINGS and a GOAWAY of the code INADEQUATE_SECURITY (RFC 9113 sections 6.5, 6.8 and 7): for clients that speak HTTP/2. */
const GOAWAY = Buffer.from([
  ...[0, 0, 0, 4, 0, 0, 0, 0, 0],
  ...[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12],
]);

export class TlsHandshake implements ClientConnection {
  deadline: number;
  sweepIndex = -1;
  readonly idle = false;
  leaving = false;
  readonly #port: TlsPort;
  readonly #socket: RuntimeTlsSocket;
  #over = false;

  constructor(port: TlsPort, socket: RuntimeTlsSocket) {
    this.#port = port;
    this.#socket = socket;
    const { ctx } = port;
    const { headerTimeoutMs } = ctx.settings;
    ctx.sweeper.add(this);
    ctx.counts.connections += 1;
    this.deadline = headerTimeoutMs === 0 ? 0 : ctx.sweeper.in(headerTimeoutMs);
  }

  /** Its hello is not read before `begin`. */
  hold(): void {
    this.#socket.pause();
  }

  begin(): void {
    this.#socket.resume();
  }

  /** Returns what takes over, or null. */
  finished(success: boolean, error: Error | null): ClientConnection | null {
    if (this.#over) return null;
    if (!success) {
      this.#failed(error);
      return null;
    }
    const { counts } = this.#port;
    counts.handshakes += 1;
    if (this.#socket.isSessionReused()) counts.resumed += 1;
    const client = this.#certificate(error);
    const missing = this.#port.certReqs === "required" && client.certificate === null;
    if (missing || client.error !== null) {
      this.#refuse(missing ? "client-certificate-missing" : "client-certificate-invalid");
      return null;
    }
    this.#leave();
    return this.#port.up(this.#socket, client);
  }

  data(): void {
    // Of a client that has been refused: nobody wants it.
  }

  drain(): void {}

  ended(): void {
    this.#socket.end();
  }

  closed(): void {
    if (this.#over) return;
    this.#leave();
    this.#port.ctx.onClosed();
  }

  shutdown(last: boolean): void {
    if (last && !hasUnread(this.#socket)) this.#socket.terminate();
  }

  kill(): void {
    this.#socket.terminate();
  }

  makeRoom(): void {
    this.#socket.terminate();
    this.closed();
  }

  /** Before TLS is up nothing can be said. */
  turnAway(): void {
    this.makeRoom();
  }

  onDeadline(): void {
    if (!this.leaving) {
      this.#port.counts.timedOut += 1;
      this.#port.failed(this.#client(), "it took too long");
    }
    this.#socket.terminate();
  }

  #client(): string {
    return peerName(this.#port.ends ?? this.#socket);
  }

  #certificate(error: Error | null): ClientCertificate {
    if (this.#port.certReqs === "none") return NOBODY;
    const certificate = this.#socket.getPeerX509Certificate() ?? null;
    if (certificate === null) return NOBODY;
    return { certificate, error: error === null ? null : error.message };
  }

  #refuse(code: ErrorCode): void {
    const { ctx } = this.#port;
    const socket = this.#socket;
    ctx.onRefused(code, this.#client(), "");
    const bytes = socket.alpnProtocol === "h2" ? GOAWAY : errorResponse(code, true, true);
    socket.write(bytes);
    socket.shutdown();
    this.leaving = true;
    this.deadline = ctx.sweeper.in(LINGER_MS);
  }

  /** The runtime closes the socket after this. */
  #failed(error: Error | null): void {
    const { counts, ctx } = this.#port;
    const socket = this.#socket;
    const why = error?.message ?? "it failed";
    counts.failed += 1;
    if (!why.endsWith("HTTP_REQUEST")) return this.#port.failed(this.#client(), why);
    ctx.onRefused("http-on-tls-port", this.#client(), "");
    try {
      // Past the runtime, which would encrypt it. A new socket has room for these bytes.
      writeSync(socket.fd ?? -1, errorResponse("http-on-tls-port", true, true));
    } catch {
      // The client has gone.
    }
  }

  #leave(): void {
    this.#over = true;
    this.deadline = 0;
    const { ctx } = this.#port;
    ctx.sweeper.remove(this);
    ctx.counts.connections -= 1;
    this.#port.left(this);
  }
}
