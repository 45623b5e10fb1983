/**
 * A connection until its PROXY header is there: from a sender that may say so, before anything else, in time. Then the driver of what
 * follows takes its place. What is refused is closed without an answer: in which protocol, is not known.
 */
import type { ErrorCode } from "../../core/errors.ts";
import { type ProxyVersions, readProxyHeader } from "../../proto/proxy-protocol.ts";
import { type ClientSocket, hasUnread } from "../client-socket.ts";
import type { ClientConnection } from "../connection.ts";
import type { EdgeContext } from "../context.ts";
import { peerName } from "../peer.ts";
import { ProxiedSocket } from "../proxied-socket.ts";

/** Makes the connection that takes over; `rest` is what has come behind the header, and `socket` says where from. */
export type ProxyTakeover = (socket: ClientSocket, rest: Buffer) => void;

export class ProxyConnection implements ClientConnection {
  deadline: number;
  sweepIndex = -1;
  leaving = false;
  readonly idle = false;
  readonly #ctx: EdgeContext;
  readonly #socket: ClientSocket;
  readonly #versions: ProxyVersions;
  readonly #takeover: ProxyTakeover;
  #received: Buffer = Buffer.alloc(0);
  /** It is closed, or another one has taken over. */
  #over = false;

  constructor(
    ctx: EdgeContext,
    socket: ClientSocket,
    versions: ProxyVersions,
    takeover: ProxyTakeover,
  ) {
    this.#ctx = ctx;
    this.#socket = socket;
    this.#versions = versions;
    this.#takeover = takeover;
    ctx.sweeper.add(this);
    ctx.counts.connections += 1;
    const { headerTimeoutMs } = ctx.settings;
    this.deadline = headerTimeoutMs === 0 ? 0 : ctx.sweeper.in(headerTimeoutMs);
  }

  /** `byUnix`: it has come by a unix socket. */
  judge(byUnix: boolean): void {
    const { proxyAllow } = this.#ctx.settings;
    if (!proxyAllow.includes(this.#socket.remoteAddress ?? "", byUnix)) {
      this.#refuse("proxy-untrusted");
    }
  }

  data(chunk: Buffer): void {
    if (this.#over) return;
    this.#received = Buffer.concat([this.#received, chunk]);
    const read = readProxyHeader(this.#received, this.#versions);
    if (read.kind === "more") return;
    if (read.kind === "refused") return this.#refuse(read.code);
    const rest = this.#received.subarray(read.length);
    this.#ctx.counts.bytesIn += read.length;
    this.#leave();
    const socket = read.ends === null ? this.#socket : new ProxiedSocket(this.#socket, read.ends);
    this.#takeover(socket, rest);
  }

  drain(): void {}

  /** A balancer that only looks whether we are there says nothing at all. */
  ended(): void {
    if (this.#over) return;
    if (this.#received.length > 0) this.#refuse("proxy-header-invalid");
    else this.#socket.end();
  }

  closed(): void {
    if (this.#over) return;
    this.#leave();
    this.#ctx.onClosed();
  }

  shutdown(last: boolean): void {
    if (last && !hasUnread(this.#socket)) this.#socket.end();
  }

  kill(): void {
    this.#socket.terminate();
  }

  makeRoom(): void {
    this.#socket.end();
    // A socket that is only being opened does not report its end.
    this.closed();
  }

  turnAway(): void {
    this.#refuse("connections-full");
  }

  onDeadline(): void {
    this.#refuse("header-timeout");
  }

  #refuse(code: ErrorCode): void {
    if (this.#over) return;
    this.#ctx.onRefused(code, peerName(this.#socket), "");
    this.makeRoom();
  }

  #leave(): void {
    this.#over = true;
    this.deadline = 0;
    this.#received = Buffer.alloc(0);
    this.#ctx.sweeper.remove(this);
    this.#ctx.counts.connections -= 1;
  }
}
