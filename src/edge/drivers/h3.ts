/**
 * One request over HTTP/3: the Exchange of one QUIC stream. Its body is read as fast as it comes, because the runtime offers no way to make
 * the client wait; what the app does not take is spooled. Whether a body follows the head at all is known only from what comes next,
 * so that a request without a length is submitted when that is known, at the latest before the event loop goes on.
 */
import { ERRORS, type ErrorCode } from "../../core/errors.ts";
import { Stage } from "../../exchange/exchange.ts";
import { H3Error, type QuicFields, type QuicStream } from "../../net/quic.ts";
import type { AccessRecord } from "../../observe/access-log.ts";
import { fieldOf, targetOf } from "../../proto/h3/request-head.ts";
import { type ResponseHeads, trailerPairs } from "../../proto/h3/response-fields.ts";
import { CancelReason, Flag } from "../../wire/spec.ts";
import { BodySpool, type SpoolOwner } from "../body-spool.ts";
import type { EdgeContext } from "../context.ts";
import { H3Response } from "./h3-response.ts";
import type { H3Session } from "./h3-session.ts";

/** What the request waits for; decides what its deadline means. */
const Phase = {
  /** The head is arriving. */
  HEAD: 0,
  /** A body is arriving. */
  BODY: 1,
  /** The app is to start its response. */
  APP: 2,
  /** The app sends its response at its own pace. */
  STREAM: 3,
  /** The client is to take response bytes. */
  SEND: 4,
  OVER: 5,
} as const;

/** What has been sent is asked for the first time after so many milliseconds: the runtime's figures cost more than most responses. */
const FIRST_LOOK_MS = 1000;
const NOT_ASKED = -1n;
/** A body's rate is judged from so many milliseconds on. */
const RATE_GRACE_MS = 5000;
const NONE: Buffer[] = [];
const EMPTY: Buffer = Buffer.alloc(0);

export class H3Request extends H3Response implements AccessRecord, SpoolOwner {
  /** Milliseconds of the sweeper's clock; 0 none. */
  deadline = 0;
  /** performance.now() of the head, for the access log; 0 when it is off. */
  startedAt = 0;
  readonly #session: H3Session;
  #phase: number = Phase.HEAD;
  #fields: QuicFields = {};
  #trailers: QuicFields | null = null;
  /** The head has been read and the request submitted or refused. */
  #begun = false;
  /** The client has sent its whole request. */
  #received = false;
  #bodyBytes = 0;
  #bodyLast = 0;
  /** The rate is measured from here on. */
  #ratedAt = 0;
  #ratedBytes = 0;
  #sentBytes = 0n;
  #body: AsyncIterator<Uint8Array[], void> | null = null;
  #spool: BodySpool | null = null;

  constructor(ctx: EdgeContext, session: H3Session, stream: QuicStream) {
    super(ctx, stream);
    this.#session = session;
    this.version = 30;
    stream.closed.then(
      () => this.#closed(null),
      (error) => this.#closed(error),
    );
    stream.onheaders = (fields) => this.#headers(fields);
    stream.ontrailers = (fields) => {
      this.#trailers = fields;
    };
    this.#wait(Phase.HEAD, ctx.settings.headerTimeoutMs);
  }

  // For logs

  client(): string {
    return this.#session.client;
  }

  target(): string {
    return targetOf(this.#fields);
  }

  requestField(name: string): string | null {
    return fieldOf(this.#fields, name);
  }

  // The request

  #headers(fields: QuicFields): void {
    this.#fields = fields;
    const length = fields["content-length"];
    this.#body = this.quic[Symbol.asyncIterator]();
    if (length !== undefined && length !== "0") this.begin(false);
    else this.#session.beginLater(this);
    this.#readOn();
  }

  /** Submits the request, unless that is done. `ends`: nothing follows its head. */
  begin(ends: boolean): void {
    if (this.#begun || this.#phase === Phase.OVER) return;
    this.#begun = true;
    const { ctx } = this;
    this.form = ctx.backend.form ?? "cgi";
    const head = this.#session.headReader(this.form);
    const refused = head.read(this.#fields, this.#session.forwarding);
    this.clientNamed = head.forwarded?.client ?? null;
    ctx.counts.requests += 1;
    ctx.counts.headersDropped += head.dropped;
    if (ctx.accessLog !== null) this.startedAt = performance.now();
    this.method = head.method;
    this.bodyEnded = ends;
    if (refused !== null) return this.refuse(refused);
    this.flags =
      (ends ? Flag.END : 0) |
      (head.expectContinue && !ends ? Flag.EXPECT : 0) |
      (head.trailersOk ? Flag.TRAILERS_OK : 0);
    this.replay = ends ? NONE : [];
    this.submittedAt = ctx.sweeper.now;
    if (ctx.health?.answer(this, head) === true) return;
    if (ends) this.#wait(Phase.APP, ctx.settings.timeoutMs);
    else this.#waitForBody();
    ctx.backend.submit(this, head, this.#session.constant(this.form, head.forwarded));
  }

  #readOn(): void {
    this.#body?.next().then(this.#arrived, this.#broken);
  }

  readonly #arrived = (result: IteratorResult<Uint8Array[], void>): void => {
    if (this.#phase === Phase.OVER) return;
    if (result.done === true) {
      this.#received = true;
      this.begin(true);
      if (!this.bodyEnded) this.#endBody();
      return;
    }
    this.begin(false);
    for (const chunk of result.value) this.#take(chunk);
    this.#readOn();
  };

  /** The client has taken its request back before it was complete. */
  readonly #broken = (): void => {
    if (!this.#received) this.abort(H3Error.REQUEST_CANCELLED);
  };

  #take(chunk: Uint8Array): void {
    const piece = Buffer.from(chunk.buffer as ArrayBuffer, chunk.byteOffset, chunk.byteLength);
    const { bodyBytesMax } = this.ctx.settings;
    this.ctx.counts.bytesIn += piece.length;
    this.#bodyLast = this.ctx.sweeper.now;
    this.#bodyBytes += piece.length;
    this.#ratedBytes += piece.length;
    if (this.stage === Stage.OUT) return;
    if (bodyBytesMax > 0 && this.#bodyBytes > bodyBytesMax) {
      this.leave(CancelReason.CLIENT_GONE);
      return this.refuse("body-too-large");
    }
    let at = 0;
    if (this.#waiting === 0 && this.requestCredit > 0) {
      at = Math.min(piece.length, this.requestCredit);
      this.ctx.backend.sendBody(this, piece.subarray(0, at), false);
    }
    if (at === piece.length) return;
    this.#spool ??= new BodySpool(this, this.ctx.files);
    const failed = this.#spool.push(piece.subarray(at));
    if (failed !== null) this.onSpoolFailed(failed);
  }

  /** Bytes that the app has not taken. */
  get #waiting(): number {
    return this.#spool?.size ?? 0;
  }

  onCredit(): void {
    this.onSpooled();
  }

  onSpooled(): void {
    const spool = this.#spool;
    while (spool !== null && this.requestCredit > 0 && this.stage !== Stage.OUT) {
      const piece = spool.take(this.requestCredit);
      if (piece === null) break;
      this.ctx.backend.sendBody(this, piece, false);
      // It takes its time over the body, not over the answer.
      if (this.#phase === Phase.APP) this.#wait(Phase.APP, this.ctx.settings.timeoutMs);
    }
    if (this.#received && !this.bodyEnded) this.#endBody();
  }

  onSpoolFailed(why: string): void {
    this.ctx.onCut(`request body: ${why}`, this.client(), `${this.method} ${this.target()}`);
    this.leave(CancelReason.CLIENT_GONE);
    this.refuse("body-too-far-ahead");
  }

  /** The whole request is here: once nothing of it waits the worker is told. */
  #endBody(): void {
    if (this.stage !== Stage.OUT) {
      if (this.#waiting > 0) return this.#bodyWaits();
      const pairs =
        this.#trailers === null ? null : trailerPairs(this.#trailers, this.ctx.settings);
      if (typeof pairs === "string") {
        this.leave(CancelReason.CLIENT_GONE);
        return this.refuse(pairs);
      }
      if (pairs === null) this.ctx.backend.sendBody(this, EMPTY, true);
      else this.ctx.backend.sendTrailers(this, pairs);
    }
    this.bodyEnded = true;
    this.#bodyWaits();
  }

  /** From now on it is the app that takes its time. */
  #bodyWaits(): void {
    if (this.#phase !== Phase.BODY) return;
    if (this.responseStarted) this.#wait(Phase.STREAM, 0);
    else this.#wait(Phase.APP, this.ctx.settings.timeoutMs);
  }

  #waitForBody(): void {
    const { bodyIdleTimeoutMs: idleMs, bodyRateBytesMin } = this.ctx.settings;
    const rated = bodyRateBytesMin > 0 && (idleMs === 0 || idleMs > RATE_GRACE_MS);
    if (this.#ratedAt === 0) this.#ratedAt = this.#bodyLast = this.ctx.sweeper.now;
    this.#wait(Phase.BODY, rated ? RATE_GRACE_MS : idleMs);
  }

  #bodyDeadline(now: number): void {
    const { bodyIdleTimeoutMs: idleMs, bodyRateBytesMin } = this.ctx.settings;
    const spent = now - this.#ratedAt;
    const slow =
      bodyRateBytesMin > 0 &&
      spent >= RATE_GRACE_MS &&
      this.#ratedBytes * 1000 < bodyRateBytesMin * spent;
    const silent = idleMs > 0 && now - this.#bodyLast >= idleMs;
    if (!slow && !silent) return this.#waitForBody();
    this.leave(CancelReason.CLIENT_GONE);
    this.refuse(silent ? "body-timeout" : "body-too-slow");
  }

  // The response

  protected get heads(): ResponseHeads {
    return this.#session.responseHeads;
  }

  onRefused(code: ErrorCode): void {
    if (this.responseStarted) this.cut(ERRORS[code].text);
    else this.refuse(code);
  }

  protected refuse(code: ErrorCode): void {
    if (this.#phase === Phase.OVER || this.responseDone) return;
    this.ctx.onRefused(code, this.clientNamed ?? this.client(), this.target());
    if (this.responseStarted) this.abort(H3Error.REQUEST_CANCELLED);
    else this.sendError(code);
  }

  protected onProgress(): void {
    if (this.#phase === Phase.OVER) return;
    if (this.output.pending > 0 || this.responseDone) this.#waitForClient();
    else if (this.bodyEnded || this.#received) this.#wait(Phase.STREAM, 0);
    else if (this.#phase !== Phase.BODY) this.#waitForBody();
  }

  protected sendSoon(): void {
    // The app has answered: however long the outbox takes, its time limit is over.
    this.#wait(Phase.STREAM, 0);
    this.#session.sendSoon(this);
  }

  protected onComplete(): void {
    this.#spool?.close();
    this.#spool = null;
    // RFC 9114 section 4.1: the response is complete, the rest of the request is not needed.
    if (!this.#received) this.quic.stopSending(H3Error.NO_ERROR);
    this.#waitForClient();
  }

  #waitForClient(): void {
    this.#sentBytes = NOT_ASKED;
    this.#wait(Phase.SEND, Math.min(this.ctx.settings.sendTimeoutMs, FIRST_LOOK_MS));
  }

  // The end

  onDeadline(now: number): void {
    switch (this.#phase) {
      case Phase.HEAD:
        return this.refuse("header-timeout");
      case Phase.BODY:
        return this.#bodyDeadline(now);
      case Phase.APP:
        if (this.ctx.backend.waits(this)) return this.#wait(Phase.APP, this.ctx.settings.timeoutMs);
        this.leave(CancelReason.TIMEOUT);
        return this.refuse("worker-timeout");
      default:
        return this.#sendDeadline();
    }
  }

  #sendDeadline(): void {
    if (!this.responseDone && this.output.pending === 0) return this.onProgress();
    const sent = this.quic.destroyed ? 0n : this.quic.stats.bytesSent;
    if (sent > this.#sentBytes) {
      this.#sentBytes = sent;
      return this.#wait(Phase.SEND, this.ctx.settings.sendTimeoutMs);
    }
    this.leave(CancelReason.CLIENT_GONE);
    this.cut("the client took nothing in time");
  }

  protected leave(reason: number): void {
    this.file?.stop();
    this.file = null;
    this.#spool?.close();
    this.#spool = null;
    if (this.stage !== Stage.OUT) this.ctx.backend.cancel(this, reason);
  }

  /** The stream is over, both sides. */
  #closed(error: unknown): void {
    if (this.#phase === Phase.OVER) return;
    this.#phase = Phase.OVER;
    this.deadline = 0;
    this.leave(CancelReason.CLIENT_GONE);
    this.output.clear();
    if (this.#begun) {
      if (!this.responseDone || isCancelled(error)) this.ctx.counts.aborted += 1;
      this.ctx.counts.bytesOut += this.bytesOut;
      this.ctx.accessLog?.write(this);
    }
    this.#session.over(this, error);
  }

  #wait(phase: number, ms: number): void {
    this.#phase = phase;
    this.deadline = ms === 0 ? 0 : this.ctx.sweeper.in(ms);
    if (ms > 0) this.#session.watch(this.deadline);
  }
}

/** Cut by either side, and not because the rest of the request was not needed. */
function isCancelled(error: unknown): boolean {
  if (error === null) return false;
  const code = error instanceof Error && "errorCode" in error ? error.errorCode : undefined;
  return code !== H3Error.NO_ERROR;
}
