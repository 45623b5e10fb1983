/** A connection that is no HTTP any more, between who has its socket and who speaks on it. */
import type { ByteSink } from "../proto/ws/writer.ts";

/** The client's side of a session, whose events its owner reports: `receive`, `ended`, `closed`, `drained`. */
export interface WsTransport extends ByteSink {
  /** Bytes that were written and have not left. */
  readonly pending: number;
  /** Where the client's bytes can be read past the runtime, -1 nowhere. Undefined: the chunks received are parts of others' memory. */
  readonly fd?: number;
  /** The client is not allowed to send, so that its silence says nothing. */
  readonly shut: boolean;
  /** Set by the session: when it wants `onDeadline`, in milliseconds of the sweeper's clock; 0 never. */
  deadline: number;
  /** No more is read while it is wanted. */
  pause(wanted: boolean): void;
  /** Closes when what is pending is out, within the time that the transport's owner allows for that. */
  finish(): void;
  /** Closes now. */
  abort(): void;
}

/** Who has a connection that is no HTTP any more: a WebSocket, or a tunnel. */
export interface UpgradedSession {
  receive(chunk: Buffer): void;
  ended(): void;
  closed(): void;
  drained(): void;
  onCredit(): void;
  onData(flags: number, buf: Buffer, start: number, end: number, borrowed: boolean): void;
  onMessage(kind: number, buf: Buffer, start: number, end: number, borrowed: boolean): void;
  onWsClose(code: number, reason: string): void;
  workerGone(restarting: boolean): void;
  shutdown(): void;
  onDeadline(now: number): void;
}
