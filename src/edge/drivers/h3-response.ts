/**
 * The response side of an HTTP/3 request: what a worker sends becomes fields and body of one QUIC stream. A response that cannot be
 * completed ends with a reset, so that the client can tell.
 */
import type { ErrorCode } from "../../core/errors.ts";
import { Exchange, type FileSpan } from "../../exchange/exchange.ts";
import { H3Error, type QuicFields, type QuicStream } from "../../net/quic.ts";
import {
  informationalFields,
  responseFields,
  type ResponseHeads,
  trailerFields,
} from "../../proto/h3/response-fields.ts";
import { fieldOf } from "../../proto/h3/request-head.ts";
import { CancelReason, Flag, ResetReason } from "../../wire/spec.ts";
import type { EdgeContext } from "../context.ts";
import { errorResponse } from "../error-response.ts";
import { FileSender, type FileTarget } from "../file-sender.ts";
import { QuicOutput } from "../quic-output.ts";
import { RESET_TEXT } from "./h1-exchange.ts";

/** Credit is given back in steps of this size. */
const CREDIT_STEP_BYTES = 256 * 1024;
/** Complete responses up to this size go to the runtime in one call. */
const WHOLE_BYTES_MAX = 64 * 1024;
const HEAD_END = "\r\n\r\n";

export abstract class H3Response extends Exchange implements FileTarget {
  status = 0;
  /** Body bytes of the response. */
  bytesOut = 0;
  protected readonly ctx: EdgeContext;
  protected readonly quic: QuicStream;
  protected readonly output: QuicOutput;
  protected responseStarted = false;
  /** The whole response is in the output. */
  protected responseDone = false;
  protected file: FileSender | null = null;
  #fileEnds = false;
  #fields: QuicFields | null = null;
  /** A whole response that waits for `sendReady`. */
  #ready: { fields: QuicFields; body: Buffer } | null = null;

  constructor(ctx: EdgeContext, stream: QuicStream) {
    super();
    this.ctx = ctx;
    this.quic = stream;
    this.output = new QuicOutput(stream, () => this.#drained());
  }

  /** Reads the heads that workers send. */
  protected abstract get heads(): ResponseHeads;
  /** Bytes of an unfinished response were written, or have left. */
  protected abstract onProgress(): void;
  protected abstract onComplete(): void;
  /** Has `sendReady` called when that is cheap (h3-outbox.ts). */
  protected abstract sendSoon(): void;
  protected abstract refuse(code: ErrorCode): void;
  protected abstract leave(reason: number): void;
  /** The client, for logs. */
  abstract client(): string;

  onHead(
    status: number,
    flags: number,
    buf: Buffer,
    start: number,
    headEnd: number,
    end: number,
  ): void {
    const ends = (flags & Flag.END) !== 0;
    const fields = this.heads.read(status, buf, start, headEnd);
    this.status = status;
    if (ends && end - headEnd <= WHOLE_BYTES_MAX) {
      this.#ready = { fields, body: buf.subarray(headEnd, end) };
      return this.sendSoon();
    }
    if (this.#sendHead(fields, false)) this.#body(ends, buf, headEnd, end, false);
  }

  /** Sends the response that has waited for this, unless its client is gone. */
  sendReady(): void {
    const ready = this.#ready;
    this.#ready = null;
    if (ready === null || this.responseStarted || this.quic.destroyed) return;
    const { fields, body } = ready;
    if (this.#sendHead(fields, body.length === 0)) this.#whole(body, 0, body.length);
  }

  onData(flags: number, buf: Buffer, start: number, end: number): void {
    this.#body((flags & Flag.END) !== 0, buf, start, end, false);
  }

  onLent(flags: number, buf: Buffer, start: number, end: number): void {
    this.#body((flags & Flag.END) !== 0, buf, start, end, true);
  }

  onLentBack(): void {
    // The bytes were copied at once.
  }

  onTrailers(buf: Buffer, start: number, end: number): void {
    const fields = trailerFields(buf, start, end);
    const some = Object.keys(fields).length > 0 && (this.flags & Flag.TRAILERS_OK) !== 0;
    this.output.end(some ? fields : null);
    this.#complete();
  }

  onInformational(status: number, buf: Buffer, start: number, end: number): void {
    if (status === 100 && (this.bodyEnded || (this.flags & Flag.EXPECT) === 0)) return;
    try {
      this.quic.sendInformationalHeaders(informationalFields(status, buf, start, end));
    } catch (error) {
      this.#cannotSay(error);
    }
  }

  onFile(flags: number, file: FileSpan, opened: (errno: number) => void): void {
    this.#fileEnds = (flags & Flag.END) !== 0;
    this.file = new FileSender(file, this, this.ctx.files, (errno) => {
      if (errno !== 0) this.onFileFailed(`${file.path} cannot be opened (errno ${errno})`);
      opened(errno);
    });
    this.file.begin();
    this.onProgress();
  }

  onReset(reason: number): void {
    if (this.responseStarted) this.cut(RESET_TEXT[reason] ?? "the app failed");
    else this.refuse(reason === ResetReason.TIMEOUT ? "worker-timeout" : "app-failed");
  }

  // FileTarget

  onPiece(piece: Buffer): boolean {
    this.bytesOut += piece.length;
    this.output.write(piece, 0, piece.length, false);
    this.onProgress();
    return !this.output.full;
  }

  onFileEnd(): void {
    this.file = null;
    if (!this.#fileEnds) return;
    this.output.end(null);
    this.#complete();
  }

  onFileFailed(why: string): void {
    this.file = null;
    this.cut(why);
  }

  responseField(name: string): string | null {
    return this.#fields === null ? null : fieldOf(this.#fields, name);
  }

  /** Sends an answer of the edge's own. */
  protected sendError(code: ErrorCode): void {
    const bytes = errorResponse(code, false, this.method !== "HEAD");
    const bodyAt = bytes.indexOf(HEAD_END) + HEAD_END.length;
    this.status = Number(bytes.toString("latin1", 9, 12));
    const fields = responseFields(this.status, bytes, 0, bodyAt);
    if (this.#sendHead(fields, bodyAt === bytes.length)) this.#whole(bytes, bodyAt, bytes.length);
  }

  /** The response cannot be completed. */
  protected cut(why: string): void {
    this.ctx.onCut(why, this.client(), `${this.method} ${this.target()}`);
    this.abort(H3Error.INTERNAL_ERROR);
  }

  /** Ends the stream at once, in a way that shows that something is missing. */
  protected abort(code: bigint): void {
    this.output.clear();
    this.#ready = null;
    if (this.quic.destroyed) return;
    this.quic.resetStream(code);
    if (!this.bodyEnded) this.quic.stopSending(code);
  }

  /** Gives credit for what has left. */
  protected giveCredit(): void {
    // What a slow client may have waiting beyond the wire's own window counts as gone.
    const held = Math.max(0, this.output.pending - this.ctx.settings.heldBytesExtra);
    const left = this.windowUsed - held;
    if (left >= CREDIT_STEP_BYTES) this.ctx.backend.credit(this, left);
  }

  /** False: HTTP/3 forbids what the app wants to say, which has been dealt with. */
  #sendHead(fields: QuicFields, ends: boolean): boolean {
    if (this.ctx.accessLog?.wantsResponseHead === true) this.#fields = fields;
    try {
      if (ends) this.quic.sendHeaders(fields, { terminal: true });
      else this.quic.sendHeaders(fields);
    } catch (error) {
      this.#cannotSay(error);
      this.leave(CancelReason.CLIENT_GONE);
      this.refuse("app-failed");
      return false;
    }
    this.responseStarted = true;
    return true;
  }

  /** The rest of a response whose head is out, and which is empty or small. */
  #whole(buf: Buffer, start: number, end: number): void {
    this.bytesOut = end - start;
    if (end > start) this.output.whole(buf, start, end);
    this.#complete();
  }

  #cannotSay(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    const request = `${this.method} ${this.target()}`;
    this.ctx.onCut(`HTTP/3 has no words for the app's response: ${why}`, this.client(), request);
  }

  #body(ends: boolean, buf: Buffer, start: number, end: number, lent: boolean): void {
    this.bytesOut += end - start;
    this.output.write(buf, start, end, lent);
    if (ends) {
      this.output.end(null);
      this.#complete();
    } else {
      this.giveCredit();
      this.onProgress();
    }
  }

  #complete(): void {
    this.responseDone = true;
    this.onComplete();
  }

  #drained(): void {
    if (this.quic.destroyed) return;
    if (!this.responseDone) this.giveCredit();
    this.onProgress();
    this.file?.pull();
  }
}
