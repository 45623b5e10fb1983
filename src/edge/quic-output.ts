/**
 * The bytes of a response on their way into a QUIC stream. The runtime copies what it is given and wants no more than a certain number at a
 * time; the rest is kept here. Bounded by the credit of the wire.
 */
import type { QuicFields, QuicStream, QuicWriter } from "../net/quic.ts";

/** Large enough to keep a fast client busy, small enough that the runtime's own copies of it cost little. */
const HIGH_WATER_BYTES = 256 * 1024;
/** Under this name (node:stream/iter) a writer gives a promise for its next wish for bytes, or null: now. */
const DRAIN = Symbol.for("Stream.drainableProtocol");

interface DrainableWriter extends QuicWriter {
  [DRAIN]?(): Promise<unknown> | null;
}

export class QuicOutput {
  readonly #stream: QuicStream;
  readonly #onDrained: () => void;
  #writer: DrainableWriter | null = null;
  #pieces: Buffer[] = [];
  #kept = 0;
  #waiting = false;
  #ends = false;
  #ended = false;

  /** `onDrained`: bytes have left. */
  constructor(stream: QuicStream, onDrained: () => void) {
    this.#stream = stream;
    this.#onDrained = onDrained;
  }

  /** Bytes that have not been sent. */
  get pending(): number {
    const writer = this.#writer;
    if (writer === null) return 0;
    return this.#kept + HIGH_WATER_BYTES - (writer.desiredSize ?? HIGH_WATER_BYTES);
  }

  /** It is better to wait for `onDrained` before the next bytes come. */
  get full(): boolean {
    return this.#kept > 0 || this.#writer?.desiredSize === 0;
  }

  /** `lent`: the bytes are only what they are during this call. */
  write(buf: Buffer, start: number, end: number, lent: boolean): void {
    if (end <= start) return;
    const from = this.#kept > 0 ? start : this.#writeNow(buf, start, end);
    if (from < end) {
      const rest = buf.subarray(from, end);
      this.#pieces.push(lent ? Buffer.from(rest) : rest);
      this.#kept += rest.length;
    }
    if (this.full) this.#wait();
  }

  /** The body is this and nothing else, and not large. */
  whole(buf: Buffer, start: number, end: number): void {
    this.#ended = true;
    this.#stream.setBody(buf.subarray(start, end));
  }

  /** The body is complete; `trailers` end it, or nothing. */
  end(trailers: QuicFields | null): void {
    this.#ends = true;
    if (trailers !== null) {
      this.#stream.onwanttrailers = () => {
        this.#stream.sendTrailers(trailers);
      };
    }
    if (this.#kept === 0) this.#endNow();
  }

  clear(): void {
    this.#pieces = [];
    this.#kept = 0;
  }

  /** Gives the runtime bytes until it has enough: the position of the first that it did not take. */
  #writeNow(buf: Buffer, start: number, end: number): number {
    if (this.#waiting) return start;
    const writer = this.#open();
    let at = start;
    while (at < end) {
      const to = Math.min(end, at + HIGH_WATER_BYTES);
      if (!writer.writeSync(buf.subarray(at, to))) break;
      at = to;
    }
    return at;
  }

  #open(): DrainableWriter {
    if (this.#writer === null) {
      this.#stream.highWaterMark = HIGH_WATER_BYTES;
      this.#writer = this.#stream.writer;
    }
    return this.#writer;
  }

  #wait(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    const drained = this.#open()[DRAIN]?.() ?? null;
    // Without a promise: it has become ready meanwhile, or the client is gone, which the stream's own end tells.
    if (drained !== null) drained.then(this.#drained, this.#gone);
    else if (this.#open().desiredSize !== null) setImmediate(this.#drained);
  }

  readonly #gone = (): void => {
    this.clear();
  };

  readonly #drained = (): void => {
    this.#waiting = false;
    while (this.#pieces.length > 0) {
      const piece = this.#pieces[0]!;
      const taken = this.#writeNow(piece, 0, piece.length);
      this.#kept -= taken;
      if (taken < piece.length) {
        this.#pieces[0] = piece.subarray(taken);
        this.#wait();
        break;
      }
      this.#pieces.shift();
    }
    if (this.#kept === 0 && this.#ends) this.#endNow();
    this.#onDrained();
  };

  #endNow(): void {
    if (this.#ended || this.#waiting) return;
    this.#ended = true;
    this.#open().endSync();
  }
}
