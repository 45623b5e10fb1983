/** What a fleet (fleet.ts) is made of: workers, the slots they fill, and what is to be done. Data. */
import type { Failure } from "../failure.ts";
import type { WorkerAction, WorkerLimits, WorkerState } from "./lifecycle.ts";

/** Why a worker that serves is replaced. */
export type RecycleReason = "requests" | "lifetime" | "memory" | "late" | "asked" | "reload";

export type FleetEffect =
  /** `slot`: the number of the one that the worker fills, or is to. */
  | {
      readonly do: "fork";
      readonly worker: number;
      readonly generation: number;
      readonly slot: number;
    }
  | { readonly do: WorkerAction; readonly worker: number }
  /** The first generation is up, or as much of it as can be. */
  | { readonly do: "serving" }
  /** No worker of the first generation came up. */
  | { readonly do: "give-up"; readonly failure: Failure }
  /** The new generation has proven itself: its workers are to be connected. */
  | { readonly do: "reloaded"; readonly generation: number }
  | { readonly do: "reload-failed"; readonly generation: number; readonly failure: Failure }
  /** A successor is on its way; the worker serves until it is there. */
  | {
      readonly do: "recycle";
      readonly worker: number;
      readonly successor: number;
      readonly why: RecycleReason;
    }
  /** A successor did not come up: the worker serves on until the next one does. */
  | {
      readonly do: "recycle-failed";
      readonly worker: number;
      readonly failure: Failure;
      readonly delayMs: number;
    }
  /** A slot lost its worker and is tried again after the delay. */
  | { readonly do: "retry"; readonly failure: Failure | null; readonly delayMs: number }
  /** Nothing runs and nothing is starting. */
  | { readonly do: "starved" }
  /** Stopping: the last process is gone. */
  | { readonly do: "empty" };

export interface FleetOptions {
  readonly count: number;
  readonly limits: WorkerLimits;
  /** New workers that may exist beside the others while a reload goes on; left out: any number. */
  readonly overlap?: number;
  /** After so long a worker is replaced; left out: never. */
  readonly lifetimeMs?: number;
  /** At most so much longer, a different time for each worker. */
  readonly lifetimeJitterMs?: number;
}

export type Phase = "idle" | "starting" | "failed" | "running" | "stopping";

export interface WorkerView {
  readonly id: number;
  readonly generation: number;
  readonly state: WorkerState;
  readonly readyAt: number | null;
  readonly slot: { readonly successor: { readonly id: number } | null };
}

export interface Worker {
  readonly id: number;
  readonly slot: Slot;
  readonly generation: number;
  state: WorkerState;
  deadline: number;
  readyAt: number | null;
  /** It is old enough then; Infinity: never. */
  wornAt: number;
  /** From then on it is to be replaced; Infinity: it is not. */
  dueAt: number;
  why: RecycleReason;
  /** It had grown too large soon after it was ready. */
  early: boolean;
  /** An edge has it. */
  reached: boolean;
  /** All edges have it. */
  linked: boolean;
  /** A successor takes over when they do; from then on it need not be all. Infinity: it does not. */
  takesOverAt: number;
  failure: Failure | null;
}

export interface Slot {
  /** From 0, no two have the same: who takes a worker's place takes its core, where workers are bound to cores. */
  number: number;
  /** The one that serves, or is to. */
  worker: Worker | null;
  /** The one that is to take its place. */
  successor: Worker | null;
  /** In a row. */
  failures: number;
  retryAt: number | null;
  /** Workers in a row that had to be replaced soon after they were ready. */
  wear: number;
}

/** Beside others, whose numbers they leave out. */
export function makeSlots(count: number, others: readonly Slot[] = []): Slot[] {
  const taken = new Set(others.map(({ number }) => number));
  const free = Array.from({ length: others.length + Math.max(0, count) }, (_, at) => at);
  const numbers = free.filter((number) => !taken.has(number)).slice(0, Math.max(0, count));
  return numbers.map((number) => {
    return { number, worker: null, successor: null, failures: 0, retryAt: null, wear: 0 };
  });
}
