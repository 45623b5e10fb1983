/**
 * Our side of the streams. HEADERS go to the output at once, and so does DATA that fits both windows while little waits: what is encoded
 * first leaves first, as HPACK wants it. Other DATA waits in its stream's queue, by reference, until `fill` takes it by RFC 9218.
 *
 * Invariants: a stream is listed with the scheduler exactly while it has queued DATA and its window is open; the end of a stream is
 * queued only behind DATA.
 */
import {
  appendReset,
  FRAME_HEADER_BYTES,
  FrameFlag,
  FrameType,
  H2Code,
  writeFrameHeader,
} from "./frames.ts";
import { WINDOW_BYTES_INITIAL, WINDOW_BYTES_MAX } from "./flow.ts";
import type { FloodGuard } from "./guard.ts";
import type { Inflow } from "./inflow.ts";
import {
  DATA_FRAME_BYTES_MAX,
  DRIBBLE_BYTES,
  OUTPUT_BYTES_MAX,
  SMALL_DATA_BYTES,
} from "./limits.ts";
import type { OutputBuffer } from "./output-buffer.ts";
import { ResponseEncoder } from "./response-encoder.ts";
import { Scheduler } from "./scheduler.ts";
import { PeerSettings } from "./settings.ts";
import { Closed, type Piece, Reading, type Stream, type StreamTable, Writing } from "./streams.ts";
import { copyBytes } from "../../core/bytes.ts";

function ignored(): void {}

export interface SenderParts {
  readonly out: OutputBuffer;
  readonly streams: StreamTable;
  readonly inflow: Inflow;
  readonly guard: FloodGuard;
}

export class Sender {
  readonly peer = new PeerSettings();
  readonly scheduler = new Scheduler();
  onSent: (stream: number, bytes: number, ended: boolean) => void = ignored;
  /** DATA bytes queued on all streams. */
  queued = 0;
  /** The client makes us send in dribbles. */
  dribbling = false;

  readonly #out: OutputBuffer;
  readonly #streams: StreamTable;
  readonly #inflow: Inflow;
  readonly #guard: FloodGuard;
  readonly #encoder = new ResponseEncoder();
  /** DATA bytes that the connection may send. */
  #window = WINDOW_BYTES_INITIAL;
  /** DATA bytes sent on the connection. */
  #sent = 0;
  #frameBytesMax: number;

  constructor({ out, streams, inflow, guard }: SenderParts) {
    this.#out = out;
    this.#streams = streams;
    this.#inflow = inflow;
    this.#guard = guard;
    this.#frameBytesMax = this.peer.frameBytesMax;
  }

  // Answers

  head(
    stream: Stream,
    status: number,
    buf: Buffer,
    start: number,
    end: number,
    endStream: boolean,
  ): void {
    if (stream.writing !== Writing.HEAD) return;
    stream.writing = Writing.BODY;
    const begun = this.#beginHeaders();
    this.#encoder.response(this.#out, status, buf, start, end);
    this.#endHeaders(stream, begun, endStream);
    if (endStream) this.#ended(stream);
  }

  informational(stream: Stream, status: number, buf: Buffer, start: number, end: number): void {
    if (stream.writing !== Writing.HEAD) return;
    const begun = this.#beginHeaders();
    this.#encoder.informational(this.#out, status, buf, start, end);
    this.#endHeaders(stream, begun, false);
  }

  data(
    stream: Stream,
    buf: Buffer,
    start: number,
    end: number,
    endStream: boolean,
    borrowed: boolean,
  ): boolean {
    if (stream.writing !== Writing.BODY) return true;
    const length = end - start;
    if (length === 0 && !endStream) return true;
    const now = stream.queued === 0 ? this.#bytesNow(stream, length) : 0;
    if (now === length && stream.queued === 0) {
      this.#frames(stream, buf, start, end, endStream);
      return true;
    }
    if (now > 0) this.#frames(stream, buf, start, start + now, false);
    if (endStream) stream.writing = Writing.ENDING;
    if (now < length) this.#queue(stream, buf, start + now, end, borrowed);
    if (now > 0) this.onSent(stream.id, now, false);
    return false;
  }

  trailers(stream: Stream, pairs: Uint8Array): boolean {
    if (stream.writing !== Writing.BODY) return true;
    if (stream.queued === 0) {
      this.#trailers(stream, pairs);
      this.#ended(stream);
      return true;
    }
    stream.trailers = pairs;
    stream.writing = Writing.ENDING;
    return false;
  }

  /** RST_STREAM by us, with all that was queued gone. */
  reset(stream: Stream, code: number): void {
    appendReset(this.#out, stream.id, code);
    this.forget(stream, Closed.BY_US);
  }

  forget(stream: Stream, how: (typeof Closed)[keyof typeof Closed]): void {
    this.queued -= stream.queued;
    this.scheduler.remove(stream);
    this.#inflow.release(stream);
    this.#streams.forget(stream, how);
  }

  // What the client allows

  /** SETTINGS were read into `peer`, which said `windowBefore` until then; an error code (H2Code), or 0. */
  settingsChanged(windowBefore: number): number {
    const peer = this.peer;
    this.#frameBytesMax = Math.min(peer.frameBytesMax, DATA_FRAME_BYTES_MAX);
    if (peer.headerTableBytesLeast < peer.headerTableBytes)
      this.#encoder.setPeerTableSizeMax(peer.headerTableBytesLeast);
    this.#encoder.setPeerTableSizeMax(peer.headerTableBytes);
    const change = peer.windowBytes - windowBefore;
    if (change === 0) return H2Code.NO_ERROR;
    for (const stream of this.#streams.values()) {
      if (!this.grow(stream, change)) return H2Code.FLOW_CONTROL_ERROR;
    }
    return H2Code.NO_ERROR;
  }

  /** Changes a stream's window; false when it becomes larger than a window may be. */
  grow(stream: Stream, bytes: number): boolean {
    stream.sendWindow += bytes;
    if (stream.sendWindow <= 0) this.scheduler.remove(stream);
    else if (stream.queued > 0) this.scheduler.add(stream);
    return stream.sendWindow <= WINDOW_BYTES_MAX;
  }

  growConnection(bytes: number): boolean {
    this.#window += bytes;
    return this.#window <= WINDOW_BYTES_MAX;
  }

  /** DATA could be written. */
  get ready(): boolean {
    return !this.scheduler.empty && this.#window > 0;
  }

  /** Fills the output to about `max` bytes. */
  fill(max: number): void {
    const out = this.#out;
    if (!this.ready || out.length >= max) return;
    const data = Math.min(this.queued, this.#window, max - out.length);
    out.reserve(data + FRAME_HEADER_BYTES * (1 + Math.ceil(data / this.#frameBytesMax)));
    while (out.length < max && this.#window > 0) {
      const stream = this.scheduler.next();
      if (stream === null) return;
      this.#sendQueued(stream, max - out.length);
    }
  }

  /** Contract: `H2Connection.stalled`. */
  stalled(now: number, ms: number): number {
    for (const stream of this.#streams.values()) {
      const shut = stream.sendWindow <= 0;
      if (stream.queued === 0 || (!shut && this.#window > 0)) {
        stream.stallMark = -1;
        continue;
      }
      // A stream that waits for the connection's window is not stalled while others get through.
      const mark = shut ? stream.sent : this.#sent;
      if (stream.stallMark !== mark) {
        stream.stallMark = mark;
        stream.stallSince = now;
      } else if (now - stream.stallSince >= ms) return stream.id;
    }
    return 0;
  }

  // Frames

  /** How many of `length` bytes go to the output at once. */
  #bytesNow(stream: Stream, length: number): number {
    const room = Math.max(0, Math.min(stream.sendWindow, this.#window));
    if (length <= SMALL_DATA_BYTES) {
      const fits = length <= room && this.#out.length < OUTPUT_BYTES_MAX;
      return fits || length === 0 ? length : 0;
    }
    if (!this.scheduler.empty) return 0;
    const now = Math.min(length, room, OUTPUT_BYTES_MAX - this.#out.length);
    return now >= SMALL_DATA_BYTES ? now : 0;
  }

  /** Appends `buf[start..end)`, which the windows allow, as DATA frames. */
  #frames(stream: Stream, buf: Buffer, start: number, end: number, endStream: boolean): void {
    const out = this.#out;
    const max = this.#frameBytesMax;
    const length = end - start;
    out.reserve(length + FRAME_HEADER_BYTES * (1 + Math.floor(length / max)));
    let at = start;
    do {
      const size = Math.min(max, end - at);
      const flags = endStream && at + size === end ? FrameFlag.END_STREAM : 0;
      writeFrameHeader(out.chunk, out.at, size, FrameType.DATA, flags, stream.id);
      out.at = copyBytes(buf, at, at + size, out.chunk, out.at + FRAME_HEADER_BYTES);
      at += size;
      this.#guard.frames++;
    } while (at < end);
    this.#spend(stream, length);
    if (endStream) this.#ended(stream);
  }

  #queue(stream: Stream, buf: Buffer, start: number, end: number, borrowed: boolean): void {
    const bytes = end - start;
    const piece: Piece = borrowed
      ? { buf: Buffer.from(buf.subarray(start, end)), start: 0, end: bytes, next: null }
      : { buf, start, end, next: null };
    if (stream.last === null) stream.first = piece;
    else stream.last.next = piece;
    stream.last = piece;
    stream.queued += bytes;
    this.queued += bytes;
    if (stream.sendWindow > 0) this.scheduler.add(stream);
  }

  /** One DATA frame of what is queued, with at most about `max` bytes. */
  #sendQueued(stream: Stream, max: number): void {
    const out = this.#out;
    const room = Math.min(stream.sendWindow, this.#window);
    const size = Math.min(room, stream.queued, this.#frameBytesMax, Math.max(max, DRIBBLE_BYTES));
    const last = size === stream.queued;
    const ends = last && stream.writing === Writing.ENDING;
    const flags = ends && stream.trailers === null ? FrameFlag.END_STREAM : 0;
    out.reserve(FRAME_HEADER_BYTES + size);
    writeFrameHeader(out.chunk, out.at, size, FrameType.DATA, flags, stream.id);
    out.at += FRAME_HEADER_BYTES;
    this.#copyQueued(stream, size);
    if (last || size >= DRIBBLE_BYTES) this.#guard.frames++;
    else if (!this.#guard.allows("dribbles")) this.dribbling = true;
    this.#spend(stream, size);
    if (last || stream.sendWindow <= 0) this.scheduler.remove(stream);
    const id = stream.id;
    if (ends) {
      if (stream.trailers !== null) this.#trailers(stream, stream.trailers);
      this.#ended(stream);
    }
    this.onSent(id, size, ends);
  }

  #copyQueued(stream: Stream, bytes: number): void {
    const out = this.#out;
    stream.queued -= bytes;
    this.queued -= bytes;
    for (let left = bytes; left > 0;) {
      const piece = stream.first!;
      const size = Math.min(left, piece.end - piece.start);
      out.at = copyBytes(piece.buf, piece.start, piece.start + size, out.chunk, out.at);
      piece.start += size;
      left -= size;
      if (piece.start === piece.end) stream.first = piece.next;
    }
    if (stream.first === null) stream.last = null;
  }

  #spend(stream: Stream, bytes: number): void {
    stream.sendWindow -= bytes;
    stream.sent += bytes;
    this.#window -= bytes;
    this.#sent += bytes;
  }

  #trailers(stream: Stream, pairs: Uint8Array): void {
    const begun = this.#beginHeaders();
    this.#encoder.trailers(this.#out, pairs);
    this.#endHeaders(stream, begun, true);
  }

  /** Leaves room for a frame's header; how far into the output the block begins. */
  #beginHeaders(): number {
    const out = this.#out;
    out.reserve(FRAME_HEADER_BYTES);
    out.at += FRAME_HEADER_BYTES;
    return out.length;
  }

  /** Puts the frame's header before the block, and cuts a block that is too long for one frame. */
  #endHeaders(stream: Stream, begun: number, endStream: boolean): void {
    const out = this.#out;
    const max = this.peer.frameBytesMax;
    const flags = endStream ? FrameFlag.END_STREAM : 0;
    const length = out.length - begun;
    let at = out.start + begun - FRAME_HEADER_BYTES;
    if (length <= max) {
      const all = flags | FrameFlag.END_HEADERS;
      writeFrameHeader(out.chunk, at, length, FrameType.HEADERS, all, stream.id);
      return;
    }
    writeFrameHeader(out.chunk, at, max, FrameType.HEADERS, flags, stream.id);
    for (let left = length - max; left > 0; left -= max) {
      out.reserve(FRAME_HEADER_BYTES);
      at = out.at - left;
      out.chunk.copyWithin(at + FRAME_HEADER_BYTES, at, out.at);
      out.at += FRAME_HEADER_BYTES;
      const last = left <= max ? FrameFlag.END_HEADERS : 0;
      const size = Math.min(left, max);
      writeFrameHeader(out.chunk, at, size, FrameType.CONTINUATION, last, stream.id);
    }
  }

  /** END_STREAM is in the output. What the request still has is not wanted (RFC 9113 section 8.1). */
  #ended(stream: Stream): void {
    this.#guard.requests++;
    const complete = stream.reading === Reading.ENDED || stream.reading === Reading.ENDING;
    if (complete) this.forget(stream, Closed.ENDED);
    else if (stream.tunnel) stream.writing = Writing.ENDED;
    else this.reset(stream, H2Code.NO_ERROR);
  }
}
