/**
 * The response side of an HTTP/1.1 connection: what a worker sends becomes bytes for the client. A complete response to an HTTP/1.1 client
 * that keeps its connection is forwarded as it came; everything else has this hop's lines put into its head.
 */
import { REASONS } from "../../proto/h1/encode.ts";
import { Exchange, type FileSpan, Stage } from "../../exchange/exchange.ts";
import { Flag, ResetReason } from "../../wire/spec.ts";
import { ClientOutput, type ClientSocket } from "../client-socket.ts";
import type { EdgeContext } from "../context.ts";
import { FileSender, type FileTarget } from "../file-sender.ts";
import {
  CHUNK_END,
  CONTINUE,
  LAST_CHUNK,
  chunkHead,
  interimHead,
  lendChunk,
  spliceHead,
  trailerSection,
  writeChunkInPlace,
} from "./h1-head.ts";

/** Credit is given back in steps of this size. */
const CREDIT_STEP_BYTES = 256 * 1024;
/** A body of up to this size is copied behind its head, which is copied anyway: one write, over TLS one record. */
const BODY_WITH_HEAD_BYTES_MAX = 8 * 1024;

/** Why a response was cut, by the worker's reason. */
export const RESET_TEXT: Readonly<Record<number, string>> = {
  [ResetReason.APP_ERROR]: "the app failed after it had started its response",
  [ResetReason.BODY_SHORT]: "the app sent less than its Content-Length",
  [ResetReason.CANCELLED]: "the app was cancelled",
  [ResetReason.TIMEOUT]: "the app was interrupted",
  [ResetReason.BODY_LONG]: "the app sent more than its Content-Length",
};

export abstract class H1Exchange extends Exchange implements FileTarget {
  status = 0;
  /** Body bytes of the response. */
  bytesOut = 0;
  protected readonly ctx: EdgeContext;
  protected readonly socket: ClientSocket;
  /** Where the client's bytes can be read and written past the runtime; -1 nowhere. */
  readonly fd: number;
  protected readonly output: ClientOutput;
  protected responseStarted = false;
  /** The whole response is in the output. */
  protected responseDone = false;
  /** Close when the current response is out. */
  protected closeAfter = false;
  /** The server stops: the next response head says so. */
  protected parting = false;
  protected continueSent = false;
  /** Kept only for an access log that names response fields. */
  protected responseHead: Buffer | null = null;
  protected file: FileSender | null = null;
  #chunked = false;
  #fileEnds = false;
  /** The response ends with the bytes that are lent now. */
  #lentEnds = false;

  constructor(ctx: EdgeContext, socket: ClientSocket) {
    super();
    this.ctx = ctx;
    this.socket = socket;
    this.fd = socket.fd ?? -1;
    this.output = new ClientOutput(socket, this.fd);
  }

  /** The client was never told to send its body: it may come or not, so no next request can be told from it (RFC 9110 section 10.1.1). */
  protected unasked(): boolean {
    return (this.flags & Flag.EXPECT) !== 0 && !this.continueSent && !this.bodyEnded;
  }

  /** True when the rest of the request body is known to be small enough to be thrown away. */
  protected abstract drainable(): boolean;
  /** Bytes of an unfinished response were written. */
  protected abstract onProgress(): void;
  protected abstract onComplete(): void;
  /** The response cannot be completed. */
  protected abstract cut(why: string): void;

  protected resetResponse(): void {
    this.responseStarted = false;
    this.responseDone = false;
    this.continueSent = false;
    this.#chunked = false;
    this.#lentEnds = false;
    this.status = 0;
    this.bytesOut = 0;
    this.responseHead = null;
  }

  onHead(
    status: number,
    flags: number,
    buf: Buffer,
    start: number,
    headEnd: number,
    end: number,
  ): void {
    this.responseStarted = true;
    this.status = status;
    this.bytesOut = end - headEnd;
    if (this.ctx.accessLog?.wantsResponseHead === true)
      this.responseHead = buf.subarray(start, headEnd);
    if ((flags & Flag.CLOSE) !== 0 || this.parting) this.closeAfter = true;
    const complete = (flags & Flag.END) !== 0;
    if (complete && this.bodyEnded && !this.closeAfter && this.version === 11) {
      this.output.write(buf, start, end);
      this.responseDone = true;
      this.onComplete();
      return;
    }
    if (complete && this.bodyEnded && this.closeAfter) this.socket.hold?.();
    const bodyStart = this.#head(flags, buf, start, headEnd, end);
    this.#body(complete, buf, bodyStart, end);
  }

  /** Returns where the part of the body begins that has not left with the head. */
  #head(flags: number, buf: Buffer, start: number, end: number, bodyEnd: number): number {
    const complete = (flags & Flag.END) !== 0;
    // RFC 9112 section 6.3: these end with their head, so nothing may frame a body.
    const bodyless = this.method === "HEAD" || this.status === 204 || this.status === 304;
    const framed = complete || bodyless || (flags & Flag.LENGTH) !== 0;
    this.#chunked = !framed && this.version === 11;
    if (!framed && this.version === 10) this.closeAfter = true;
    // A body that the app has not read, and that we do not want to read either, ends the connection.
    if (this.unasked() || (complete && !this.bodyEnded && !this.drainable()))
      this.closeAfter = true;
    const close = this.closeAfter;
    const together = !this.#chunked && bodyEnd - end <= BODY_WITH_HEAD_BYTES_MAX;
    const to = together ? bodyEnd : end;
    const head = spliceHead(buf, start, end, to, {
      close,
      keepAlive: !close && this.version === 10,
      chunked: this.#chunked,
    });
    this.output.write(head, 0, head.length);
    return to;
  }

  onData(flags: number, buf: Buffer, start: number, end: number): void {
    this.bytesOut += end - start;
    const written =
      this.#chunked && end > start && this.output.pending === 0
        ? writeChunkInPlace(this.output, buf, start, end)
        : false;
    this.#body((flags & Flag.END) !== 0, buf, written ? end : start, end);
  }

  onLent(flags: number, buf: Buffer, start: number, end: number): void {
    this.bytesOut += end - start;
    if (this.#chunked) lendChunk(this.output, buf, start, end);
    else this.output.lend(buf, start, end);
    if ((flags & Flag.END) !== 0) this.#lentEnds = true;
  }

  onLentBack(): void {
    if (this.#lentEnds) {
      this.#lentEnds = false;
      this.#end();
    } else if (this.stage === Stage.SENT) {
      this.output.writeLent();
      this.giveCredit();
      this.onProgress();
    } else this.output.writeLent();
  }

  onTrailers(buf: Buffer, start: number, end: number): void {
    if (this.#chunked) {
      const section = trailerSection(buf, start, end);
      this.output.write(section, 0, section.length);
      this.#chunked = false;
    }
    this.#body(true, buf, end, end);
  }

  onInformational(status: number, buf: Buffer, start: number, end: number): void {
    // RFC 9110 section 15.2: never to an HTTP/1.0 client.
    if (this.version === 10) return;
    if (status !== 100) {
      const head = interimHead(status, REASONS[status] ?? "", buf.subarray(start, end));
      this.output.write(head, 0, head.length);
    } else if ((this.flags & Flag.EXPECT) !== 0 && !this.continueSent && !this.bodyEnded) {
      this.continueSent = true;
      this.output.write(CONTINUE, 0, CONTINUE.length);
    }
  }

  onFile(flags: number, file: FileSpan, opened: (errno: number) => void): void {
    this.#fileEnds = (flags & Flag.END) !== 0;
    this.file = new FileSender(file, this, this.ctx.files, (errno) => {
      if (errno !== 0) {
        this.file = null;
        this.onFileFailed(`${file.path} cannot be opened (errno ${errno})`);
      }
      opened(errno);
    });
    this.file.begin();
    this.onProgress();
  }

  // FileTarget

  onPiece(piece: Buffer): boolean {
    this.bytesOut += piece.length;
    this.#write(piece, 0, piece.length);
    this.onProgress();
    return this.output.pending === 0;
  }

  onFileEnd(): void {
    this.file = null;
    if (this.#fileEnds) this.#end();
  }

  onFileFailed(why: string): void {
    this.file = null;
    this.cut(why);
  }

  /** Gives credit for what has left. */
  protected giveCredit(): void {
    // What a slow client may have waiting beyond the wire's own window counts as gone.
    const held = Math.max(0, this.output.pending - this.ctx.settings.heldBytesExtra);
    const left = this.windowUsed - held;
    if (left >= CREDIT_STEP_BYTES) this.ctx.backend.credit(this, left);
  }

  #body(complete: boolean, buf: Buffer, start: number, end: number): void {
    if (end > start) this.#write(buf, start, end);
    if (complete) this.#end();
    else {
      this.giveCredit();
      this.onProgress();
    }
  }

  #write(buf: Buffer, start: number, end: number): void {
    if (!this.#chunked) {
      this.output.write(buf, start, end);
      return;
    }
    const line = chunkHead(end - start);
    this.output.write(line, 0, line.length);
    this.output.write(buf, start, end);
    this.output.write(CHUNK_END, 0, CHUNK_END.length);
  }

  #end(): void {
    if (this.#chunked) this.output.write(LAST_CHUNK, 0, LAST_CHUNK.length);
    this.output.writeLent();
    this.responseDone = true;
    this.onComplete();
  }
}
