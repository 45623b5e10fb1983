/**
 * What the edges saw, added up: their counters only grow, and begin anew with a new process. Pure.
 */
import type { Load } from "./fleet/scaling.ts";

/** The part of an edge's `stats` that tells how long requests wait (src/cli/edge.ts). */
export interface EdgeStats {
  readonly dispatch: { readonly dispatched: number; readonly waitedMs: number };
  readonly oldestMs: number;
  readonly workers: readonly { readonly worker: number; readonly running: number }[];
}

interface Seen {
  stats: EdgeStats;
  /** Of the newest stats that were added up. */
  dispatched: number;
  waitedMs: number;
}

export class EdgeLoad {
  readonly #edges = new Map<number, Seen>();

  heard(edge: number, stats: EdgeStats): void {
    const seen = this.#edges.get(edge);
    if (seen === undefined) this.#edges.set(edge, { stats, dispatched: 0, waitedMs: 0 });
    else seen.stats = stats;
  }

  /** Since it was asked last. */
  take(): Load {
    const busy = new Set<number>();
    let dispatched = 0;
    let waitedMs = 0;
    let oldestMs = 0;
    for (const seen of this.#edges.values()) {
      const { dispatch, workers } = seen.stats;
      dispatched += grown(seen.dispatched, dispatch.dispatched);
      waitedMs += grown(seen.waitedMs, dispatch.waitedMs);
      oldestMs = Math.max(oldestMs, seen.stats.oldestMs);
      seen.dispatched = dispatch.dispatched;
      seen.waitedMs = dispatch.waitedMs;
      for (const { worker, running } of workers) if (running > 0) busy.add(worker);
    }
    return { dispatched, waitedMs, oldestMs, busy: busy.size };
  }
}

function grown(before: number, now: number): number {
  return now >= before ? now - before : now;
}
