/**
 * An open WebSocket: joins the codec, a byte transport (an HTTP/1.1 connection after its 101, an HTTP/2 stream after its 200) and the
 * exchange whose worker runs the app. Transport and exchange report to it.
 *
 * - The client's bytes are read while the worker has credit; a little is read beyond that, so that a ping or a close behind it is seen.
 * - The worker's bytes are credited when they have left.
 * - Either side's close is answered and told to the other; then the server closes the transport first (RFC 6455 section 7.1.1).
 * - A client from which nothing comes is pinged, and cut when nothing comes after that either. Time during which we do not read, or it
 *   takes slowly what we write, is not held against it; for the latter there is the send timeout.
 */
import { isUtf8 } from "node:buffer";
import { type Exchange, Stage } from "../exchange/exchange.ts";
import { WsConnection, WsEvent } from "../proto/ws/connection.ts";
import type { DeflateParams } from "../proto/ws/extensions.ts";
import { CloseCode, isWireCloseCode, type MessageKind, Opcode } from "../proto/ws/frame.ts";
import { WsWriter } from "../proto/ws/writer.ts";
import { Flag } from "../wire/spec.ts";
import type { EdgeContext } from "./context.ts";
import type { UpgradedSession, WsTransport } from "./upgraded.ts";
import { WsInbox } from "./ws-inbox.ts";
import { LARGE_BYTES, WsLarge } from "./ws-large.ts";
import { createStreamPools } from "./zlib.ts";

const State = {
  OPEN: 0,
  /** The client broke the protocol: nothing more of it is read; the answers to what came before are awaited for a moment. */
  FAILING: 1,
  /** Our Close frame is out first, the client's is awaited. */
  CLOSING: 2,
  CLOSED: 3,
} as const;
type StateCode = (typeof State)[keyof typeof State];

/** Credit is given back in steps of this size: a quarter of the window. */
const CREDIT_STEP_BYTES = 256 * 1024;
/** What is read beyond the worker's credit: only a chunk that has come already can bring that much. */
const HELD_BYTES_MAX = 64 * 1024;
/** How long the app may take to answer what came before a protocol error. */
const FAILING_MS = 1000;

const pools = createStreamPools();

export class WsSession implements UpgradedSession {
  readonly #ctx: EdgeContext;
  readonly #x: Exchange;
  readonly #transport: WsTransport;
  readonly #codec: WsConnection;
  readonly #writer: WsWriter;
  readonly #inbox: WsInbox;
  #state: StateCode = State.OPEN;
  #paused = false;
  #pumping = false;
  /** The client has sent its FIN. */
  #inputEnded = false;
  /** When bytes last moved, in either direction. */
  #aliveAt: number;
  /** When a ping was sent after which nothing has come yet; 0 none. */
  #pingedAt = 0;
  /** Since when the transport has not taken anything of what is pending; 0 nothing is. */
  #stalledAt = 0;
  /** Messages that the app has got and, if it answers each, not answered. */
  #owed = 0;
  #large: WsLarge | null = null;
  /** Payload of the client's latest ping, which could not be answered yet. */
  #pong: Buffer | null = null;

  /** `deflate`: what the handshake agreed on. The worker has accepted, the answer to the client is written. */
  constructor(
    ctx: EdgeContext,
    x: Exchange,
    transport: WsTransport,
    deflate: DeflateParams | null,
  ) {
    this.#ctx = ctx;
    this.#x = x;
    this.#transport = transport;
    this.#codec = new WsConnection({
      messageBytesMax: ctx.settings.wsMessageBytesMax,
      deflate,
      inflatePool: pools.inflate,
      isUtf8,
    });
    this.#writer = new WsWriter(transport, deflate, pools.deflate);
    this.#inbox = new WsInbox(ctx.backend, x);
    this.#aliveAt = ctx.sweeper.now;
    this.#schedule();
  }

  // From the client

  /** Bytes; they are the session's to keep and to write to. */
  receive(chunk: Buffer): void {
    if (this.#state === State.CLOSED) return;
    this.#alive();
    this.#codec.feed(chunk);
    if (chunk.length >= LARGE_BYTES && this.#transport.fd !== undefined) {
      this.#large ??= new WsLarge(this.#codec, this.#inbox);
      this.#large.hold(chunk);
    }
    this.#pump();
    this.#readOn();
  }

  /** Its FIN. What it sent before still reaches the app. */
  ended(): void {
    this.#inputEnded = true;
    this.#pump();
  }

  /** The transport is gone. */
  closed(): void {
    if (this.#state === State.CLOSED) return;
    this.#inbox.close(CloseCode.LOST, "");
    this.#release();
  }

  /** Some of what was pending has left. */
  drained(): void {
    if (this.#state !== State.CLOSED) {
      this.#alive();
      const pending = this.#transport.pending > 0;
      const begins = pending && this.#stalledAt === 0;
      this.#stalledAt = pending ? this.#aliveAt : 0;
      if (begins && this.#state === State.OPEN) this.#schedule();
      if (!pending && this.#pong !== null) {
        const pong = this.#pong;
        this.#pong = null;
        this.#writer.pong(pong, 0, pong.length);
        this.#written();
      }
    }
    this.#giveCredit();
  }

  // From the worker

  /** It takes more of the client's messages. */
  onCredit(): void {
    this.#inbox.onCredit();
    this.#pump();
    this.#readOn();
  }

  /** A part of a message; its flags say of what kind. `borrowed`: the bytes are only lent for the call. */
  onData(flags: number, buf: Buffer, start: number, end: number, borrowed: boolean): void {
    const kind = (flags & Flag.BINARY) === 0 ? Opcode.TEXT : Opcode.BINARY;
    if (this.#state <= State.FAILING) {
      this.#writer.message(kind, buf, start, end, false, borrowed);
      this.#written();
    }
    this.#giveCredit();
  }

  /** The last part of a message, mostly all of it. */
  onMessage(kind: MessageKind, buf: Buffer, start: number, end: number, borrowed: boolean): void {
    if (this.#state <= State.FAILING) {
      this.#writer.message(kind, buf, start, end, true, borrowed);
      this.#written();
      if (this.#owed > 0) this.#owed -= 1;
      if (this.#state === State.FAILING && this.#owed === 0) this.#fail();
    }
    this.#giveCredit();
  }

  /** The app has closed. */
  onWsClose(code: number, reason: string): void {
    this.#inbox.abandon();
    this.#close(code, reason);
  }

  /** The app, or its worker, has ended without closing. `restarting`: it is being replaced, so that the client may come again at once. */
  workerGone(restarting: boolean): void {
    this.#inbox.abandon();
    this.#close(restarting ? CloseCode.SERVICE_RESTART : CloseCode.INTERNAL_ERROR, "");
  }

  // From the edge

  /** The server, or its worker, is about to stop. */
  shutdown(): void {
    this.#inbox.close(CloseCode.SERVICE_RESTART, "");
    this.#close(CloseCode.SERVICE_RESTART, "");
  }

  /** `deadline` has passed. */
  onDeadline(now: number): void {
    if (this.#state === State.CLOSED) return;
    if (this.#state === State.FAILING) return this.#fail();
    const { sendTimeoutMs, wsPingTimeoutMs, wsPingIntervalMs } = this.#ctx.settings;
    if (this.#state === State.CLOSING) {
      if (this.#transport.pending > 0) this.#cut();
      else this.#end();
      return;
    }
    if (this.#stalledAt > 0 && sendTimeoutMs > 0 && now - this.#stalledAt >= sendTimeoutMs) {
      return this.#cut();
    }
    if (this.#stalledAt > 0 || this.#paused || this.#transport.shut) {
      // A ping would not get out, or its pong would not be read.
      this.#aliveAt = now;
      this.#pingedAt = 0;
    } else if (this.#pingedAt > 0) {
      if (now - this.#pingedAt >= wsPingTimeoutMs) return this.#cut();
    } else if (wsPingIntervalMs > 0 && now - this.#aliveAt >= wsPingIntervalMs) {
      if (wsPingTimeoutMs > 0) this.#pingedAt = now;
      else this.#aliveAt = now;
      this.#writer.ping();
      this.#written();
    }
    this.#schedule();
  }

  // Reading

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#reads() && this.#inbox.heldBytes < HELD_BYTES_MAX && this.#step());
    this.#pumping = false;
    this.#large?.settle();
    if (this.#state === State.OPEN) this.#pause(this.#inbox.heldBytes > 0);
  }

  /** Reads what follows of a long message past the runtime. */
  #readOn(): void {
    const large = this.#large;
    const fd = this.#transport.fd ?? -1;
    if (large === null || fd < 0 || this.#state !== State.OPEN || this.#paused) return;
    this.#ctx.counts.bytesIn += large.readOn(this.#ctx.backend, this.#x, fd);
    this.#owed += large.ended;
    if (large.wrong) this.#onError();
  }

  #reads(): boolean {
    return this.#state === State.OPEN || this.#state === State.CLOSING;
  }

  /** Takes one event of the codec. Returns false when there is nothing to do before more comes. */
  #step(): boolean {
    const codec = this.#codec;
    switch (codec.next()) {
      case WsEvent.PART:
        this.#inbox.send(codec.data.subarray(codec.start, codec.end), codec.kind, false);
        return true;
      case WsEvent.MESSAGE:
        this.#owed += 1;
        this.#inbox.send(codec.data.subarray(codec.start, codec.end), codec.kind, true);
        return true;
      case WsEvent.PING:
        this.#answerPing();
        return true;
      case WsEvent.PONG:
        return true;
      case WsEvent.CLOSE:
        this.#inbox.close(codec.code, codec.reason);
        if (this.#state === State.OPEN) this.#writer.close(codec.code, "");
        this.#end();
        return false;
      case WsEvent.ERROR:
        this.#onError();
        return false;
      default:
        if (this.#inputEnded) this.#lost();
        return false;
    }
  }

  /** What came before the error was right, and its answers may be on their way (the Autobahn suite wants them to arrive). */
  #onError(): void {
    if (this.#state !== State.OPEN || this.#owed === 0) return this.#fail();
    this.#state = State.FAILING;
    this.#pause(false);
    this.#schedule();
  }

  /** Only the latest ping is answered when the answers before it have not left (RFC 6455 section 5.5.3), so they take no memory. */
  #answerPing(): void {
    const { data, start, end } = this.#codec;
    if (this.#transport.pending > 0) {
      this.#pong = Buffer.from(data.subarray(start, end));
      return;
    }
    this.#writer.pong(data, start, end);
    this.#written();
  }

  #pause(wanted: boolean): void {
    if (this.#paused === wanted) return;
    this.#paused = wanted;
    this.#transport.pause(wanted);
  }

  // Writing

  /** Gives credit for what has left. What is pending may be compressed: then it stands for more, and credit comes the sooner. */
  #giveCredit(): void {
    const x = this.#x;
    if (x.stage !== Stage.SENT) return;
    const left = x.windowUsed - this.#transport.pending;
    if (left >= CREDIT_STEP_BYTES) this.#ctx.backend.credit(x, left);
  }

  /** Something was written. */
  #written(): void {
    if (this.#stalledAt > 0 || this.#transport.pending === 0) return;
    this.#stalledAt = this.#ctx.sweeper.now;
    if (this.#state === State.OPEN) this.#schedule();
  }

  // The end

  /** Sends the Close frame that says what was wrong, and ends. */
  #fail(): void {
    const { code, reason } = this.#codec;
    this.#inbox.close(code, reason);
    if (this.#state <= State.FAILING) this.#writer.close(code, reason);
    this.#end();
  }

  /** Sends our Close frame; the client is to answer it. */
  #close(code: number, reason: string): void {
    if (this.#state === State.FAILING) return this.#fail();
    if (this.#state !== State.OPEN) return;
    const known = code === CloseCode.NONE || isWireCloseCode(code);
    this.#writer.close(known ? code : CloseCode.INTERNAL_ERROR, reason);
    this.#state = State.CLOSING;
    this.#pause(false);
    this.#schedule();
    this.#pump();
  }

  /** The connection ended without a Close frame. */
  #lost(): void {
    this.#inbox.close(CloseCode.LOST, "");
    this.#end();
  }

  #cut(): void {
    this.#inbox.close(CloseCode.LOST, "");
    this.#release();
    this.#transport.abort();
  }

  /** All is said. */
  #end(): void {
    if (this.#state === State.CLOSED) return;
    this.#release();
    this.#pause(false);
    this.#transport.finish();
  }

  #release(): void {
    this.#state = State.CLOSED;
    this.#transport.deadline = 0;
    this.#pong = null;
    this.#large = null;
    this.#codec.dispose();
    this.#writer.dispose();
  }

  // Time

  #alive(): void {
    this.#aliveAt = this.#ctx.sweeper.now;
    this.#pingedAt = 0;
  }

  /** Sets the next deadline. One that events put off is only looked at again when it has come: a message costs a store. */
  #schedule(): void {
    const { sweeper, settings } = this.#ctx;
    const { sendTimeoutMs, wsCloseTimeoutMs, wsPingIntervalMs, wsPingTimeoutMs } = settings;
    let at = Infinity;
    if (this.#state === State.CLOSING) {
      at = sweeper.now + wsCloseTimeoutMs;
    } else if (this.#state === State.FAILING) {
      at = sweeper.now + FAILING_MS;
    } else {
      if (this.#stalledAt > 0 && sendTimeoutMs > 0) at = this.#stalledAt + sendTimeoutMs;
      if (this.#pingedAt > 0) at = Math.min(at, this.#pingedAt + wsPingTimeoutMs);
      else if (wsPingIntervalMs > 0) at = Math.min(at, this.#aliveAt + wsPingIntervalMs);
    }
    this.#transport.deadline = at === Infinity ? 0 : at + sweeper.tickMs;
  }
}
