/**
 * Notices processes that do not answer any more: each is asked again and again, and one that leaves
 * a question unanswered for too long is hung, whether its event loop turns in circles or somebody
 * has stopped it. Only time in which this process ran counts: while the machine slept, or had no
 * time for us, nobody could have answered.
 */
import type { Clock } from "../core/clock.ts";

/** Questions in the time that one may take to answer. */
const QUESTIONS = 5;
/** Of the time between two looks, so much counts at most, measured in looks. */
const LOOKS_COUNTED = 2;

export interface PulseOptions<One> {
  readonly clock: Clock;
  ask(one: One): void;
  /** It is not asked again until `begin`. */
  hung(one: One, silentMs: number): void;
}

interface Watched {
  limitMs: number;
  /** Since when a question is open, in time that counts; null: none is. */
  silentMs: number | null;
}

export class Pulse<One> {
  readonly #options: PulseOptions<One>;
  readonly #watched = new Map<One, Watched>();
  #everyMs = 0;
  #lookedAt = 0;
  #timer: Timer | null = null;

  constructor(options: PulseOptions<One>) {
    this.#options = options;
  }

  /** `timeoutMs`: what an answer may take; 0: nobody is asked. */
  start(timeoutMs: number): void {
    this.stop();
    if (timeoutMs === 0) return;
    this.#everyMs = timeoutMs / QUESTIONS;
    this.#lookedAt = this.#options.clock.now();
    this.#timer = setInterval(() => this.look(), this.#everyMs);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** From now on it is asked, and may take so long to answer. */
  begin(one: One, limitMs: number): void {
    this.#watched.set(one, { limitMs, silentMs: null });
  }

  forget(one: One): void {
    this.#watched.delete(one);
  }

  /** It has answered. */
  heard(one: One): void {
    const watched = this.#watched.get(one);
    if (watched !== undefined) watched.silentMs = null;
  }

  /** Once in a while. */
  look(): void {
    const now = this.#options.clock.now();
    const ranMs = Math.min(now - this.#lookedAt, LOOKS_COUNTED * this.#everyMs);
    this.#lookedAt = now;
    for (const [one, watched] of this.#watched) {
      if (watched.silentMs === null) {
        watched.silentMs = 0;
        this.#options.ask(one);
        continue;
      }
      watched.silentMs += ranMs;
      if (watched.silentMs < watched.limitMs) continue;
      this.#watched.delete(one);
      this.#options.hung(one, watched.silentMs);
    }
  }
}
