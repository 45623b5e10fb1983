/** What an edge writes to one worker: frames gathered until the tick ends, and large parts of bodies through the ring. */
import type { Exchange } from "../exchange/exchange.ts";
import type { RequestHead } from "../proto/events.ts";
import { Flag, FRAME_HEADER_BYTES, FrameType, RING_PART_BYTES_MIN } from "../wire/spec.ts";
import { Outbox, type Writable } from "./outbox.ts";
import type { SharedMemory } from "./ring.ts";

/** Larger blocks are mapped and unmapped by the worker's C library each time, which costs more than the copy. */
const BODY_PART_BYTES = 64 * 1024;

type Type = (typeof FrameType)[keyof typeof FrameType];

export class LinkWriter {
  /** The socket has not taken everything. */
  blocked = false;
  readonly #out: Outbox = new Outbox();
  readonly #socket: Writable;
  readonly #shared: SharedMemory;
  readonly #onDirty: () => void;
  #dirty = false;

  /** `onDirty`: called when something waits; `flush` must follow before the tick ends. */
  constructor(socket: Writable, shared: SharedMemory, onDirty: () => void) {
    this.#socket = socket;
    this.#shared = shared;
    this.#onDirty = onDirty;
  }

  flush(): void {
    this.#dirty = false;
    this.blocked = !this.#out.flush(this.#socket);
  }

  /** A REQUEST whose head is encoded straight into the frame; `x` keeps where it lies. */
  request(x: Exchange, head: RequestHead, constant: Buffer): void {
    const out = this.#out;
    this.#requestHeader(x, head.blockEnd + constant.length);
    out.copy(head.block, 0, head.splitAt);
    out.copy(constant, 0, constant.length);
    out.copy(head.block, head.splitAt, head.blockEnd);
    x.headEnd = out.at;
  }

  /** A REQUEST whose head `x` already has. */
  requestAgain(x: Exchange): void {
    const { headBuf, headStart, headEnd } = x;
    this.#requestHeader(x, headEnd - headStart);
    this.#out.copy(headBuf!, headStart, headEnd);
    x.headEnd = this.#out.at;
  }

  body(x: Exchange, piece: Buffer, end: boolean): void {
    x.requestCredit -= piece.length;
    if (piece.length < RING_PART_BYTES_MIN) return this.#bodyFrame(x, piece, end);
    for (let from = 0; from < piece.length; from += BODY_PART_BYTES) {
      const to = Math.min(piece.length, from + BODY_PART_BYTES);
      const part = piece.subarray(from, to);
      const last = end && to === piece.length;
      if (!this.#putBody(x, part, last)) this.#bodyFrame(x, part, last);
    }
  }

  credit(stream: number, bytes: number): void {
    const out = this.#out;
    out.reserve(FRAME_HEADER_BYTES + 4);
    out.header(4, stream, FrameType.CREDIT, 0, 0);
    out.at = out.chunk.writeUInt32LE(bytes, out.at);
    this.#touch();
  }

  /** Any other frame. */
  frame(type: Type, stream: number, aux: number, payload?: Uint8Array, flags = 0): void {
    const length = payload === undefined ? 0 : payload.length;
    const out = this.#out;
    out.reserve(FRAME_HEADER_BYTES + length);
    out.header(length, stream, type, flags, aux);
    if (payload !== undefined) {
      out.chunk.set(payload, out.at);
      out.at += length;
    }
    this.#touch();
  }

  #requestHeader(x: Exchange, headBytes: number): void {
    const out = this.#out;
    out.reserve(FRAME_HEADER_BYTES + headBytes);
    out.header(headBytes, x.stream, FrameType.REQUEST, x.flags, x.version);
    x.headBuf = out.chunk;
    x.headStart = out.at;
    this.#touch();
  }

  #bodyFrame(x: Exchange, piece: Buffer, end: boolean): void {
    const out = this.#out;
    out.reserve(FRAME_HEADER_BYTES);
    out.header(piece.length, x.stream, FrameType.BODY, end ? Flag.END : 0, 0);
    out.payload(piece);
    this.#touch();
  }

  /** Sends a part through the request ring, if there is room. */
  #putBody(x: Exchange, part: Buffer, end: boolean): boolean {
    const offset = this.#shared.put(part);
    if (offset < 0) return false;
    const payload = Buffer.allocUnsafe(12);
    payload.writeUInt32LE(offset, 0);
    payload.writeUInt32LE(part.length, 4);
    payload.writeUInt32LE(this.#shared.used, 8);
    this.frame(FrameType.SHARED_BODY, x.stream, 0, payload, end ? Flag.END : 0);
    return true;
  }

  #touch(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.#onDirty();
  }
}
