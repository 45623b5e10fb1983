/** One thing that is to happen later; a new time takes the place of the old one. */

/** Node's and Bun's timers count in 31 bits; what is later is looked at again then. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class Alarm {
  #timer: Timer | null = null;

  /** Infinity: not at all. It may be early, by a fraction of a millisecond or after 24 days. */
  set(delayMs: number, then: () => void): void {
    this.clear();
    if (delayMs === Infinity) return;
    this.#timer = setTimeout(then, Math.min(TIMER_MS_MAX, Math.max(0, delayMs)));
  }

  clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
