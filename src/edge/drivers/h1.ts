/**
 * One HTTP/1.1 client connection: pumps bytes between the socket and the engine (proto/h1), and is the Exchange of its
 * current request. Requests of a connection are served one after another; what a client sends ahead waits in the engine or the kernel.
 *
 * A connection closes in two steps: our FIN, then we read and discard until the client's FIN, for a short while, so that the last
 * response reaches the client and no RST overtakes it (RFC 9112 section 9.6). A response that cannot be completed is cut so that the
 * client can tell.
 */
import { ERRORS, type ErrorCode } from "../../core/errors.ts";
import { ReadEvent } from "../../proto/events.ts";
import { H1Reader } from "../../proto/h1/reader.ts";
import { Stage } from "../../exchange/exchange.ts";
import { CancelReason, Flag, ResetReason } from "../../wire/spec.ts";
import type { AccessRecord } from "../../observe/access-log.ts";
import type { ClientSocket } from "../client-socket.ts";
import type { EdgeContext } from "../context.ts";
import { errorResponse } from "../error-response.ts";
import { connectionConstant, peerName } from "../peer.ts";
import type { Swept } from "../sweeper.ts";
import { H1Exchange } from "./h1-exchange.ts";
import { fieldOf } from "./h1-head.ts";

/** What the connection waits for; decides what its deadline means. */
const Phase = {
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
  /** Our FIN is out, or waits for the last bytes: then for the client's. */
  LINGER: 7,
  CLOSED: 8,
} as const;

/** How long and how much is read and thrown away after our FIN. */
const LINGER_MS = 2000;
const LINGER_BYTES_MAX = 1024 * 1024;
/** A request body that the app left unread is read and thrown away up to this many bytes, to save the connection. */
const DRAIN_BYTES_MAX = 64 * 1024;
/** What a client may send ahead before its socket is no longer read. */
const PIPELINE_BYTES_MAX = 64 * 1024;
/** A body's rate is judged from so many milliseconds on. */
const RATE_GRACE_MS = 5000;

const NONE: Buffer[] = [];
const EMPTY: Buffer = Buffer.alloc(0);

export class H1Connection extends H1Exchange implements Swept, AccessRecord {
  deadline: number;
  sweepIndex = -1;
  /** performance.now() of the request's head, for the access log; 0 when it is off. */
  startedAt = 0;
  readonly reader: H1Reader;
  #phase: number = Phase.NEW;
  #constant: Buffer | null = null;
  /** An exchange is under way: from its head until its response is out and its body is consumed. */
  #active = false;
  #paused = false;
  #pumping = false;
  /** The shutdown of our side is done. */
  #finSent = false;
  /** Body bytes wait in the engine for credit; chunks that arrive meanwhile are in the inbox. */
  #bodyBlocked = false;
  #inbox: Buffer[] = NONE;
  #bodySince = 0;
  #bodyLast = 0;
  #bodyBytes = 0;
  /** Bytes read and thrown away. */
  #discarded = 0;

  constructor(ctx: EdgeContext, socket: ClientSocket) {
    super(ctx, socket);
    this.form = ctx.backend.form ?? "cgi";
    this.reader = new H1Reader({ ...ctx.settings, form: this.form });
    this.deadline = 0;
    ctx.sweeper.add(this);
    this.#wait(Phase.NEW, ctx.settings.headerTimeoutMs);
    ctx.counts.connections += 1;
    ctx.counts.accepted += 1;
  }

  // The socket's events

  data(chunk: Buffer): void {
    this.ctx.counts.bytesIn += chunk.length;
    if (this.#phase === Phase.LINGER) {
      this.#discarded += chunk.length;
      if (this.#discarded > LINGER_BYTES_MAX) this.socket.terminate();
      return;
    }
    if (this.#bodyBlocked) {
      this.#inbox = [...this.#inbox, chunk];
      return;
    }
    this.reader.feed(chunk);
    this.#pump();
  }

  drain(): void {
    if (!this.output.drain()) return;
    if (this.stage === Stage.SENT) this.giveCredit();
    if (this.output.pending > 0) {
      if (this.#phase === Phase.SEND) this.#wait(Phase.SEND, this.ctx.settings.sendTimeoutMs);
      return;
    }
    if (this.#phase === Phase.LINGER) this.#sendFin();
    else if (this.responseDone) this.#settle();
    else if (this.#phase === Phase.SEND) this.#streaming();
    this.file?.pull();
  }

  /** The client's FIN: it has finished sending; it may still read (RFC 9112 section 9.6). */
  ended(): void {
    if (this.#phase === Phase.LINGER) {
      if (this.#finSent) this.socket.end();
      return;
    }
    if (!this.#active && !this.reader.headPending()) return this.socket.end();
    if (!this.#active || !this.bodyEnded) return this.#abort();
    this.closeAfter = true;
    this.ctx.backend.halfClosed(this);
  }

  /** The socket is gone. */
  closed(): void {
    if (this.#phase === Phase.CLOSED) return;
    this.#phase = Phase.CLOSED;
    this.deadline = 0;
    this.ctx.sweeper.remove(this);
    this.ctx.counts.connections -= 1;
    if (this.#active) {
      this.ctx.counts.aborted += 1;
      this.#leave(CancelReason.CLIENT_GONE);
      this.#record();
    }
    this.output.clear();
    this.ctx.onClosed();
  }

  onDeadline(now: number): void {
    switch (this.#phase) {
      case Phase.NEW:
      case Phase.IDLE:
        return this.#close();
      case Phase.HEAD:
        return this.#refuse("header-timeout");
      case Phase.BODY:
        return this.#bodyDeadline(now);
      case Phase.APP:
        // In the queue it has a deadline of its own; the app's time begins when it gets the request.
        if (this.stage === Stage.QUEUED) return this.#wait(Phase.APP, this.ctx.settings.timeoutMs);
        this.#leave(CancelReason.TIMEOUT);
        return this.#refuse("worker-timeout");
      case Phase.SEND:
        return this.cut("the client took nothing in time");
      default:
        this.socket.terminate();
    }
  }

  /** It waits for a next request and may be closed without harm. */
  get idle(): boolean {
    return this.#phase === Phase.IDLE;
  }

  /** The server stops: an idle connection closes now, another one after its response. */
  shutdown(): void {
    if (this.#phase === Phase.IDLE || this.#phase === Phase.NEW) this.#close();
    else this.closeAfter = true;
  }

  /** No more time. */
  kill(): void {
    this.#abort();
  }

  /** There are too many connections: answers and closes. */
  turnAway(): void {
    this.#refuse("connections-full");
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

  // The request

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#step());
    this.#pumping = false;
  }

  /** Takes one event of the engine. Returns false when there is nothing to do before more comes. */
  #step(): boolean {
    if (this.#phase >= Phase.LINGER) return false;
    const reader = this.reader;
    switch (reader.next()) {
      case ReadEvent.HEAD:
        this.#begin();
        return true;
      case ReadEvent.BODY:
        return this.#body(reader.dataStart);
      case ReadEvent.END:
        this.#requestEnd();
        return true;
      case ReadEvent.ERROR:
        this.#leave(CancelReason.CLIENT_GONE);
        this.#refuse(reader.errorCode ?? "request-line-invalid");
        return false;
      case ReadEvent.PAUSED:
        if (!this.#active) {
          reader.resume();
          return true;
        }
        this.#pause(reader.buffered() > PIPELINE_BYTES_MAX);
        return false;
      default:
        if (this.#phase <= Phase.IDLE && reader.headPending()) {
          this.#wait(Phase.HEAD, this.ctx.settings.headerTimeoutMs);
        }
        return false;
    }
  }

  #begin(): void {
    const ctx = this.ctx;
    const head = this.reader.head;
    ctx.counts.requests += 1;
    ctx.counts.headersDropped += head.dropped;
    const ends = head.contentLength === 0;
    this.#active = true;
    this.resetResponse();
    this.method = head.method;
    this.version = head.version;
    this.flags =
      (ends ? Flag.END : 0) |
      (head.expectContinue ? Flag.EXPECT : 0) |
      (head.trailersOk ? Flag.TRAILERS_OK : 0) |
      (head.upgrade ? Flag.UPGRADE : 0);
    this.bodyEnded = ends;
    this.trailers = null;
    this.replay = ends ? NONE : [];
    this.submittedAt = ctx.sweeper.now;
    if (ctx.accessLog !== null) this.startedAt = performance.now();
    if (!head.keepAlive || ctx.settings.keepAliveMs === 0) this.closeAfter = true;
    if (ends) this.#wait(Phase.APP, ctx.settings.timeoutMs);
    else this.#beginBody();
    this.#constant ??= connectionConstant(this.form, this.socket);
    ctx.backend.submit(this, head, this.#constant);
  }

  #beginBody(): void {
    const now = this.ctx.sweeper.now;
    this.#bodySince = now;
    this.#bodyLast = now;
    this.#bodyBytes = 0;
    this.#discarded = 0;
    this.#waitForBody();
  }

  #waitForBody(): void {
    const { bodyIdleTimeoutMs, bodyRateBytesMin } = this.ctx.settings;
    const rated = bodyRateBytesMin > 0 ? Math.min(bodyIdleTimeoutMs, RATE_GRACE_MS) : bodyIdleTimeoutMs;
    this.#wait(Phase.BODY, rated);
  }

  /** Hands body bytes over from `from` on. Returns false when the rest must wait for credit. */
  #body(from: number): boolean {
    const { data, dataEnd } = this.reader;
    this.#bodyLast = this.ctx.sweeper.now;
    this.#bodyBytes += dataEnd - from;
    if (this.stage === Stage.OUT) {
      this.#discarded += dataEnd - from;
      if (this.#discarded <= DRAIN_BYTES_MAX || !this.responseDone) return true;
      this.#close();
      return false;
    }
    const length = Math.min(dataEnd - from, this.requestCredit);
    if (length > 0) {
      const piece = Buffer.from(data.buffer as ArrayBuffer, data.byteOffset + from, length);
      this.ctx.backend.sendBody(this, piece, false);
    }
    if (from + length === dataEnd) return true;
    this.reader.dataStart = from + length;
    this.#bodyBytes -= dataEnd - from - length;
    this.#bodyBlocked = true;
    this.#pause(true);
    // Now it is the app that takes its time.
    if (this.#phase === Phase.BODY) this.#wait(Phase.APP, this.ctx.settings.timeoutMs);
    return false;
  }

  #requestEnd(): void {
    if (this.bodyEnded) return;
    if (this.stage !== Stage.OUT) {
      const trailers = this.reader.trailers;
      if (trailers === null) this.ctx.backend.sendBody(this, EMPTY, true);
      else this.ctx.backend.sendTrailers(this, trailers.slice());
    }
    this.bodyEnded = true;
    if (this.responseDone) {
      if (this.output.pending === 0) this.#settle();
    } else if (!this.responseStarted) this.#wait(Phase.APP, this.ctx.settings.timeoutMs);
  }

  onCredit(): void {
    if (this.#phase === Phase.APP) this.#wait(Phase.APP, this.ctx.settings.timeoutMs);
    if (!this.#bodyBlocked || this.requestCredit <= 0) return;
    this.#bodyBlocked = false;
    if (!this.responseStarted) this.#waitForBody();
    if (this.#body(this.reader.dataStart)) this.#unblock();
  }

  #unblock(): void {
    this.#bodyBlocked = false;
    const inbox = this.#inbox;
    this.#inbox = NONE;
    for (const chunk of inbox) this.reader.feed(chunk);
    this.#pause(false);
    this.#pump();
  }

  #bodyDeadline(now: number): void {
    const { bodyIdleTimeoutMs, bodyRateBytesMin } = this.ctx.settings;
    const spent = now - this.#bodySince;
    const slow =
      bodyRateBytesMin > 0 &&
      spent >= RATE_GRACE_MS &&
      this.#bodyBytes * 1000 < bodyRateBytesMin * spent;
    const silent = now - this.#bodyLast >= bodyIdleTimeoutMs;
    if (!slow && !silent) return this.#waitForBody();
    this.#leave(CancelReason.CLIENT_GONE);
    this.#refuse(silent ? "body-timeout" : "body-too-slow");
  }

  protected drainable(): boolean {
    const left = this.reader.head.contentLength - this.#bodyBytes;
    return this.reader.head.contentLength >= 0 && left <= DRAIN_BYTES_MAX;
  }

  // The response

  protected onProgress(): void {
    if (this.output.pending === 0) this.#streaming();
    else if (this.#phase !== Phase.SEND) this.#wait(Phase.SEND, this.ctx.settings.sendTimeoutMs);
  }

  /** The response goes on at the app's pace; a request body that still arrives keeps its deadlines. */
  #streaming(): void {
    if (this.bodyEnded || this.#bodyBlocked) this.#wait(Phase.STREAM, 0);
    else if (this.#phase !== Phase.BODY) this.#waitForBody();
  }

  protected onComplete(): void {
    if (this.output.pending > 0) this.#wait(Phase.SEND, this.ctx.settings.sendTimeoutMs);
    else this.#settle();
  }

  onReset(reason: number): void {
    if (!this.responseStarted) {
      this.#refuse(reason === ResetReason.TIMEOUT ? "worker-timeout" : "app-failed");
      return;
    }
    this.cut(RESET_TEXT[reason] ?? "the app failed");
  }

  onRefused(code: ErrorCode): void {
    if (this.responseStarted) this.cut(ERRORS[code].text);
    else this.#refuse(code);
  }

  protected cut(why: string): void {
    this.ctx.onCut(why, peerName(this.socket), `${this.method} ${this.target()}`);
    this.#abort();
  }

  /** The response is out: goes on with what the request has left, then with the next request. */
  #settle(): void {
    if (!this.bodyEnded) {
      if (this.#bodyBlocked) this.#unblock();
      if (this.closeAfter) this.#over();
      else if (this.#phase !== Phase.BODY) this.#waitForBody();
      return;
    }
    this.#over();
  }

  #over(): void {
    if (!this.#active) return;
    this.#record();
    this.#active = false;
    if (this.closeAfter) return this.#close();
    this.#phase = Phase.IDLE;
    this.deadline = this.ctx.sweeper.in(this.ctx.settings.keepAliveMs);
    this.reader.resume();
    if (this.#paused) this.#pause(false);
    if (this.reader.buffered() > 0) this.#pump();
  }

  /** Answers with an error of the edge's own. */
  #refuse(code: ErrorCode): void {
    const spec = ERRORS[code];
    this.ctx.onRefused(code, peerName(this.socket), this.#active ? this.target() : "");
    if (this.responseStarted && this.#active) return this.#abort();
    if (spec.close || !this.#active || !(this.bodyEnded || this.drainable())) this.closeAfter = true;
    if (this.version === 10 && this.#active) this.closeAfter = true;
    const withBody = !(this.#active && this.method === "HEAD");
    const bytes = errorResponse(code, this.closeAfter, withBody);
    this.responseStarted = true;
    this.responseDone = true;
    this.status = spec.status;
    this.output.write(bytes, 0, bytes.length);
    if (!this.#active) this.#close();
    else if (this.closeAfter) this.#over();
    else this.onComplete();
  }

  // The end

  /** Gives up the exchange's interest in the backend. */
  #leave(reason: number): void {
    this.file?.stop();
    this.file = null;
    if (this.stage !== Stage.OUT) this.ctx.backend.cancel(this, reason);
  }

  #close(): void {
    if (this.#phase >= Phase.LINGER) return;
    this.#wait(Phase.LINGER, LINGER_MS);
    this.#discarded = 0;
    this.#pause(false);
    if (this.output.pending === 0) this.#sendFin();
  }

  #sendFin(): void {
    this.#finSent = true;
    this.socket.shutdown();
  }

  /** Ends it at once, in a way that shows that something is missing. */
  #abort(): void {
    if (this.#phase === Phase.CLOSED) return;
    this.#leave(CancelReason.CLIENT_GONE);
    this.socket.terminate();
  }

  #wait(phase: number, ms: number): void {
    this.#phase = phase;
    this.deadline = ms === 0 ? 0 : this.ctx.sweeper.in(ms);
  }

  #pause(wanted: boolean): void {
    if (wanted === this.#paused) return;
    this.#paused = wanted;
    if (wanted) this.socket.pause();
    else this.socket.resume();
  }

  #record(): void {
    this.ctx.counts.bytesOut += this.bytesOut;
    this.ctx.accessLog?.write(this);
  }
}

const RESET_TEXT: Readonly<Record<number, string>> = {
  [ResetReason.APP_ERROR]: "the app failed after it had started its response",
  [ResetReason.BODY_SHORT]: "the app sent less than its Content-Length",
  [ResetReason.CANCELLED]: "the app was cancelled",
  [ResetReason.TIMEOUT]: "the app was interrupted",
  [ResetReason.BODY_LONG]: "the app sent more than its Content-Length",
};
