/**
 * Worker processes: which pid and which control connection belong to which worker, and when one is
 * surely gone. The zygote tells how a worker ended and the connection tells what it said last, in
 * no fixed order: a worker counts as gone when both have come, or when the second is overdue. What
 * is left of its process group is killed then.
 */
import { constants } from "node:os";
import type { ControlPeer } from "./control.ts";

/** A waitpid status; null: unknown, its parent is gone. */
export type ExitStatus = number | null;

const SECOND_WORD_MS = 1000;

interface Entry {
  pid: number;
  peer: ControlPeer | null;
  /** For its connection, which has yet to come; null: it has come. */
  waiting: object[] | null;
  status: ExitStatus;
  exited: boolean;
  timer: Timer | null;
}

export interface ProcessesOwner {
  gone(worker: number, status: ExitStatus): void;
}

export class WorkerProcesses {
  readonly #owner: ProcessesOwner;
  readonly #entries = new Map<number, Entry>();
  readonly #byPeer = new Map<ControlPeer, number>();

  constructor(owner: ProcessesOwner) {
    this.#owner = owner;
  }

  forked(worker: number, pid: number): void {
    this.#entry(worker).pid = pid;
  }

  connected(worker: number, pid: number, peer: ControlPeer): void {
    const entry = this.#entry(worker);
    entry.pid = pid;
    entry.peer = peer;
    this.#byPeer.set(peer, worker);
    for (const message of entry.waiting ?? []) peer.send(message);
    entry.waiting = null;
  }

  workerOf(peer: ControlPeer): number | null {
    return this.#byPeer.get(peer) ?? null;
  }

  pid(worker: number): number {
    return this.#entries.get(worker)?.pid ?? 0;
  }

  /** A worker that is just being born gets it when it has connected. */
  send(worker: number, message: object): void {
    const entry = this.#entries.get(worker);
    if (entry?.peer) entry.peer.send(message);
    else entry?.waiting?.push(message);
  }

  isConnected(worker: number): boolean {
    return this.#entries.get(worker)?.peer !== null && this.pid(worker) > 0;
  }

  signal(worker: number, signal: NodeJS.Signals | number): void {
    const pid = this.pid(worker);
    if (pid > 0) sendSignal(pid, signal);
  }

  killGroup(worker: number): void {
    killGroup(this.pid(worker));
  }

  /** The zygote has reaped it. */
  exited(worker: number, status: number): void {
    const entry = this.#entries.get(worker);
    if (entry === undefined) return;
    entry.exited = true;
    entry.status = status;
    // One that ended at once may have connected, and said why, without having been heard yet.
    if (entry.peer === null && entry.waiting === null) this.#gone(worker, entry);
    else entry.timer ??= setTimeout(() => this.#gone(worker, entry), SECOND_WORD_MS);
  }

  /**
   * A control connection has ended; `reaped`: its zygote lives and will say how the process ended.
   */
  disconnected(peer: ControlPeer, reaped: boolean): void {
    const worker = this.#byPeer.get(peer);
    const entry = worker === undefined ? undefined : this.#entries.get(worker);
    this.#byPeer.delete(peer);
    if (worker === undefined || entry === undefined) return;
    entry.peer = null;
    if (entry.exited || !reaped) this.#gone(worker, entry);
    else entry.timer ??= setTimeout(() => this.#gone(worker, entry), SECOND_WORD_MS);
  }

  /** Nobody will say how these ended any more. */
  zygoteGone(workers: readonly number[]): void {
    for (const worker of workers) {
      const entry = this.#entries.get(worker);
      if (entry !== undefined && entry.peer === null) this.#gone(worker, entry);
    }
  }

  #entry(worker: number): Entry {
    let entry = this.#entries.get(worker);
    if (entry === undefined) {
      entry = { pid: 0, peer: null, waiting: [], status: null, exited: false, timer: null };
      this.#entries.set(worker, entry);
    }
    return entry;
  }

  #gone(worker: number, entry: Entry): void {
    if (this.#entries.get(worker) !== entry) return;
    if (entry.timer !== null) clearTimeout(entry.timer);
    if (entry.peer !== null) this.#byPeer.delete(entry.peer);
    entry.peer?.close();
    this.#entries.delete(worker);
    killGroup(entry.pid);
    this.#owner.gone(worker, entry.status);
  }
}

/** A worker leads a process group: what the app has started goes with it. */
export function killGroup(pid: number): void {
  if (pid <= 1) return;
  sendSignal(-pid, "SIGKILL");
  sendSignal(pid, "SIGKILL");
}

function sendSignal(pid: number, signal: NodeJS.Signals | number): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended already.
  }
}

/** Of two names for one number the usual one comes first: SIGABRT, not SIGIOT. */
const SIGNAL_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.signals)
    .toReversed()
    .map(([name, number]) => [number, name]),
);

/** `exited with status 3`, `was killed by SIGKILL` (wait(2): the low seven bits are the signal). */
export function exitText(status: ExitStatus): string {
  if (status === null) return "ended";
  const signal = status & 0x7f;
  if (signal === 0) return `exited with status ${(status >> 8) & 0xff}`;
  return `was killed by ${SIGNAL_NAMES.get(signal) ?? `signal ${signal}`}`;
}

export function wasKilled(status: ExitStatus): boolean {
  return status !== null && (status & 0x7f) === constants.signals.SIGKILL;
}
