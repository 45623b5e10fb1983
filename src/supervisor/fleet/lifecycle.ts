/**
 * The life of one worker as a table, and how long to wait before a slot is tried again. Pure: no
 * clock, no processes. A worker that never came to be (spawning) is simply forgotten; should its
 * process turn up all the same, nobody knows it and it is killed (supervisor.ts).
 *
 *     spawning ─ forked ─> booting ─ ready ─> ready ─ drain ─> draining
 *     draining ─ drained ─> terminating ─ gone ─> exited
 */

export type WorkerState = "spawning" | "booting" | "ready" | "draining" | "terminating" | "exited";

export type WorkerEvent =
  /** Its process exists. */
  | "forked"
  /** It has the app and is connected. */
  | "ready"
  /** It says that it cannot serve; it ends by itself. */
  | "failed"
  /** It is to leave: no further requests. */
  | "drain"
  /** No edge has anything open with it. */
  | "drained"
  /** It is to finish and end. */
  | "stop"
  /** It does not answer. */
  | "stuck"
  /** The time for its state is over. */
  | "late"
  | "kill"
  /** Its process has ended. */
  | "gone";

/**
 * What is done to the process: by the edges (drain), by the control channel (stop), by signals; to
 * the zygote that has not forked it (unstick).
 */
export type WorkerAction = "drain" | "stop" | "abort" | "kill" | "unstick";

export interface WorkerLimits {
  /** From the fork to ready. */
  readonly bootMs: number;
  /** For running requests to finish. */
  readonly drainMs: number;
  /** From `stop` to the end of the process. */
  readonly stopMs: number;
  /** From SIGABRT, which writes tracebacks, to SIGKILL; and between two SIGKILLs. */
  readonly killMs: number;
}

export interface Transition {
  readonly to: WorkerState;
  readonly action?: WorkerAction;
  /** How long the new state may last; left out: for ever. */
  readonly within?: keyof WorkerLimits;
}

type Row = Readonly<Partial<Record<WorkerEvent, Transition>>>;

const EXITED: Transition = { to: "exited" };
const STOP: Transition = { to: "terminating", action: "stop", within: "stopMs" };
const ABORT: Transition = { to: "terminating", action: "abort", within: "killMs" };
const KILL: Transition = { to: "terminating", action: "kill", within: "killMs" };
const LEAVES: Transition = { to: "terminating", within: "killMs" };

/** How a worker starts. */
export const SPAWNED: Transition = { to: "spawning", within: "bootMs" };

/** An event that a row does not name changes nothing. */
export const TRANSITIONS: Readonly<Record<WorkerState, Row>> = {
  spawning: {
    forked: { to: "booting", within: "bootMs" },
    failed: EXITED,
    drain: EXITED,
    stop: EXITED,
    late: { to: "exited", action: "unstick" },
    kill: EXITED,
    gone: EXITED,
  },
  booting: {
    ready: { to: "ready" },
    failed: LEAVES,
    drain: STOP,
    stop: STOP,
    late: ABORT,
    kill: KILL,
    gone: EXITED,
  },
  ready: {
    failed: LEAVES,
    drain: { to: "draining", action: "drain", within: "drainMs" },
    stop: STOP,
    stuck: ABORT,
    // A successor that no edge comes to have.
    late: ABORT,
    kill: KILL,
    gone: EXITED,
  },
  draining: {
    failed: LEAVES,
    drained: STOP,
    stop: STOP,
    stuck: ABORT,
    late: STOP,
    kill: KILL,
    gone: EXITED,
  },
  terminating: { late: KILL, kill: KILL, gone: EXITED },
  exited: {},
};

/** Null: the event means nothing in this state. */
export function step(state: WorkerState, event: WorkerEvent): Transition | null {
  return TRANSITIONS[state][event] ?? null;
}

const RETRY_MS_FIRST = 100;
const RETRY_MS_MAX = 30_000;
/**
 * A worker that served for so long was no failure of its slot: the next one starts at once, however often that happens. Starting takes a
 * core for about as long; waiting longer would have clients wait for workers that are killed again and again.
 */
export const STABLE_MS = 1000;

/** The wait before a slot is tried again, after so many failures in a row. */
export function retryDelay(failures: number): number {
  if (failures === 0) return 0;
  return Math.min(RETRY_MS_MAX, RETRY_MS_FIRST * 2 ** Math.min(failures - 1, 30));
}
