/** Counts what only attackers do often (limits.ts). The clock is read only when a count has reached its bound. */
import { FLOOD_WINDOW_MS, FLOODS, type FloodName } from "./limits.ts";

const NAMES = Object.keys(FLOODS) as FloodName[];

function zeros(): Record<FloodName, number> {
  return Object.fromEntries(NAMES.map((name) => [name, 0])) as Record<FloodName, number>;
}

export class FloodGuard {
  /** Of the connection so far. */
  readonly counts: Record<FloodName, number> = zeros();
  /** Requests answered completely. */
  requests = 0;
  /** DATA frames sent. */
  frames = 0;
  readonly #now: () => number;
  /** The values when the window of time began. */
  readonly #before: Record<FloodName, number> = zeros();
  #requestsBefore = 0;
  #framesBefore = 0;
  #since: number;

  constructor(now: () => number) {
    this.#now = now;
    this.#since = now();
  }

  /** Counts one; false when that is too many. */
  allows(name: FloodName): boolean {
    const used = ++this.counts[name] - this.#before[name];
    const bound = FLOODS[name];
    if (used <= bound.base) return true;
    const requests = this.requests - this.#requestsBefore;
    const frames = this.frames - this.#framesBefore;
    if (used <= bound.base + bound.perRequest * requests + bound.perFrame * frames) return true;
    return this.#renew(name);
  }

  /** Begins a new window of time if the last one is over; `name` has its first in it. */
  #renew(name: FloodName): boolean {
    const now = this.#now();
    if (now - this.#since < FLOOD_WINDOW_MS) return false;
    this.#since = now;
    for (const each of NAMES) this.#before[each] = this.counts[each];
    this.#before[name] -= 1;
    this.#requestsBefore = this.requests;
    this.#framesBefore = this.frames;
    return true;
  }
}
