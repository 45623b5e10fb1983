/**
 * The cores of one machine, shared evenly by the processes that want to run: with more of them than cores each gets as much slower.
 * All have the same speed at any time, so one virtual clock (the work that each has been given so far) orders their ends.
 */
import type { Events } from "./events.ts";

interface Work {
  /** On the virtual clock. */
  readonly end: number;
  readonly done: () => void;
}

export class Cores {
  readonly count: number;
  readonly #events: Events;
  #running: Work[] = [];
  #virtual = 0;
  #lookedAt = 0;
  /** Ends that were planned before the speed changed are void. */
  #version = 0;
  #used = 0;

  constructor(events: Events, count: number) {
    this.#events = events;
    this.count = count;
  }

  /** One more process runs, for so long if it had a core of its own. */
  run(ms: number, done: () => void): void {
    this.#advance();
    this.#running.push({ end: this.#virtual + ms, done });
    this.#plan();
  }

  /** Milliseconds of all cores that were used so far. */
  get usedMs(): number {
    this.#advance();
    return this.#used;
  }

  get #speed(): number {
    return Math.min(1, this.count / Math.max(1, this.#running.length));
  }

  #advance(): void {
    const passed = this.#events.now - this.#lookedAt;
    this.#lookedAt = this.#events.now;
    this.#virtual += passed * this.#speed;
    this.#used += passed * Math.min(this.count, this.#running.length);
  }

  #plan(): void {
    this.#version += 1;
    if (this.#running.length === 0) return;
    const version = this.#version;
    let first = Number.POSITIVE_INFINITY;
    for (const { end } of this.#running) if (end < first) first = end;
    const left = Math.max(0, first - this.#virtual) / this.#speed;
    this.#events.after(left, () => {
      if (version === this.#version) this.#finish(first);
    });
  }

  /** Those whose end has come. The clock is set to it: a sum of small steps would fall short. */
  #finish(end: number): void {
    this.#advance();
    this.#virtual = Math.max(this.#virtual, end);
    const done = this.#running.filter((work) => work.end <= end);
    this.#running = this.#running.filter((work) => work.end > end);
    this.#plan();
    for (const work of done) work.done();
  }
}
