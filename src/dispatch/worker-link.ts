/**
 * One worker as an edge sees it: the socket, the requests that are with it, and how many more it may get.
 *
 * Depth: `waiting` requests are those sent and not begun (the board tells). A worker may have `depth` of them: many when it begins them
 * within microseconds, one when it takes milliseconds, so that a request is hardly ever parked behind a slow one. What is parked all the
 * same the worker gives back.
 */
import {
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
  REQUEST_WINDOW_BYTES,
  RESPONSE_WINDOW_BYTES,
  RING_PART_BYTES_MIN,
} from "../wire/spec.ts";
import { FrameDecoder, type FrameSink } from "../wire/frames.ts";
import { type FileSpan, Stage, type Exchange } from "../exchange/exchange.ts";
import type { HeadForm, RequestHead } from "../proto/events.ts";
import type { SharedMemory } from "./ring.ts";
import { Outbox, type Writable } from "./outbox.ts";

/** Requests that may wait in a worker at the most: the batch beyond which more brings nothing. */
const DEPTH_MAX = 256;
const DEPTH_START = 8;
/**
 * How long a worker that gave requests back is left alone, milliseconds, if it says nothing: what held it up may have ended without a word,
 * and all that it still has may wait for a request that only this worker can get.
 */
const STUCK_MS = 20;
/** Larger blocks are mapped and unmapped by the worker's C library each time, which costs more than the copy. */
const BODY_PART_BYTES = 64 * 1024;
/** A request should not wait longer than this inside a worker, milliseconds. */
const WAIT_TARGET_MS = 2;

/** What a worker says of itself in HELLO. */
export interface WorkerFacts {
  worker: number;
  generation: number;
  pid: number;
  form: HeadForm;
  /** Requests it can run at once: threads, or concurrent tasks. */
  concurrency: number;
  boardPath: string;
  /** Empty: no rings. */
  ringPath: string;
}

/** What the pool is told. */
export interface LinkOwner {
  /** Frames wait to be written: flush before the tick ends. */
  onDirty(link: WorkerLink): void;
  /** A worker gave a request back that it had not begun. */
  onReturned(link: WorkerLink, x: Exchange): void;
  onProtocolError(link: WorkerLink, what: string): void;
}

export class WorkerLink implements FrameSink {
  readonly facts: WorkerFacts;
  draining = false;
  drainSent = false;
  /** Streams open, cancelled ones included. */
  open = 0;
  depth = DEPTH_START;
  /** performance.now() when something was last heard from it. */
  heardAt: number;
  dirty = false;
  /** A PING is under way since (performance.now), 0 none. */
  pingedAt = 0;
  readonly outbox: Outbox = new Outbox();
  readonly #owner: LinkOwner;
  readonly #socket: Writable;
  readonly #shared: SharedMemory;
  /** null: cancelled, the worker has not ended it yet. */
  readonly #streams: Map<number, Exchange | null> = new Map();
  readonly #decoder: FrameDecoder;
  #lastSent = 0;
  /** Streams up to this one were given back, begun, or ended unbegun because they had been cancelled. */
  #floor = 0;
  /** After a give-back: the value of the board then; nothing is sent before it moves, an answer comes or STUCK_MS have passed. */
  #stuckAt = -1;
  #gaveBackAt = 0;
  #blocked = false;
  #begunBefore = 0;
  #lookedAt = 0;
  #waitedBefore = false;

  constructor(
    owner: LinkOwner,
    socket: Writable,
    facts: WorkerFacts,
    shared: SharedMemory,
    now: number,
  ) {
    this.#owner = owner;
    this.#socket = socket;
    this.facts = facts;
    this.#shared = shared;
    this.heardAt = now;
    this.#decoder = new FrameDecoder(this);
  }

  /** Requests sent and not begun. */
  get waiting(): number {
    const begun = this.#shared.begun;
    const reached = ((begun - this.#floor) | 0) > 0 ? begun : this.#floor;
    const waiting = (this.#lastSent - reached) | 0;
    return waiting > 0 ? waiting : 0;
  }

  /** True when it may get one more request now. */
  accepts(clock: () => number): boolean {
    if (this.draining || this.#blocked) return false;
    if (this.#stuckAt >= 0) {
      const stuck = this.#shared.begun === this.#stuckAt;
      if (stuck && clock() - this.#gaveBackAt < STUCK_MS) return false;
      this.#stuckAt = -1;
    }
    const waiting = this.waiting;
    return waiting < this.depth && this.open - waiting <= this.facts.concurrency;
  }

  /** True when the worker has begun this stream. */
  hasBegun(stream: number): boolean {
    return ((stream - this.#shared.begun) | 0) <= 0;
  }

  /** Sends a new request: encodes its head straight into the outbox. */
  start(x: Exchange, head: RequestHead, constant: Buffer): void {
    const { block } = head;
    const length = head.blockEnd + constant.length;
    const out = this.outbox;
    out.reserve(FRAME_HEADER_BYTES + length);
    this.#open(x, length);
    x.headBuf = out.chunk;
    x.headStart = out.at;
    out.copy(block, 0, head.splitAt);
    out.copy(constant, 0, constant.length);
    out.copy(block, head.splitAt, head.blockEnd);
    x.headEnd = out.at;
  }

  /** Sends a request whose head is already encoded, with the body that was kept of it. */
  resend(x: Exchange): void {
    const buf = x.headBuf!;
    const start = x.headStart;
    const end = x.headEnd;
    const out = this.outbox;
    out.reserve(FRAME_HEADER_BYTES + end - start);
    this.#open(x, end - start);
    x.headBuf = out.chunk;
    x.headStart = out.at;
    out.copy(buf, start, end);
    x.headEnd = out.at;
    const replay = x.replay;
    if (replay === null) return;
    const ends = x.bodyEnded && x.trailers === null;
    for (let i = 0; i < replay.length; i++) {
      this.#body(x, replay[i]!, ends && i === replay.length - 1);
    }
    if (x.trailers !== null) this.sendTrailers(x, x.trailers);
  }

  /** Body bytes; the piece is kept for another try until the worker acknowledges it. */
  sendBody(x: Exchange, piece: Buffer, end: boolean): void {
    if (x.replay !== null && (piece.length > 0 || end)) x.replay.push(piece);
    this.#body(x, piece, end);
  }

  sendTrailers(x: Exchange, pairs: Uint8Array): void {
    this.#frame(FrameType.TRAILERS, x.stream, 0, pairs);
  }

  credit(x: Exchange, bytes: number): void {
    x.windowUsed -= bytes;
    this.outbox.reserve(FRAME_HEADER_BYTES + 4);
    this.outbox.header(4, x.stream, FrameType.CREDIT, 0, 0);
    this.outbox.at = this.outbox.chunk.writeUInt32LE(bytes, this.outbox.at);
    this.#touch();
  }

  /** Tells the worker and goes on listening (HALF_CLOSED). */
  notify(x: Exchange, reason: number): void {
    this.#frame(FrameType.CANCEL, x.stream, reason);
  }

  /** Tells the worker; the stream stays open until the worker ends it, and no longer reaches `x`. */
  cancel(x: Exchange, reason: number): number {
    const stream = x.stream;
    this.#streams.set(stream, null);
    this.#frame(FrameType.CANCEL, stream, reason);
    return stream;
  }

  isOpen(stream: number): boolean {
    return this.#streams.has(stream);
  }

  ping(now: number): void {
    this.pingedAt = now;
    this.#frame(FrameType.PING, 0, 0);
  }

  drain(): void {
    this.drainSent = true;
    this.#frame(FrameType.DRAIN, 0, 0);
  }

  /** Bytes from the worker. */
  receive(chunk: Buffer, now: number): void {
    this.heardAt = now;
    this.pingedAt = 0;
    const wrong = this.#decoder.push(chunk);
    if (wrong !== null) this.#owner.onProtocolError(this, wrong);
    this.#measure(now);
  }

  /** Writes what waits. */
  flush(): void {
    this.dirty = false;
    this.#blocked = !this.outbox.flush(this.#socket);
  }

  /** The exchanges that are lost with this link, oldest first. */
  abandon(): Exchange[] {
    const lost: Exchange[] = [];
    for (const x of this.#streams.values()) if (x !== null) lost.push(x);
    this.#streams.clear();
    this.open = 0;
    return lost;
  }

  onFrame(
    type: number,
    stream: number,
    flags: number,
    aux: number,
    buf: Buffer,
    start: number,
    end: number,
  ): void {
    if (stream === 0) {
      this.#linkFrame(type, buf, start, end);
      return;
    }
    const x = this.#streams.get(stream);
    if (x === undefined) {
      if (type !== FrameType.WORKER_CREDIT) {
        this.#owner.onProtocolError(this, `a frame of type ${type} on the closed stream ${stream}`);
      }
      return;
    }
    this.#stuckAt = -1;
    if (
      (flags & Flag.END) !== 0 ||
      type === FrameType.RESET ||
      type === FrameType.RESPONSE_TRAILERS
    ) {
      this.#streams.delete(stream);
      this.open -= 1;
      this.#leaveBehind(stream);
      if (x !== null) x.stage = Stage.OUT;
    }
    if (x !== null) this.#exchangeFrame(x, type, flags, aux, buf, start, end);
    // Taken, also of a response that nobody wants any more.
    if (type === FrameType.SHARED_DATA) this.#shared.responseTaken(buf.readUInt32LE(end - 4));
  }

  #exchangeFrame(
    x: Exchange,
    type: number,
    flags: number,
    aux: number,
    buf: Buffer,
    start: number,
    end: number,
  ): void {
    switch (type) {
      case FrameType.RESPONSE: {
        const headEnd = start + 4 + (end - start >= 4 ? buf.readUInt32LE(start) : end);
        if (x.headBuf === null || headEnd > end) return this.#wrongState(x, type);
        x.headBuf = null;
        x.replay = null;
        x.windowUsed = end - headEnd;
        x.onHead(aux, flags, buf, start + 4, headEnd, end);
        return;
      }
      case FrameType.DATA:
        x.windowUsed += end - start;
        if (x.headBuf !== null || x.windowUsed > RESPONSE_WINDOW_BYTES)
          return this.#wrongState(x, type);
        x.onData(flags, buf, start, end, false);
        return;
      case FrameType.SHARED_DATA:
        this.#sharedData(x, flags, buf, start, end);
        return;
      case FrameType.RESPONSE_TRAILERS:
        if (x.headBuf !== null) return this.#wrongState(x, type);
        x.onTrailers(buf, start, end);
        return;
      case FrameType.INFORMATIONAL:
        if (x.headBuf === null) return this.#wrongState(x, type);
        x.onInformational(aux, buf, start, end);
        return;
      case FrameType.FILE:
        this.#file(x, flags, buf, start, end);
        return;
      case FrameType.RESET:
        x.onReset(aux);
        return;
      case FrameType.WORKER_CREDIT:
        x.replay = null;
        x.requestCredit += end - start >= 4 ? buf.readUInt32LE(start) : 0;
        x.onCredit();
        return;
      default:
        this.#wrongState(x, type);
    }
  }

  #linkFrame(type: number, buf: Buffer, start: number, end: number): void {
    if (type === FrameType.GIVE_BACK) {
      // First of all: what is given back must not come here again at once.
      this.#stuckAt = this.#shared.begun;
      this.#gaveBackAt = this.heardAt;
      this.depth = Math.max(1, this.depth >>> 1);
      for (let at = start; at + 4 <= end; at += 4) this.#giveBack(buf.readUInt32LE(at));
      return;
    }
    if (type === FrameType.WORKER_PING) this.#frame(FrameType.PONG, 0, 0, buf.subarray(start, end));
    else if (type !== FrameType.WORKER_PONG) {
      this.#owner.onProtocolError(this, `a frame of type ${type} on stream 0`);
    }
  }

  #leaveBehind(stream: number): void {
    if (((stream - this.#floor) | 0) > 0) this.#floor = stream;
  }

  #giveBack(stream: number): void {
    const x = this.#streams.get(stream);
    this.#leaveBehind(stream);
    if (x === undefined) return;
    this.#streams.delete(stream);
    this.open -= 1;
    if (x === null) return;
    x.stage = Stage.OUT;
    this.#owner.onReturned(this, x);
  }

  #file(x: Exchange, flags: number, buf: Buffer, start: number, end: number): void {
    if (x.headBuf !== null || end - start < 17) return this.#wrongState(x, FrameType.FILE);
    const stream = x.stream;
    const file: FileSpan = {
      offset: Number(buf.readBigUInt64LE(start)),
      count: Number(buf.readBigUInt64LE(start + 8)),
      path: buf.toString("utf8", start + 16, end),
    };
    x.onFile(flags, file, (errno) => this.#frame(FrameType.FILE_OPENED, stream, errno));
  }

  /** DATA whose bytes lie in the response ring: they are borrowed until the call returns. */
  #sharedData(x: Exchange, flags: number, buf: Buffer, start: number, end: number): void {
    if (x.headBuf !== null || end - start !== 12) return this.#wrongState(x, FrameType.SHARED_DATA);
    const offset = buf.readUInt32LE(start);
    const count = buf.readUInt32LE(start + 4);
    x.windowUsed += count;
    if (!this.#shared.holds(offset, count) || x.windowUsed > RESPONSE_WINDOW_BYTES) {
      return this.#wrongState(x, FrameType.SHARED_DATA);
    }
    x.onData(flags, this.#shared.responses!, offset, offset + count, true);
  }

  #wrongState(x: Exchange, type: number): void {
    this.#owner.onProtocolError(
      this,
      `a frame of type ${type} that stream ${x.stream} does not allow`,
    );
  }

  #open(x: Exchange, headBytes: number): void {
    const stream = this.#lastSent === 0xffffffff ? 1 : this.#lastSent + 1;
    this.#lastSent = stream;
    this.outbox.header(headBytes, stream, FrameType.REQUEST, x.flags, x.version);
    x.stream = stream;
    x.stage = Stage.SENT;
    x.carrier = this;
    x.workerPid = this.facts.pid;
    x.attempts += 1;
    x.windowUsed = 0;
    x.requestCredit = REQUEST_WINDOW_BYTES;
    this.#streams.set(stream, x);
    this.open += 1;
    this.#touch();
  }

  #body(x: Exchange, piece: Buffer, end: boolean): void {
    x.requestCredit -= piece.length;
    if (piece.length >= RING_PART_BYTES_MIN) return this.#largeBody(x, piece, end);
    this.#bodyFrame(x, piece, end);
  }

  /** In parts that the worker's allocator can reuse, through the ring as long as there is room. */
  #largeBody(x: Exchange, piece: Buffer, end: boolean): void {
    for (let from = 0; from < piece.length; from += BODY_PART_BYTES) {
      const to = Math.min(piece.length, from + BODY_PART_BYTES);
      const part = piece.subarray(from, to);
      const last = end && to === piece.length;
      if (!this.#putBody(x, part, last)) this.#bodyFrame(x, part, last);
    }
  }

  #bodyFrame(x: Exchange, piece: Buffer, end: boolean): void {
    this.outbox.reserve(FRAME_HEADER_BYTES);
    this.outbox.header(piece.length, x.stream, FrameType.BODY, end ? Flag.END : 0, 0);
    this.outbox.payload(piece);
    this.#touch();
  }

  /** Sends a large part through the request ring, if there is room. */
  #putBody(x: Exchange, piece: Buffer, end: boolean): boolean {
    const offset = this.#shared.put(piece);
    if (offset < 0) return false;
    const payload = Buffer.allocUnsafe(12);
    payload.writeUInt32LE(offset, 0);
    payload.writeUInt32LE(piece.length, 4);
    payload.writeUInt32LE(this.#shared.used, 8);
    this.#frame(FrameType.SHARED_BODY, x.stream, 0, payload, end ? Flag.END : 0);
    return true;
  }

  #frame(
    type: (typeof FrameType)[keyof typeof FrameType],
    stream: number,
    aux: number,
    payload?: Uint8Array,
    flags = 0,
  ): void {
    const length = payload === undefined ? 0 : payload.length;
    this.outbox.reserve(FRAME_HEADER_BYTES + length);
    this.outbox.header(length, stream, type, flags, aux);
    if (payload !== undefined) {
      this.outbox.chunk.set(payload, this.outbox.at);
      this.outbox.at += length;
    }
    this.#touch();
  }

  #touch(): void {
    if (this.dirty) return;
    this.dirty = true;
    this.#owner.onDirty(this);
  }

  /** Adapts the depth to how fast the worker begins requests, measured only while some wait. */
  #measure(now: number): void {
    const begun = this.#shared.begun;
    const steps = (begun - this.#begunBefore) | 0;
    const waits = this.waiting > 0;
    if (this.#waitedBefore && steps > 0) {
      const each = (now - this.#lookedAt) / steps;
      const fits = each <= 0 ? DEPTH_MAX : Math.max(1, Math.floor(WAIT_TARGET_MS / each));
      const next = fits > this.depth ? Math.min(fits, this.depth * 2) : (this.depth + fits) >>> 1;
      this.depth = Math.min(DEPTH_MAX, Math.max(1, next));
    } else if (!waits && this.depth < DEPTH_START) {
      this.depth += 1;
    }
    this.#begunBefore = begun;
    this.#lookedAt = now;
    this.#waitedBefore = waits;
  }
}
