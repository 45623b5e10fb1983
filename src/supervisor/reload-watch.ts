/** What became of reloads, for those who wait for it. */
import type { Failure } from "./failure.ts";

type Settle = (failure: Failure | null) => void;

export class ReloadWatch {
  readonly #waiting = new Map<number, Settle[]>();

  /** Null: this generation serves. */
  outcome(generation: number): Promise<Failure | null> {
    const { promise, resolve } = Promise.withResolvers<Failure | null>();
    this.#waiting.set(generation, [...(this.#waiting.get(generation) ?? []), resolve]);
    return promise;
  }

  /** It serves, or it failed. */
  settle(generation: number, failure: Failure | null): void {
    for (const resolve of this.#waiting.get(generation) ?? []) resolve(failure);
    this.#waiting.delete(generation);
  }

  /** None of those that are waited for will come, except this one. */
  giveUp(message: string, except: number = 0): void {
    const failure = { stage: "reload", message, traceback: "", hint: "" };
    for (const generation of [...this.#waiting.keys()]) {
      if (generation !== except) this.settle(generation, failure);
    }
  }
}
