/**
 * One write of many pieces of memory to a plain socket, past the runtime, which has no such call: a large body in pieces of 64
 * KiB costs the
 * kernel four times what it costs in one piece. The runtime goes on watching the socket.
 */
import { addressOf, sendMessage } from "./libc.ts";

/** Pieces of one write; the system takes up to 1024. */
export const PIECES_MAX = 64;

/** `struct iovec` and `struct msghdr` of 64-bit systems, in words of 32 bits, little-endian. */
const VECTOR_WORDS = 4;
const HEADER_WORDS = 14;
const HEADER_VECTORS = 4;
const HEADER_COUNT = 6;
const WORD = 2 ** 32;

/** Over buffers of their own: the collector moves the bytes of a small array that has none. */
const vectors = new Uint32Array(new ArrayBuffer(PIECES_MAX * VECTOR_WORDS * 4));
const header = new Uint32Array(new ArrayBuffer(HEADER_WORDS * 4));
let headerAddress = 0;

/**
 * Writes pieces `pieces[i][bounds[2i], bounds[2i + 1])`, at most PIECES_MAX. Returns the bytes the kernel took; less than all
 * also on an error.
 */
export function writePieces(
  fd: number,
  pieces: readonly Buffer[],
  bounds: readonly number[],
): number {
  for (let i = 0; i < pieces.length; i++) {
    const start = bounds[2 * i]!;
    setWords(vectors, i * VECTOR_WORDS, addressOf(pieces[i]!) + start);
    vectors[i * VECTOR_WORDS + 2] = bounds[2 * i + 1]! - start;
  }
  if (headerAddress === 0) {
    headerAddress = addressOf(header);
    setWords(header, HEADER_VECTORS, addressOf(vectors));
  }
  header[HEADER_COUNT] = pieces.length;
  return Math.max(0, sendMessage(fd, headerAddress));
}

function setWords(words: Uint32Array, at: number, value: number): void {
  words[at] = value % WORD;
  words[at + 1] = value / WORD;
}
