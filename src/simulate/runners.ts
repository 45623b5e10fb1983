/**
 * What a worker of ours does with requests that it has read: the rules of python/keelback. Both kinds look after themselves by a
 * monitor thread, which needs the interpreter to look.
 */
import type { Events } from "./events.ts";
import type { Burst, Interpreter } from "./interpreter.ts";
import { firstStep, serveInThread } from "./job.ts";
import type { Cost } from "./workload.ts";

export interface Call {
  readonly stream: number;
  readonly cost: Cost;
}

/** The worker's other side: its link, its board. */
export interface Owner {
  readonly events: Events;
  readonly interpreter: Interpreter;
  readonly concurrency: number;
  begun(stream: number): void;
  answer(stream: number): void;
  giveBack(streams: readonly number[]): void;
}

export interface Runner {
  arrive(call: Call): void;
}

/** A call is stuck when two looks, a millisecond apart, see it: after one to two. */
const STUCK_MS = 1.5;
/** What a look costs. */
const LOOK_MS = 0.01;
/** The same where the loop computes: each look waits for the interpreter to be switched. */
const STUCK_COMPUTING_MS = 9;
/** How often a stuck loop is relieved again. */
const AGAIN_MS = 1;

/**
 * WSGI (threads.py): one thread reads and runs requests one after another. When a call is stuck while others wait, the next thread
 * takes over; where all are taken, what waits is given back.
 */
export class ThreadsRunner implements Runner {
  readonly #owner: Owner;
  #queue: Call[] = [];
  #running = 0;
  #leader: Call | null = null;
  #ledFrom = 0;
  /** Of this call a look is planned. */
  #watched: Call | null = null;
  /** No thread is free: the monitor answers the edge. */
  #tending = false;

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  arrive(call: Call): void {
    if (this.#tending) return this.#owner.giveBack([call.stream]);
    this.#queue.push(call);
    this.#lead();
  }

  #lead(): void {
    if (this.#leader === null && this.#queue.length > 0) this.#begin(this.#queue.shift()!);
    if (this.#queue.length > 0) this.#watch();
  }

  #begin(call: Call): void {
    const { events, interpreter } = this.#owner;
    this.#leader = call;
    this.#ledFrom = events.now;
    this.#running += 1;
    this.#owner.begun(call.stream);
    serveInThread(events, interpreter, call.cost, () => this.#end(call));
  }

  #end(call: Call): void {
    this.#running -= 1;
    this.#tending = false;
    if (this.#leader === call) this.#leader = null;
    this.#owner.answer(call.stream);
    this.#lead();
  }

  #watch(): void {
    const call = this.#leader;
    if (call === null || this.#watched === call) return;
    this.#watched = call;
    const { events, interpreter } = this.#owner;
    events.at(this.#ledFrom + STUCK_MS, () => {
      const look = (): void => {
        this.#watched = null;
        if (this.#leader === call && this.#queue.length > 0) this.#relieve();
      };
      if (this.#leader !== call) this.#watched = null;
      else if (interpreter.idle) look();
      else interpreter.run(LOOK_MS, look);
    });
  }

  /** The leader has lost its part. */
  #relieve(): void {
    this.#leader = null;
    if (this.#running < this.#owner.concurrency) return this.#lead();
    this.#tending = true;
    this.#owner.giveBack(this.#queue.map(({ stream }) => stream));
    this.#queue = [];
  }
}

/** ASGI (asgi_monitor.py): every request is a task. While a callback holds the loop, what was not begun is given back. */
export class LoopRunner implements Runner {
  readonly #owner: Owner;
  readonly #unbegun: Map<Call, Burst> = new Map();
  /** Which callback the loop is in. */
  #callback = 0;

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  arrive(call: Call): void {
    const { interpreter } = this.#owner;
    const { cpuMs, heldMs, more } = firstStep(call.cost);
    const begin = (): void => {
      this.#unbegun.delete(call);
      this.#owner.begun(call.stream);
      this.#enter(cpuMs, heldMs);
    };
    const done = (): void => {
      this.#callback += 1;
      if (more) this.#await(call);
      else this.#owner.answer(call.stream);
    };
    const burst = interpreter.run(cpuMs, done, begin, heldMs);
    if (!burst.begun) this.#unbegun.set(call, burst);
  }

  #await({ stream, cost }: Call): void {
    const { events, interpreter } = this.#owner;
    const cpuMs = cost.cpuMs / 2;
    events.after(cost.waitMs, () => {
      const done = (): void => {
        this.#callback += 1;
        this.#owner.answer(stream);
      };
      interpreter.run(cpuMs, done, () => this.#enter(cpuMs, 0));
    });
  }

  #enter(cpuMs: number, heldMs: number): void {
    this.#callback += 1;
    const computing = Math.min(cpuMs, STUCK_COMPUTING_MS);
    const stuck = heldMs > 0 ? computing + STUCK_MS : STUCK_COMPUTING_MS;
    if (stuck < cpuMs + heldMs) this.#look(this.#callback, stuck);
  }

  #look(callback: number, ms: number): void {
    this.#owner.events.after(ms, () => {
      if (callback !== this.#callback) return;
      const calls = [...this.#unbegun.keys()];
      for (const burst of this.#unbegun.values()) burst.cancelled = true;
      this.#unbegun.clear();
      if (calls.length > 0) this.#owner.giveBack(calls.map(({ stream }) => stream));
      this.#look(callback, AGAIN_MS);
    });
  }
}
