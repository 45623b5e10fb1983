/**
 * Who is in a fleet: its workers and the slots they fill, and what was decided about them since the
 * last look. Keeps the books for fleet.ts and decides nothing. Pure.
 */
import { makeSlots } from "./crew.ts";
import type { FleetEffect, FleetOptions, RecycleReason, Slot, Worker } from "./crew.ts";
import { failureOf } from "../failure.ts";
import type { Failure } from "../failure.ts";
import type { Transition, WorkerEvent, WorkerState } from "./lifecycle.ts";
import { retryDelay, SPAWNED, step } from "./lifecycle.ts";
import { dueAt, isEarly, lifetime, nextToReplace } from "./recycling.ts";

/** A slot that is tried again within this time is worth waiting for. */
const SOON_MS = 1000;
const HOPEFUL: readonly WorkerState[] = ["spawning", "booting", "ready"];

export class Roster {
  slots: Slot[];
  readonly workers: Map<number, Worker> = new Map<number, Worker>();
  options: FleetOptions;
  now = 0;
  #effects: FleetEffect[] = [];
  readonly #random: () => number;
  #lastId = 0;

  constructor(options: FleetOptions, random: () => number) {
    this.options = options;
    this.slots = makeSlots(options.count);
    this.#random = random;
  }

  push(effect: FleetEffect): void {
    this.#effects.push(effect);
  }

  takeEffects(): FleetEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** Of a copy, as the list changes meanwhile. */
  all(): Worker[] {
    return [...this.workers.values()];
  }

  /** New workers that may exist beside the others in a reload. */
  get overlap(): number {
    return this.options.overlap ?? Infinity;
  }

  /** Workers that fill no slot: successors and those that leave. */
  get extra(): number {
    return this.workers.size - this.slots.filter(({ worker }) => worker !== null).length;
  }

  get successors(): Worker[] {
    return this.slots.flatMap(({ successor }) => successor ?? []);
  }

  /** The slots that go must be empty by now. */
  resize(count: number): void {
    const kept = this.slots.slice(0, count);
    this.slots = [...kept, ...makeSlots(count - kept.length, kept)];
  }

  /** At least so many, for a new generation. It fills the first ones: their numbers have no gap, whichever slots have gone. */
  renew(count: number): void {
    this.slots.push(...makeSlots(count - this.slots.length, this.slots));
    for (const [at, slot] of this.slots.entries()) slot.number = at;
  }

  /** Their workers are no longer of any slot. */
  remove(slots: readonly Slot[]): Worker[] {
    this.slots = this.slots.filter((slot) => !slots.includes(slot));
    const workers = slots.flatMap(({ worker, successor }) => [worker ?? [], successor ?? []]);
    for (const slot of slots) {
      slot.worker = null;
      slot.successor = null;
    }
    return workers.flat();
  }

  /** The slots whose worker gets a successor now, when there shall be `count` workers. */
  toReplace(generation: number, count: number): Slot[] {
    const { overlap, extra } = this;
    const room = { count, generation, overlap, extra };
    return nextToReplace(this.slots, room, this.now);
  }

  spawn(slot: Slot, generation: number): Worker {
    this.#lastId += 1;
    const worker: Worker = {
      id: this.#lastId,
      slot,
      generation,
      state: SPAWNED.to,
      deadline: this.#deadlineOf(SPAWNED),
      readyAt: null,
      wornAt: Infinity,
      dueAt: Infinity,
      why: "asked",
      early: false,
      reached: false,
      linked: false,
      takesOverAt: Infinity,
      failure: null,
    };
    this.workers.set(worker.id, worker);
    this.push({ do: "fork", worker: worker.id, generation, slot: slot.number });
    return worker;
  }

  /** False: the event means nothing to this worker now. */
  move(worker: Worker, event: WorkerEvent, failure?: Failure): boolean {
    const transition = step(worker.state, event);
    if (transition === null) return false;
    const before = worker.state;
    if (worker.readyAt === null || event === "late") {
      worker.failure ??= failure ?? failureOf(before, event);
    }
    worker.state = transition.to;
    worker.deadline = this.#deadlineOf(transition);
    if (transition.action !== undefined) this.push({ do: transition.action, worker: worker.id });
    if (transition.to !== "ready") worker.takesOverAt = Infinity;
    else this.#becameReady(worker);
    if (transition.to === "exited") this.workers.delete(worker.id);
    return true;
  }

  /** One that serves is to be replaced, for the first reason that there is. */
  wear(worker: Worker, why: RecycleReason): void {
    worker.wornAt = Infinity;
    const { slot, readyAt } = worker;
    // A successor may have had its requests before the last of the edges has it.
    const serves = slot.worker === worker || slot.successor === worker;
    if (!serves || worker.dueAt < Infinity || readyAt === null) return;
    worker.dueAt = dueAt(why, readyAt, this.now, slot.wear);
    worker.early = isEarly(why, readyAt, this.now);
    worker.why = why;
  }

  /** This slot gets a worker again, the later the more often that failed. */
  retryLater(slot: Slot, failure: Failure | null): void {
    const delayMs = retryDelay(slot.failures);
    slot.failures += 1;
    slot.retryAt = this.now + delayMs;
    this.push({ do: "retry", failure, delayMs });
  }

  /** When the next thing happens by itself; Infinity: nothing does. */
  deadline(): number {
    let first = Infinity;
    for (const { deadline, takesOverAt, reached } of this.workers.values()) {
      first = Math.min(first, deadline, reached ? takesOverAt : Infinity);
    }
    for (const { retryAt, worker } of this.slots) {
      first = Math.min(first, retryAt ?? Infinity);
      // One that is due already waits for something else than the time.
      if (worker === null || worker.dueAt <= this.now) continue;
      first = Math.min(first, worker.dueAt, worker.wornAt);
    }
    return first;
  }

  /** Nobody serves, and nobody will soon. */
  get isStarved(): boolean {
    // One that is being ended is replaced as soon as it is gone, while its slot is its own.
    const hopeful = this.all().some(
      (worker) => HOPEFUL.includes(worker.state) || worker.slot.worker === worker,
    );
    const limit = this.now + SOON_MS;
    const soon = this.slots.some(({ retryAt }) => retryAt !== null && retryAt <= limit);
    return !hopeful && !soon;
  }

  #becameReady(worker: Worker): void {
    worker.readyAt = this.now;
    worker.failure = null;
    const { lifetimeMs = 0, lifetimeJitterMs = 0 } = this.options;
    worker.wornAt = this.now + lifetime(lifetimeMs, lifetimeJitterMs, this.#random());
  }

  #deadlineOf({ within }: Transition): number {
    return within === undefined ? Infinity : this.now + this.options.limits[within];
  }
}
