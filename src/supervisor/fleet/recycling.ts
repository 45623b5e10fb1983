/**
 * When a worker that serves is replaced, and how many at a time. Pure. The successor is always
 * ready, and known to the edges, before the old worker leaves; so a worker may serve a little
 * beyond its number of requests or its time, and the number of ready workers never falls.
 */
import type { RecycleReason, Slot } from "./crew.ts";
import { retryDelay } from "./lifecycle.ts";

/** A worker that has its number of requests at once serves at least so long: starting is not free. */
const LIFE_MS_MIN = 1000;
/** One that takes too much memory sooner than that begins with it. */
const EARLY_MS = 10_000;
/** Of all workers, so many may be beside them while some are recycled, and at least one. */
const EXTRA_SHARE = 0.25;
/** Successors of recycled workers that start at the same time: a start takes a whole core. */
const STARTING_MAX = 1;

/** When a worker is replaced that was ready at `readyAt` and is found worn now. */
export function dueAt(why: RecycleReason, readyAt: number, now: number, wear: number): number {
  // One that begins with too much memory would be replaced over and over: ever more slowly.
  const lifeMs = why === "memory" ? retryDelay(wear) : why === "requests" ? LIFE_MS_MIN : 0;
  return Math.max(now, readyAt + lifeMs);
}

/** Whether one that was ready at `readyAt`, and is found worn now, has worn too soon. */
export function isEarly(why: RecycleReason, readyAt: number, now: number): boolean {
  return why === "memory" && now - readyAt < EARLY_MS;
}

/** How long this worker may live; `random` is in [0, 1). */
export function lifetime(lifetimeMs: number, jitterMs: number, random: number): number {
  return lifetimeMs === 0 ? Infinity : lifetimeMs + jitterMs * random;
}

export interface Room {
  /** Workers that there shall be; slots beyond will go. */
  readonly count: number;
  readonly generation: number;
  /** For reloads. */
  readonly overlap: number;
  /** Workers that are in no slot: successors and those that leave. */
  readonly extra: number;
}

/** The slots whose worker gets a successor now, those with the oldest code first. */
export function nextToReplace(slots: readonly Slot[], room: Room, now: number): Slot[] {
  const due = slots.filter(
    ({ worker, successor }) => worker !== null && worker.dueAt <= now && successor === null,
  );
  const isOld = ({ worker }: Slot): boolean => worker?.generation !== room.generation;
  const aged = due.filter((slot) => isOld(slot));
  const needed = aged.length - Math.max(0, slots.length - room.count);
  const old = aged.slice(0, Math.max(0, Math.min(needed, room.overlap - room.extra)));
  if (old.length > 0) return old;
  const starting = slots.filter(({ successor }) => successor !== null).length;
  const extraMax = Math.min(room.overlap, Math.max(1, Math.ceil(room.count * EXTRA_SHARE)));
  const free = Math.min(STARTING_MAX - starting, extraMax - room.extra);
  return due.filter((slot) => !isOld(slot)).slice(0, Math.max(0, free));
}

/** Soft and hard limit, bytes; 0: none. */
export interface MemoryLimits {
  readonly soft: number;
  readonly hard: number;
}

export type MemoryVerdict = "fine" | "recycle" | "kill";

export function judgeMemory(bytes: number, { soft, hard }: MemoryLimits): MemoryVerdict {
  if (hard > 0 && bytes > hard) return "kill";
  return soft > 0 && bytes > soft ? "recycle" : "fine";
}

/**
 * The slots that go when there are more than `count`: empty and starting ones, and of those that
 * serve as many as are not needed. More may follow when others have come to serve.
 */
export function surplus(slots: readonly Slot[], count: number): Slot[] {
  const byUse = slots.toSorted((a, b) => useOf(a) - useOf(b));
  // One that is ready, or has a successor, will serve in a moment: it stays until then.
  const idle = byUse.filter(
    ({ worker, successor }) => successor === null && worker?.state !== "ready",
  );
  const serving = byUse.filter((slot) => serves(slot));
  const spare = serving.slice(0, Math.max(0, serving.length - count));
  return [...idle, ...spare].slice(0, Math.max(0, slots.length - count));
}

function useOf({ worker, successor }: Slot): number {
  if (worker === null) return 0;
  if (worker.state !== "ready") return 1;
  if (worker.dueAt === Infinity) return 4;
  return successor === null ? 2 : 3;
}

function serves({ worker }: Slot): boolean {
  return worker?.state === "ready" && worker.linked;
}
