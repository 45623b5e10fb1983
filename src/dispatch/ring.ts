/**
 * What an edge and a worker share without frames: the board's counters, and two rings for the large parts of bodies
 * (docs/protocol.md). One side writes a ring, the other reads it, in the same order; the only thing that both look at is the
 * counter of what has been read.
 */
import {
  BOARD_BEGUN,
  BOARD_REQUEST_READ,
  BOARD_RESPONSE_READ,
  BOARD_RINGS_MAPPED,
  RING_BYTES,
  RING_MARGIN_BYTES,
} from "../wire/spec.ts";

export class SharedMemory {
  readonly #board: Uint32Array;
  /** The response ring; null where there are no rings. */
  readonly responses: Buffer | null = null;
  readonly #requests: Buffer | null = null;
  /** Bytes used of the request ring, modulo 2^32. */
  #used = 0;

  constructor(board: Uint32Array, rings: Uint8Array | null) {
    this.#board = board;
    if (rings === null || rings.length < 2 * RING_BYTES) return;
    const buffer = rings.buffer as ArrayBuffer;
    this.responses = Buffer.from(buffer, rings.byteOffset, RING_BYTES);
    this.#requests = Buffer.from(buffer, rings.byteOffset + RING_BYTES, RING_BYTES);
    board[BOARD_RINGS_MAPPED] = 1;
  }

  /** The newest request that the worker has begun. */
  get begun(): number {
    return this.#board[BOARD_BEGUN]!;
  }

  /** `responses[offset, offset + count)` with its margins lies within the ring. */
  holds(offset: number, count: number): boolean {
    const from = offset - RING_MARGIN_BYTES;
    return this.responses !== null && from >= 0 && offset + count + RING_MARGIN_BYTES <= RING_BYTES;
  }

  /** A part of a response has been taken. */
  responseTaken(after: number): void {
    this.#board[BOARD_RESPONSE_READ] = after;
  }

  /** Puts a part of a request body into its ring. Returns its offset, or -1 when there is no room. */
  put(piece: Buffer): number {
    const ring = this.#requests;
    if (ring === null) return -1;
    const size = piece.length + 2 * RING_MARGIN_BYTES;
    const free = RING_BYTES - ((this.#used - this.#board[BOARD_REQUEST_READ]!) >>> 0);
    const at = this.#used % RING_BYTES;
    const skipped = at + size > RING_BYTES ? RING_BYTES - at : 0;
    if (skipped + size > free) return -1;
    this.#used = (this.#used + skipped + size) >>> 0;
    const offset = (skipped > 0 ? 0 : at) + RING_MARGIN_BYTES;
    piece.copy(ring, offset);
    return offset;
  }

  /** The count behind the part that was put last. */
  get used(): number {
    return this.#used;
  }
}
