/**
 * How far the latest reload has come, and what became of each, for those who wait for it. A reload
 * is over when its first workers serve and every older one has left. Pure.
 */
import type { WorkerView } from "./fleet/crew.ts";
import type { Failure } from "./failure.ts";

type Settle = (failure: Failure | null) => void;

/** A reload that is under way. */
export interface Rollout {
  readonly generation: number;
  readonly startedAt: number;
  /** Its first workers serve; the old ones leave. */
  readonly serves: boolean;
}

export interface FinishedReload {
  readonly generation: number;
  readonly workers: number;
  readonly ms: number;
}

export class ReloadWatch {
  readonly #waiting = new Map<number, Settle[]>();
  #rollout: Rollout | null = null;
  #servesSince = 0;

  /** Null: none is under way. */
  get rollout(): Rollout | null {
    return this.#rollout;
  }

  /** When the generation that serves began to. */
  get servesSince(): number {
    return this.#servesSince;
  }

  /** Null: this generation serves. */
  outcome(generation: number): Promise<Failure | null> {
    const { promise, resolve } = Promise.withResolvers<Failure | null>();
    this.#waiting.set(generation, [...(this.#waiting.get(generation) ?? []), resolve]);
    return promise;
  }

  begin(generation: number, now: number): void {
    this.#rollout = { generation, startedAt: now, serves: false };
  }

  serves(generation: number, now: number): void {
    this.#servesSince = now;
    if (this.#rollout?.generation === generation)
      this.#rollout = { ...this.#rollout, serves: true };
    this.#settle(generation, null);
  }

  failed(generation: number, failure: Failure): void {
    if (this.#rollout?.generation === generation) this.#rollout = null;
    this.#settle(generation, failure);
  }

  /** None of those that are waited for will come. Returns the reload that this ends half way. */
  giveUp(message: string): Rollout | null {
    const given = this.#rollout;
    this.#rollout = null;
    const failure = { stage: "reload", message, traceback: "", hint: "" };
    for (const generation of [...this.#waiting.keys()]) this.#settle(generation, failure);
    return given;
  }

  /** Answers once when a reload is over; `target`: how many workers there shall be. */
  finished(workers: readonly WorkerView[], target: number, now: number): FinishedReload | null {
    const rollout = this.#rollout;
    if (rollout === null || !rollout.serves) return null;
    const { generation, startedAt } = rollout;
    if (workers.some((worker) => worker.generation !== generation)) return null;
    const ready = workers.filter(({ state }) => state === "ready").length;
    if (ready < target) return null;
    this.#rollout = null;
    return { generation, workers: ready, ms: now - startedAt };
  }

  #settle(generation: number, failure: Failure | null): void {
    for (const resolve of this.#waiting.get(generation) ?? []) resolve(failure);
    this.#waiting.delete(generation);
  }
}
