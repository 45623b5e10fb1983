/**
 * One request over HTTP/2: the Exchange of one stream. Response bytes go to the engine, which decides what is written when; body bytes
 * go to the backend as far as its credit goes. The client's window follows that: only a body that no worker has yet waits here.
 */
import { type ErrorCode, ERRORS } from "../../core/errors.ts";
import {
  Exchange,
  type FileSpan,
  Handed,
  type HandedCode,
  Stage,
} from "../../exchange/exchange.ts";
import type { AccessRecord } from "../../observe/access-log.ts";
import { H2Code } from "../../proto/h2/frames.ts";
import { fieldOfBlock } from "../../proto/h2/request-head.ts";
import { CancelReason, Flag, REQUEST_WINDOW_BYTES, ResetReason } from "../../wire/spec.ts";
import type { EdgeContext } from "../context.ts";
import { FileSender, type FileTarget } from "../file-sender.ts";
import { BodyClock, Slowness } from "./body-clock.ts";
import { RESET_TEXT } from "./h1-exchange.ts";
import { fieldOf } from "./h1-head.ts";
import { sendError } from "./h2-error.ts";
import type { H2Owner } from "./h2-owner.ts";

/** Credit is given back to the worker in steps of this size. */
const CREDIT_STEP_BYTES = 256 * 1024;
/** Lent bytes are written when so many have come together, and at the end of their batch. */
const WRITE_BYTES_MAX = 256 * 1024;
/** With so many response bytes of a connection waiting, a stream gets no more of them than the window of the wire. */
const EXTRA_QUEUED_BYTES_MAX = 4 * 1024 * 1024;

const EMPTY: Buffer = Buffer.alloc(0);
const NONE: Buffer[] = [];

export class H2Stream extends Exchange implements FileTarget, AccessRecord {
  readonly id: number;
  status = 0;
  /** Body bytes of the response. */
  bytesOut = 0;
  /** performance.now() of the head, for the access log; 0 when it is off. */
  startedAt = 0;
  /** Milliseconds of the sweeper's clock; 0 none. */
  deadline = 0;
  protected readonly owner: H2Owner;
  protected responseStarted = false;
  readonly #target: string;
  /** The fields of the request, for an access log. */
  #fields: Uint8Array | null = null;
  #responseHead: Buffer | null = null;
  #file: FileSender | null = null;
  #fileEnds = false;
  /** The exchange is over and reported. */
  #over = false;
  /** When the request body has to come; null: it has come, or none does. */
  #clock: BodyClock | null = null;
  /** The client may not send more of it: the app takes its time. */
  #shut = false;
  /** Body bytes that wait for credit, and whether its end is behind them. */
  #inbox: Buffer[] = NONE;
  #inboxEnds = false;
  #handed = 0;
  #consumed = 0;

  /** The head is the engine's, of the event just returned. */
  constructor(owner: H2Owner) {
    super();
    const { ctx, engine } = owner;
    const { head } = engine;
    // What follows a CONNECT is no request body.
    const ends = engine.ends || head.protocol !== null;
    this.owner = owner;
    this.id = engine.stream;
    this.version = 20;
    this.method = head.method;
    this.#target = head.target();
    this.flags =
      (ends ? Flag.END : 0) |
      (head.expectContinue && !ends ? Flag.EXPECT : 0) |
      (head.trailersOk ? Flag.TRAILERS_OK : 0);
    this.bodyEnded = ends;
    this.replay = ends ? NONE : [];
    this.submittedAt = ctx.sweeper.now;
    if (ctx.accessLog !== null) {
      this.startedAt = performance.now();
      this.#fields = Uint8Array.prototype.slice.call(head.block, head.splitAt, head.blockEnd);
    }
    if (!ends) this.#clock = new BodyClock(ctx);
    this.#wait();
  }

  // For logs

  client(): string {
    return this.owner.client();
  }

  target(): string {
    return this.#target;
  }

  requestField(name: string): string | null {
    return this.#fields === null ? null : fieldOfBlock(this.#fields, this.form, name);
  }

  responseField(name: string): string | null {
    return fieldOf(this.#responseHead, name);
  }

  // The request

  /** Body bytes; says whether they are kept. */
  body(piece: Buffer): HandedCode {
    this.#clock?.count(piece.length);
    if (this.stage === Stage.OUT) {
      this.owner.engine.handedOver(this.id, piece.length);
      return Handed.COPIED;
    }
    if (this.#inbox.length === 0 && piece.length <= this.requestCredit) return this.#hand(piece);
    if (this.#inbox === NONE) this.#inbox = [];
    this.#inbox.push(piece);
    return Handed.KEPT;
  }

  /** The request is complete. */
  end(trailers: Uint8Array | null): void {
    if (this.bodyEnded) return;
    this.#clock = null;
    this.#wait();
    if (this.stage === Stage.OUT) this.bodyEnded = true;
    else if (this.#inbox.length > 0) {
      this.#inboxEnds = true;
      this.trailers = trailers;
    } else this.#end(trailers);
  }

  /** Nothing more comes from the client; it may still read. */
  inputEnded(): void {
    if (this.#clock !== null) this.gone();
    else this.ctx.backend.halfClosed(this);
  }

  onCredit(): void {
    const inbox = this.#inbox;
    let done = 0;
    while (done < inbox.length && inbox[done]!.length <= this.requestCredit) {
      this.#hand(inbox[done]!);
      done += 1;
    }
    if (done > 0) this.#inbox = inbox.slice(done);
    if (this.#inboxEnds && this.#inbox.length === 0) {
      this.#inboxEnds = false;
      this.#end(this.trailers);
    }
    this.#grantWindow();
  }

  #hand(piece: Buffer): HandedCode {
    this.#handed += piece.length;
    const handed = this.ctx.backend.sendBody(this, piece, false);
    this.owner.engine.handedOver(this.id, piece.length);
    return handed;
  }

  #end(trailers: Uint8Array | null): void {
    if (trailers === null) this.ctx.backend.sendBody(this, EMPTY, true);
    else this.ctx.backend.sendTrailers(this, Buffer.from(trailers));
    this.bodyEnded = true;
  }

  /** What the app has taken, the client may send again. */
  #grantWindow(): void {
    if (this.stage !== Stage.SENT || this.bodyEnded) return;
    const taken = this.#handed - (REQUEST_WINDOW_BYTES - this.requestCredit) - this.#consumed;
    if (taken <= 0) return;
    this.#consumed += taken;
    this.owner.engine.consumed(this.id, taken);
    this.owner.flushSoon();
  }

  // The response

  onHead(
    status: number,
    flags: number,
    buf: Buffer,
    start: number,
    headEnd: number,
    end: number,
  ): void {
    const { engine } = this.owner;
    const complete = (flags & Flag.END) !== 0;
    this.responseStarted = true;
    this.#wait();
    this.status = status;
    if (this.ctx.accessLog?.wantsResponseHead === true)
      this.#responseHead = buf.subarray(start, headEnd);
    if ((flags & Flag.CLOSE) !== 0) this.owner.closeSoon();
    const ends = complete && headEnd === end;
    engine.sendHead(this.id, status, buf, start, headEnd, ends);
    if (ends) this.complete();
    else this.#data(flags, buf, headEnd, end, false);
    this.owner.flushSoon();
  }

  onData(flags: number, buf: Buffer, start: number, end: number): void {
    this.#data(flags, buf, start, end, false);
    this.owner.flushSoon();
  }

  onLent(flags: number, buf: Buffer, start: number, end: number): void {
    // What has to wait is copied once more.
    if (this.owner.engine.outputBytes + end - start > WRITE_BYTES_MAX) this.owner.flush();
    this.#data(flags, buf, start, end, true);
  }

  onLentBack(): void {
    this.owner.flushSoon();
  }

  onTrailers(buf: Buffer, start: number, end: number): void {
    const pairs = Buffer.from(buf.subarray(start, end));
    if (this.owner.engine.sendTrailers(this.id, pairs)) this.complete();
    this.owner.flushSoon();
  }

  onInformational(status: number, buf: Buffer, start: number, end: number): void {
    if (status === 100 && ((this.flags & Flag.EXPECT) === 0 || this.bodyEnded)) return;
    this.owner.engine.sendInformational(this.id, status, buf, start, end);
    this.owner.flushSoon();
  }

  onFile(flags: number, file: FileSpan, opened: (errno: number) => void): void {
    this.#fileEnds = (flags & Flag.END) !== 0;
    this.#file = new FileSender(file, this, this.ctx.files, (errno) => {
      if (errno !== 0) {
        this.#file = null;
        this.cut(`${file.path} cannot be opened (errno ${errno})`);
      }
      opened(errno);
    });
    this.#file.begin();
  }

  onReset(reason: number): void {
    if (this.responseStarted) this.cut(RESET_TEXT[reason] ?? "the app failed");
    else this.refuse(reason === ResetReason.TIMEOUT ? "worker-timeout" : "app-failed");
  }

  onRefused(code: ErrorCode): void {
    if (this.responseStarted) this.cut(ERRORS[code].text);
    else this.refuse(code);
  }

  #data(flags: number, buf: Buffer, start: number, end: number, borrowed: boolean): void {
    const ends = (flags & Flag.END) !== 0;
    this.bytesOut += end - start;
    const sent = this.owner.engine.sendData(this.id, buf, start, end, ends, borrowed);
    if (ends && sent) this.complete();
    else this.#giveCredit();
  }

  /** The engine has written bytes that had to wait. */
  sent(ended: boolean): void {
    if (ended) return this.complete();
    this.#giveCredit();
    if (this.#file !== null && this.owner.engine.pending(this.id) === 0) this.#file.pull();
  }

  /** Gives the worker credit for what has left; what a slow client may have waiting counts as gone. */
  #giveCredit(): void {
    if (this.stage !== Stage.SENT) return;
    const { engine } = this.owner;
    const extra =
      engine.queuedBytes > EXTRA_QUEUED_BYTES_MAX ? 0 : this.ctx.settings.heldBytesExtra;
    const held = Math.max(0, engine.pending(this.id) - extra);
    const left = this.windowUsed - held;
    if (left >= CREDIT_STEP_BYTES) this.ctx.backend.credit(this, left);
  }

  // FileTarget

  onPiece(piece: Buffer): boolean {
    this.bytesOut += piece.length;
    const sent = this.owner.engine.sendData(this.id, piece, 0, piece.length, false);
    this.owner.flushSoon();
    return sent;
  }

  onFileEnd(): void {
    this.#file = null;
    if (!this.#fileEnds) return;
    if (this.owner.engine.sendData(this.id, EMPTY, 0, 0, true)) this.complete();
    this.owner.flushSoon();
  }

  onFileFailed(why: string): void {
    this.#file = null;
    this.cut(why);
  }

  // Time

  /** Called once in each tick. */
  tick(now: number): void {
    if (this.#clock !== null) {
      const shut = !this.owner.engine.hasRoom(this.id);
      if (shut) this.#clock.restart();
      if (shut !== this.#shut) {
        this.#shut = shut;
        this.#wait();
      }
    }
    if (this.deadline !== 0 && now >= this.deadline) this.onDeadline(now);
  }

  /** `deadline` has passed. */
  protected onDeadline(now: number): void {
    const clock = this.#shut ? null : this.#clock;
    if (clock !== null) {
      const slowness = clock.judge(now);
      if (slowness === Slowness.NONE) return this.#wait();
      this.leave(CancelReason.CLIENT_GONE);
      return this.refuse(slowness === Slowness.SILENT ? "body-timeout" : "body-too-slow");
    }
    if (this.responseStarted || this.ctx.backend.waits(this)) return this.#wait();
    this.leave(CancelReason.TIMEOUT);
    this.refuse("worker-timeout");
  }

  /** For the client's bytes, else for the app. An ASGI app that has begun to answer may talk with the client for as long as they like. */
  #wait(): void {
    const { sweeper, settings } = this.ctx;
    const clock = this.#shut ? null : this.#clock;
    const ms = clock === null ? settings.timeoutMs : clock.nextMs;
    const free = this.responseStarted && (clock === null || this.form === "asgi");
    this.deadline = ms === 0 || free ? 0 : sweeper.in(ms);
  }

  // The end

  /** Answers with an error of the edge's own, or ends what cannot be answered any more. */
  refuse(code: ErrorCode): void {
    this.ctx.onRefused(code, this.clientNamed ?? this.client(), `${this.method} ${this.#target}`);
    if (this.responseStarted) this.owner.engine.reset(this.id, H2Code.INTERNAL_ERROR);
    else {
      this.responseStarted = true;
      this.status = ERRORS[code].status;
      sendError(this.owner.engine, this.id, code, this.method !== "HEAD");
    }
    this.complete();
    this.owner.flushSoon();
  }

  /** The engine reports nothing more of this request: answers with an error. */
  abandon(code: ErrorCode): void {
    this.leave(CancelReason.CLIENT_GONE);
    this.#clock = null;
    this.refuse(code);
  }

  /** The response cannot be completed. */
  cut(why: string): void {
    this.ctx.onCut(why, this.clientNamed ?? this.client(), `${this.method} ${this.#target}`);
    this.owner.engine.reset(this.id, H2Code.INTERNAL_ERROR);
    this.gone();
    this.owner.flushSoon();
  }

  /** The client has given the stream up, or is gone. */
  gone(): void {
    if (this.#over) return;
    this.ctx.counts.aborted += 1;
    this.complete();
  }

  /** The server stops: what would go on for ever is to end. */
  shutdown(): void {}

  protected get ctx(): EdgeContext {
    return this.owner.ctx;
  }

  /** Gives up the interest in the backend. */
  protected leave(reason: number): void {
    this.#file?.stop();
    this.#file = null;
    if (this.stage !== Stage.OUT) this.ctx.backend.cancel(this, reason);
  }

  protected complete(): void {
    if (this.#over) return;
    this.#over = true;
    this.deadline = 0;
    this.leave(CancelReason.CLIENT_GONE);
    this.ctx.counts.bytesOut += this.bytesOut;
    this.ctx.accessLog?.write(this);
    this.owner.over(this);
  }
}
