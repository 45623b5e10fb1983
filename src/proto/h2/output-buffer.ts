/**
 * A growing run of output bytes. Writers call `reserve` once for all that they are about to write and then store into `chunk` at `at`: no
 * byte is checked twice. What is taken is never copied: the chunk goes on being filled behind it.
 */

/** Bytes that a new chunk has at least. */
const CHUNK_BYTES_MIN = 8192;
/** A chunk with less room is given up when what it holds is taken. */
const CHUNK_BYTES_LEFT_MIN = 512;

const NONE: Buffer = Buffer.alloc(0);

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
    const grown = Buffer.allocUnsafeSlow(Math.max(length + bytes, 2 * length, CHUNK_BYTES_MIN));
    if (length > 0) this.chunk.copy(grown, 0, this.start, this.at);
    this.chunk = grown;
    this.start = 0;
    this.at = length;
  }

  /** What is written, for the caller to keep. */
  take(): Buffer {
    const taken = this.chunk.subarray(this.start, this.at);
    if (this.chunk.length - this.at < CHUNK_BYTES_LEFT_MIN) {
      this.chunk = NONE;
      this.at = 0;
    }
    this.start = this.at;
    return taken;
  }
}
