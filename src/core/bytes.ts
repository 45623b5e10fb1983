/**
 * Copying and comparing of byte runs: a loop where short, the runtime's native call where long (a native call costs
 * about 20 ns (copy) or 50 ns (compare), a loop about 0.6 ns a byte). No views are made.
 */
const COPY_LOOP_MAX = 24;
const COMPARE_LOOP_MAX = 80;

const nativeCopy = Buffer.prototype.copy;
const nativeCompare = Buffer.prototype.compare;

/** Copies `[from, to)` of `source` to `target` at `at`; the position after the last byte written. */
export function copyBytes(
  source: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
  at: number,
): number {
  if (to - from > COPY_LOOP_MAX) {
    nativeCopy.call(source, target, at, from, to);
    return at + to - from;
  }
  let o = at;
  for (let i = from; i < to; i++) target[o++] = source[i]!;
  return o;
}

/** Does `bytes` hold the first `length` bytes of `known` at `at`? Both must be long enough. */
export function startsWithAt(
  bytes: Uint8Array,
  at: number,
  known: Uint8Array,
  length: number,
): boolean {
  if (length > COMPARE_LOOP_MAX) {
    return nativeCompare.call(known, bytes, at, at + length, 0, length) === 0;
  }
  for (let i = 0; i < length; i++) {
    if (bytes[at + i] !== known[i]) return false;
  }
  return true;
}

/** Gives memory back at once instead of at the next collection, if the buffer is all of it: nobody may use it any more. */
export function release(bytes: Buffer): void {
  const memory = bytes.buffer as ArrayBuffer;
  if (bytes.length === memory.byteLength) memory.transfer(0);
}

/** A buffer of at least `needed` bytes, not cleared, with a little room to grow into. */
export function allocate(needed: number): Uint8Array {
  return Buffer.allocUnsafeSlow((needed + 255) & ~127);
}
