/** What an edge writes to one worker: frames gathered until the tick ends, and large parts of bodies through the ring. */
import {
  type Exchange,
  Handed,
  type HandedCode,
  PART_LAST,
  type PartReader,
  Stage,
} from "../exchange/exchange.ts";
import type { RequestHead } from "../proto/events.ts";
import {
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
  RING_PART_BYTES_MIN,
  WS_MESSAGE_COST_BYTES,
  WsKind,
} from "../wire/spec.ts";
import { Outbox, type Writable } from "./outbox.ts";
import type { SharedMemory } from "./ring.ts";

/** Larger blocks are mapped and unmapped by the worker's C library each time, which costs more than the copy. */
const BODY_PART_BYTES = 64 * 1024;
/** What a frame says of a part in the ring: offset, size, and the count behind it. */
const SHARED_PART_BYTES = 12;
/** Of the flags in a frame's header. */
const FLAGS_AT = 9;

type Type = (typeof FrameType)[keyof typeof FrameType];

export class LinkWriter {
  /** The socket has not taken everything. */
  blocked = false;
  readonly #out: Outbox = new Outbox();
  readonly #socket: Writable;
  readonly #shared: SharedMemory;
  readonly #onDirty: () => void;
  #dirty = false;
  /** WebSockets whose next part waits for room in the ring. */
  #roomless: Set<Exchange> = new Set();
  /** The stream whose part of a body is the last thing that was written, and may still grow; 0 none. */
  #growing = 0;
  /** Where the outbox was right behind its frame. */
  #growingIn: Buffer | null = null;
  #growingAt = 0;

  /** `onDirty`: called when something waits; `flush` must follow before the tick ends. */
  constructor(socket: Writable, shared: SharedMemory, onDirty: () => void) {
    this.#socket = socket;
    this.#shared = shared;
    this.#onDirty = onDirty;
  }

  flush(): void {
    this.#dirty = false;
    this.#growing = 0;
    this.#growingIn = null;
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

  body(x: Exchange, piece: Buffer, end: boolean): HandedCode {
    x.requestCredit -= piece.length;
    if (this.#growing === x.stream && this.#grow(piece, end)) return Handed.COPIED;
    if (piece.length < RING_PART_BYTES_MIN) return this.#bodyFrame(x, piece, end);
    let handed: HandedCode = Handed.COPIED;
    for (let from = 0; from < piece.length; from += BODY_PART_BYTES) {
      const to = Math.min(piece.length, from + BODY_PART_BYTES);
      const part = piece.subarray(from, to);
      const last = end && to === piece.length;
      if (!this.#putBody(x, part, last) && this.#bodyFrame(x, part, last) === Handed.KEPT)
        handed = Handed.KEPT;
    }
    return handed;
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

  /** A part of a WebSocket's message. A large one waits for room in the ring: through the socket it would cost more than the wait. */
  message(x: Exchange, kind: number, piece: Buffer, last: boolean): HandedCode {
    const bytes = piece.length;
    const large = bytes >= RING_PART_BYTES_MIN && this.#shared.responses !== null;
    const offset = large ? this.#shared.put(piece) : -1;
    if (large && offset < 0) return this.#waitForRoom(x);
    x.requestCredit -= last ? bytes + WS_MESSAGE_COST_BYTES : bytes;
    if (large) {
      this.#sharedMessage(x, kind, last, offset, bytes);
      return Handed.COPIED;
    }
    const out = this.#out;
    out.reserve(FRAME_HEADER_BYTES);
    if (last) out.header(bytes, x.stream, FrameType.MESSAGE, 0, kind);
    else out.header(bytes, x.stream, FrameType.BODY, kind === WsKind.BINARY ? Flag.BINARY : 0, 0);
    this.#touch();
    return out.payload(piece) ? Handed.COPIED : Handed.KEPT;
  }

  /** A part of a message, at most `max` bytes, read from a socket straight into the ring. Returns how many were read. */
  messageFrom(x: Exchange, fd: number, max: number, reader: PartReader): number {
    const shared = this.#shared;
    const { chunk, at } = this.#out;
    const wanted = Math.min(max, x.requestCredit - WS_MESSAGE_COST_BYTES);
    const behind =
      this.#growing === x.stream && at === this.#growingAt && chunk === this.#growingIn;
    let offset = behind ? shared.extendFrom(fd, wanted) : -1;
    const joined = offset >= 0;
    this.#growing = 0;
    if (!joined) {
      const room = Math.min(wanted, shared.roomMax);
      offset = room < RING_PART_BYTES_MIN ? -1 : shared.putFrom(fd, room);
      if (offset < 0) return 0;
    }
    const bytes = shared.received;
    const part = reader.readPart(shared.requestPart(offset, bytes));
    if (part === 0) return bytes;
    const last = (part & PART_LAST) !== 0;
    x.requestCredit -= last ? bytes + WS_MESSAGE_COST_BYTES : bytes;
    if (joined) {
      // It becomes one with the part before it: the frame is written anew.
      const before = at - SHARED_PART_BYTES;
      this.#out.at = before - FRAME_HEADER_BYTES;
      offset = chunk.readUInt32LE(before);
      this.#sharedMessage(
        x,
        part & ~PART_LAST,
        last,
        offset,
        chunk.readUInt32LE(before + 4) + bytes,
      );
    } else this.#sharedMessage(x, part & ~PART_LAST, last, offset, bytes);
    return bytes;
  }

  #sharedMessage(x: Exchange, kind: number, last: boolean, offset: number, bytes: number): void {
    if (last) return this.#sharedPart(x, FrameType.MESSAGE, Flag.SHARED, kind, offset, bytes);
    const flags = kind === WsKind.BINARY ? Flag.BINARY : 0;
    this.#sharedPart(x, FrameType.SHARED_BODY, flags, 0, offset, bytes);
    this.#markGrowing(x.stream);
  }

  /** The part that was written last may grow. */
  #markGrowing(stream: number): void {
    this.#growing = stream;
    this.#growingIn = this.#out.chunk;
    this.#growingAt = this.#out.at;
  }

  /** The worker has answered a PING: it has read the ring up to where it was then. */
  roomCame(): void {
    const waiting = this.#roomless;
    if (waiting.size === 0) return;
    this.#roomless = new Set();
    for (const x of waiting) if (x.stage === Stage.SENT) x.onCredit();
  }

  #waitForRoom(x: Exchange): HandedCode {
    if (this.#roomless.size === 0) this.frame(FrameType.PING, 0, 0);
    this.#roomless.add(x);
    return Handed.WAITS;
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

  #bodyFrame(x: Exchange, piece: Buffer, end: boolean): HandedCode {
    const out = this.#out;
    out.reserve(FRAME_HEADER_BYTES);
    out.header(piece.length, x.stream, FrameType.BODY, end ? Flag.END : 0, 0);
    this.#touch();
    return out.payload(piece) ? Handed.COPIED : Handed.KEPT;
  }

  /** Sends a part through the request ring, if there is room. */
  #putBody(x: Exchange, part: Buffer, end: boolean): boolean {
    const offset = this.#shared.put(part);
    if (offset < 0) return false;
    const flags = end ? Flag.END : 0;
    this.#sharedPart(x, FrameType.SHARED_BODY, flags, 0, offset, part.length);
    this.#markGrowing(end ? 0 : x.stream);
    return true;
  }

  /** Joins a piece to the part before it: HTTP/2 cuts a body into small frames, and each part costs the worker and the app. */
  #grow(piece: Buffer, end: boolean): boolean {
    const { chunk, at } = this.#out;
    if (at !== this.#growingAt || chunk !== this.#growingIn) return false;
    const bytes = chunk.readUInt32LE(at - 8) + piece.length;
    if (bytes > BODY_PART_BYTES || (piece.length > 0 && !this.#shared.extend(piece))) return false;
    chunk.writeUInt32LE(bytes, at - 8);
    chunk.writeUInt32LE(this.#shared.used, at - 4);
    if (end) {
      chunk[at - SHARED_PART_BYTES - FRAME_HEADER_BYTES + FLAGS_AT] = Flag.END;
      this.#growing = 0;
    }
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
    out.reserve(FRAME_HEADER_BYTES + SHARED_PART_BYTES);
    out.header(SHARED_PART_BYTES, x.stream, type, flags, aux);
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
