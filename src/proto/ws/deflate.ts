/**
 * permessage-deflate (RFC 7692 section 7): messages go through raw DEFLATE streams whose window may live on from one message to the next.
 *
 * A stream takes 40 to 220 KB outside the heap, so connections do not own any. A pool holds a bounded number, each remembers whose window
 * is in it, and the one used least recently is given to whoever needs one. A connection whose stream was taken away
 * - compresses its next message from an empty window, which every receiver understands and costs only some bytes;
 * - decompresses its next message after the window, of which it keeps a copy, has been put back: as a stored block before the message.
 * Nothing is allocated before the first compressed message. A stream is not taken away in the middle of a message.
 */
import { copyBytes } from "../../core/bytes.ts";
import type { DeflateParams } from "./extensions.ts";

/** Values of zlib's flush argument. */
const NO_FLUSH = 0;
const SYNC_FLUSH = 2;

/** A raw DEFLATE stream of the runtime's zlib. */
export interface RawStream {
  /** Input bytes that the last `write` did not take. */
  readonly inputLeft: number;
  /** Bytes of the output range that it did not fill. */
  readonly outputLeft: number;
  /** Takes `input[from..to)` and fills `out[start..end)`. Returns false when the input is no DEFLATE data. */
  write(
    flush: number,
    input: Uint8Array,
    from: number,
    to: number,
    out: Uint8Array,
    start: number,
    end: number,
  ): boolean;
  /** Empties the window. */
  reset(): void;
  close(): void;
}

/** A stream of a pool. */
interface Pooled {
  readonly raw: RawStream;
  readonly windowBits: number;
  /** Whose window is in it; null nobody's. */
  owner: object | null;
  /** It is in the middle of a message. */
  busy: boolean;
  /** The pool's count at its last use; 0 when nobody will miss it. */
  usedAt: number;
}

export class StreamPool {
  readonly #make: (windowBits: number) => RawStream;
  readonly #max: number;
  readonly #streams: Pooled[] = [];
  #uses = 0;

  /** `max`: streams kept. More are made only while that many are in the middle of messages. */
  constructor(make: (windowBits: number) => RawStream, max: number) {
    this.#make = make;
    this.#max = max;
  }

  get size(): number {
    return this.#streams.length;
  }

  /** A stream with an empty window, busy until it is released. */
  take(owner: object, windowBits: number): Pooled {
    const found = this.#oldest(windowBits);
    if (found !== null && found.windowBits === windowBits) {
      found.raw.reset();
      found.owner = owner;
      found.busy = true;
      return found;
    }
    if (found !== null) this.#drop(found);
    const made: Pooled = { raw: this.#make(windowBits), windowBits, owner, busy: true, usedAt: 0 };
    this.#streams.push(made);
    return made;
  }

  /** The message is over. `keep`: its window is wanted for the owner's next one. */
  release(stream: Pooled, keep: boolean): void {
    stream.busy = false;
    stream.usedAt = keep ? ++this.#uses : 0;
    if (!keep) stream.owner = null;
    if (this.#streams.length > this.#max) this.#drop(stream);
  }

  /** The stream to give to somebody else: unused, else the one used least recently if there are enough; null: make one. */
  #oldest(windowBits: number): Pooled | null {
    let oldest: Pooled | null = null;
    for (const stream of this.#streams) {
      if (stream.busy) continue;
      if (stream.owner === null && stream.windowBits === windowBits) return stream;
      if (oldest === null || stream.usedAt < oldest.usedAt) oldest = stream;
    }
    return this.#streams.length < this.#max ? null : oldest;
  }

  #drop(stream: Pooled): void {
    const last = this.#streams.pop()!;
    if (last !== stream) this.#streams[this.#streams.indexOf(stream)] = last;
    stream.owner = null;
    stream.raw.close();
  }
}

/** The two pools that connections share. */
export interface StreamPools {
  readonly deflate: StreamPool;
  readonly inflate: StreamPool;
}

/** The end of a flushed message, which is not sent (RFC 7692 section 7.2.1). */
const TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff);
const TAIL_BYTES = TAIL.length;
const NOTHING = new Uint8Array(0);
/** zlib's raw deflate does not know 8; with 9 it never reaches back further than 250 bytes. */
const DEFLATE_WINDOW_BITS_MIN = 9;
/** Suits the window of every client: memory is taken only as far as it is used. */
const INFLATE_WINDOW_BITS = 15;
const WINDOW_BYTES_MIN = 256;
/** A sender makes one for each flush. To go on behind one costs as much as some thousand bytes, and it may be two bytes long. */
const FINAL_BLOCKS_MAX = 64;
/** Output of one step. Shared by all connections: what is in it must be used before another one's step. */
const OUTPUT_BYTES = 64 * 1024;
/** Room for a frame's header in front of compressed bytes. */
const HEADER_ROOM_BYTES = 16;

const deflated: Buffer = Buffer.allocUnsafeSlow(OUTPUT_BYTES);
const inflated: Buffer = Buffer.allocUnsafeSlow(OUTPUT_BYTES);

/** Compresses the messages of one connection: `start` a part, then `next` until it returns false. */
export class MessageDeflater {
  /** The bytes to send are `output[HEADER_ROOM_BYTES..outputEnd)`; what is before them may be overwritten. */
  readonly output: Buffer = deflated;
  readonly outputStart: number = HEADER_ROOM_BYTES;
  outputEnd = 0;
  /** The bytes are the last of the message. */
  complete = false;
  readonly #pool: StreamPool;
  readonly #windowBits: number;
  readonly #keep: boolean;
  #stream: Pooled | null = null;
  #input: Uint8Array = NOTHING;
  #at = 0;
  #end = 0;
  #last = false;
  /** Something of the part is still to be compressed or to be sent. */
  #more = false;
  /** Bytes at the end of the output that may be the tail and wait for the next step. */
  #held = 0;

  constructor(pool: StreamPool, params: DeflateParams) {
    this.#pool = pool;
    this.#windowBits = Math.max(DEFLATE_WINDOW_BITS_MIN, params.serverWindowBits);
    this.#keep = !params.serverNoContextTakeover;
  }

  /** A part of a message, which is not empty; `last` ends the message, and may be empty after other parts. */
  start(input: Uint8Array, from: number, to: number, last: boolean): void {
    const stream = this.#stream;
    if (stream?.owner === this) stream.busy = true;
    else this.#stream = this.#pool.take(this, this.#windowBits);
    this.#input = input;
    this.#at = from;
    this.#end = to;
    this.#last = last;
    this.#more = true;
    this.#held = 0;
    this.complete = false;
  }

  /** Returns true when there are bytes to send, or the message is complete. */
  next(): boolean {
    if (!this.#more) return false;
    const out = deflated;
    const start = HEADER_ROOM_BYTES;
    out.copyWithin(start, this.outputEnd, this.outputEnd + this.#held);
    const raw = this.#stream!.raw;
    const flush = this.#last ? SYNC_FLUSH : NO_FLUSH;
    raw.write(flush, this.#input, this.#at, this.#end, out, start + this.#held, out.length);
    this.#at = this.#end - raw.inputLeft;
    this.outputEnd = out.length - raw.outputLeft;
    this.#more = raw.outputLeft === 0;
    this.#held = this.#more && this.#last ? TAIL_BYTES : 0;
    if (this.#more) {
      this.outputEnd -= this.#held;
      return true;
    }
    this.#input = NOTHING;
    if (this.#last) {
      this.outputEnd -= TAIL_BYTES;
      this.complete = true;
      this.#pool.release(this.#stream!, this.#keep);
    }
    return this.complete || this.outputEnd > start;
  }

  /** The connection is over. */
  dispose(): void {
    if (this.#stream?.owner === this) this.#pool.release(this.#stream, false);
    this.#stream = null;
  }
}

/** Decompresses the messages of one connection: `begin` a message, `feed` its bytes, after each `next` until it returns 0. */
export class MessageInflater {
  /** The bytes of the last step are `output[0..n)`. */
  readonly output: Buffer = inflated;
  readonly #pool: StreamPool;
  readonly #windowBytes: number;
  #stream: Pooled | null = null;
  #input: Uint8Array = NOTHING;
  #at = 0;
  #end = 0;
  /** The last bytes of the messages so far, a ring once it has its full size; null: none, or not wanted. */
  #window: Buffer | null = null;
  #windowAt = 0;
  #windowFull = false;
  /** Final blocks in this message. */
  #finals = 0;

  constructor(pool: StreamPool, params: DeflateParams) {
    this.#pool = pool;
    this.#windowBytes = params.clientNoContextTakeover ? 0 : 1 << params.clientWindowBits;
  }

  begin(): void {
    this.#finals = 0;
    const stream = this.#stream;
    if (stream?.owner === this) {
      stream.busy = true;
      return;
    }
    this.#stream = this.#pool.take(this, INFLATE_WINDOW_BITS);
    this.#restoreWindow();
  }

  feed(input: Uint8Array, from: number, to: number): void {
    this.#input = input;
    this.#at = from;
    this.#end = to;
  }

  /** Feeds what the sender has left out at the end of a message. */
  feedTail(): void {
    this.feed(TAIL, 0, TAIL_BYTES);
  }

  /** Decompresses at most `max` bytes to `output`. Returns their number; -1: malformed. */
  next(max: number): number {
    const raw = this.#stream!.raw;
    const size = Math.min(max, inflated.length);
    for (;;) {
      if (!raw.write(SYNC_FLUSH, this.#input, this.#at, this.#end, inflated, 0, size)) return -1;
      this.#at = this.#end - raw.inputLeft;
      const length = size - raw.outputLeft;
      if (length > 0) {
        this.#remember(length);
        return length;
      }
      if (this.#at === this.#end) {
        this.#input = NOTHING;
        return 0;
      }
      // A final block ends the stream for zlib, not for the message (RFC 7692 section 7.2.3.4).
      this.#finals += 1;
      if (this.#finals > FINAL_BLOCKS_MAX) return -1;
      raw.reset();
      this.#restoreWindow();
    }
  }

  /** The message is over. */
  finish(): void {
    this.#pool.release(this.#stream!, this.#windowBytes > 0);
  }

  /** The connection is over. */
  dispose(): void {
    if (this.#stream?.owner === this) this.#pool.release(this.#stream, false);
    this.#stream = null;
    this.#window = null;
  }

  #remember(length: number): void {
    const bytes = this.#windowBytes;
    if (bytes === 0) return;
    const from = Math.max(0, length - bytes);
    this.#growWindow(length - from);
    const window = this.#window!;
    const first = Math.min(length - from, window.length - this.#windowAt);
    copyBytes(inflated, from, from + first, window, this.#windowAt);
    this.#windowAt += first;
    if (this.#windowAt < bytes) return;
    this.#windowFull = true;
    this.#windowAt = length - from - first;
    copyBytes(inflated, from + first, length, window, 0);
  }

  /** It grows by doubling: most connections send little. */
  #growWindow(added: number): void {
    const old = this.#window;
    const size = old === null ? 0 : old.length;
    const needed = Math.min(this.#windowBytes, this.#windowAt + added);
    if (this.#windowFull || size >= needed) return;
    let bytes = Math.max(size, WINDOW_BYTES_MIN);
    while (bytes < needed) bytes *= 2;
    this.#window = Buffer.allocUnsafeSlow(bytes);
    if (old !== null) copyBytes(old, 0, this.#windowAt, this.#window, 0);
  }

  /** Puts the window into an empty stream: a stored block of its bytes, whose output nobody wants. */
  #restoreWindow(): void {
    const window = this.#window;
    if (window === null) return;
    const raw = this.#stream!.raw;
    const length = this.#windowFull ? window.length : this.#windowAt;
    const [low, high] = [length & 0xff, length >>> 8];
    const header = Uint8Array.of(0, low, high, low ^ 0xff, high ^ 0xff);
    raw.write(SYNC_FLUSH, header, 0, header.length, inflated, 0, inflated.length);
    const at = this.#windowAt;
    if (this.#windowFull) {
      raw.write(SYNC_FLUSH, window, at, length, inflated, 0, inflated.length);
    }
    raw.write(SYNC_FLUSH, window, 0, at, inflated, 0, inflated.length);
  }
}
