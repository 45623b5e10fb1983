/**
 * The last of a connection on which all is said: our FIN is out, or waits behind the last bytes. What the client still sends is read and
 * thrown away, so that no RST overtakes the last response (RFC 9112 section 9.6). A slow client is waited for as while a response is
 * written: a reset, or a frame of its own that finds the socket closed, would take away what the kernel has not delivered yet.
 */
import { type ClientSocket, undelivered } from "../client-socket.ts";
import type { EdgeContext } from "../context.ts";

/** In how long a client is to close its side, and how often is looked whether it takes what is on its way. */
export const LINGER_MS = 2000;
/** How much is thrown away. */
const LINGER_BYTES_MAX = 1024 * 1024;

/** What the kernel has not taken yet. */
interface Output {
  readonly pending: number;
}

export class Linger {
  readonly #ctx: EdgeContext;
  readonly #socket: ClientSocket;
  readonly #output: Output | null;
  #discarded = 0;
  /** Bytes that the client had not taken when it was last looked at. */
  #left = Infinity;
  #movedAt: number;
  #letGo = false;

  constructor(ctx: EdgeContext, socket: ClientSocket, output: Output | null) {
    this.#ctx = ctx;
    this.#socket = socket;
    this.#output = output;
    this.#movedAt = ctx.sweeper.now;
  }

  /** Bytes of the client. */
  data(bytes: number): void {
    this.#discarded += bytes;
    if (this.#discarded > LINGER_BYTES_MAX) this.#socket.terminate();
  }

  /** After `LINGER_MS`, again and again until the socket is closed. */
  onDeadline(now: number): void {
    const { sendTimeoutMs } = this.#ctx.settings;
    // A socket with something of its own to write first (of FastCGI, of TLS) has had the time.
    if (this.#letGo) return this.#socket.terminate();
    const left = (this.#output?.pending ?? 0) + undelivered(this.#socket);
    if (left < this.#left) {
      this.#left = left;
      this.#movedAt = now;
    }
    if (left === 0) {
      this.#letGo = true;
      return this.#socket.end();
    }
    if (sendTimeoutMs > 0 && now - this.#movedAt >= sendTimeoutMs) this.#socket.terminate();
  }
}
