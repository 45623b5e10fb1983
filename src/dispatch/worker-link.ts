/**
 * One worker as an edge sees it: the requests that are with it, what it says about them, and whether it may get one more.
 * What is parked behind a slow request all the same the worker gives back.
 */
import type { RequestHead } from "../proto/events.ts";
import { Accepted, Handed, Stage } from "../exchange/exchange.ts";
import type { Exchange, FileSpan, HandedCode, PartReader } from "../exchange/exchange.ts";
import { FrameDecoder, type FrameSink } from "../wire/frames.ts";
import {
  ACCEPT_TUNNEL,
  Flag,
  FrameType,
  REQUEST_WINDOW_BYTES,
  WS_MESSAGE_COST_BYTES,
  WS_WINDOW_BYTES,
} from "../wire/spec.ts";
import { Depth } from "./depth.ts";
import { HeldUp } from "./held-up.ts";
import { LinkWriter } from "./link-writer.ts";
import type { Writable } from "./outbox.ts";
import type { SharedMemory } from "./ring.ts";
import { RingLoans } from "./ring-loans.ts";
import { endsWrongly, isSharedMessage, windowOf } from "./socket-rules.ts";
import { StreamTable } from "./stream-table.ts";
import type { WorkerFacts } from "./worker-facts.ts";

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
  /** performance.now() when something was last heard from it. */
  heardAt: number;
  /** A PING is under way since (performance.now), 0 none. */
  pingedAt = 0;
  /** When somebody was told last that it is silent (performance.now). */
  toldAt = 0;
  readonly depth: Depth;
  readonly heldUp: HeldUp;
  readonly #owner: LinkOwner;
  readonly #shared: SharedMemory;
  readonly #writer: LinkWriter;
  readonly #streams: StreamTable = new StreamTable();
  readonly #decoder: FrameDecoder;
  readonly #loans: RingLoans;

  constructor(
    owner: LinkOwner,
    socket: Writable,
    facts: WorkerFacts,
    shared: SharedMemory,
    now: number,
  ) {
    this.#owner = owner;
    this.facts = facts;
    this.#shared = shared;
    this.#loans = new RingLoans(shared);
    this.depth = new Depth(shared);
    this.heldUp = new HeldUp(shared, this.depth, this.#streams);
    this.#writer = new LinkWriter(socket, shared, () => owner.onDirty(this));
    this.heardAt = now;
    this.#decoder = new FrameDecoder(this);
  }

  /** True when it may get one more request now. */
  accepts(clock: () => number): boolean {
    const depth = this.depth;
    if (this.draining || this.#writer.blocked || depth.isStuck(clock)) return false;
    const waiting = depth.waiting;
    return waiting < depth.limit && this.running - waiting <= this.facts.concurrency;
  }

  /** Streams open, cancelled ones and WebSockets included. */
  get open(): number {
    return this.#streams.open;
  }

  /** The same without WebSockets. */
  get running(): number {
    return this.#streams.open - this.#streams.sockets;
  }

  /** Sends a new request. */
  start(x: Exchange, head: RequestHead, constant: Buffer): void {
    this.#open(x);
    this.#writer.request(x, head, constant);
  }

  /** Sends a request whose head is already encoded, with the body that was kept of it. */
  resend(x: Exchange): void {
    this.#open(x);
    this.#writer.requestAgain(x);
    const replay = x.replay;
    if (replay === null) return;
    const ends = x.bodyEnded && x.trailers === null;
    for (let i = 0; i < replay.length; i++) {
      this.#writer.body(x, replay[i]!, ends && i === replay.length - 1);
    }
    if (x.trailers !== null) this.sendTrailers(x, x.trailers);
  }

  /** Body bytes; the piece is kept for another try until the worker acknowledges it. */
  sendBody(x: Exchange, piece: Buffer, end: boolean): HandedCode {
    if (x.replay !== null && (piece.length > 0 || end)) x.replay.push(piece);
    const handed = this.#writer.body(x, piece, end);
    return x.replay === null ? handed : Handed.KEPT;
  }

  /** Body bytes, at most `max`, from a socket into shared memory; only when none must be kept for another try. */
  receiveBody(x: Exchange, fd: number, max: number, reader?: PartReader): number {
    if (x.replay !== null || this.#writer.blocked) return 0;
    if (reader !== undefined) return this.#writer.messageFrom(x, fd, max, reader);
    return this.#writer.bodyFrom(x, fd, Math.min(max, x.requestCredit));
  }

  sendTrailers(x: Exchange, pairs: Uint8Array): void {
    this.#writer.frame(FrameType.TRAILERS, x.stream, 0, pairs);
  }

  credit(x: Exchange, bytes: number): void {
    x.windowUsed -= bytes;
    this.#writer.credit(x.stream, bytes);
  }

  /** Tells the worker and goes on listening (HALF_CLOSED). */
  notify(x: Exchange, reason: number): void {
    this.#writer.frame(FrameType.CANCEL, x.stream, reason);
  }

  /** Tells the worker; the stream stays open until the worker ends it, and no longer reaches `x`. */
  cancel(x: Exchange, reason: number): number {
    this.#streams.leave(x);
    this.#writer.frame(FrameType.CANCEL, x.stream, reason);
    return x.stream;
  }

  sendMessage(x: Exchange, kind: number, piece: Buffer, last: boolean): HandedCode {
    return this.#writer.message(x, kind, piece, last);
  }

  /** Like `cancel`: a WebSocket's way. */
  sendWsClose(x: Exchange, code: number, reason: string): void {
    this.#streams.leave(x);
    this.#writer.frame(FrameType.WS_CLOSE, x.stream, code, Buffer.from(reason));
  }

  /** The exchanges of its open WebSockets and tunnels. */
  accepted(): Exchange[] {
    return this.#streams.exchanges().filter((x) => x.accepted !== Accepted.NONE);
  }

  isOpen(stream: number): boolean {
    return this.#streams.has(stream);
  }

  ping(now: number): void {
    this.pingedAt = now;
    this.#writer.frame(FrameType.PING, 0, 0);
  }

  drain(): void {
    this.drainSent = true;
    this.#writer.frame(FrameType.DRAIN, 0, 0);
  }

  /** Bytes from the worker. */
  receive(chunk: Buffer, now: number): void {
    this.heardAt = now;
    this.pingedAt = 0;
    const wrong = this.#decoder.push(chunk);
    this.#loans.giveBack();
    if (wrong !== null) this.#owner.onProtocolError(this, wrong);
    this.depth.measure(now);
  }

  /** Writes what waits. */
  flush(): void {
    this.#writer.flush();
  }

  /** The exchanges that are lost with this link, oldest first. */
  abandon(): Exchange[] {
    const lost = this.#streams.exchanges();
    this.#streams.clear();
    this.#shared.release();
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
    this.depth.heard();
    if (
      (flags & Flag.END) !== 0 ||
      type === FrameType.RESET ||
      type === FrameType.RESPONSE_TRAILERS ||
      type === FrameType.WORKER_WS_CLOSE
    ) {
      this.#streams.end(stream);
      this.depth.ended(stream);
      if (x !== null) x.stage = Stage.OUT;
    }
    if (x !== null) this.#exchangeFrame(x, type, flags, aux, buf, start, end);
    // Also of a response that nobody wants any more.
    if (type === FrameType.SHARED_DATA || isSharedMessage(type, flags)) {
      this.#loans.taken(buf.readUInt32LE(end - 4));
    }
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
        if (x.headBuf !== null || x.windowUsed > windowOf(x) || endsWrongly(x, flags))
          return this.#wrongState(x, type);
        x.onData(flags, buf, start, end);
        return;
      case FrameType.SHARED_DATA:
        this.#sharedPart(x, type, flags, aux, buf, start, end);
        return;
      case FrameType.WORKER_MESSAGE:
      case FrameType.WORKER_WS_CLOSE:
      case FrameType.ACCEPT:
        this.#socketFrame(x, type, flags, aux, buf, start, end);
        return;
      case FrameType.RESPONSE_TRAILERS:
        if (x.headBuf !== null || x.accepted !== Accepted.NONE) return this.#wrongState(x, type);
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
      this.depth.gaveBack(this.heardAt);
      for (let at = start; at + 4 <= end; at += 4) this.#giveBack(buf.readUInt32LE(at));
      return;
    }
    if (type === FrameType.WORKER_PING)
      this.#writer.frame(FrameType.PONG, 0, 0, buf.subarray(start, end));
    else if (type === FrameType.WORKER_PONG) this.#writer.roomCame();
    else this.#owner.onProtocolError(this, `a frame of type ${type} on stream 0`);
  }

  #giveBack(stream: number): void {
    const x = this.#streams.get(stream);
    this.depth.ended(stream);
    if (x === undefined) return;
    this.#streams.end(stream);
    if (x === null) return;
    x.stage = Stage.OUT;
    this.#owner.onReturned(this, x);
  }

  #file(x: Exchange, flags: number, buf: Buffer, start: number, end: number): void {
    if (x.headBuf !== null || x.accepted !== Accepted.NONE || end - start < 17)
      return this.#wrongState(x, FrameType.FILE);
    const stream = x.stream;
    const file: FileSpan = {
      offset: Number(buf.readBigUInt64LE(start)),
      count: Number(buf.readBigUInt64LE(start + 8)),
      path: buf.toString("utf8", start + 16, end),
    };
    x.onFile(flags, file, (errno) => this.#writer.frame(FrameType.FILE_OPENED, stream, errno));
  }

  #socketFrame(
    x: Exchange,
    type: number,
    flags: number,
    aux: number,
    buf: Buffer,
    start: number,
    end: number,
  ): void {
    if (type === FrameType.ACCEPT) {
      if (x.headBuf === null || (x.flags & Flag.UPGRADE) === 0) return this.#wrongState(x, type);
      const tunnel = aux === ACCEPT_TUNNEL;
      x.headBuf = null;
      x.replay = null;
      x.accepted = tunnel ? Accepted.TUNNEL : Accepted.WEBSOCKET;
      if (!tunnel) this.#streams.sockets += 1;
      x.onAccept(buf, start, end, tunnel);
    } else if (x.accepted !== Accepted.WEBSOCKET || (flags & Flag.END) !== 0) {
      this.#wrongState(x, type);
    } else if (type === FrameType.WORKER_WS_CLOSE) {
      x.onWsClose(aux, buf.toString("utf8", start, end));
    } else if ((flags & Flag.SHARED) !== 0) {
      this.#sharedPart(x, type, flags, aux, buf, start, end);
    } else {
      x.windowUsed += end - start + WS_MESSAGE_COST_BYTES;
      if (x.windowUsed > WS_WINDOW_BYTES) return this.#wrongState(x, type);
      x.onMessage(aux, buf, start, end, false);
    }
  }

  /** DATA or a message whose bytes lie in the response ring: they are lent. */
  #sharedPart(
    x: Exchange,
    type: number,
    flags: number,
    aux: number,
    buf: Buffer,
    start: number,
    end: number,
  ): void {
    if (x.headBuf !== null || end - start !== 12) return this.#wrongState(x, type);
    const offset = buf.readUInt32LE(start);
    const to = offset + buf.readUInt32LE(start + 4);
    const message = type === FrameType.WORKER_MESSAGE;
    x.windowUsed += to - offset + (message ? WS_MESSAGE_COST_BYTES : 0);
    const allowed = x.windowUsed <= windowOf(x) && (message || !endsWrongly(x, flags));
    if (!allowed || !this.#shared.holds(offset, to - offset)) return this.#wrongState(x, type);
    this.#loans.lentTo(x);
    const ring = this.#shared.responses!;
    if (message) x.onMessage(aux, ring, offset, to, true);
    else x.onLent(flags, ring, offset, to);
  }

  #wrongState(x: Exchange, type: number): void {
    this.#owner.onProtocolError(
      this,
      `a frame of type ${type} that stream ${x.stream} does not allow`,
    );
  }

  #open(x: Exchange): void {
    const stream = this.depth.next();
    x.stream = stream;
    x.stage = Stage.SENT;
    x.carrier = this;
    x.workerPid = this.facts.pid;
    x.attempts += 1;
    x.accepted = Accepted.NONE;
    x.windowUsed = 0;
    x.requestCredit = REQUEST_WINDOW_BYTES;
    this.#streams.add(x);
  }
}
