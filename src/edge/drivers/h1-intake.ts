/**
 * The request side of an HTTP/1.1 connection: hands body bytes to the backend as far as its credit goes, holds the rest, throws away what
 * nobody reads, and watches that a body arrives in time. Also what the connection waits for, and its socket's pause.
 */
import type { ErrorCode } from "../../core/errors.ts";
import { H1Reader } from "../../proto/h1/reader.ts";
import { Stage } from "../../exchange/exchange.ts";
import { CancelReason } from "../../wire/spec.ts";
import type { ClientSocket } from "../client-socket.ts";
import type { EdgeContext } from "../context.ts";
import { forwardingOf, peerName } from "../peer.ts";
import { BodyClock, Slowness } from "./body-clock.ts";
import { H1Exchange } from "./h1-exchange.ts";
import { fieldOf } from "./h1-head.ts";

/** What the connection waits for; decides what its deadline means. */
export const Phase = {
  /** Nothing received yet. */
  NEW: 0,
  /** Between requests. */
  IDLE: 1,
  /** A head is arriving. */
  HEAD: 2,
  /** A request body is arriving. */
  BODY: 3,
  /** The app is to start its response. */
  APP: 4,
  /** The app sends its response at its own pace. */
  STREAM: 5,
  /** The client is to take response bytes. */
  SEND: 6,
  /** It is a WebSocket, or a tunnel. */
  UPGRADED: 7,
  /** Our FIN is out, or waits for the last bytes: then for the client's. */
  LINGER: 8,
  CLOSED: 9,
} as const;

/** A request body that the app left unread is read and thrown away up to this many bytes, to save the connection. */
const DRAIN_BYTES_MAX = 64 * 1024;
/** Less of a body than this is left to the runtime's reads. */
const READ_ON_BYTES_MIN = 64 * 1024;

const NONE: Buffer[] = [];
const EMPTY: Buffer = Buffer.alloc(0);

export abstract class H1Intake extends H1Exchange {
  deadline = 0;
  readonly reader: H1Reader;
  protected phase: number = Phase.NEW;
  /** The client's FIN has come: nothing follows what has arrived. */
  protected inputEnded = false;
  /** Body bytes wait in the engine for credit; chunks that arrive meanwhile are in the inbox. */
  protected bodyBlocked = false;
  #inbox: Buffer[] = NONE;
  #paused = false;
  #bodyBytes = 0;
  #discarded = 0;
  /** Made for the first request that has a body. */
  #clock: BodyClock | null = null;

  constructor(ctx: EdgeContext, socket: ClientSocket, unixPath: string) {
    super(ctx, socket);
    this.form = ctx.backend.form ?? "cgi";
    const forwarding = forwardingOf(ctx, socket, unixPath);
    this.reader = new H1Reader({ ...ctx.settings, form: this.form, forwarding });
  }

  // For logs

  client(): string {
    return peerName(this.socket);
  }

  target(): string {
    return this.reader.head.target();
  }

  requestField(name: string): string | null {
    return this.reader.head.field(name);
  }

  responseField(name: string): string | null {
    return fieldOf(this.responseHead, name);
  }

  /** Takes the engine's events. */
  protected abstract pump(): void;
  /** Gives up the exchange's interest in the backend. */
  protected abstract leave(reason: number): void;
  /** Answers with an error of the edge's own. */
  protected abstract refuse(code: ErrorCode): void;
  /** The response is out: goes on with what the request has left, then with the next request. */
  protected abstract settle(): void;
  /** The response is done, and the rest of the request is not worth waiting for: ends the connection. */
  protected abstract abandonRest(): void;

  protected wait(phase: number, ms: number): void {
    this.phase = phase;
    this.deadline = ms === 0 ? 0 : this.ctx.sweeper.in(ms);
  }

  protected pause(wanted: boolean): void {
    if (wanted === this.#paused) return;
    this.#paused = wanted;
    if (wanted) this.socket.pause();
    else this.socket.resume();
  }

  /** The first bytes of a head are there. On a new connection its time has run from the start. */
  headBegun(): void {
    if (this.phase === Phase.NEW) this.phase = Phase.HEAD;
    else if (this.phase === Phase.IDLE) {
      this.wait(Phase.HEAD, this.ctx.settings.headerTimeoutMs);
    }
  }

  /** Bytes from the client, for the engine now or later. */
  protected take(chunk: Buffer): void {
    if (this.bodyBlocked) {
      this.#inbox = [...this.#inbox, chunk];
      return;
    }
    this.reader.feed(chunk);
    this.pump();
    this.#readOn();
  }

  /**
   * What follows of a large body goes from the kernel straight to the worker: the runtime's own reads, which copy and allocate, then find
   * little or nothing.
   */
  #readOn(): void {
    const left = this.bodyBlocked ? 0 : this.reader.bodyLeft();
    if (left < READ_ON_BYTES_MIN || this.stage !== Stage.SENT) return;
    const bytes = this.ctx.backend.receiveBody(this, this.fd, left);
    this.ctx.counts.bytesIn += bytes;
    this.#count(bytes);
    this.reader.skipBody(bytes);
    if (bytes === left) return this.pump();
    this.reader.dataStart = this.reader.dataEnd;
    if (this.requestCredit <= 0) this.#block();
  }

  protected beginBody(): void {
    this.#bodyBytes = 0;
    this.#discarded = 0;
    this.#clock ??= new BodyClock(this.ctx);
    this.#clock.restart();
    this.waitForBody();
  }

  protected waitForBody(): void {
    this.wait(Phase.BODY, this.#clock?.nextMs ?? 0);
  }

  /** Hands body bytes over from `from` on. Returns false when the rest must wait for credit, or nothing more is read. */
  protected passBody(from: number): boolean {
    const { data, dataEnd } = this.reader;
    const available = dataEnd - from;
    if (this.stage === Stage.OUT) {
      this.#count(available);
      this.#discarded += available;
      if (this.#discarded <= DRAIN_BYTES_MAX || !this.responseDone) return true;
      this.abandonRest();
      return false;
    }
    const length = Math.min(available, this.requestCredit);
    this.#count(length);
    if (length > 0) {
      const piece = Buffer.from(data.buffer as ArrayBuffer, data.byteOffset + from, length);
      this.ctx.backend.sendBody(this, piece, false);
    }
    if (length === available) return true;
    this.reader.dataStart = from + length;
    this.#block();
    return false;
  }

  #block(): void {
    this.bodyBlocked = true;
    this.pause(true);
    // Now it is the app that takes its time.
    if (this.phase === Phase.BODY) this.#waitForApp();
  }

  #count(bytes: number): void {
    this.#clock?.count(bytes);
    this.#bodyBytes += bytes;
  }

  #waitForApp(): void {
    if (this.responseStarted) this.wait(Phase.STREAM, 0);
    else this.wait(Phase.APP, this.ctx.settings.timeoutMs);
  }

  /** The engine has read the request to its end. */
  protected endBody(): void {
    if (this.bodyEnded) return;
    if (this.stage !== Stage.OUT) {
      const trailers = this.reader.trailers;
      if (trailers === null) this.ctx.backend.sendBody(this, EMPTY, true);
      else this.ctx.backend.sendTrailers(this, trailers.slice());
    }
    this.bodyEnded = true;
    if (this.responseDone) {
      if (this.output.pending === 0) this.settle();
    } else if (this.phase === Phase.BODY) this.#waitForApp();
  }

  onCredit(): void {
    if (!this.bodyBlocked || this.requestCredit <= 0) return;
    this.bodyBlocked = false;
    this.#clock?.restart();
    if (this.phase === Phase.APP || this.phase === Phase.STREAM) this.waitForBody();
    if (!this.passBody(this.reader.dataStart)) return;
    // Before the socket is resumed: a fast client's body never meets the runtime's reads.
    if (this.#inbox.length === 0) this.#readOn();
    if (!this.bodyBlocked) this.unblock();
  }

  /** Goes on reading. */
  protected unblock(): void {
    this.bodyBlocked = false;
    const inbox = this.#inbox;
    this.#inbox = NONE;
    for (const chunk of inbox) this.reader.feed(chunk);
    this.pause(false);
    this.pump();
  }

  protected onBodyDeadline(now: number): void {
    const slowness = this.#clock?.judge(now) ?? Slowness.NONE;
    if (slowness === Slowness.NONE) return this.waitForBody();
    this.leave(CancelReason.CLIENT_GONE);
    this.refuse(slowness === Slowness.SILENT ? "body-timeout" : "body-too-slow");
  }

  protected drainable(): boolean {
    const left = this.reader.head.contentLength - this.#bodyBytes;
    return this.reader.head.contentLength >= 0 && left <= DRAIN_BYTES_MAX;
  }
}
