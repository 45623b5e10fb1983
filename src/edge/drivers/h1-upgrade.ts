/**
 * An HTTP/1.1 connection that becomes a WebSocket (RFC 6455), or a tunnel to an app that speaks WebSocket itself. Until the worker has
 * accepted it is a request like others, and its answer may be an ordinary response: then the connection ends with it, for what the
 * client has sent behind its handshake is no request.
 */
import { acceptFields, checkUpgrade } from "../../proto/ws/handshake.ts";
import type { RequestHead } from "../../proto/events.ts";
import type { DeflateParams } from "../../proto/ws/extensions.ts";
import { Flag, REQUEST_WINDOW_BYTES, WS_WINDOW_BYTES } from "../../wire/spec.ts";
import type { UpgradedSession, WsTransport } from "../upgraded.ts";
import { WsSession } from "../ws-session.ts";
import { WsTunnel } from "../ws-tunnel.ts";
import type { ClientSocket } from "../client-socket.ts";
import type { EdgeContext } from "../context.ts";
import { connectionConstant, headConstant } from "../peer.ts";
import type { Swept } from "../sweeper.ts";
import { H1Intake, Phase } from "./h1-intake.ts";
import { H2ClientConnection } from "./h2.ts";

const NO_BLOCK = new Uint8Array(0);
const SWITCHING = "HTTP/1.1 101 Switching Protocols\r\n";

export abstract class H1Upgrade extends H1Intake implements WsTransport, Swept {
  sweepIndex = -1;
  /** Who has the connection since the worker has accepted the upgrade. */
  protected session: UpgradedSession | null = null;
  /** It has had a request. */
  protected served = false;
  /** Of the listener that accepted it; empty for TCP. */
  protected readonly unixPath: string;
  /** What `onLent` lends at this moment: it leaves in one write with all else that is lent. */
  #ring: Buffer | null = null;
  #constant: Buffer | null = null;
  #handshake: { readonly key: string; readonly deflate: DeflateParams | null } | null = null;

  constructor(ctx: EdgeContext, socket: ClientSocket, unixPath: string) {
    super(ctx, socket, unixPath);
    this.unixPath = unixPath;
  }

  /** The part of the head block that is not the request's own, unless a proxy has said so. */
  protected constantOf(head: RequestHead): Buffer {
    const { form, socket, unixPath } = this;
    this.#constant ??= connectionConstant(form, socket, unixPath);
    return headConstant(head.forwarded, this.#constant, form, socket, unixPath);
  }

  abstract onDeadline(now: number): void;
  /** The connection is to end: what is to be said has been said. */
  protected abstract endSession(): void;

  /** A client that speaks HTTP/2 from the start, by prior knowledge (RFC 9113 section 3.3): on a plain port, as its first bytes. */
  protected becomeH2(): boolean {
    const { ctx, socket } = this;
    if (!ctx.settings.http2 || socket.tls !== undefined || this.phase > Phase.HEAD) return false;
    if (this.phase === Phase.IDLE || this.served) return false;
    this.phase = Phase.CLOSED;
    this.deadline = 0;
    ctx.sweeper.remove(this);
    ctx.counts.connections -= 1;
    ctx.counts.accepted -= 1;
    const rest = this.reader.takeRest();
    ctx.counts.bytesIn -= rest.length;
    const next = new H2ClientConnection(ctx, socket, this.unixPath);
    socket.data = next;
    next.data(rest);
    if (ctx.stopping) next.shutdown(false);
    return true;
  }

  /** Looks at a request with an Upgrade field. False: it has been refused. */
  protected considerUpgrade(): boolean {
    const handshake = checkUpgrade(this.reader.head, this.ctx.settings.wsDeflate);
    if (handshake.kind === "none") return true;
    this.closeAfter = true;
    if (handshake.kind === "refused") {
      this.refuse(handshake.status === 426 ? "websocket-version" : "websocket-handshake-invalid");
      return false;
    }
    this.#handshake = handshake;
    this.flags |= Flag.UPGRADE;
    return true;
  }

  override onAccept(buf: Buffer, start: number, end: number, tunnel: boolean): void {
    const { key, deflate } = this.#handshake!;
    this.#handshake = null;
    this.responseStarted = true;
    this.status = 101;
    const rest = this.reader.takeRest();
    // There is no next request whose head could repeat it.
    this.reader.head.block = NO_BLOCK;
    this.wait(Phase.UPGRADED, 0);
    this.pause(false);
    if (tunnel) this.session = new WsTunnel(this.ctx, this, this);
    else {
      const lines = SWITCHING + acceptFields(key, deflate) + buf.toString("latin1", start, end);
      const head = Buffer.from(`${lines}\r\n`, "latin1");
      this.output.write(head, 0, head.length);
      this.requestCredit += WS_WINDOW_BYTES - REQUEST_WINDOW_BYTES;
      this.session = new WsSession(this.ctx, this, this, deflate);
    }
    if (rest.length > 0) this.session.receive(rest);
    if (this.inputEnded) this.session.ended();
    if (this.ctx.stopping && !this.ctx.socketsStay) this.session.shutdown();
  }

  override onData(flags: number, buf: Buffer, start: number, end: number): void {
    if (this.session === null) super.onData(flags, buf, start, end);
    else {
      this.bytesOut += end - start;
      this.session.onData(flags, buf, start, end, false);
    }
  }

  override onLent(flags: number, buf: Buffer, start: number, end: number): void {
    if (this.session === null) super.onLent(flags, buf, start, end);
    else {
      this.bytesOut += end - start;
      this.#ring = buf;
      this.session.onData(flags, buf, start, end, true);
      this.#ring = null;
    }
  }

  override onLentBack(): void {
    if (this.session === null) return super.onLentBack();
    if (this.output.pending > 0) return;
    this.output.writeLent();
    if (this.output.pending > 0) this.session.drained();
  }

  override onMessage(
    kind: number,
    buf: Buffer,
    start: number,
    end: number,
    borrowed: boolean,
  ): void {
    this.bytesOut += end - start;
    if (borrowed) this.#ring = buf;
    this.session?.onMessage(kind, buf, start, end, borrowed);
    this.#ring = null;
  }

  override onWsClose(code: number, reason: string): void {
    this.session?.onWsClose(code, reason);
  }

  override onCredit(): void {
    if (this.session === null) super.onCredit();
    else this.session.onCredit();
  }

  // WsTransport

  /** The socket's pause says it all. */
  get shut(): boolean {
    return false;
  }

  get pending(): number {
    return this.output.pending;
  }

  write(buf: Buffer, start: number, end: number): void {
    this.output.write(buf, start, end);
  }

  writeBorrowed(buf: Buffer, start: number, end: number): void {
    if (buf === this.#ring) this.output.lend(buf, start, end);
    else this.output.writeBorrowed(buf, start, end);
  }

  override pause(wanted: boolean): void {
    super.pause(wanted);
  }

  finish(): void {
    this.output.writeLent();
    this.endSession();
  }

  abort(): void {
    this.endSession();
    this.socket.terminate();
  }
}
