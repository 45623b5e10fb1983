/**
 * Whole responses on their way to the runtime. Given to it while it takes packets in, they leave together, several in a packet. At any
 * other time each call sends a packet of its own, two for a response. So few are given at a time: clients that have got the first ones
 * say something, and the rest goes out while that is taken in.
 */

export interface ReadyResponse {
  sendReady(): void;
}

/** Given to the runtime before the event loop goes on. */
const PORTION = 4;

export class H3Outbox {
  #ready: ReadyResponse[] = [];
  #scheduled = false;

  /** Calls `sendReady` soon: while packets are taken in, or in its turn. */
  add(response: ReadyResponse): void {
    this.#ready.push(response);
    this.#schedule();
  }

  /** The runtime is taking packets in: now is the time. */
  takingIn(): void {
    if (this.#ready.length === 0) return;
    const ready = this.#ready;
    this.#ready = [];
    for (const response of ready) response.sendReady();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#sendSome);
  }

  readonly #sendSome = (): void => {
    this.#scheduled = false;
    for (const response of this.#ready.splice(0, PORTION)) response.sendReady();
    if (this.#ready.length > 0) this.#schedule();
  };
}
