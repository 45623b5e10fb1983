/** A WebSocket session between a transport and a backend that write down what they are told, with a clock that the test moves. */
import type { EdgeContext, EdgeSettings } from "../../src/edge/context.ts";
import { Sweeper } from "../../src/edge/sweeper.ts";
import type { WsTransport } from "../../src/edge/upgraded.ts";
import { WsSession } from "../../src/edge/ws-session.ts";
import {
  type Backend,
  type Exchange,
  Handed,
  type HandedCode,
  Stage,
} from "../../src/exchange/exchange.ts";
import type { DeflateParams } from "../../src/proto/ws/extensions.ts";
import { Flag, WS_MESSAGE_COST_BYTES } from "../../src/wire/spec.ts";
import { FakeExchange } from "./wire.ts";

/** Takes at most `room` bytes; the rest is pending until `flow`. */
export class FakeTransport implements WsTransport {
  pending = 0;
  deadline = 0;
  paused = false;
  shut = false;
  fd?: number;
  /** `finish`, `abort`: in the order of the calls. */
  readonly ends: string[] = [];
  room = Number.POSITIVE_INFINITY;
  #bytes: Buffer[] = [];

  write(buf: Buffer, start: number, end: number): void {
    this.#bytes.push(Buffer.from(buf.subarray(start, end)));
    const taken = Math.min(this.room, end - start);
    this.room -= taken;
    this.pending += end - start - taken;
  }

  writeBorrowed(buf: Buffer, start: number, end: number): void {
    this.write(buf, start, end);
  }

  pause(wanted: boolean): void {
    this.paused = wanted;
  }

  finish(): void {
    this.ends.push("finish");
  }

  abort(): void {
    this.ends.push("abort");
  }

  take(): string {
    const hex = Buffer.concat(this.#bytes).toString("hex");
    this.#bytes = [];
    return hex;
  }
}

/** `text abc`, `binary 00ff`, `close 1000 bye`, with `+` before a part that is not the last; `credit 5`. */
export class FakeBackend {
  readonly told: string[] = [];
  /** There is no room. */
  full = false;
  /** It keeps what it is given. */
  keeps = false;
  /** Bytes of bodies and messages. */
  bytes = 0;

  sendMessage(x: Exchange, kind: number, piece: Buffer, last: boolean): HandedCode {
    if (this.full) return Handed.WAITS;
    if (!last) {
      this.#take(x, piece.length);
      this.told.push(`+${piece.length > 40 ? piece.length : piece.toString()}`);
      return this.keeps ? Handed.KEPT : Handed.COPIED;
    }
    this.#take(x, piece.length + WS_MESSAGE_COST_BYTES);
    this.bytes -= WS_MESSAGE_COST_BYTES;
    const content = kind === 1 ? piece.toString() : piece.toString("hex");
    this.told.push(
      `${kind === 1 ? "text" : "binary"} ${content.length > 40 ? piece.length : content}`,
    );
    return this.keeps ? Handed.KEPT : Handed.COPIED;
  }

  sendWsClose(_x: Exchange, code: number, reason: string): void {
    this.told.push(`close ${code} ${reason}`);
  }

  credit(x: Exchange, bytes: number): void {
    x.windowUsed -= bytes;
    this.told.push(`credit ${bytes}`);
  }

  take(): string[] {
    return this.told.splice(0);
  }

  #take(x: Exchange, bytes: number): void {
    if (bytes > x.requestCredit) throw new Error("beyond the credit");
    x.requestCredit -= bytes;
    this.bytes += bytes;
  }
}

export interface Scene {
  session: WsSession;
  transport: FakeTransport;
  backend: FakeBackend;
  x: FakeExchange;
  /** Lets time pass, tick by tick. */
  pass(ms: number): void;
  /** Some of what is pending has left. */
  flow(bytes: number): void;
}

interface SceneOptions {
  settings?: Partial<EdgeSettings>;
  deflate?: DeflateParams;
  credit?: number;
  /** The chunks are the session's alone. */
  own?: boolean;
}

export function scene({ settings, deflate, credit, own }: SceneOptions = {}): Scene {
  const clock = { at: 1_000_000, now: (): number => clock.at };
  const sweeper = new Sweeper(clock, 4000, () => false);
  const backend = new FakeBackend();
  const transport = new FakeTransport();
  if (own === true) transport.fd = -1;
  const x = new FakeExchange("ws");
  x.stage = Stage.SENT;
  x.requestCredit = credit ?? 512 * 1024;
  const context: Partial<EdgeContext> = {
    settings: {
      wsMessageBytesMax: 16 * 1024 * 1024,
      wsPingIntervalMs: 20_000,
      wsPingTimeoutMs: 20_000,
      wsCloseTimeoutMs: 10_000,
      wsDeflate: true,
      sendTimeoutMs: 60_000,
      ...settings,
    } as EdgeSettings,
    backend: backend as unknown as Backend,
    sweeper,
  };
  const session = new WsSession(context as EdgeContext, x, transport, deflate ?? null);
  return {
    session,
    transport,
    backend,
    x,
    pass(ms) {
      const until = clock.at + ms;
      while (clock.at < until) {
        clock.at = Math.min(until, clock.at + sweeper.tickMs);
        sweeper.now = clock.at;
        if (transport.deadline > 0 && clock.at >= transport.deadline) session.onDeadline(clock.at);
      }
    },
    flow(bytes) {
      transport.pending = Math.max(0, transport.pending - bytes);
      if (transport.pending === 0) transport.room = Number.POSITIVE_INFINITY;
      session.drained();
    },
  };
}

/** A message of the worker, with the spent bytes before it that a frame of the wire has. */
export function message(
  { session }: Scene,
  kind: 1 | 2,
  content: string | Buffer,
  last: boolean = true,
): void {
  const bytes = Buffer.concat([Buffer.alloc(12), Buffer.from(content as Buffer)]);
  const flags = kind === 2 ? Flag.BINARY : 0;
  if (last) session.onMessage(kind, bytes, 12, bytes.length, false);
  else session.onData(flags, bytes, 12, bytes.length, false);
}
