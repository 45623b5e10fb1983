/**
 * All workers: slots, each of which is to have a serving worker, and at times a successor for it.
 * Pure: told what happened and when, it answers what is to be done. Invariants: while running,
 * every slot has a worker or a time at which it is tried again; a worker of a new generation serves
 * only when the first batch of them (all, unless the overlap is bounded) is ready; a generation
 * that fails before leaves the old one as it is; a worker leaves for another one only when that one
 * is ready and an edge has it; the first generation is never retried before it has been ready.
 */
import type { FleetEffect, FleetOptions, Phase, WorkerView } from "./crew.ts";
import type { RecycleReason, Slot, Worker } from "./crew.ts";
import { NEVER_READY } from "../failure.ts";
import type { Failure } from "../failure.ts";
import type { WorkerEvent } from "./lifecycle.ts";
import { retryDelay, STABLE_MS } from "./lifecycle.ts";
import { isEarly, surplus } from "./recycling.ts";
import { Roster } from "./roster.ts";
import { awaitLinks, fill, mayTakeOver, reach, takeOver } from "./succession.ts";

export class Fleet {
  readonly #roster: Roster;
  /** Slots beyond these are for a larger generation that is starting. */
  #count: number;
  #pendingCount = 0;
  /** So many there shall be: now, and when the pending generation serves. */
  #target: number;
  #pendingTarget = 0;
  #phase: Phase = "idle";
  #generation = 0;
  #pending: number | null = null;
  /** The first one: those of the other workers are the same. */
  #startFailure: Failure | null = null;
  #starved = false;

  constructor(options: FleetOptions, random: () => number = Math.random) {
    this.#roster = new Roster(options, random);
    this.#count = options.count;
    this.#target = options.count;
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

  /** How many workers there shall be. */
  get target(): number {
    return this.#target;
  }

  get workers(): readonly WorkerView[] {
    return this.#roster.all();
  }

  worker(id: number): WorkerView | null {
    return this.#roster.workers.get(id) ?? null;
  }

  /** When `tick` is to be called next; Infinity: not needed. */
  deadline(): number {
    return this.#roster.deadline();
  }

  start(generation: number, now: number): FleetEffect[] {
    return this.#run(now, () => {
      this.#phase = "starting";
      this.#startFailure = null;
      this.#spawnAll(generation);
    });
  }

  /**
   * Replaces all workers, as soon as the first of the new ones are ready (see `overlap`). A reload
   * under way is given up for this one. The limits count from now on, for old workers too.
   */
  reload(generation: number, now: number, wanted?: FleetOptions): FleetEffect[] {
    if (this.#phase === "stopping" || this.#phase === "idle") return [];
    const count = wanted?.count ?? this.#target;
    this.#roster.options = wanted ?? this.#roster.options;
    if (this.#phase === "failed") {
      this.#resize(count);
      return this.start(generation, now);
    }
    return this.#run(now, () => {
      if (this.#phase === "starting") {
        if (!this.#roster.slots.some(({ worker }) => worker?.state === "ready")) {
          for (const slot of this.#roster.slots) this.#discard(slot.worker);
          this.#resize(count);
          return this.#spawnAll(generation);
        }
        this.#serve();
      }
      this.#dropSuccessors();
      this.#pending = generation;
      this.#pendingCount = count;
      this.#pendingTarget = count;
      this.#roster.renew(count);
    });
  }

  /** So many workers there shall be; a reload under way comes first. */
  scale(count: number, now: number): FleetEffect[] {
    return this.#aim(Math.max(1, count), now);
  }

  /** No worker at all, until a reload or scale() wants some. */
  rest(now: number): FleetEffect[] {
    return this.#aim(0, now);
  }

  /** A worker that serves is to be replaced when its successor is ready. */
  recycle(id: number, why: RecycleReason, now: number): FleetEffect[] {
    return this.#run(now, () => {
      const worker = this.#roster.workers.get(id);
      if (worker !== undefined) this.#roster.wear(worker, why);
    });
  }

  /** It takes so much memory that it cannot finish what it runs. */
  outgrown(id: number, now: number): FleetEffect[] {
    return this.#run(now, () => {
      const worker = this.#roster.workers.get(id);
      if (worker === undefined) return;
      worker.early ||= isEarly("memory", worker.readyAt ?? now, now);
      this.#step(worker, "kill");
    });
  }

  /** An edge has this worker, or all have it. */
  linked(id: number, all: boolean, now: number): FleetEffect[] {
    return this.#run(now, () => {
      const worker = this.#roster.workers.get(id);
      if (worker === undefined) return;
      reach(worker, all, now);
      if (mayTakeOver(worker, now)) this.#takeOver(worker.slot);
    });
  }

  /** Something happened to a worker. Unknown workers are none of ours: nothing is done. */
  event(id: number, event: WorkerEvent, now: number, failure?: Failure): FleetEffect[] {
    const worker = this.#roster.workers.get(id);
    if (worker === undefined) return [];
    return this.#run(now, () => this.#step(worker, event, failure));
  }

  /** The zygote of a generation is gone: what it was asked to fork will not come. */
  zygoteGone(generation: number, now: number, failure?: Failure): FleetEffect[] {
    return this.#run(now, () => {
      for (const worker of this.#roster.all()) {
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
      for (const slot of this.#roster.slots) slot.retryAt = null;
    });
  }

  /** Every worker is to finish and end (`stop`), or to end at once (`kill`). */
  end(how: "stop" | "kill", now: number): FleetEffect[] {
    return this.#run(now, () => {
      this.#phase = "stopping";
      for (const slot of this.#roster.slots) slot.retryAt = null;
      for (const worker of this.#roster.all()) this.#step(worker, how);
      if (this.#roster.workers.size === 0) this.#roster.push({ do: "empty" });
    });
  }

  tick(now: number): FleetEffect[] {
    return this.#run(now, () => {
      for (const worker of this.#roster.all()) {
        if (worker.deadline <= now) this.#step(worker, "late");
        if (mayTakeOver(worker, now)) this.#takeOver(worker.slot);
        if (worker.wornAt <= now) this.#roster.wear(worker, "lifetime");
      }
      for (const slot of this.#roster.slots) {
        if (slot.retryAt === null || slot.retryAt > now) continue;
        slot.retryAt = null;
        slot.worker = this.#roster.spawn(slot, this.#generation);
      }
    });
  }

  #aim(count: number, now: number): FleetEffect[] {
    return this.#run(now, () => {
      this.#target = count;
      this.#pendingTarget = count;
    });
  }

  #run(now: number, change: () => void): FleetEffect[] {
    this.#roster.now = now;
    change();
    if (this.#phase === "running") this.#advance();
    this.#checkStarved();
    return this.#roster.takeEffects();
  }

  #spawnAll(generation: number): void {
    this.#generation = generation;
    for (const slot of this.#roster.slots) slot.worker = this.#roster.spawn(slot, generation);
  }

  #step(worker: Worker, event: WorkerEvent, failure?: Failure): void {
    if (!this.#roster.move(worker, event, failure)) return;
    if (worker.state === "ready") this.#becameReady(worker);
    if (worker.state === "exited") this.#ended(worker);
  }

  #becameReady(worker: Worker): void {
    this.#starved = false;
    if (this.#phase === "starting") this.#settleStart();
    else if (worker.slot.successor === worker) this.#succeeds(worker);
  }

  #ended(worker: Worker): void {
    const { slot, failure } = worker;
    if (this.#phase === "stopping") {
      if (slot.worker === worker) slot.worker = null;
      if (this.#roster.workers.size === 0) this.#roster.push({ do: "empty" });
    } else if (slot.successor === worker) {
      if (this.#pending === null) this.#successorLost(slot, failure ?? NEVER_READY);
      else this.#failReload(failure ?? NEVER_READY);
    } else if (slot.worker === worker) {
      slot.worker = null;
      if (this.#phase === "starting") this.#settleStart(failure ?? NEVER_READY);
      else this.#lost(worker);
    }
  }

  /** The start is over when each worker is ready or gone, and failed when all are gone. */
  #settleStart(failure?: Failure): void {
    this.#startFailure ??= failure ?? null;
    const { slots } = this.#roster;
    if (!slots.every(({ worker }) => worker === null || worker.readyAt !== null)) return;
    if (slots.every(({ worker }) => worker === null)) {
      this.#phase = "failed";
      this.#roster.push({ do: "give-up", failure: this.#startFailure ?? NEVER_READY });
      return;
    }
    this.#serve();
  }

  #serve(): void {
    this.#phase = "running";
    this.#roster.push({ do: "serving" });
    for (const slot of this.#roster.slots) {
      if (slot.worker === null) this.#roster.retryLater(slot, this.#startFailure);
    }
  }

  #lost({ slot, readyAt, early, failure }: Worker): void {
    const stable = readyAt !== null && this.#roster.now - readyAt >= STABLE_MS;
    if (stable && !early) slot.failures = 0;
    if (slot.successor === null || this.#pending !== null)
      return this.#roster.retryLater(slot, failure);
    slot.failures += 1;
    fill(slot, slot.successor);
  }

  /** Starts what is to be started, as far as there is room. */
  #advance(): void {
    if (this.#pending !== null) return this.#advanceReload(this.#pending);
    this.#fit();
    for (const slot of this.#roster.toReplace(this.#generation, this.#target)) {
      slot.successor = this.#roster.spawn(slot, this.#generation);
      if (slot.worker === null) continue;
      const { id: worker, why } = slot.worker;
      this.#roster.push({ do: "recycle", worker, successor: slot.successor.id, why });
    }
  }

  #advanceReload(generation: number): void {
    const roster = this.#roster;
    const batch = Math.min(roster.overlap, this.#pendingCount);
    const free = Math.min(batch - roster.successors.length, roster.overlap - roster.extra);
    const slots = roster.slots.slice(0, this.#pendingCount);
    const waiting = slots.filter(({ successor }) => successor === null);
    for (const slot of waiting.slice(0, Math.max(0, free))) {
      slot.successor = roster.spawn(slot, generation);
    }
  }

  #succeeds(worker: Worker): void {
    if (this.#pending === null) return this.#awaitLinks(worker);
    const batch = Math.min(this.#roster.overlap, this.#pendingCount);
    const ready = this.#roster.successors.filter(({ state }) => state === "ready").length;
    if (ready >= batch) this.#generationServes(this.#pending);
  }

  #awaitLinks(successor: Worker): void {
    awaitLinks(successor, this.#roster.now, this.#roster.options.limits.bootMs);
    if (mayTakeOver(successor, this.#roster.now)) this.#takeOver(successor.slot);
  }

  /** Nobody should get the old code any more: its workers leave as soon as their successors come. */
  #generationServes(generation: number): void {
    this.#generation = generation;
    this.#pending = null;
    this.#target = this.#pendingTarget;
    this.#roster.push({ do: "reloaded", generation });
    this.#count = this.#roster.slots.length;
    for (const slot of this.#roster.slots) {
      // Old code that is only starting is not needed any more.
      if (slot.worker?.readyAt === null) this.#step(slot.worker, "kill");
      slot.failures = 0;
      slot.wear = 0;
      slot.retryAt = null;
      const { worker, successor } = slot;
      if (worker === null) {
        if (successor === null) slot.worker = this.#roster.spawn(slot, generation);
        else this.#takeOver(slot);
        continue;
      }
      if (successor?.state === "ready") this.#awaitLinks(successor);
      if (worker.generation === generation) continue;
      worker.dueAt = this.#roster.now;
      worker.why = "reload";
    }
  }

  #takeOver(slot: Slot): void {
    const old = takeOver(slot);
    if (old !== null) this.#step(old, "drain");
  }

  /** The worker that was to be replaced serves on; it is tried again. */
  #successorLost(slot: Slot, failure: Failure): void {
    slot.successor = null;
    const { worker } = slot;
    if (worker === null) return this.#roster.retryLater(slot, failure);
    const delayMs = retryDelay(++slot.failures);
    worker.dueAt = this.#roster.now + delayMs;
    this.#roster.push({ do: "recycle-failed", worker: worker.id, failure, delayMs });
  }

  #failReload(failure: Failure): void {
    const generation = this.#pending ?? this.#generation;
    this.#dropSuccessors();
    this.#roster.push({ do: "reload-failed", generation, failure });
  }

  /** Those that the edges may have already finish what they got; the others have never served. */
  #dropSuccessors(): void {
    const connected = this.#pending === null;
    this.#pending = null;
    for (const slot of this.#roster.slots) {
      const { successor } = slot;
      slot.successor = null;
      if (connected && successor?.state === "ready") this.#step(successor, "drain");
      else this.#discard(successor);
    }
    this.#resize(this.#count);
  }

  /** As many slots as there shall be. */
  #fit(): void {
    const roster = this.#roster;
    const before = roster.slots.length;
    const leaving = roster.remove(surplus(roster.slots, this.#target));
    for (const worker of leaving) this.#step(worker, "drain");
    this.#resize(Math.max(this.#target, roster.slots.length));
    for (const slot of roster.slots.slice(before))
      slot.worker = roster.spawn(slot, this.#generation);
  }

  #resize(count: number): void {
    this.#count = count;
    this.#roster.resize(count);
  }

  /** Ends a worker that has never served, or no longer belongs to its slot. */
  #discard(worker: Worker | null): void {
    if (worker === null) return;
    if (worker.slot.worker === worker) worker.slot.worker = null;
    this.#step(worker, "kill");
  }

  #checkStarved(): void {
    if (this.#starved || (this.#phase !== "running" && this.#phase !== "failed")) return;
    if (this.#target > 0 && !this.#roster.isStarved) return;
    this.#starved = true;
    this.#roster.push({ do: "starved" });
  }
}
