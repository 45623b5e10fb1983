/**
 * Whether a process that was killed was killed for want of memory: the kernel counts such kills, of the whole machine with
 * all its containers, in /proc/vmstat (Linux 4.13). It counts before the process ends, so that who sees the end sees the count.
 */
import { readFileSync } from "node:fs";
import type { Clock } from "../core/clock.ts";

/** One shortage kills several processes, whose ends are heard of one after the other. */
const SAME_SHORTAGE_MS = 10_000;

export class OomKills {
  readonly #clock: Clock;
  readonly #path: string;
  #count: number | null;
  #grownAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, path: string = "/proc/vmstat") {
    this.#clock = clock;
    this.#path = path;
    this.#count = this.#read();
  }

  /** Whether there was one just now, or since this was last asked; null: the kernel does not say. */
  happened(): boolean | null {
    const count = this.#read();
    if (count === null || this.#count === null) return null;
    if (count > this.#count) this.#grownAt = this.#clock.now();
    this.#count = count;
    return this.#clock.now() - this.#grownAt < SAME_SHORTAGE_MS;
  }

  #read(): number | null {
    try {
      const found = /^oom_kill (\d+)$/m.exec(readFileSync(this.#path, "utf8"));
      return found === null ? null : Number(found[1]);
    } catch {
      return null;
    }
  }
}
