/**
 * A growing run of output bytes. Writers call `reserve` once for all that they are about to write and then store into `chunk` at `at`: no
 * byte is checked twice. What is taken is never copied: the chunk goes on being filled behind it, and is filled anew once the taker
 * says that it has written all. Large chunks, whose pages are dear, then serve whoever needs one next.
 */

/** Bytes that a new chunk has at least. */
const CHUNK_BYTES_MIN = 8192;
/** A chunk of more than MEDIUM has LARGE bytes: what is pulled for one write, and what may come on top of it. */
const CHUNK_BYTES_MEDIUM = 64 * 1024;
const CHUNK_BYTES_LARGE = 320 * 1024;
/** Large chunks that lie ready, for all connections. */
const SPARE_CHUNKS_MAX = 4;

const NONE: Buffer = Buffer.alloc(0);
const spare: Buffer[] = [];

export class OutputBuffer {
  chunk: Buffer = NONE;
  /** `chunk[start..at)` is written and not taken. */
  start = 0;
  at = 0;

  get length(): number {
    return this.at - this.start;
  }

  /** Sees to it that `bytes` more fit behind `at`; `chunk`, `start` and `at` may be others afterwards, `length` is not. */
  reserve(bytes: number): void {
    if (this.at + bytes <= this.chunk.length) return;
    const length = this.at - this.start;
    // Grows by doubling while nobody takes.
    const grown = newChunk(Math.max(length + bytes, 2 * length, CHUNK_BYTES_MIN));
    if (length > 0) this.chunk.copy(grown, 0, this.start, this.at);
    this.chunk = grown;
    this.start = 0;
    this.at = length;
  }

  /** What is written, for the caller to keep. */
  take(): Buffer {
    const taken = this.chunk.subarray(this.start, this.at);
    this.start = this.at;
    return taken;
  }

  /** Nobody looks any more at what was taken. */
  reuse(): void {
    if (this.start < this.at || this.at === 0) return;
    const { chunk } = this;
    this.start = 0;
    this.at = 0;
    if (chunk.length <= CHUNK_BYTES_MIN) return;
    this.chunk = NONE;
    if (chunk.length === CHUNK_BYTES_LARGE && spare.length < SPARE_CHUNKS_MAX) spare.push(chunk);
  }
}

function newChunk(bytes: number): Buffer {
  if (bytes <= CHUNK_BYTES_MEDIUM || bytes > CHUNK_BYTES_LARGE)
    return Buffer.allocUnsafeSlow(bytes);
  return spare.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES_LARGE);
}
