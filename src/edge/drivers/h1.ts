/**
 * One HTTP/1.1 client connection: pumps bytes between the socket and the engine (proto/h1), and is the Exchange of its
 * current request. Requests of a connection are served one after another; what a client sends ahead waits in the engine or the kernel.
 *
 * A connection closes in two steps: our FIN, then we read and discard until the client's FIN, so that the last response reaches the
 * client (linger.ts). A response that cannot be completed is cut so that the
 * client can tell.
 */
import { ERRORS, type ErrorCode } from "../../core/errors.ts";
import { ReadEvent } from "../../proto/events.ts";
import { Stage } from "../../exchange/exchange.ts";
import { CancelReason, Flag, ResetReason } from "../../wire/spec.ts";
import type { AccessRecord } from "../../observe/access-log.ts";
import { type ClientSocket, hasUnread } from "../client-socket.ts";
import type { EdgeContext } from "../context.ts";
import { errorResponse } from "../error-response.ts";
import { RESET_TEXT } from "./h1-exchange.ts";
import { Phase } from "./h1-intake.ts";
import { H1Upgrade } from "./h1-upgrade.ts";
import { Linger, LINGER_MS } from "./linger.ts";

/** What a client may send ahead before its socket is no longer read. */
const PIPELINE_BYTES_MAX = 64 * 1024;

const NONE: Buffer[] = [];

export class H1Connection extends H1Upgrade implements AccessRecord {
  /** performance.now() of the request's head, for the access log; 0 when it is off. */
  startedAt = 0;
  /** An exchange is under way: from its head until its response is out and its body is consumed. */
  #active = false;
  #pumping = false;
  /** What the client still sends is thrown away: the connection ends with the response. */
  #deaf = false;
  /** The shutdown of our side is done. */
  #finSent = false;
  #linger: Linger | null = null;

  /** `kept`: of a web server in front, for its next request; it is closed only to make room. */
  constructor(ctx: EdgeContext, socket: ClientSocket, unixPath: string, kept: boolean = false) {
    super(ctx, socket, unixPath);
    ctx.sweeper.add(this);
    if (kept) this.wait(Phase.IDLE, 0);
    else this.wait(Phase.NEW, ctx.settings.headerTimeoutMs);
    ctx.counts.connections += 1;
    if (!kept) ctx.counts.accepted += 1;
  }

  // The socket's events

  data(chunk: Buffer): void {
    this.ctx.counts.bytesIn += chunk.length;
    if (this.phase === Phase.LINGER) return this.#linger?.data(chunk.length);
    if (this.session !== null) this.session.receive(chunk);
    else if (!this.#deaf) this.take(chunk);
  }

  drain(): void {
    if (!this.output.drain()) return;
    if (this.session !== null && this.phase === Phase.UPGRADED) return this.session.drained();
    if (this.stage === Stage.SENT) this.giveCredit();
    if (this.output.pending > 0) {
      if (this.phase === Phase.SEND) this.wait(Phase.SEND, this.ctx.settings.sendTimeoutMs);
      return;
    }
    if (this.phase === Phase.LINGER) this.#sendFin();
    else if (this.responseDone) this.settle();
    else if (this.phase === Phase.SEND) this.#streaming();
    this.file?.pull();
  }

  /** The client's FIN: it has finished sending; it may still read (RFC 9112 section 9.6). */
  ended(): void {
    this.inputEnded = true;
    if (this.phase === Phase.LINGER) {
      if (this.#finSent) this.socket.end();
    } else if (this.session !== null) {
      this.session.ended();
    } else if (this.#active && this.bodyEnded) {
      this.#halfClosed();
    } else {
      this.#inputOver();
    }
  }

  /** The whole request is here and the client sends nothing more than what has arrived. */
  #halfClosed(): void {
    if (this.reader.buffered() === 0) this.closeAfter = true;
    this.ctx.backend.halfClosed(this);
  }

  /** The client has finished sending and all that came has been read. */
  #inputOver(): void {
    if (this.phase >= Phase.LINGER) return;
    if (!this.#active) return this.socket.end();
    if (this.bodyEnded || this.bodyBlocked) return;
    if (this.responseDone) return this.abandonRest();
    this.leave(CancelReason.CLIENT_GONE);
    this.socket.end();
  }

  /** The socket is gone. */
  closed(): void {
    if (this.phase === Phase.CLOSED) return;
    this.phase = Phase.CLOSED;
    this.deadline = 0;
    this.ctx.sweeper.remove(this);
    this.ctx.counts.connections -= 1;
    this.session?.closed();
    if (this.#active) {
      this.ctx.counts.aborted += 1;
      this.leave(CancelReason.CLIENT_GONE);
      this.#record();
    }
    this.output.clear();
    this.ctx.onClosed();
  }

  onDeadline(now: number): void {
    switch (this.phase) {
      case Phase.NEW:
      case Phase.IDLE:
        return this.#closeUnasked();
      case Phase.HEAD:
        return this.refuse("header-timeout");
      case Phase.BODY:
        return this.onBodyDeadline(now);
      case Phase.APP:
        if (this.ctx.backend.waits(this)) return this.wait(Phase.APP, this.ctx.settings.timeoutMs);
        this.leave(CancelReason.TIMEOUT);
        return this.refuse("worker-timeout");
      case Phase.SEND:
        return this.cut("the client took nothing in time");
      case Phase.UPGRADED:
        return this.session?.onDeadline(now);
      default:
        this.wait(Phase.LINGER, LINGER_MS);
        this.#linger?.onDeadline(now);
    }
  }

  /** It waits for a next request and may be closed without harm. */
  get idle(): boolean {
    return this.phase === Phase.IDLE && !hasUnread(this.socket);
  }

  /** All is said; only the client's FIN is waited for. */
  get leaving(): boolean {
    return this.phase === Phase.LINGER;
  }

  /** The server stops: heads of responses say so from now on. In the end those close that nobody has asked anything. */
  shutdown(last: boolean): void {
    this.parting = true;
    if (this.phase === Phase.UPGRADED) {
      if (!this.ctx.socketsStay) this.session?.shutdown();
      return;
    }
    if (last && (this.phase === Phase.IDLE || this.phase === Phase.NEW)) this.#closeUnasked();
  }

  /** Closes now, without waiting for the client's FIN. */
  makeRoom(): void {
    this.socket.end();
    // A socket that is only being opened does not report its end.
    this.closed();
  }

  /** No more time. */
  kill(): void {
    this.#abort();
  }

  /** There are too many connections: answers and closes. */
  turnAway(): void {
    this.refuse("connections-full");
  }

  // The request

  protected pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#step());
    this.#pumping = false;
    if (this.inputEnded) this.#inputOver();
  }

  /** Takes one event of the engine. Returns false when there is nothing to do before more comes. */
  #step(): boolean {
    if (this.phase >= Phase.LINGER || this.#deaf) return false;
    const reader = this.reader;
    switch (reader.next()) {
      case ReadEvent.HEAD:
        this.#begin();
        return true;
      case ReadEvent.BODY:
        return this.passBody(reader.dataStart);
      case ReadEvent.END:
        this.endBody();
        if (this.inputEnded && this.#active) this.#halfClosed();
        return true;
      case ReadEvent.ERROR:
        if (reader.errorCode === "h2-preface-unsupported" && this.becomeH2()) return false;
        this.leave(CancelReason.CLIENT_GONE);
        this.refuse(reader.errorCode ?? "request-line-invalid");
        return false;
      case ReadEvent.PAUSED:
        if (!this.#active) {
          reader.resume();
          return true;
        }
        this.pause(reader.buffered() > PIPELINE_BYTES_MAX);
        return false;
      default:
        if (reader.headPending()) this.headBegun();
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
    this.served = true;
    this.resetResponse();
    this.method = head.method;
    this.clientNamed = head.forwarded?.client ?? null;
    this.version = head.version;
    this.flags =
      (ends ? Flag.END : 0) |
      (head.expectContinue ? Flag.EXPECT : 0) |
      (head.trailersOk ? Flag.TRAILERS_OK : 0);
    this.bodyEnded = ends;
    this.trailers = null;
    this.replay = ends ? NONE : [];
    this.submittedAt = ctx.sweeper.now;
    if (ctx.accessLog !== null) this.startedAt = performance.now();
    if (!head.keepAlive || ctx.settings.keepAliveMs === 0) this.closeAfter = true;
    if (ends) this.wait(Phase.APP, ctx.settings.timeoutMs);
    else this.beginBody();
    this.quiet = false;
    if (ctx.health?.answer(this, head) === true) return;
    // The engine encodes heads for the interface there was when the client connected.
    const form = ctx.backend.form;
    if (form !== null && form !== this.form) return this.refuse("interface-changed");
    if (head.upgrade && !this.considerUpgrade()) return;
    ctx.backend.submit(this, head, this.constantOf(head));
  }

  // The response

  protected onProgress(): void {
    if (this.output.pending === 0) this.#streaming();
    else if (this.phase !== Phase.SEND) this.wait(Phase.SEND, this.ctx.settings.sendTimeoutMs);
  }

  /** The response goes on at the app's pace; a request body that still arrives keeps its deadlines. */
  #streaming(): void {
    if (this.bodyEnded || this.bodyBlocked) this.wait(Phase.STREAM, 0);
    else if (this.phase !== Phase.BODY) this.waitForBody();
  }

  protected onComplete(): void {
    if (this.output.pending > 0) this.wait(Phase.SEND, this.ctx.settings.sendTimeoutMs);
    else this.settle();
  }

  onReset(reason: number): void {
    if (this.session !== null) return this.session.workerGone(this.ctx.stopping);
    if (!this.responseStarted) {
      this.refuse(reason === ResetReason.TIMEOUT ? "worker-timeout" : "app-failed");
      return;
    }
    this.cut(RESET_TEXT[reason] ?? "the app failed");
  }

  onRefused(code: ErrorCode): void {
    if (this.session !== null) return this.session.workerGone(this.ctx.stopping);
    if (this.responseStarted) this.cut(ERRORS[code].text);
    else this.refuse(code);
  }

  protected cut(why: string): void {
    this.ctx.onCut(why, this.clientNamed ?? this.client(), `${this.method} ${this.target()}`);
    this.#abort();
  }

  /** The response is out: goes on with what the request has left, then with the next request. */
  protected settle(): void {
    if (!this.bodyEnded) {
      if (this.bodyBlocked) this.unblock();
      if (this.closeAfter) this.#over();
      else if (this.phase !== Phase.BODY) this.waitForBody();
      return;
    }
    this.#over();
  }

  #over(): void {
    if (!this.#active) return;
    this.#record();
    this.#active = false;
    if (this.closeAfter) return this.#close();
    this.phase = Phase.IDLE;
    this.deadline = this.ctx.sweeper.in(this.ctx.settings.keepAliveMs);
    this.reader.resume();
    this.pause(false);
    if (this.reader.buffered() > 0 || this.inputEnded) this.pump();
  }

  /** Answers with an error of the edge's own. */
  protected refuse(code: ErrorCode): void {
    const spec = ERRORS[code];
    const client = (this.#active ? this.clientNamed : null) ?? this.client();
    this.ctx.onRefused(code, client, this.#active ? this.target() : "");
    if (this.responseDone && this.#active) return this.abandonRest();
    if (this.responseStarted && this.#active) return this.#abort();
    const unread = !this.bodyEnded && (this.unasked() || !this.drainable());
    if (spec.close || !this.#active || unread || this.parting) this.closeAfter = true;
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

  protected endSession(): void {
    if (this.phase >= Phase.LINGER) return;
    this.#record();
    this.#active = false;
    this.#close();
  }

  protected abandonRest(): void {
    this.closeAfter = true;
    this.#deaf = true;
    if (this.output.pending === 0) this.#over();
  }

  /** Gives up the exchange's interest in the backend. */
  protected leave(reason: number): void {
    this.file?.stop();
    this.file = null;
    if (this.stage !== Stage.OUT) this.ctx.backend.cancel(this, reason);
  }

  /** Unless a request may be there that the event loop has not read: that comes first, and whoever wants the end asks again. */
  #closeUnasked(): void {
    if (this.inputEnded || !hasUnread(this.socket)) this.#close();
  }

  #close(): void {
    if (this.phase >= Phase.LINGER) return;
    this.wait(Phase.LINGER, LINGER_MS);
    this.#linger = new Linger(this.ctx, this.socket, this.output);
    this.pause(false);
    if (this.output.pending === 0) this.#sendFin();
  }

  #sendFin(): void {
    this.#finSent = true;
    this.socket.shutdown();
  }

  /** Ends it at once, in a way that shows that something is missing. */
  #abort(): void {
    if (this.phase === Phase.CLOSED) return;
    this.leave(CancelReason.CLIENT_GONE);
    this.socket.terminate();
  }

  #record(): void {
    this.ctx.counts.bytesOut += this.bytesOut;
    this.ctx.accessLog?.write(this);
  }
}
