/**
 * One HTTP/3 client: a QUIC session and its requests. To the edge it is a connection like others; it takes no descriptor. The deadlines of
 * its requests are swept as one: the session's own is the earliest of them.
 */
import type { ErrorCode } from "../../core/errors.ts";
import { H3Error, type QuicSession, type QuicStream } from "../../net/quic.ts";
import type { HeadForm } from "../../proto/events.ts";
import type { Forwarded, ForwardingSource } from "../../proto/forwarded.ts";
import type { H3RequestHead } from "../../proto/h3/request-head.ts";
import type { ClientMember } from "../connection.ts";
import type { EdgeContext } from "../context.ts";
import type { TlsFacts } from "../client-socket.ts";
import type { ResponseHeads } from "../../proto/h3/response-fields.ts";
import { connectionConstant, forwardingOf, headConstant, type Peer, peerName } from "../peer.ts";
import { TlsSessionFacts, type TlsSession } from "../tls-socket.ts";
import { H3Request } from "./h3.ts";
import type { H3Outbox } from "./h3-outbox.ts";

/** What the sessions of a server share. */
export interface H3Shared {
  readonly outbox: H3Outbox;
  readonly responseHeads: ResponseHeads;
  headReader(form: HeadForm): H3RequestHead;
  /** The file with the certificate that a client of this name has seen. */
  leafPath(serverName: string | null): string;
  /** Calls `begin(false)` before the event loop goes on. */
  beginLater(request: H3Request): void;
  /** A session counts itself out. */
  sessionOver(): void;
  log(level: "debug", text: string): void;
}

/** How long a client without requests may take to agree that it is over. */
const LINGER_MS = 1000;
const QUIETLY = { code: H3Error.NO_ERROR, type: "application" } as const;
/** What nobody has said yet of a handshake. */
const UNKNOWN = { servername: "", cipher: "" };

export class H3Session implements ClientMember, Peer, TlsSession {
  deadline = 0;
  sweepIndex = -1;
  readonly #ctx: EdgeContext;
  readonly #shared: H3Shared;
  readonly #session: QuicSession;
  readonly #requests = new Set<H3Request>();
  /** Asked at the first request of which it matters. */
  readonly forwarding: ForwardingSource;
  readonly #constants: Partial<Record<HeadForm, Buffer>> = {};
  /** Without requests, since when there are none or from the start: then it ends at this time. */
  #idleUntil: number;
  #handshake: { servername: string; cipher: string } = UNKNOWN;
  #path: QuicSession["path"];
  /** A request has come. */
  #known = false;
  #closing = false;
  #closed = false;

  constructor(ctx: EdgeContext, shared: H3Shared, session: QuicSession) {
    this.#ctx = ctx;
    this.#shared = shared;
    this.#session = session;
    this.forwarding = forwardingOf(ctx, this, "");
    session.onstream = (stream) => this.#stream(stream);
    session.opened.then(
      (handshake) => this.#up(handshake),
      () => {},
    );
    session.closed.then(
      () => this.closed(),
      () => this.closed(),
    );
    ctx.sweeper.add(this);
    ctx.counts.connections += 1;
    ctx.counts.accepted += 1;
    this.#idleUntil = this.deadline = ctx.sweeper.in(ctx.settings.headerTimeoutMs);
  }

  get client(): string {
    return peerName(this);
  }

  // Peer

  get remoteAddress(): string {
    return this.#ends?.remote.address ?? "";
  }

  get remotePort(): number {
    return this.#ends?.remote.port ?? 0;
  }

  get localAddress(): string {
    return this.#ends?.local.address ?? "";
  }

  get localPort(): number {
    return this.#ends?.local.port ?? 0;
  }

  /** Known from the first request on: the runtime, asked before, would keep to not knowing. */
  get #ends(): QuicSession["path"] {
    if (this.#path === undefined && this.#known) this.#path = this.#session.path;
    return this.#path;
  }

  get tls(): TlsFacts {
    return new TlsSessionFacts(this, { certificate: null, error: null }, (name) =>
      this.#shared.leafPath(name),
    );
  }

  getServername(): string | undefined {
    return this.#handshake.servername || undefined;
  }

  getTLSVersion(): string {
    return "TLSv1.3";
  }

  getCipher(): { name: string; standardName: string } {
    const { cipher } = this.#handshake;
    return { name: cipher, standardName: cipher };
  }

  isSessionReused(): boolean {
    return false;
  }

  // ClientMember

  get idle(): boolean {
    return this.#requests.size === 0 && !this.#closing;
  }

  get leaving(): boolean {
    return this.#closing && this.#requests.size === 0;
  }

  shutdown(): void {
    if (!this.#closing) this.#close();
  }

  kill(): void {
    this.#session.destroy();
  }

  makeRoom(): void {
    this.#close();
    this.closed();
  }

  turnAway(): void {
    this.#refused("connections-full");
    this.#closing = true;
    this.#session.destroy(undefined, { code: H3Error.EXCESSIVE_LOAD, type: "application" });
  }

  onDeadline(now: number): void {
    for (const request of this.#requests) {
      if (request.deadline !== 0 && now >= request.deadline) request.onDeadline(now);
    }
    if (this.#requests.size === 0 && now >= this.#idleUntil) return this.#end();
    this.deadline = 0;
    for (const request of this.#requests) this.watch(request.deadline);
    if (this.#requests.size === 0) this.deadline = this.#idleUntil;
  }

  /** The session is over; may be called twice. */
  closed(): void {
    if (this.#closed) return;
    this.#closed = this.#closing = true;
    this.deadline = 0;
    this.#ctx.sweeper.remove(this);
    this.#ctx.counts.connections -= 1;
    this.#shared.sessionOver();
    this.#ctx.onClosed();
  }

  // Of its requests

  /** The session is to be looked at by this time; 0 is never. */
  watch(deadline: number): void {
    if (deadline === 0) return;
    if (this.deadline === 0 || deadline < this.deadline) this.deadline = deadline;
  }

  /** The part of a head block that is not the request's own. */
  constant(form: HeadForm, forwarded: Forwarded | null): Buffer {
    const plain = (this.#constants[form] ??= connectionConstant(form, this, ""));
    return headConstant(forwarded, plain, form, this, "");
  }

  headReader(form: HeadForm): H3RequestHead {
    return this.#shared.headReader(form);
  }

  get responseHeads(): ResponseHeads {
    return this.#shared.responseHeads;
  }

  beginLater(request: H3Request): void {
    this.#shared.beginLater(request);
  }

  sendSoon(request: H3Request): void {
    this.#shared.outbox.add(request);
  }

  over(request: H3Request, error: unknown): void {
    this.#requests.delete(request);
    if (error instanceof Error && !("errorCode" in error))
      this.#shared.log("debug", `HTTP/3 stream of ${this.client}: ${error.message}`);
    if (this.#requests.size > 0 || this.#closed) return;
    const { keepAliveMs } = this.#ctx.settings;
    if (keepAliveMs === 0 || this.#closing) return this.#close();
    this.#idleUntil = this.deadline = this.#ctx.sweeper.in(keepAliveMs);
  }

  #up(handshake: { servername: string; cipher: string }): void {
    this.#handshake = handshake;
  }

  #stream(stream: QuicStream): void {
    this.#known = true;
    this.#shared.outbox.takingIn();
    this.#requests.add(new H3Request(this.#ctx, this, stream));
  }

  /** No new requests; those there are are finished. */
  #close(): void {
    this.#closing = true;
    if (this.#requests.size === 0)
      this.#idleUntil = this.deadline = this.#ctx.sweeper.in(LINGER_MS);
    if (!this.#session.destroyed) this.#session.close().catch(() => {});
  }

  /** There is nothing to wait for any more. */
  #end(): void {
    if (this.#closing) this.#session.destroy(undefined, QUIETLY);
    else this.#close();
  }

  #refused(code: ErrorCode): void {
    this.#ctx.onRefused(code, this.client, "");
  }
}
