/**
 * One Python process: of its threads one at a time runs Python, for at most a switch interval while others want to. An event loop is
 * the same with tasks that nobody interrupts.
 */
import type { Cores } from "./cores.ts";
import type { Events } from "./events.ts";

/** sys.getswitchinterval(). */
const SWITCH_MS = 5;

export interface Burst {
  /** On a core. */
  cpuMs: number;
  /** Without one, but nobody else gets the loop: a call that blocks. */
  readonly heldMs: number;
  readonly begin: (() => void) | null;
  readonly done: () => void;
  begun: boolean;
  /** Only before it has begun. */
  cancelled: boolean;
}

export class Interpreter {
  /** Milliseconds in which it ran, or was held. */
  busyMs = 0;
  readonly #events: Events;
  readonly #cores: Cores;
  readonly #switches: boolean;
  readonly #waiting: Burst[] = [];
  #running = false;
  /** Called between two bursts, when it could take on more. */
  onTurn: (() => void) | null = null;

  /** `switches`: its threads take turns. */
  constructor(events: Events, cores: Cores, switches: boolean) {
    this.#events = events;
    this.#cores = cores;
    this.#switches = switches;
  }

  get idle(): boolean {
    return !this.#running;
  }

  /** `begin`: called when it gets the interpreter for the first time. */
  run(cpuMs: number, done: () => void, begin: (() => void) | null = null, heldMs = 0): Burst {
    const burst = { cpuMs, heldMs, begin, done, begun: false, cancelled: false };
    this.#waiting.push(burst);
    if (!this.#running) this.#next();
    return burst;
  }

  #next(): void {
    let burst = this.#waiting.shift();
    while (burst?.cancelled === true) burst = this.#waiting.shift();
    if (burst === undefined) return;
    this.#running = true;
    if (!burst.begun) {
      burst.begun = true;
      burst.begin?.();
    }
    const slice = this.#switches ? Math.min(burst.cpuMs, SWITCH_MS) : burst.cpuMs;
    const from = this.#events.now;
    this.#cores.run(slice, () => {
      burst.cpuMs -= slice;
      const over = burst.cpuMs <= 0;
      if (over && burst.heldMs > 0) this.#events.after(burst.heldMs, () => this.#end(burst, from));
      else if (over) this.#end(burst, from);
      else this.#turn(burst, from);
    });
  }

  #turn(burst: Burst, from: number): void {
    this.busyMs += this.#events.now - from;
    this.#running = false;
    this.#waiting.push(burst);
    this.#next();
  }

  #end(burst: Burst, from: number): void {
    this.busyMs += this.#events.now - from;
    this.#running = false;
    burst.done();
    this.onTurn?.();
    if (!this.#running) this.#next();
  }
}
