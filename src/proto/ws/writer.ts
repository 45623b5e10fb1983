/**
 * The server's frames (RFC 6455 section 5): never masked, written with as few copies as can be: a header goes right in front of its payload
 * where the payload's owner allows that. Messages may be given in parts; each part becomes a frame, or several when it is compressed.
 */
import { MessageDeflater, type StreamPool } from "./deflate.ts";
import type { DeflateParams } from "./extensions.ts";
import {
  CloseCode,
  CONTROL_BYTES_MAX,
  FIN,
  type MessageKind,
  Opcode,
  RSV1,
  SERVER_HEADER_BYTES_MAX,
  serverHeaderBytes,
  writeServerHeader,
} from "./frame.ts";

/** Where frames go. */
export interface ByteSink {
  /** The bytes are the sink's to keep. */
  write(buf: Buffer, start: number, end: number): void;
  /** The bytes are what they are only during the call. */
  writeBorrowed(buf: Buffer, start: number, end: number): void;
}

/**
 * Shorter messages are not compressed: they fit one packet either way, and with an empty window they grow; decompressing them costs the
 * client more than the bytes do.
 */
const COMPRESSED_BYTES_MIN = 64;

const header: Buffer = Buffer.alloc(SERVER_HEADER_BYTES_MAX);
const control: Buffer = Buffer.alloc(2 + CONTROL_BYTES_MAX);

export class WsWriter {
  readonly #sink: ByteSink;
  readonly #params: DeflateParams | null;
  readonly #pool: StreamPool;
  #deflater: MessageDeflater | null = null;
  /** A message has begun whose last part has not been written. */
  #open = false;
  #compressed = false;
  /** What the first byte of the message's next frame says, apart from FIN. */
  #bits = 0;

  constructor(sink: ByteSink, deflate: DeflateParams | null, pool: StreamPool) {
    this.#sink = sink;
    this.#params = deflate;
    this.#pool = pool;
  }

  /**
   * A message, or with `last` false a part of one. The ten bytes before `start`, if there are as many, may be overwritten. `borrowed`: the
   * bytes are only lent for the call.
   */
  message(
    kind: MessageKind,
    buf: Buffer,
    start: number,
    end: number,
    last: boolean,
    borrowed: boolean,
  ): void {
    if (end === start && !last) return;
    if (!this.#open) {
      this.#compressed = this.#params !== null && (!last || end - start >= COMPRESSED_BYTES_MIN);
      this.#bits = this.#compressed ? kind | RSV1 : kind;
    }
    this.#open = !last;
    if (this.#compressed) this.#compress(buf, start, end, last);
    else this.#frame(buf, start, end, last, borrowed);
  }

  ping(): void {
    this.#control(Opcode.PING, 0);
  }

  pong(buf: Buffer, start: number, end: number): void {
    buf.copy(control, 2, start, end);
    this.#control(Opcode.PONG, end - start);
  }

  /** `code` NONE: a Close frame without code. The reason is cut to what a control frame holds. */
  close(code: number, reason: string): void {
    if (code === CloseCode.NONE) return this.#control(Opcode.CLOSE, 0);
    control.writeUInt16BE(code, 2);
    // Writes whole characters only.
    const length = control.write(reason, 4, CONTROL_BYTES_MAX - 2, "utf8");
    this.#control(Opcode.CLOSE, 2 + length);
  }

  /** The connection is over. */
  dispose(): void {
    this.#deflater?.dispose();
    this.#deflater = null;
  }

  #compress(buf: Buffer, start: number, end: number, last: boolean): void {
    this.#deflater ??= new MessageDeflater(this.#pool, this.#params!);
    const deflater = this.#deflater;
    deflater.start(buf, start, end, last);
    while (deflater.next()) {
      const { output, outputStart, outputEnd, complete } = deflater;
      this.#frame(output, outputStart, outputEnd, complete, true);
    }
  }

  #control(opcode: number, length: number): void {
    writeServerHeader(control, 0, FIN | opcode, length);
    this.#sink.writeBorrowed(control, 0, 2 + length);
  }

  #frame(buf: Buffer, start: number, end: number, last: boolean, borrowed: boolean): void {
    const first = this.#bits | (last ? FIN : 0);
    const length = end - start;
    let from = start - serverHeaderBytes(length);
    this.#bits = Opcode.CONTINUATION;
    if (from >= 0) {
      writeServerHeader(buf, from, first, length);
    } else {
      this.#sink.writeBorrowed(header, 0, writeServerHeader(header, 0, first, length));
      from = start;
    }
    if (borrowed) this.#sink.writeBorrowed(buf, from, end);
    else this.#sink.write(buf, from, end);
  }
}
