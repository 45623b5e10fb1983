/**
 * One HTTP/2 client connection: pumps bytes between the socket and the engine (proto/h2), and keeps its streams. What streams say in one
 * round of the event loop leaves in one write.
 *
 * It ends in steps (RFC 9113 section 6.8): a GOAWAY that names no stream, so that what is on its way is still served; one that names the
 * last when the client has seen the first; after the last stream our FIN. Then it waits for the client's (linger.ts).
 */
import { release } from "../../core/bytes.ts";
import { H2Connection, H2Event } from "../../proto/h2/connection.ts";
import type { RequestHead } from "../../proto/events.ts";
import { H2Code } from "../../proto/h2/frames.ts";
import { REQUEST_WINDOW_BYTES } from "../../wire/spec.ts";
import { ClientOutput, type ClientSocket, hasUnread } from "../client-socket.ts";
import type { ClientConnection } from "../connection.ts";
import { Handed } from "../../exchange/exchange.ts";
import type { EdgeContext } from "../context.ts";
import { connectionConstant, forwardingOf, headConstant, peerName } from "../peer.ts";
import { flushLater } from "./h2-flush.ts";
import type { H2Owner } from "./h2-owner.ts";
import { H2Stream } from "./h2-stream.ts";
import { H2WebSocket } from "./h2-websocket.ts";
import { Linger, LINGER_MS } from "./linger.ts";

/** How long the client may take to see that it is to open no more streams. */
const DRAIN_MS = 2000;
/** Bytes of one write. */
const PULL_BYTES = 256 * 1024;
/** Memory of so many received bytes is worth giving back at once. */
const RELEASED_BYTES_MIN = 16 * 1024;
/** Request body bytes of all streams that no worker has got yet. */
const CONNECTION_WINDOW_BYTES = 2 * 1024 * 1024;
/** With so many response bytes waiting for a slow client, it gets no more streams: each could bring as many again as its window. */
const QUEUED_BYTES_MAX = 16 * 1024 * 1024;

export class H2ClientConnection implements ClientConnection, H2Owner {
  sweepIndex = -1;
  deadline = 0;
  readonly ctx: EdgeContext;
  readonly engine: H2Connection;
  readonly #socket: ClientSocket;
  readonly #output: ClientOutput;
  readonly #streams = new Map<number, H2Stream>();
  readonly #constant: Buffer;
  readonly #form: "cgi" | "asgi";
  readonly #unixPath: string;
  #flushPlanned = false;
  /** Someone keeps bytes of the chunk that is being read. */
  #chunkKept = false;
  /** The client's preface has come, and with it the keep-alive timeout begins. */
  #greeted = false;
  /** Nothing is read any more, our FIN is out or waits for the last bytes. */
  #leaving = false;
  #finSent = false;
  #gone = false;
  #inputEnded = false;
  #linger: Linger | null = null;
  /** When something last moved on that has a deadline of the connection's own: bytes taken, a head begun, the last stream. */
  #progressAt: number;
  #headAt = 0;
  #drainingAt = 0;

  constructor(ctx: EdgeContext, socket: ClientSocket, unixPath: string) {
    this.ctx = ctx;
    this.#socket = socket;
    this.#output = new ClientOutput(socket, -1);
    this.#form = ctx.backend.form ?? "cgi";
    this.#unixPath = unixPath;
    this.#constant = connectionConstant(this.#form, socket, unixPath);
    this.engine = new H2Connection({
      ...ctx.settings,
      form: this.#form,
      forwarding: forwardingOf(ctx, socket, unixPath),
      // A WSGI app takes a WebSocket as a raw socket, on which it wants to see HTTP/1.1.
      connectProtocol: this.#form === "asgi",
      streamsMax: ctx.settings.h2StreamsMax,
      streamWindowBytes: REQUEST_WINDOW_BYTES,
      connectionWindowBytes: CONNECTION_WINDOW_BYTES,
      now: () => ctx.sweeper.now,
    });
    this.engine.onSent = (id, _bytes, ended) => this.#streams.get(id)?.sent(ended);
    this.engine.onMalformed = (_id, code) => ctx.onRefused(code, this.client(), "");
    this.#progressAt = ctx.sweeper.now;
    ctx.sweeper.add(this);
    ctx.counts.connections += 1;
    ctx.counts.accepted += 1;
    this.deadline = ctx.sweeper.in(ctx.settings.headerTimeoutMs);
    this.flushSoon();
  }

  client(): string {
    return peerName(this.#socket);
  }

  // The socket's events

  data(chunk: Buffer): void {
    this.ctx.counts.bytesIn += chunk.length;
    if (this.#leaving) return this.#linger?.data(chunk.length);
    this.#chunkKept = false;
    this.engine.feed(chunk);
    this.#pump();
    // An upload would else bring tens of megabytes together, every page of them new and cold.
    if (!this.#chunkKept && chunk.length >= RELEASED_BYTES_MIN) release(chunk);
  }

  drain(): void {
    if (!this.#output.drain()) return;
    this.#progressAt = this.ctx.sweeper.now;
    if (this.#output.pending > 0) return;
    this.engine.written();
    this.flush();
  }

  ended(): void {
    this.#inputEnded = true;
    if (this.#finSent) return this.#socket.end();
    for (const stream of [...this.#streams.values()]) stream.inputEnded();
    this.#maybeClose();
  }

  closed(): void {
    if (this.#gone) return;
    this.#gone = this.#leaving = true;
    this.deadline = 0;
    this.ctx.sweeper.remove(this);
    this.ctx.counts.connections -= 1;
    for (const stream of [...this.#streams.values()]) stream.gone();
    this.#output.clear();
    this.ctx.onClosed();
  }

  // The edge's wishes

  get idle(): boolean {
    const calm = this.#streams.size === 0 && !this.#leaving && this.engine.established;
    return calm && !hasUnread(this.#socket);
  }

  get leaving(): boolean {
    return this.#leaving;
  }

  shutdown(last: boolean): void {
    if (this.#leaving) return;
    // A newcomer's first request may be right behind its preface.
    if (!last && !this.engine.established) return;
    if (!this.ctx.socketsStay) for (const stream of [...this.#streams.values()]) stream.shutdown();
    if (this.#drainingAt > 0) return;
    this.#drainingAt = this.ctx.sweeper.now;
    this.engine.goaway(!this.engine.established);
    this.#watch();
    this.flushSoon();
  }

  kill(): void {
    for (const stream of [...this.#streams.values()]) stream.gone();
    this.#socket.terminate();
  }

  makeRoom(): void {
    this.engine.goaway(true);
    this.flush();
    this.#socket.end();
    // A socket that is only being opened does not report its end.
    this.closed();
  }

  turnAway(): void {
    this.ctx.onRefused("connections-full", this.client(), "");
    this.engine.fail(H2Code.ENHANCE_YOUR_CALM, "too many connections");
    this.#close();
  }

  // H2Owner

  flushSoon(): void {
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    flushLater(this);
  }

  over(stream: H2Stream): void {
    this.#streams.delete(stream.id);
    if (this.#streams.size === 0) this.#progressAt = this.ctx.sweeper.now;
  }

  closeSoon(): void {
    this.shutdown(true);
  }

  /** Writes what the socket takes. */
  flush(): void {
    this.#flushPlanned = false;
    if (this.#gone) return;
    const output = this.#output;
    while (output.pending === 0) {
      const bytes = this.engine.pull(PULL_BYTES);
      if (bytes === null) break;
      output.write(bytes, 0, bytes.length);
      if (output.pending === 0) this.engine.written();
      this.#progressAt = this.ctx.sweeper.now;
    }
    if (output.pending > 0) this.#watch();
    if (this.#leaving) this.#sendFin();
    else this.#maybeClose();
  }

  // Time

  onDeadline(now: number): void {
    const { settings, sweeper } = this.ctx;
    if (this.#leaving) {
      this.deadline = sweeper.in(LINGER_MS);
      return this.#linger?.onDeadline(now);
    }
    if (!this.engine.established) return this.#refuse("header-timeout");
    const { sendTimeoutMs, headerTimeoutMs, keepAliveMs } = settings;
    if (this.#output.pending > 0 && sendTimeoutMs > 0 && now - this.#progressAt >= sendTimeoutMs) {
      for (const stream of [...this.#streams.values()]) stream.cut(NOTHING_TAKEN);
      return this.#socket.terminate();
    }
    if (!this.engine.headPending()) this.#headAt = 0;
    else if (this.#headAt === 0) this.#headAt = now;
    else if (headerTimeoutMs > 0 && now - this.#headAt >= headerTimeoutMs) {
      return this.#refuse("header-timeout");
    }
    for (const stream of [...this.#streams.values()]) stream.tick(now);
    for (let id = this.#stalled(now); id !== 0; id = this.#stalled(now)) {
      // An answer of the edge's own has no exchange any more.
      this.#streams.get(id)?.cut(NOTHING_TAKEN);
      this.engine.reset(id, H2Code.INTERNAL_ERROR);
    }
    if (this.#drainingAt > 0 && now - this.#drainingAt >= DRAIN_MS) this.engine.goaway(true);
    const { openStreams, lastStream } = this.engine;
    // Without keep-alive, there is still a first request to be waited for.
    const idleMs = lastStream === 0 ? keepAliveMs || headerTimeoutMs : keepAliveMs;
    if (this.#streams.size === 0 && now - this.#progressAt >= idleMs) this.engine.goaway(true);
    this.flush();
    if (this.#leaving) return;
    const calm = openStreams === 0 && this.#drainingAt === 0 && !this.engine.headPending();
    this.deadline = calm ? this.#progressAt + idleMs + sweeper.tickMs : now + sweeper.tickMs;
  }

  /** Looks at everything at the next tick. */
  #watch(): void {
    if (!this.#leaving && this.engine.established)
      this.deadline = this.ctx.sweeper.now + this.ctx.sweeper.tickMs;
  }

  #stalled(now: number): number {
    const { sendTimeoutMs } = this.ctx.settings;
    return sendTimeoutMs === 0 ? 0 : this.engine.stalled(now, sendTimeoutMs);
  }

  // Requests

  #pump(): void {
    const { engine } = this;
    for (;;) {
      const event = engine.next();
      // Frames come one after the other: what was awaited is complete.
      if (event !== H2Event.NEED_DATA) this.#headAt = 0;
      switch (event) {
        case H2Event.NEED_DATA:
          if (engine.hasOutput) this.flushSoon();
          if (engine.headPending() || this.#greeted !== engine.established) this.#watch();
          this.#greeted = engine.established;
          if (this.ctx.stopping) this.shutdown(false);
          return this.#maybeClose();
        case H2Event.HEAD:
          this.#begin();
          break;
        case H2Event.BODY: {
          const { data, dataStart, dataEnd } = engine;
          const { buffer, byteOffset } = data;
          const length = dataEnd - dataStart;
          const piece = Buffer.from(buffer as ArrayBuffer, byteOffset + dataStart, length);
          const handed = this.#streams.get(engine.stream)?.body(piece) ?? Handed.COPIED;
          if (handed === Handed.KEPT) this.#chunkKept = true;
          break;
        }
        case H2Event.END:
          this.#streams.get(engine.stream)?.end(engine.trailers);
          break;
        case H2Event.RESET:
          this.#reset();
          break;
        case H2Event.REFUSED:
          this.#refused();
          break;
        case H2Event.GOAWAY:
          break;
        default:
          return this.#broken();
      }
    }
  }

  #begin(): void {
    const { ctx, engine } = this;
    const { head } = engine;
    if (engine.queuedBytes > QUEUED_BYTES_MAX) {
      engine.reset(engine.stream, H2Code.REFUSED_STREAM);
      return;
    }
    const stream = head.protocol === "websocket" ? new H2WebSocket(this) : new H2Stream(this);
    this.#open(stream);
    if (ctx.health?.answer(stream, head) === true) return;
    // The engine encodes heads for the interface there was when the client connected.
    const form = ctx.backend.form;
    if (form !== null && form !== this.#form) {
      this.shutdown(true);
      return stream.refuse("interface-changed");
    }
    if (head.protocol !== null) {
      if (!(stream instanceof H2WebSocket)) return stream.refuse("connect-refused");
      if (!stream.handshake()) return;
    }
    ctx.backend.submit(stream, head, this.#constantOf(head));
  }

  #constantOf({ forwarded }: RequestHead): Buffer {
    return headConstant(forwarded, this.#constant, this.#form, this.#socket, this.#unixPath);
  }

  #open(stream: H2Stream): void {
    const { counts } = this.ctx;
    counts.requests += 1;
    counts.headersDropped += this.engine.head.dropped;
    stream.form = this.#form;
    stream.clientNamed = this.engine.head.forwarded?.client ?? null;
    this.#streams.set(stream.id, stream);
    this.#watch();
  }

  /** By the client, or by the engine for what the client did wrong. */
  #reset(): void {
    const { engine, ctx } = this;
    const stream = this.#streams.get(engine.stream);
    if (stream === undefined) return;
    if (engine.errorCode !== null) {
      const request = `${stream.method} ${stream.target()} (${engine.detail})`;
      ctx.onRefused(engine.errorCode, this.client(), request);
    }
    stream.gone();
    this.flushSoon();
  }

  /** The engine wants a request answered with an error. */
  #refused(): void {
    const { engine } = this;
    let stream = this.#streams.get(engine.stream);
    if (stream === undefined) {
      stream = new H2Stream(this);
      this.#open(stream);
    }
    stream.abandon(engine.errorCode ?? "h2-broken");
  }

  // The end

  #refuse(code: "header-timeout"): void {
    this.ctx.onRefused(code, this.client(), "");
    this.engine.fail(H2Code.NO_ERROR, "timeout");
    this.#close();
  }

  /** The client has broken the protocol, or a bound. */
  #broken(): void {
    const { engine, ctx } = this;
    if (this.#leaving) return;
    ctx.onRefused(engine.errorCode ?? "h2-broken", this.client(), engine.detail);
    this.#close();
  }

  #maybeClose(): void {
    if (this.#leaving || this.#streams.size > 0) return;
    if (this.#inputEnded || this.engine.drained) this.#close();
  }

  #close(): void {
    if (this.#leaving) return;
    for (const stream of [...this.#streams.values()]) stream.gone();
    this.#leaving = true;
    this.deadline = this.ctx.sweeper.in(LINGER_MS);
    this.#linger = new Linger(this.ctx, this.#socket, this.#output);
    this.flush();
  }

  #sendFin(): void {
    if (this.#output.pending > 0 || this.#finSent) return;
    this.#finSent = true;
    if (this.#inputEnded) this.#socket.end();
    else this.#socket.shutdown();
  }
}

const NOTHING_TAKEN = "the client took nothing in time";
