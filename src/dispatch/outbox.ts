/**
 * What waits to be written to one worker. Small things are put together in one chunk, so that a tick's frames leave in one
 * write; large pieces go as they are. Chunks are never reused, therefore the heads in them can be sent again later.
 */
import { copyBytes } from "../core/bytes.ts";
import { FRAME_HEADER_BYTES, type FrameType } from "../wire/spec.ts";
import { writeFrameHeader } from "../wire/frames.ts";

/** Large enough for some hundred heads, small enough that a kept head does not pin much. */
const CHUNK_BYTES = 64 * 1024;
/** From here on a copy costs more than a write of its own. */
const COPY_BYTES_MAX = 16 * 1024;

/** The part of a socket that is needed here. */
export interface Writable {
  write(data: Buffer, byteOffset?: number, byteLength?: number): number;
}

export class Outbox {
  /** The chunk being filled: written out up to `#sent`, filled up to `at`. */
  chunk: Buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  at = 0;
  #sent = 0;
  /** Full pieces that come before what the chunk holds. */
  #pieces: Buffer[] = [];

  /** True when something waits. */
  get pending(): boolean {
    return this.at > this.#sent || this.#pieces.length > 0;
  }

  /** Makes room for `bytes` in one run of `chunk` at `at`. */
  reserve(bytes: number): void {
    if (this.at + bytes <= this.chunk.length) return;
    this.#seal();
    this.chunk = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, bytes));
    this.at = 0;
    this.#sent = 0;
  }

  /** Writes a frame's header at `at` and moves on; the payload must follow. `reserve` first. */
  header(
    length: number,
    stream: number,
    type: (typeof FrameType)[keyof typeof FrameType],
    flags: number,
    aux: number,
  ): void {
    writeFrameHeader(this.chunk, this.at, length, stream, type, flags, aux);
    this.at += FRAME_HEADER_BYTES;
  }

  /** Copies bytes to `at`. `reserve` first. */
  copy(from: Uint8Array, start: number, end: number): void {
    this.at = copyBytes(from, start, end, this.chunk, this.at);
  }

  /** Adds a payload of any size; a large one is kept, not copied. Returns true when it was copied. */
  payload(piece: Buffer): boolean {
    if (piece.length <= COPY_BYTES_MAX) {
      this.reserve(piece.length);
      this.copy(piece, 0, piece.length);
      return true;
    }
    this.#seal();
    this.#pieces.push(piece);
    return false;
  }

  /** Writes what the socket takes. Returns true when all is out. */
  flush(socket: Writable): boolean {
    while (this.#pieces.length > 0) {
      const piece = this.#pieces[0]!;
      const wrote = socket.write(piece);
      if (wrote < piece.length) {
        if (wrote > 0) this.#pieces[0] = piece.subarray(wrote);
        return false;
      }
      this.#pieces.shift();
    }
    const length = this.at - this.#sent;
    if (length === 0) return true;
    const wrote = socket.write(this.chunk, this.#sent, length);
    if (wrote > 0) this.#sent += wrote;
    return wrote === length;
  }

  #seal(): void {
    if (this.at === this.#sent) return;
    this.#pieces.push(this.chunk.subarray(this.#sent, this.at));
    this.#sent = this.at;
  }
}
