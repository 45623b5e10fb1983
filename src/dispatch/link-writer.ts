/** What an edge writes to one worker: frames gathered until the tick ends, and large parts of bodies through the ring. */
import type { Exchange } from "../exchange/exchange.ts";
import type { RequestHead } from "../proto/events.ts";
import {
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
  RING_PART_BYTES_MIN,
  WS_MESSAGE_COST_BYTES,
} from "../wire/spec.ts";
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

  /** Body bytes, at most `max`, read from a socket straight into the ring. Returns how many. */
  bodyFrom(x: Exchange, fd: number, max: number): number {
    let read = 0;
    while (read < max) {
      const part = Math.min(BODY_PART_BYTES, max - read);
      const offset = this.#shared.putFrom(fd, part);
      if (offset < 0) break;
      this.#sharedPart(x, FrameType.SHARED_BODY, 0, 0, offset, this.#shared.received);
      read += this.#shared.received;
      if (this.#shared.received < part) break;
    }
    x.requestCredit -= read;
    return read;
  }

  /** The last part of a WebSocket's message. In one piece: the worker needs it as one. */
  message(x: Exchange, kind: number, piece: Buffer): void {
    x.requestCredit -= piece.length + WS_MESSAGE_COST_BYTES;
    const offset = piece.length < RING_PART_BYTES_MIN ? -1 : this.#shared.put(piece);
    if (offset >= 0) {
      return this.#sharedPart(x, FrameType.MESSAGE, Flag.SHARED, kind, offset, piece.length);
    }
    const out = this.#out;
    out.reserve(FRAME_HEADER_BYTES);
    out.header(piece.length, x.stream, FrameType.MESSAGE, 0, kind);
    out.payload(piece);
    this.#touch();
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
    const flags = end ? Flag.END : 0;
    this.#sharedPart(x, FrameType.SHARED_BODY, flags, 0, offset, part.length);
    return true;
  }

  /** A frame that names what was put into the ring last. */
  #sharedPart(
    x: Exchange,
    type: Type,
    flags: number,
    aux: number,
    offset: number,
    bytes: number,
  ): void {
    const out = this.#out;
    out.reserve(FRAME_HEADER_BYTES + 12);
    out.header(12, x.stream, type, flags, aux);
    out.at = out.chunk.writeUInt32LE(offset, out.at);
    out.at = out.chunk.writeUInt32LE(bytes, out.at);
    out.at = out.chunk.writeUInt32LE(this.#shared.used, out.at);
    this.#touch();
  }

  #touch(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.#onDirty();
  }
}
