/**
 * All workers: a fixed number of slots, each of which is to have a serving worker. Pure: told what
 * happened and when, it answers what is to be done. Invariants: while running, every slot has a
 * worker or a time at which it is tried again; workers of a new generation take over only when all
 * of them are ready; a generation that fails leaves the old one as it is; the first generation is
 * never retried before one of its workers has been ready.
 */
import { failureOf, NEVER_READY } from "./failure.ts";
import type { Failure } from "./failure.ts";
import type {
  Transition,
  WorkerAction,
  WorkerEvent,
  WorkerLimits,
  WorkerState,
} from "./lifecycle.ts";
import { retryDelay, SPAWNED, STABLE_MS, step } from "./lifecycle.ts";

export type FleetEffect =
  | { readonly do: "fork"; readonly worker: number; readonly generation: number }
  | { readonly do: WorkerAction; readonly worker: number }
  /** The first generation is up, or as much of it as can be. */
  | { readonly do: "serving" }
  /** No worker of the first generation came up. */
  | { readonly do: "give-up"; readonly failure: Failure }
  | { readonly do: "reloaded"; readonly generation: number }
  | { readonly do: "reload-failed"; readonly generation: number; readonly failure: Failure }
  /** A slot lost its worker and is tried again after the delay. */
  | { readonly do: "retry"; readonly failure: Failure | null; readonly delayMs: number }
  /** Nothing runs and nothing is starting. */
  | { readonly do: "starved" }
  /** Stopping: the last process is gone. */
  | { readonly do: "empty" };

export interface FleetOptions {
  readonly count: number;
  readonly limits: WorkerLimits;
}

export type Phase = "idle" | "starting" | "failed" | "running" | "stopping";

export interface WorkerView {
  readonly id: number;
  readonly generation: number;
  readonly state: WorkerState;
}

interface Worker {
  readonly id: number;
  readonly slot: Slot;
  readonly generation: number;
  state: WorkerState;
  deadline: number;
  readyAt: number | null;
  failure: Failure | null;
}

interface Slot {
  /** Of the serving generation. */
  worker: Worker | null;
  /** Of the generation that is to take over. */
  successor: Worker | null;
  failures: number;
  retryAt: number | null;
}

/** A slot that is tried again within this time is worth waiting for. */
const SOON_MS = 1000;

export class Fleet {
  /** Those beyond the count are for a larger generation that is starting. */
  #slots: Slot[];
  #count: number;
  #pendingCount = 0;
  #limits: WorkerLimits;
  readonly #workers = new Map<number, Worker>();
  #effects: FleetEffect[] = [];
  #phase: Phase = "idle";
  #generation = 0;
  #pending: number | null = null;
  /** The first one: those of the other workers are the same. */
  #startFailure: Failure | null = null;
  #lastId = 0;
  #starved = false;
  #now = 0;

  constructor(options: FleetOptions) {
    this.#count = options.count;
    this.#limits = options.limits;
    this.#slots = makeSlots(options.count);
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** The generation that serves. */
  get generation(): number {
    return this.#generation;
  }

  /** The generation that is to take over. */
  get pending(): number | null {
    return this.#pending;
  }

  get workers(): readonly WorkerView[] {
    return [...this.#workers.values()];
  }

  worker(id: number): WorkerView | null {
    return this.#workers.get(id) ?? null;
  }

  /** When `tick` is to be called next; Infinity: not needed. */
  deadline(): number {
    let first = Infinity;
    for (const { deadline } of this.#workers.values()) first = Math.min(first, deadline);
    for (const { retryAt } of this.#slots) first = Math.min(first, retryAt ?? Infinity);
    return first;
  }

  start(generation: number, now: number): FleetEffect[] {
    return this.#run(now, () => {
      this.#phase = "starting";
      this.#startFailure = null;
      this.#generation = generation;
      for (const slot of this.#slots) slot.worker = this.#spawn(slot, generation);
    });
  }

  /**
   * Replaces all workers when every new one is ready. A reload under way is given up for this one.
   * The limits count from now on, for old workers too.
   */
  reload(generation: number, now: number, wanted?: FleetOptions): FleetEffect[] {
    if (this.#phase === "stopping" || this.#phase === "idle") return [];
    const count = wanted?.count ?? this.#count;
    this.#limits = wanted?.limits ?? this.#limits;
    if (this.#phase === "failed") {
      this.#resize(count);
      return this.start(generation, now);
    }
    return this.#run(now, () => {
      if (this.#phase === "starting") {
        for (const slot of this.#slots) this.#discard(slot.worker);
        this.#resize(count);
        this.#generation = generation;
        for (const slot of this.#slots) slot.worker = this.#spawn(slot, generation);
        return;
      }
      this.#dropSuccessors();
      this.#pending = generation;
      this.#pendingCount = count;
      this.#slots.push(...makeSlots(count - this.#slots.length));
      for (const slot of this.#slots.slice(0, count)) {
        slot.successor = this.#spawn(slot, generation);
      }
    });
  }

  /** Something happened to a worker. Unknown workers are none of ours: nothing is done. */
  event(id: number, event: WorkerEvent, now: number, failure?: Failure): FleetEffect[] {
    const worker = this.#workers.get(id);
    if (worker === undefined) return [];
    return this.#run(now, () => this.#step(worker, event, failure));
  }

  /** The zygote of a generation is gone: what it was asked to fork will not come. */
  zygoteGone(generation: number, now: number, failure?: Failure): FleetEffect[] {
    return this.#run(now, () => {
      for (const worker of [...this.#workers.values()]) {
        if (worker.generation !== generation || worker.state !== "spawning") continue;
        this.#step(worker, "gone", failure);
      }
    });
  }

  /** From now on nothing is replaced. */
  quiesce(now: number): FleetEffect[] {
    return this.#run(now, () => {
      this.#phase = "stopping";
      this.#dropSuccessors();
      for (const slot of this.#slots) slot.retryAt = null;
    });
  }

  /** Every worker is to finish and end (`stop`), or to end at once (`kill`). */
  end(how: "stop" | "kill", now: number): FleetEffect[] {
    return this.#run(now, () => {
      this.#phase = "stopping";
      for (const slot of this.#slots) slot.retryAt = null;
      for (const worker of [...this.#workers.values()]) this.#step(worker, how);
      if (this.#workers.size === 0) this.#effects.push({ do: "empty" });
    });
  }

  tick(now: number): FleetEffect[] {
    return this.#run(now, () => {
      for (const worker of [...this.#workers.values()]) {
        if (worker.deadline <= now) this.#step(worker, "late");
      }
      for (const slot of this.#slots) {
        if (slot.retryAt === null || slot.retryAt > now) continue;
        slot.retryAt = null;
        slot.worker = this.#spawn(slot, this.#generation);
      }
    });
  }

  #run(now: number, change: () => void): FleetEffect[] {
    this.#now = now;
    change();
    this.#checkStarved();
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #spawn(slot: Slot, generation: number): Worker {
    this.#lastId += 1;
    const worker: Worker = {
      id: this.#lastId,
      slot,
      generation,
      state: SPAWNED.to,
      deadline: this.#deadlineOf(SPAWNED),
      readyAt: null,
      failure: null,
    };
    this.#workers.set(worker.id, worker);
    this.#effects.push({ do: "fork", worker: worker.id, generation });
    return worker;
  }

  #deadlineOf({ within }: Transition): number {
    return within === undefined ? Infinity : this.#now + this.#limits[within];
  }

  #step(worker: Worker, event: WorkerEvent, failure?: Failure): void {
    const transition = step(worker.state, event);
    if (transition === null) return;
    const before = worker.state;
    if (worker.readyAt === null) worker.failure ??= failure ?? failureOf(before, event);
    worker.state = transition.to;
    worker.deadline = this.#deadlineOf(transition);
    if (transition.action !== undefined) {
      this.#effects.push({ do: transition.action, worker: worker.id });
    }
    if (transition.to === "ready") this.#becameReady(worker);
    if (transition.to === "exited") this.#ended(worker);
  }

  #becameReady(worker: Worker): void {
    worker.readyAt = this.#now;
    worker.failure = null;
    this.#starved = false;
    if (this.#phase === "starting") this.#settleStart();
    else if (worker.slot.successor === worker) this.#takeOver();
  }

  #ended(worker: Worker): void {
    this.#workers.delete(worker.id);
    const { slot } = worker;
    if (this.#phase === "stopping") {
      if (slot.worker === worker) slot.worker = null;
      if (this.#workers.size === 0) this.#effects.push({ do: "empty" });
    } else if (slot.successor === worker) {
      this.#failReload(worker.failure ?? NEVER_READY);
    } else if (slot.worker === worker) {
      slot.worker = null;
      if (this.#phase === "starting") this.#settleStart(worker.failure ?? NEVER_READY);
      else this.#lost(worker);
    }
  }

  /** The start is over when each worker is ready or gone, and failed when all are gone. */
  #settleStart(failure?: Failure): void {
    this.#startFailure ??= failure ?? null;
    const settled = this.#slots.every(({ worker }) => worker === null || worker.readyAt !== null);
    if (!settled) return;
    if (this.#slots.every(({ worker }) => worker === null)) {
      this.#phase = "failed";
      this.#effects.push({ do: "give-up", failure: this.#startFailure ?? NEVER_READY });
      return;
    }
    this.#phase = "running";
    this.#effects.push({ do: "serving" });
    for (const slot of this.#slots) {
      if (slot.worker === null) this.#retryLater(slot, this.#startFailure);
    }
  }

  #lost({ slot, readyAt, failure }: Worker): void {
    if (readyAt !== null && this.#now - readyAt >= STABLE_MS) slot.failures = 0;
    this.#retryLater(slot, failure);
  }

  #retryLater(slot: Slot, failure: Failure | null): void {
    const delayMs = retryDelay(slot.failures);
    slot.failures += 1;
    slot.retryAt = this.#now + delayMs;
    this.#effects.push({ do: "retry", failure, delayMs });
  }

  #takeOver(): void {
    const taking = this.#slots.slice(0, this.#pendingCount);
    if (taking.some(({ successor }) => successor?.state !== "ready")) return;
    const generation = this.#pending ?? this.#generation;
    const old: Worker[] = [];
    for (const slot of this.#slots) {
      if (slot.worker !== null) old.push(slot.worker);
      slot.worker = slot.successor;
      slot.successor = null;
      slot.failures = 0;
      slot.retryAt = null;
    }
    this.#resize(this.#pendingCount);
    this.#generation = generation;
    this.#pending = null;
    this.#effects.push({ do: "reloaded", generation });
    // All at once: the new workers can carry the load, and nobody should get the old code any more.
    for (const worker of old) this.#step(worker, "drain");
  }

  #failReload(failure: Failure): void {
    const generation = this.#pending ?? this.#generation;
    this.#dropSuccessors();
    this.#effects.push({ do: "reload-failed", generation, failure });
  }

  #dropSuccessors(): void {
    this.#pending = null;
    for (const slot of this.#slots) {
      const { successor } = slot;
      slot.successor = null;
      this.#discard(successor);
    }
    this.#resize(this.#count);
  }

  /** The slots that go must be empty by now. */
  #resize(count: number): void {
    this.#count = count;
    this.#slots = [...this.#slots.slice(0, count), ...makeSlots(count - this.#slots.length)];
  }

  /** Ends a worker that has never served, or no longer belongs to its slot. */
  #discard(worker: Worker | null): void {
    if (worker === null) return;
    if (worker.slot.worker === worker) worker.slot.worker = null;
    this.#step(worker, "kill");
  }

  #checkStarved(): void {
    if (this.#starved || (this.#phase !== "running" && this.#phase !== "failed")) return;
    const hope: readonly WorkerState[] = ["spawning", "booting", "ready"];
    // One that is being ended is replaced as soon as it is gone, while its slot is its own.
    const hopeful = [...this.#workers.values()].some(
      (worker) => hope.includes(worker.state) || worker.slot.worker === worker,
    );
    const limit = this.#now + SOON_MS;
    const soon = this.#slots.some(({ retryAt }) => retryAt !== null && retryAt <= limit);
    if (hopeful || soon) return;
    this.#starved = true;
    this.#effects.push({ do: "starved" });
  }
}

function makeSlots(count: number): Slot[] {
  return Array.from({ length: Math.max(0, count) }, () => {
    return { worker: null, successor: null, failures: 0, retryAt: null };
  });
}
