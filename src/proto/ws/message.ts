/**
 * Puts the client's messages together from the payloads of their frames: decompression, the size limit, UTF-8, each as the bytes arrive.
 *
 * A message that lies in one piece is given out where it lies. Of others large pieces are given out as they come, small ones gathered
 * first, so that a message in many little frames does not become many little pieces. What is given out is the receiver's to keep.
 */
import { copyBytes } from "../../core/bytes.ts";
import { MessageInflater, type StreamPool } from "./deflate.ts";
import type { DeflateParams } from "./extensions.ts";
import { type MessageKind, Opcode } from "./frame.ts";
import { type IsUtf8, scanUtf8, UTF8_INVALID, UTF8_WHOLE } from "./utf8.ts";

export const Taken = {
  /** Nothing is to be given out yet. */
  NOTHING: 0,
  /** A piece of a message that goes on. */
  PART: 1,
  /** The last piece of a message, maybe empty. */
  MESSAGE: 2,
  /** A text is no UTF-8. */
  NOT_UTF8: 3,
  /** The compressed data are malformed. */
  NOT_DEFLATE: 4,
  TOO_BIG: 5,
} as const;
export type TakenCode = (typeof Taken)[keyof typeof Taken];

export interface MessageOptions {
  /** Bytes of a message, decompressed; 0 no limit. */
  readonly messageBytesMax: number;
  /** null: messages are not compressed. */
  readonly deflate: DeflateParams | null;
  readonly inflatePool: StreamPool;
  readonly isUtf8?: IsUtf8;
}

/** Smaller pieces of an incomplete message are gathered. */
const PIECE_BYTES_MIN = 16 * 1024;
const GATHERED_BYTES_MIN = 512;
const EMPTY = Buffer.alloc(0);

export class MessageReader {
  kind: MessageKind = Opcode.BINARY;
  /** The piece given out is `data[start..end)`. */
  data: Buffer = EMPTY;
  start = 0;
  end = 0;
  /** In a message: its last frame has not ended. */
  open = false;
  /** `more` must be called before anything else. */
  pending = false;
  readonly #options: MessageOptions;
  readonly #bytesMax: number;
  /** Bytes of the message so far, decompressed. */
  #bytes = 0;
  #compressed = false;
  #last = false;
  /** The inflater has got what the sender left out. */
  #tailed = false;
  #utf8 = UTF8_WHOLE;
  #gathered: Buffer | null = null;
  #gatheredBytes = 0;
  #inflater: MessageInflater | null = null;

  constructor(options: MessageOptions) {
    this.#options = options;
    this.#bytesMax = options.messageBytesMax === 0 ? Infinity : options.messageBytesMax;
  }

  begin(kind: MessageKind, compressed: boolean): void {
    this.kind = kind;
    this.open = true;
    this.#compressed = compressed;
    this.#bytes = 0;
    if (!compressed) return;
    const { inflatePool, deflate } = this.#options;
    this.#inflater ??= new MessageInflater(inflatePool, deflate!);
    this.#inflater.begin();
  }

  /** Payload bytes are given out where they lie, if they are not too few. */
  get direct(): boolean {
    return !this.#compressed && this.#gathered === null;
  }

  /** Would a payload of this length make the message too big, whatever is in it? */
  exceeds(length: number): boolean {
    // Compressed data may be a little larger than what they stand for; how large that is shows when they are decompressed.
    if (this.#compressed) return length > Number.MAX_SAFE_INTEGER;
    return this.#bytes + length > this.#bytesMax;
  }

  /** Takes unmasked payload bytes; they are this reader's to keep. `ascii`: all of them are. `last`: they end the message. */
  take(bytes: Buffer, from: number, to: number, ascii: boolean, last: boolean): TakenCode {
    this.#last = last;
    if (this.#compressed) {
      this.#tailed = false;
      this.#inflater!.feed(bytes, from, to);
      return this.more();
    }
    this.#bytes += to - from;
    if (!this.#isText(bytes, from, to, ascii)) return Taken.NOT_UTF8;
    if (this.#gathered === null && (last || to - from >= PIECE_BYTES_MIN)) {
      return this.#give(bytes, from, to, last);
    }
    this.#gather(bytes, from, to);
    if (last || this.#gatheredBytes >= PIECE_BYTES_MIN) return this.#giveGathered(last);
    return Taken.NOTHING;
  }

  /** Goes on with compressed bytes that were taken. */
  more(): TakenCode {
    const inflater = this.#inflater!;
    for (;;) {
      // One byte more than is allowed shows that there are too many.
      const length = inflater.next(this.#bytesMax - this.#bytes + 1);
      if (length < 0) return Taken.NOT_DEFLATE;
      if (length > 0) {
        this.#bytes += length;
        if (this.#bytes > this.#bytesMax) return Taken.TOO_BIG;
        if (!this.#isText(inflater.output, 0, length, false)) return Taken.NOT_UTF8;
        this.#gather(inflater.output, 0, length);
        if (this.#gatheredBytes < PIECE_BYTES_MIN) continue;
        this.pending = true;
        return this.#giveGathered(false);
      }
      if (!this.#last || this.#tailed) break;
      this.#tailed = true;
      inflater.feedTail();
    }
    this.pending = false;
    if (!this.#last) return Taken.NOTHING;
    inflater.finish();
    return this.#giveGathered(true);
  }

  /** The connection is over. */
  dispose(): void {
    this.#inflater?.dispose();
    this.#inflater = null;
    this.#gathered = null;
    this.data = EMPTY;
    this.pending = false;
  }

  /** Checks the bytes if the message is a text. */
  #isText(bytes: Buffer, from: number, to: number, ascii: boolean): boolean {
    if (this.kind !== Opcode.TEXT || (ascii && this.#utf8 === UTF8_WHOLE)) return true;
    this.#utf8 = scanUtf8(this.#utf8, bytes, from, to, this.#options.isUtf8);
    return this.#utf8 !== UTF8_INVALID;
  }

  #gather(bytes: Buffer, from: number, to: number): void {
    const needed = this.#gatheredBytes + to - from;
    const old = this.#gathered;
    if (old === null || old.length < needed) {
      // What ends a message is mostly all of it: then it gets just the room it needs.
      const size = this.#last ? needed : Math.max(GATHERED_BYTES_MIN, 2 * needed);
      this.#gathered = Buffer.allocUnsafe(size);
      if (old !== null) copyBytes(old, 0, this.#gatheredBytes, this.#gathered, 0);
    }
    this.#gatheredBytes = copyBytes(bytes, from, to, this.#gathered!, this.#gatheredBytes);
  }

  #giveGathered(last: boolean): TakenCode {
    const bytes = this.#gathered ?? EMPTY;
    const length = this.#gatheredBytes;
    this.#gathered = null;
    this.#gatheredBytes = 0;
    return this.#give(bytes, 0, length, last);
  }

  #give(bytes: Buffer, from: number, to: number, last: boolean): TakenCode {
    this.data = bytes;
    this.start = from;
    this.end = to;
    if (!last) return Taken.PART;
    this.open = false;
    return this.#utf8 === UTF8_WHOLE ? Taken.MESSAGE : Taken.NOT_UTF8;
  }
}
