/**
 * The bounded queue of requests that no worker can start yet: first in, first out; what a worker gave back goes to the front.
 * Cancelled entries are skipped when they come up, and are not counted.
 */
import { Stage, type Exchange } from "../exchange/exchange.ts";

export class DispatchQueue {
  /** A ring whose length is a power of two. */
  #ring: (Exchange | null)[] = new Array<Exchange | null>(64).fill(null);
  #first = 0;
  #slots = 0;
  #live = 0;

  /** Requests waiting. */
  get size(): number {
    return this.#live;
  }

  push(x: Exchange): void {
    this.#makeRoom();
    this.#ring[(this.#first + this.#slots) & (this.#ring.length - 1)] = x;
    this.#slots += 1;
    this.#live += 1;
    x.stage = Stage.QUEUED;
  }

  /** Puts one back before all others. */
  unshift(x: Exchange): void {
    this.#makeRoom();
    this.#first = (this.#first - 1) & (this.#ring.length - 1);
    this.#ring[this.#first] = x;
    this.#slots += 1;
    this.#live += 1;
    x.stage = Stage.QUEUED;
  }

  /** The oldest one, still in the queue; null when none waits. */
  peek(): Exchange | null {
    while (this.#slots > 0) {
      const x = this.#ring[this.#first]!;
      if (x !== null) return x;
      this.#drop();
    }
    return null;
  }

  shift(): Exchange | null {
    const x = this.peek();
    if (x === null) return null;
    this.#drop();
    this.#live -= 1;
    x.stage = Stage.OUT;
    return x;
  }

  /** Takes out one that is no longer wanted, wherever it stands. */
  remove(x: Exchange): void {
    const mask = this.#ring.length - 1;
    for (let i = 0; i < this.#slots; i++) {
      const at = (this.#first + i) & mask;
      if (this.#ring[at] === x) {
        this.#ring[at] = null;
        this.#live -= 1;
        x.stage = Stage.OUT;
        return;
      }
    }
  }

  #drop(): void {
    this.#ring[this.#first] = null;
    this.#first = (this.#first + 1) & (this.#ring.length - 1);
    this.#slots -= 1;
  }

  #makeRoom(): void {
    const length = this.#ring.length;
    if (this.#slots < length) return;
    const ring = new Array<Exchange | null>(length * 2).fill(null);
    for (let i = 0; i < this.#slots; i++) {
      ring[i] = this.#ring[(this.#first + i) & (length - 1)]!;
    }
    this.#ring = ring;
    this.#first = 0;
  }
}
