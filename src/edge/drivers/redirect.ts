/**
 * A plain HTTP connection that is sent to HTTPS: one request is read, as strictly as any other, and answered with 308 (RFC 9110 section
 * 15.4.9: method and body are to be kept) to the same host and path. Then the connection closes.
 */
import type { ErrorCode } from "../../core/errors.ts";
import { ReadEvent } from "../../proto/events.ts";
import { H1Reader } from "../../proto/h1/reader.ts";
import { type ClientSocket, hasUnread } from "../client-socket.ts";
import type { ClientConnection } from "../connection.ts";
import type { EdgeContext } from "../context.ts";
import { errorResponse } from "../error-response.ts";
import { peerName } from "../peer.ts";
import { Linger, LINGER_MS } from "./linger.ts";

const HTTP_PORT = 80;
const HTTPS_PORT = 443;

/** Scheme, authority and the rest of a target in absolute form (RFC 9112 section 3.2.2). */
const ABSOLUTE = /^https?:\/\/([^/?]*)(.*)$/i;
const HOST = /^(\[[0-9a-fA-F:.]+\]|[^:@/\s]+)(?::(\d*))?$/;

export class RedirectConnection implements ClientConnection {
  deadline: number;
  sweepIndex = -1;
  readonly idle = false;
  readonly #ctx: EdgeContext;
  readonly #socket: ClientSocket;
  readonly #httpsPort: number;
  readonly #reader: H1Reader;
  #linger: Linger | null = null;
  #closed = false;

  constructor(ctx: EdgeContext, socket: ClientSocket, httpsPort: number) {
    this.#ctx = ctx;
    this.#socket = socket;
    this.#httpsPort = httpsPort;
    this.#reader = new H1Reader({ ...ctx.settings, form: "cgi" });
    ctx.sweeper.add(this);
    ctx.counts.connections += 1;
    ctx.counts.accepted += 1;
    const { headerTimeoutMs } = ctx.settings;
    this.deadline = headerTimeoutMs === 0 ? 0 : ctx.sweeper.in(headerTimeoutMs);
  }

  get leaving(): boolean {
    return this.#linger !== null;
  }

  data(chunk: Buffer): void {
    this.#ctx.counts.bytesIn += chunk.length;
    if (this.#linger !== null) return this.#linger.data(chunk.length);
    this.#reader.feed(chunk);
    const event = this.#reader.next();
    if (event === ReadEvent.HEAD) this.#answer();
    else if (event === ReadEvent.ERROR)
      this.#refuse(this.#reader.errorCode ?? "request-line-invalid");
  }

  drain(): void {}

  ended(): void {
    this.#socket.end();
  }

  closed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.deadline = 0;
    this.#ctx.sweeper.remove(this);
    this.#ctx.counts.connections -= 1;
    this.#ctx.onClosed();
  }

  shutdown(last: boolean): void {
    if (last && !this.leaving && !hasUnread(this.#socket)) this.#socket.end();
  }

  kill(): void {
    this.#socket.terminate();
  }

  makeRoom(): void {
    this.#socket.end();
    this.closed();
  }

  turnAway(): void {
    this.#refuse("connections-full");
  }

  onDeadline(now: number): void {
    if (this.#linger === null) return this.#refuse("header-timeout");
    this.deadline = this.#ctx.sweeper.in(LINGER_MS);
    this.#linger.onDeadline(now);
  }

  #answer(): void {
    this.#ctx.counts.requests += 1;
    const { head } = this.#reader;
    const location = locationOf(head.target(), head.field("host") ?? "", {
      http: this.#socket.localPort,
      https: this.#httpsPort,
    });
    if (location === null) return this.#refuse("target-invalid");
    const lines = [
      "HTTP/1.1 308 Permanent Redirect",
      `location: ${location}`,
      "content-length: 0",
      "connection: close",
    ];
    this.#close(Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"));
  }

  #refuse(code: ErrorCode): void {
    this.#ctx.onRefused(code, peerName(this.#socket), "");
    this.#close(errorResponse(code, true, true));
  }

  #close(bytes: Buffer): void {
    this.#socket.write(bytes);
    this.#socket.shutdown();
    this.#linger = new Linger(this.#ctx, this.#socket, null);
    this.deadline = this.#ctx.sweeper.in(LINGER_MS);
  }
}

/**
 * Where a request to our port `http` is sent, or null where that cannot be said. The port of HTTPS is named where it is not the usual one;
 * but a client that named no port has used 80: where that is not ours something in front maps the ports, and then 443 as well.
 */
export function locationOf(
  target: string,
  hostField: string,
  ports: { readonly http: number; readonly https: number },
): string | null {
  const absolute = ABSOLUTE.exec(target);
  const path = absolute === null ? target : (absolute[2] ?? "");
  const match = HOST.exec(absolute?.[1] ?? hostField);
  if (match === null || (absolute === null && !target.startsWith("/"))) return null;
  const [, host = "", port = ""] = match;
  const mapped = port === "" && ports.http !== HTTP_PORT;
  const suffix = mapped || ports.https === HTTPS_PORT ? "" : `:${ports.https}`;
  return `https://${host}${suffix}${path.startsWith("/") ? path : `/${path}`}`;
}
