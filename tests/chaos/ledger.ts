/**
 * Every request's fate, and whether something that was done to the server excuses it. What is never excused: an answer that belongs to
 * another request, and an unsafe request that was run twice.
 */

/**
 * How a request can go. `lost`: no byte of an answer came; `cut`: it ended half way; `wrong`: it is not the answer to this request. And
 * how the server can end a connection that is kept for further requests, whether one is under way on it or not.
 */
export type Fate =
  | ("ok" | "wrong" | "lost" | "cut" | "late" | `status ${number}`)
  | ("end by FIN" | "end by reset" | "end by Connection: close" | "end by GOAWAY");

export interface Request {
  readonly kind: string;
  readonly id: string;
  readonly startedAt: number;
}

export interface Failure extends Request {
  readonly fate: Fate;
  readonly endedAt: number;
  readonly detail: string;
  /** The fault that may do this; null: nobody. */
  excuse: string | null;
}

/** From when on a fault was at work, until when, and what it may do to requests that ran at the time. */
export interface Excuse {
  readonly fault: string;
  readonly from: number;
  until: number;
  readonly allows: (kind: string, fate: Fate) => boolean;
}

export interface Tally {
  ok: number;
  excused: number;
  failed: number;
  /** Milliseconds, of those that are ok. */
  times: number[];
}

/** For what has piled up meanwhile. */
const STALL_AFTERMATH_MS = 5000;

/** Deadlines of the server; a client that has connected and says nothing for seconds may be sent away, too. */
const isLate: Excuse["allows"] = (_, fate) =>
  fate === "late" || fate === "lost" || fate === "status 503" || fate === "status 504";

export class Ledger {
  readonly tallies: Map<string, Tally> = new Map();
  /** By fault the longest time that the server took to recover, in seconds. */
  readonly recoveries: Record<string, number> = {};
  /** How often the machine stood still, and for how long altogether. */
  stalls = 0;
  stalledMs = 0;
  readonly #failures: Failure[] = [];
  readonly #excuses: Excuse[] = [];

  done(request: Request, fate: Fate, detail: string = ""): void {
    const now = performance.now();
    const tally = this.#tally(request.kind);
    if (fate === "ok") {
      tally.ok += 1;
      tally.times.push(now - request.startedAt);
    } else {
      this.#failures.push({ ...request, fate, detail, endedAt: now, excuse: null });
    }
  }

  /** A fault begins; set `until` when its effects are over. */
  excuse(fault: string, allows: Excuse["allows"]): Excuse {
    const excuse: Excuse = { fault, from: performance.now(), until: Infinity, allows };
    this.#excuses.push(excuse);
    return excuse;
  }

  /** The server has recovered from what an excuse is for, in this time. */
  recovered(excuse: Excuse, seconds: number): void {
    const longest = Math.max(this.recoveries[excuse.fault] ?? 0, seconds);
    this.recoveries[excuse.fault] = Math.round(longest * 100) / 100;
  }

  /** The machine stood still from then until now: what has a deadline may have missed it. */
  stalled(from: number): void {
    const until = performance.now() + STALL_AFTERMATH_MS;
    this.stalls += 1;
    this.stalledMs += performance.now() - from;
    this.#excuses.push({ fault: "the machine stood still", from, until, allows: isLate });
  }

  /** Judges all failures; to be called once, at the end. Returns those without an excuse. */
  judge(): readonly Failure[] {
    for (const failure of this.#failures) {
      const { kind, fate, startedAt, endedAt } = failure;
      const found = this.#excuses.find(({ from, until, allows }) => {
        return from <= endedAt && startedAt <= until && allows(kind, fate);
      });
      failure.excuse = found?.fault ?? null;
      const tally = this.#tally(kind);
      if (failure.excuse === null) tally.failed += 1;
      else tally.excused += 1;
    }
    return this.#failures.filter(({ excuse }) => excuse === null);
  }

  get failures(): readonly Failure[] {
    return this.#failures;
  }

  #tally(kind: string): Tally {
    let tally = this.tallies.get(kind);
    if (tally === undefined) {
      tally = { ok: 0, excused: 0, failed: 0, times: [] };
      this.tallies.set(kind, tally);
    }
    return tally;
  }
}

/** The share `part` of the times is at most this, in milliseconds; NaN of none. */
export function percentile(times: readonly number[], part: number): number {
  if (times.length === 0) return Number.NaN;
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!;
}
