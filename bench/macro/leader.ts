/** The process that leads a server, by its pid file: a binary upgrade changes it. And how each server is told to change. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import type { RunningServer } from "../../src/compare/server-process.ts";

const POLL_MS = 20;
const STEP_MS_MAX = 15_000;
const STOP_MS_MAX = 8000;
/** What gunicorn appends to the name of the file while there are two. */
const NEXT = ".2";

/** How a server is given a new release of itself (USR2) and of the app (HUP). */
export interface Knows {
  /** In words, for the table. */
  readonly reload: string;
  readonly upgrade?: string;
  /** What an operator does after USR2, where the server leaves something to do. */
  finish?(leader: Leader, before: number): Promise<void>;
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended: what that does to clients is what is measured.
  }
}

/** False after the deadline. */
export async function until(look: () => boolean, deadlineMs: number): Promise<boolean> {
  const deadline = performance.now() + deadlineMs;
  while (!look()) {
    if (performance.now() > deadline) return false;
    await Bun.sleep(POLL_MS);
  }
  return true;
}

export function childrenOf(pid: number): number[] {
  const found: number[] = [];
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").trim();
      if (text !== "") found.push(...text.split(" ").map(Number));
    }
  } catch {
    // It has ended.
  }
  return found;
}

function treeOf(pid: number): number[] {
  const found = [pid];
  for (const one of found) found.push(...childrenOf(one));
  return found;
}

function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.charAt(stat.lastIndexOf(")") + 2) !== "Z";
  } catch {
    return false;
  }
}

export class Leader {
  readonly #server: RunningServer;
  readonly #file: string;

  constructor(server: RunningServer, file: string) {
    this.#server = server;
    this.#file = file;
  }

  pidIn(suffix: string): number {
    if (!existsSync(this.#file + suffix)) return 0;
    return Number(readFileSync(this.#file + suffix, "utf8").trim()) || 0;
  }

  /** The newest one. As taskset has become the server's first process, that is the one where there is no pid file. */
  get pid(): number {
    const next = this.pidIn(NEXT);
    return next !== 0 && isRunning(next) ? next : this.pidIn("") || this.#server.pid;
  }

  reload(): void {
    signal(this.pid, "SIGHUP");
  }

  /** Resolves when the new process leads; false when it never does. */
  async upgrade(knows: Knows): Promise<boolean> {
    const before = this.pid;
    signal(before, "SIGUSR2");
    await knows.finish?.(this, before);
    return until(() => this.pid !== before, STEP_MS_MAX);
  }

  /** Ends a successor, which is no descendant of what the harness has started. */
  async stop(): Promise<void> {
    if (this.pid === this.#server.pid) return;
    const all = treeOf(this.pid);
    signal(this.pid, "SIGTERM");
    const gone = await until(() => !all.some(isRunning), STOP_MS_MAX);
    if (!gone) for (const pid of all.filter(isRunning)) signal(pid, "SIGKILL");
  }
}

/** gunicorn's old process goes on beside the new one until it is told to go. While both are there, HUP ends the new one. */
async function endOld(leader: Leader, before: number): Promise<void> {
  const ready = (): boolean => childrenOf(leader.pidIn(NEXT)).length > 0;
  if (!(await until(ready, STEP_MS_MAX))) return;
  await Bun.sleep(1000);
  signal(before, "SIGTERM");
  await until(() => !isRunning(before), STEP_MS_MAX);
}

/** What each server knows; one that is not here can be told nothing while it runs. */
export const knowing: Record<string, Knows | undefined> = {
  keelback: { reload: "HUP", upgrade: "USR2" },
  granian: { reload: "HUP" },
  uvicorn: { reload: "HUP" },
  "gunicorn asgi": { reload: "HUP", upgrade: "USR2, then TERM to the old", finish: endOld },
  "gunicorn gthread": { reload: "HUP", upgrade: "USR2, then TERM to the old", finish: endOld },
  uwsgi: { reload: "HUP" },
};
