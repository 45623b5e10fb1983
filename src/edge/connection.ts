/**
 * What the edge needs of a client connection, whatever protocol it speaks: the socket's events go in by the first four methods, the
 * others are the edge's own wishes. A driver counts itself in (`counts.connections`, the sweeper) when it is made and out in `closed`.
 */
import type { Swept } from "./sweeper.ts";

export interface SocketEvents {
  /** Bytes have come; they are the receiver's to keep. */
  data(chunk: Buffer): void;
  /** The kernel takes bytes again. */
  drain(): void;
  /** The client's FIN. */
  ended(): void;
  /** The socket is gone; may be called twice. */
  closed(): void;
}

export interface ClientConnection extends ClientMember, SocketEvents {}

/** A client as the edge counts and sweeps it; over HTTP/3 there is no socket of its own. */
export interface ClientMember extends Swept {
  /**
   * The server stops: closes as soon as what is under way is done. A client that could make a request may have sent it already: it is
   * waited for until the second call, with `last`; that is repeated, because it leaves alone whoever has sent something that is still to
   * be read. WebSockets close at the first call at which they are not to stay (EdgeContext).
   */
  shutdown(last: boolean): void;
  /** No more time: closes now. */
  kill(): void;
  /** Closes now, without waiting for the client's FIN, and counts itself out at once. */
  makeRoom(): void;
  /** There are too many connections: says so and closes. */
  turnAway(): void;
  /** It waits for a next request, of which nothing has come, and may be closed without harm. Asks the kernel. */
  readonly idle: boolean;
  /** All is said; only the client's FIN is waited for. */
  readonly leaving: boolean;
}
