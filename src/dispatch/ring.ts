/**
 * What an edge and a worker share without frames: the board's counters, and two rings for the large parts of bodies
 * (docs/protocol.md). One side writes a ring, the other reads it, in the same order; the only thing that both look at is the
 * counter of what has been read.
 */
import { addressOf, receiveInto } from "../net/libc.ts";
import {
  BOARD_BEGUN,
  BOARD_COMPUTING,
  BOARD_REQUEST_READ,
  BOARD_RESPONSE_READ,
  BOARD_RINGS_MAPPED,
  RING_BYTES,
  RING_MARGIN_BYTES,
} from "../wire/spec.ts";

export class SharedMemory {
  readonly #board: Uint32Array;
  /** The response ring; null where there are no rings. */
  responses: Buffer | null = null;
  #requests: Buffer | null = null;
  /** Bytes used of the request ring, modulo 2^32. */
  #used = 0;
  /** Where the request ring lies; 0 not asked yet. */
  #address = 0;
  /** The size of what `putFrom` has read. */
  received = 0;

  constructor(board: Uint32Array, rings: Uint8Array | null) {
    this.#board = board;
    if (rings === null || rings.length < 2 * RING_BYTES) return;
    const buffer = rings.buffer as ArrayBuffer;
    this.responses = Buffer.from(buffer, rings.byteOffset, RING_BYTES);
    this.#requests = Buffer.from(buffer, rings.byteOffset + RING_BYTES, RING_BYTES);
    board[BOARD_RINGS_MAPPED] = 1;
  }

  /** The link is over. Whoever still knows it, as a kept connection does its last worker, does not hold megabytes with it. */
  release(): void {
    this.responses = null;
    this.#requests = null;
    this.#address = 0;
  }

  /** The newest request that the worker has begun. */
  get begun(): number {
    return this.#board[BOARD_BEGUN]!;
  }

  /** A view computes: whatever else runs in the worker is late. */
  get computing(): boolean {
    return this.#board[BOARD_COMPUTING] !== 0;
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
    const offset = this.#room(piece.length);
    if (offset < 0) return -1;
    piece.copy(this.#requests!, offset);
    this.#take(offset, piece.length);
    return offset;
  }

  /** Puts more bytes right behind the part that was put last. False: there is no room. */
  extend(piece: Buffer): boolean {
    if (this.#requests === null) return false;
    const free = RING_BYTES - ((this.#used - this.#board[BOARD_REQUEST_READ]!) >>> 0);
    const behind = this.#used % RING_BYTES;
    const fits = behind > 0 && behind + piece.length <= RING_BYTES && piece.length <= free;
    if (!fits) return false;
    piece.copy(this.#requests, behind - RING_MARGIN_BYTES);
    this.#used = (this.#used + piece.length) >>> 0;
    return true;
  }

  /**
   * Reads a part of a request body, at most `bytes`, from a socket into the ring. Returns its offset, or -1 when there is no
   * room, or nothing
   * to read; `received` is its size.
   */
  putFrom(fd: number, bytes: number): number {
    const offset = this.#room(bytes);
    if (offset < 0) return -1;
    this.#address ||= addressOf(this.#requests!);
    this.received = receiveInto(fd, this.#address + offset, bytes);
    if (this.received <= 0) return -1;
    this.#take(offset, this.received);
    return offset;
  }

  /** The bytes of a part of the request ring. */
  requestPart(offset: number, bytes: number): Buffer {
    return this.#requests!.subarray(offset, offset + bytes);
  }

  /** Reads `bytes`, or less, right behind the part that was put last. Returns where they lie, or -1; `received` is their number. */
  extendFrom(fd: number, bytes: number): number {
    if (this.#requests === null) return -1;
    const free = RING_BYTES - ((this.#used - this.#board[BOARD_REQUEST_READ]!) >>> 0);
    const behind = this.#used % RING_BYTES;
    if (behind === 0 || behind + bytes > RING_BYTES || bytes > free) return -1;
    this.#address ||= addressOf(this.#requests);
    this.received = receiveInto(fd, this.#address + behind - RING_MARGIN_BYTES, bytes);
    if (this.received <= 0) return -1;
    this.#used = (this.#used + this.received) >>> 0;
    return behind - RING_MARGIN_BYTES;
  }

  /** The size of the largest part of a request body for which there is room. */
  get roomMax(): number {
    const free = RING_BYTES - ((this.#used - this.#board[BOARD_REQUEST_READ]!) >>> 0);
    const behind = RING_BYTES - (this.#used % RING_BYTES);
    const run = free < behind ? free : Math.max(behind, free - behind);
    return this.#requests === null ? 0 : run - 2 * RING_MARGIN_BYTES;
  }

  /** Where a part of so many bytes would lie; -1 when there is no room. */
  #room(bytes: number): number {
    if (this.#requests === null) return -1;
    const size = bytes + 2 * RING_MARGIN_BYTES;
    const free = RING_BYTES - ((this.#used - this.#board[BOARD_REQUEST_READ]!) >>> 0);
    const at = this.#used % RING_BYTES;
    const skipped = at + size > RING_BYTES ? RING_BYTES - at : 0;
    if (skipped + size > free) return -1;
    return (skipped > 0 ? 0 : at) + RING_MARGIN_BYTES;
  }

  /** Counts a part at `offset`, where `#room` has put it, and what was skipped before it. */
  #take(offset: number, bytes: number): void {
    const skipped =
      (offset - RING_MARGIN_BYTES - (this.#used % RING_BYTES) + RING_BYTES) % RING_BYTES;
    this.#used = (this.#used + skipped + bytes + 2 * RING_MARGIN_BYTES) >>> 0;
  }

  /** The count behind the part that was put last. */
  get used(): number {
    return this.#used;
  }
}
