/** How one fault goes: until when it excuses requests, and how long the server took to recover from it. */
import type { Excuse, Ledger } from "./ledger.ts";

export class Course {
  readonly #ledger: Ledger;
  readonly #excuse: Excuse;
  readonly #stalledMs: number;
  #from = performance.now();
  #recoveredMs: number | null = null;

  constructor(ledger: Ledger, fault: string, allows: Excuse["allows"]) {
    this.#ledger = ledger;
    this.#excuse = ledger.excuse(fault, allows);
    this.#stalledMs = ledger.stalledMs;
  }

  /** The fault is at an end: from now on it is the recovery that takes time. */
  over(): void {
    this.#from = performance.now();
  }

  /** Requests that begin from now on have no excuse. */
  spare(): void {
    this.#excuse.until = Math.min(this.#excuse.until, performance.now());
  }

  /** What is promised in time has come about; the rest may take longer. The first call counts. */
  recovered(): void {
    this.#recoveredMs ??= performance.now() - this.#from;
  }

  /** The seconds of the recovery. Time in which the machine stood still is nobody's. */
  end(): number {
    this.recovered();
    const stalledMs = this.#ledger.stalledMs - this.#stalledMs;
    const seconds = Math.max(0, (this.#recoveredMs ?? 0) - stalledMs) / 1000;
    this.#ledger.recovered(this.#excuse, seconds);
    this.spare();
    return seconds;
  }
}
