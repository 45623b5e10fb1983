/**
 * A WebSocket over one stream of an HTTP/2 connection (RFC 8441). Its frames travel in DATA; the session reads and writes them.
 * The stream's
 * window follows the worker's credit, so that a slow app makes this client wait and no other stream. END_STREAM is what FIN is to TCP:
 * after ours the client's is awaited for a moment.
 */
import type { ErrorCode } from "../../core/errors.ts";
import { H2Code } from "../../proto/h2/frames.ts";
import { Handed, type HandedCode } from "../../exchange/exchange.ts";
import type { DeflateParams } from "../../proto/ws/extensions.ts";
import { acceptFields, checkExtendedConnect } from "../../proto/ws/handshake.ts";
import { Flag, REQUEST_WINDOW_BYTES } from "../../wire/spec.ts";
import type { UpgradedSession, WsTransport } from "../upgraded.ts";
import { WsSession } from "../ws-session.ts";
import { H2Stream } from "./h2-stream.ts";

/** How long the client's END_STREAM is awaited after ours. */
const LINGER_MS = 2000;
/** So much may lie here, of a client that was too fast for its app, without a share of the connection's window. */
const WITHHELD_FREE_BYTES = 64 * 1024;

const EMPTY: Buffer = Buffer.alloc(0);

export class H2WebSocket extends H2Stream implements WsTransport {
  #session: UpgradedSession | null = null;
  #deflate: DeflateParams | null = null;
  /** Bytes from before the worker has accepted. */
  #early: Buffer[] = [];
  #inputEnded = false;
  /** Our END_STREAM is out. */
  #finSent = false;
  #paused = false;
  /** Bytes that came while it was paused. */
  #withheld = 0;
  /** Bytes that came and for which the client has got no window again. */
  #ungranted = 0;

  /** Looks at the request. False: it has been refused. */
  handshake(): boolean {
    const { engine, ctx } = this.owner;
    const handshake = checkExtendedConnect(engine.head, ctx.settings.wsDeflate);
    if (handshake.kind !== "valid") {
      const old = handshake.kind === "refused" && handshake.status === 426;
      this.refuse(old ? "websocket-version" : "websocket-handshake-invalid");
      return false;
    }
    this.#deflate = handshake.deflate;
    this.flags |= Flag.UPGRADE;
    return true;
  }

  // From the client

  override body(piece: Buffer): HandedCode {
    this.#ungranted += piece.length;
    if (this.#session === null) this.#early.push(piece);
    else this.#session.receive(piece);
    if (this.#paused) {
      this.#withheld += piece.length;
      if (this.#withheld > WITHHELD_FREE_BYTES) return Handed.KEPT;
      this.owner.engine.handedOver(this.id, piece.length);
    } else this.#grantWindow();
    return Handed.KEPT;
  }

  override end(): void {
    if (this.#inputEnded) return;
    this.#inputEnded = true;
    if (this.#finSent) this.complete();
    else if (this.#session === null) super.inputEnded();
    else this.#session.ended();
  }

  override inputEnded(): void {
    this.end();
  }

  override gone(): void {
    this.#session?.closed();
    if (this.#finSent) this.complete();
    else super.gone();
  }

  override sent(ended: boolean): void {
    if (this.#session === null) super.sent(ended);
    else if (ended) this.#finished();
    else this.#session.drained();
  }

  protected override onDeadline(now: number): void {
    if (this.#finSent) {
      this.owner.engine.reset(this.id, H2Code.NO_ERROR);
      this.complete();
    } else if (this.#session === null) super.onDeadline(now);
    else this.#session.onDeadline(now);
  }

  /** The session says itself when the worker has nothing more to hear of it. */
  protected override leave(reason: number): void {
    if (this.#session === null) super.leave(reason);
  }

  /** What neither lies here nor is with the worker, the client may send again. */
  #grantWindow(): void {
    const { engine } = this.owner;
    if (this.#session === null) return;
    engine.handedOver(this.id, this.#ungranted);
    const bytes = this.#ungranted - (REQUEST_WINDOW_BYTES - this.requestCredit);
    if (bytes <= 0) return;
    this.#ungranted -= bytes;
    engine.consumed(this.id, bytes);
    this.owner.flushSoon();
  }

  override shutdown(): void {
    this.#session?.shutdown();
  }

  // From the worker

  override onAccept(buf: Buffer, start: number, end: number): void {
    const lines = `HTTP/1.1 200 OK\r\n${acceptFields("", this.#deflate)}`;
    const head = Buffer.from(`${lines}${buf.toString("latin1", start, end)}\r\n`, "latin1");
    this.responseStarted = true;
    this.status = 200;
    this.deadline = 0;
    this.owner.engine.tunnel(this.id);
    this.owner.engine.sendHead(this.id, 200, head, 0, head.length, false);
    this.owner.flushSoon();
    const session = new WsSession(this.ctx, this, this, this.#deflate);
    this.#session = session;
    const early = this.#early;
    this.#early = [];
    for (const piece of early) session.receive(piece);
    if (!this.#paused) this.#grantWindow();
    if (this.#inputEnded) session.ended();
    if (this.ctx.stopping && !this.ctx.socketsStay) session.shutdown();
  }

  override onData(flags: number, buf: Buffer, start: number, end: number): void {
    if (this.#session === null) return super.onData(flags, buf, start, end);
    this.bytesOut += end - start;
    this.#session.onData(flags, buf, start, end, false);
  }

  override onLent(flags: number, buf: Buffer, start: number, end: number): void {
    if (this.#session === null) return super.onLent(flags, buf, start, end);
    this.bytesOut += end - start;
    this.#session.onData(flags, buf, start, end, true);
  }

  override onMessage(
    kind: number,
    buf: Buffer,
    start: number,
    end: number,
    borrowed: boolean,
  ): void {
    this.bytesOut += end - start;
    this.#session?.onMessage(kind, buf, start, end, borrowed);
  }

  override onWsClose(code: number, reason: string): void {
    this.#session?.onWsClose(code, reason);
  }

  override onCredit(): void {
    this.#session?.onCredit();
    if (!this.#paused) this.#grantWindow();
  }

  override onReset(reason: number): void {
    if (this.#session === null) super.onReset(reason);
    else this.#session.workerGone(this.ctx.stopping);
  }

  override onRefused(code: ErrorCode): void {
    if (this.#session === null) super.onRefused(code);
    else this.#session.workerGone(this.ctx.stopping);
  }

  // WsTransport

  /** Its window is: a pong could not come. */
  get shut(): boolean {
    return !this.owner.engine.hasRoom(this.id);
  }

  get pending(): number {
    return this.owner.engine.pending(this.id);
  }

  write(buf: Buffer, start: number, end: number): void {
    this.owner.engine.sendData(this.id, buf, start, end, false);
    this.owner.flushSoon();
  }

  writeBorrowed(buf: Buffer, start: number, end: number): void {
    this.owner.engine.sendData(this.id, buf, start, end, false, true);
    this.owner.flushSoon();
  }

  pause(wanted: boolean): void {
    this.#paused = wanted;
    if (wanted) return;
    this.#withheld = 0;
    this.#grantWindow();
  }

  finish(): void {
    const sent = this.owner.engine.sendData(this.id, EMPTY, 0, 0, true);
    this.owner.flushSoon();
    if (sent) this.#finished();
  }

  abort(): void {
    this.owner.engine.reset(this.id, H2Code.CANCEL);
    this.owner.flushSoon();
    super.gone();
  }

  #finished(): void {
    this.#finSent = true;
    if (this.#inputEnded) this.complete();
    else this.deadline = this.ctx.sweeper.in(LINGER_MS);
  }
}
