/**
 * A node of a server whose workers accept connections by themselves, as most do: a connection stays with the worker that accepted it,
 * and its requests wait there, whatever the others do.
 *
 * - `loop`: an event loop in each worker (uvicorn, hypercorn, gunicorn asgi);
 * - `threads`: a pool of threads in each (gunicorn gthread);
 * - `sync`: one request at a time, each on a connection of its own (gunicorn sync).
 */
import { Cores } from "./cores.ts";
import type { Events } from "./events.ts";
import { Interpreter } from "./interpreter.ts";
import { burdened, firstStep, type Job, type Node, OVERHEAD_MS, serveInThread } from "./job.ts";
import type { Random } from "./random.ts";

export type PinnedKind = "loop" | "threads" | "sync";

export interface PinnedSettings {
  readonly kind: PinnedKind;
  readonly cores: number;
  readonly workers: number;
  readonly threads: number;
  /** Kept ones. */
  readonly connections: number;
}

interface Worker {
  readonly interpreter: Interpreter;
  /** Requests that wait for a thread. */
  readonly queue: Job[];
  running: number;
}

/** What a loop takes from the kernel's queue in one turn. */
const ACCEPT_MAX = 100;

export class PinnedNode implements Node {
  readonly cores: Cores;
  readonly interpreters: readonly Interpreter[];
  readonly #events: Events;
  readonly #kind: PinnedKind;
  readonly #threads: number;
  readonly #workers: readonly Worker[];
  /** Whose each kept connection is. */
  readonly #owners: readonly Worker[];
  readonly #random: Random;
  /** Connections that nobody has accepted. */
  readonly #backlog: Job[] = [];
  #closed = false;

  constructor(events: Events, settings: PinnedSettings, random: Random) {
    this.#events = events;
    this.#kind = settings.kind;
    this.#threads = settings.kind === "sync" ? 1 : settings.threads;
    this.#random = random;
    this.cores = new Cores(events, settings.cores);
    this.#workers = Array.from({ length: settings.workers }, () => {
      const interpreter = new Interpreter(events, this.cores, settings.kind !== "loop");
      const worker = { interpreter, queue: [], running: 0 };
      if (settings.kind === "loop") interpreter.onTurn = () => this.#accept(worker);
      return worker;
    });
    this.interpreters = this.#workers.map(({ interpreter }) => interpreter);
    this.#owners = Array.from({ length: settings.connections }, () => this.#any(this.#workers));
  }

  submit(asked: Job): void {
    const job = burdened(asked, OVERHEAD_MS[this.#kind]);
    const owner = this.#kind === "sync" ? undefined : this.#owners[job.connection];
    if (owner !== undefined) return this.#take(owner, job);
    const free = this.#workers.filter((worker) => this.#accepts(worker));
    if (free.length > 0) this.#take(this.#any(free), job);
    else this.#backlog.push(job);
  }

  close(): void {
    this.#closed = true;
  }

  #any(workers: readonly Worker[]): Worker {
    return workers[Math.floor(this.#random() * workers.length)]!;
  }

  /** Whether it would accept a connection now. A pool's main thread does so however busy the others are. */
  #accepts(worker: Worker): boolean {
    if (this.#kind === "loop") return worker.interpreter.idle;
    return this.#kind === "threads" || worker.running === 0;
  }

  #accept(worker: Worker): void {
    for (const job of this.#backlog.splice(0, ACCEPT_MAX)) this.#take(worker, job);
  }

  #take(worker: Worker, job: Job): void {
    if (this.#kind === "loop") return this.#start(worker, job);
    worker.queue.push(job);
    this.#fill(worker);
  }

  /** Gives waiting requests to free threads. */
  #fill(worker: Worker): void {
    while (worker.running < this.#threads) {
      const job =
        worker.queue.shift() ?? (this.#kind === "sync" ? this.#backlog.shift() : undefined);
      if (job === undefined) return;
      worker.running += 1;
      serveInThread(this.#events, worker.interpreter, job.cost, () => {
        worker.running -= 1;
        this.#end(job);
        this.#fill(worker);
      });
    }
  }

  #start({ interpreter }: Worker, job: Job): void {
    const { cpuMs, heldMs, more } = firstStep(job.cost);
    const done = (): void => {
      if (!more) return this.#end(job);
      const rest = job.cost.cpuMs / 2;
      this.#events.after(job.cost.waitMs, () => interpreter.run(rest, () => this.#end(job)));
    };
    interpreter.run(cpuMs, done, null, heldMs);
  }

  #end(job: Job): void {
    if (!this.#closed) job.done(false);
  }
}
