/**
 * A connection whose bytes go to the app as they are, and back: a WSGI app has taken its WebSocket as a raw socket and speaks the protocol
 * itself. The client's bytes are read only while the worker has credit; the app's bytes are credited when they have left.
 */
import { type Exchange, Stage } from "../exchange/exchange.ts";
import { CancelReason, Flag } from "../wire/spec.ts";
import type { EdgeContext } from "./context.ts";
import type { UpgradedSession, WsTransport } from "./upgraded.ts";

/** Credit is given back in steps of this size: a quarter of the window. */
const CREDIT_STEP_BYTES = 256 * 1024;

const EMPTY: Buffer = Buffer.alloc(0);

export class WsTunnel implements UpgradedSession {
  readonly #ctx: EdgeContext;
  readonly #x: Exchange;
  readonly #transport: WsTransport;
  /** What came beyond the worker's credit. */
  #held: Buffer[] = [];
  /** The client sends no more. */
  #inputEnded = false;
  /** And the worker knows. */
  #endSent = false;
  #over = false;
  /** Since when the client has taken nothing of what is pending; 0 nothing is. */
  #stalledAt = 0;

  constructor(ctx: EdgeContext, x: Exchange, transport: WsTransport) {
    this.#ctx = ctx;
    this.#x = x;
    this.#transport = transport;
  }

  // From the client

  receive(chunk: Buffer): void {
    if (this.#over) return;
    this.#held.push(chunk);
    this.onCredit();
  }

  ended(): void {
    this.#inputEnded = true;
    this.onCredit();
  }

  closed(): void {
    if (this.#over) return;
    this.#over = true;
    this.#ctx.backend.cancel(this.#x, CancelReason.CLIENT_GONE);
  }

  drained(): void {
    this.#watch();
    this.#giveCredit();
  }

  // From the worker

  onCredit(): void {
    if (this.#over) return;
    const held = this.#held;
    while (held.length > 0 && this.#x.requestCredit > 0) {
      const piece = held[0]!;
      const length = Math.min(piece.length, this.#x.requestCredit);
      this.#ctx.backend.sendBody(this.#x, piece.subarray(0, length), false);
      if (length === piece.length) held.shift();
      else held[0] = piece.subarray(length);
    }
    this.#transport.pause(held.length > 0);
    if (!this.#inputEnded || held.length > 0 || this.#endSent) return;
    this.#endSent = true;
    this.#ctx.backend.sendBody(this.#x, EMPTY, true);
  }

  onData(flags: number, buf: Buffer, start: number, end: number, borrowed: boolean): void {
    if (this.#over) return;
    if (borrowed) this.#transport.writeBorrowed(buf, start, end);
    else if (end > start) this.#transport.write(buf, start, end);
    if ((flags & Flag.END) !== 0) return this.#finish();
    this.#watch();
    this.#giveCredit();
  }

  onMessage(): void {
    this.workerGone();
  }

  /** The server stops, or replaces the worker. */
  onWsClose(): void {
    this.#finish();
  }

  workerGone(): void {
    this.#finish();
  }

  // From the edge

  shutdown(): void {
    if (this.#over) return;
    this.#ctx.backend.cancel(this.#x, CancelReason.SHUTDOWN);
    this.#finish();
  }

  onDeadline(now: number): void {
    const { sendTimeoutMs } = this.#ctx.settings;
    if (this.#over || this.#stalledAt === 0 || now - this.#stalledAt < sendTimeoutMs) return;
    this.closed();
    this.#transport.abort();
  }

  #watch(): void {
    const { sweeper, settings } = this.#ctx;
    const pending = this.#transport.pending > 0 && settings.sendTimeoutMs > 0;
    this.#stalledAt = pending ? sweeper.now : 0;
    this.#transport.deadline = pending ? sweeper.in(settings.sendTimeoutMs) : 0;
  }

  #giveCredit(): void {
    const x = this.#x;
    const left = x.windowUsed - this.#transport.pending;
    if (x.stage === Stage.SENT && left >= CREDIT_STEP_BYTES) this.#ctx.backend.credit(x, left);
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#transport.finish();
  }
}
