/** Parts of the response ring that exchanges were lent in the batch of frames being read; behind it they go back to the worker. */
import type { Exchange } from "../exchange/exchange.ts";
import type { SharedMemory } from "./ring.ts";

export class RingLoans {
  readonly #shared: SharedMemory;
  #borrowers: Exchange[] = [];
  /** How far the ring has been read in this batch; -1 not at all. */
  #taken = -1;

  constructor(shared: SharedMemory) {
    this.#shared = shared;
  }

  /** A part lies in the ring up to this count. */
  taken(after: number): void {
    this.#taken = after;
  }

  lentTo(x: Exchange): void {
    if (this.#borrowers.at(-1) !== x) this.#borrowers.push(x);
  }

  /** The batch is done, and all its parts with it. */
  giveBack(): void {
    if (this.#taken < 0) return;
    const borrowers = this.#borrowers;
    if (borrowers.length > 0) {
      this.#borrowers = [];
      for (const x of borrowers) x.onLentBack();
    }
    this.#shared.responseTaken(this.#taken);
    this.#taken = -1;
  }
}
