/** One request on its way through a simulated server, and what every kind of server has. */
import type { Cores } from "./cores.ts";
import type { Events } from "./events.ts";
import type { Interpreter } from "./interpreter.ts";
import type { Cost } from "./workload.ts";

export interface Job {
  readonly cost: Cost;
  /** Which of the node's kept connections it comes on; -1: one of its own. */
  readonly connection: number;
  /** The answer is out, or the server refused the request. */
  readonly done: (refused: boolean) => void;
}

/** The servers of one node. */
export interface Node {
  readonly cores: Cores;
  readonly interpreters: readonly Interpreter[];
  submit(job: Job): void;
  /** Nothing comes any more, and nothing that still waits will be answered. */
  close(): void;
}

/**
 * What the server itself costs a request on a core, milliseconds: as measured with 100 to 500 requests a second on an EPYC
 * (bench/simulate). With thousands, when many share a wake-up, it is a third of that.
 */
export const OVERHEAD_MS = {
  edgeIn: 0.11,
  edgeOut: 0.09,
  keelback: 0.12,
  loop: 0.17,
  threads: 0.34,
  sync: 0.3,
} as const;

/** What the monitor thread of our workers takes while the app computes: a look every few milliseconds. */
export const MONITOR_SHARE = 0.02;

/** The job with what the server adds to it. */
export function burdened({ cost, ...job }: Job, overheadMs: number, share = 0): Job {
  return { ...job, cost: { ...cost, cpuMs: cost.cpuMs * (1 + share) + overheadMs } };
}

/** A thread that computes, waits and computes. */
export function serveInThread(
  events: Events,
  interpreter: Interpreter,
  cost: Cost,
  done: () => void,
): void {
  const { cpuMs, waitMs } = cost;
  if (waitMs === 0) {
    interpreter.run(cpuMs, done);
    return;
  }
  interpreter.run(cpuMs / 2, () => {
    events.after(waitMs, () => interpreter.run(cpuMs / 2, done));
  });
}

/** What a task of an event loop does first, and whether more follows. */
export interface FirstStep {
  readonly cpuMs: number;
  readonly heldMs: number;
  readonly more: boolean;
}

export function firstStep({ cpuMs, waitMs, blocking }: Cost): FirstStep {
  if (blocking || waitMs === 0) return { cpuMs, heldMs: waitMs, more: false };
  return { cpuMs: cpuMs / 2, heldMs: 0, more: true };
}
