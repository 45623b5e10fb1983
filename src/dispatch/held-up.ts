/**
 * Whether a worker is in something that takes the time of whatever comes next: its loop has given requests back and begun none since; or
 * a view in one of its threads has computed for long, and whatever else runs there has to share the interpreter with it. Such a worker
 * gets requests all the same, but later than others: what holds it up may end at any moment.
 */
import type { Depth } from "./depth.ts";
import type { SharedMemory } from "./ring.ts";
import type { StreamTable } from "./stream-table.ts";

/** A worker that is held up looks as if it had so many requests more. */
const COST = 8;
/** For so long after it gave requests back, if it says nothing. Then it is tried again. */
const GAVE_BACK_MS = 3000;
/** A call goes on for long that has no answer after so many milliseconds. */
const LONG_MS = 100;

export class HeldUp {
  readonly #shared: SharedMemory;
  readonly #depth: Depth;
  readonly #streams: StreamTable;
  /** The call that is watched, and since when. */
  #call = 0;
  #since = 0;

  constructor(shared: SharedMemory, depth: Depth, streams: StreamTable) {
    this.#shared = shared;
    this.#depth = depth;
    this.#streams = streams;
  }

  /** What it has to do, for the choice among workers: `running` requests, and more while it is held up. */
  load(running: number, clock: () => number): number {
    return running > 0 && this.#is(clock) ? running + COST : running;
  }

  #is(clock: () => number): boolean {
    if (this.#depth.gaveBackWithin(GAVE_BACK_MS, clock)) return true;
    if (!this.#shared.computing) return false;
    if (this.#streams.awaitsAnswer(this.#call)) return clock() - this.#since >= LONG_MS;
    // Looked at only when there is a choice: it is as old as that, at least.
    this.#call = this.#streams.oldestUnanswered();
    this.#since = clock();
    return false;
  }
}
