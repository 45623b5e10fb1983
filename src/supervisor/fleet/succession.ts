/** How a successor takes the place of the worker of its slot: when the edges have it. Pure. */
import type { Slot, Worker } from "./crew.ts";

/** Where one edge has the successor, others (that start anew) are not waited for longer. */
const LINK_MS_MAX = 1000;

/** It is ready. The old worker serves until an edge has it; it is given up when none comes to have it. */
export function awaitLinks(successor: Worker, now: number, giveUpMs: number): void {
  successor.takesOverAt = successor.linked ? now : now + LINK_MS_MAX;
  if (!successor.reached) successor.deadline = now + giveUpMs;
}

/** An edge has this worker, or all have it. */
export function reach(worker: Worker, all: boolean, now: number): void {
  worker.reached = true;
  worker.linked ||= all;
  if (worker.state === "ready") worker.deadline = Infinity;
  if (all && worker.takesOverAt < Infinity) worker.takesOverAt = now;
}

export function mayTakeOver({ reached, takesOverAt }: Worker, now: number): boolean {
  return reached && takesOverAt <= now;
}

/** The successor is the slot's worker from now on. */
export function fill(slot: Slot, successor: Worker): void {
  slot.worker = successor;
  slot.successor = null;
  successor.takesOverAt = Infinity;
  if (successor.state === "ready") successor.deadline = Infinity;
}

/** Answers the old worker, which is to leave now. */
export function takeOver(slot: Slot): Worker | null {
  const { worker: old, successor } = slot;
  if (successor === null) return null;
  fill(slot, successor);
  slot.failures = 0;
  if (old !== null) slot.wear = old.early ? slot.wear + 1 : 0;
  return old;
}
