/**
 * A seeded simulation: a fleet, its processes and an operator on a fake clock. Thousands of schedules of starts, deaths, hangs,
 * recycling, reloads to good and broken code, and changes of number, all invariants checked after each step. A failure names its seed;
 * KEELBACK_SEED=<seed> runs that schedule alone.
 */
import { expect, test } from "bun:test";
import type {
  FleetEffect,
  FleetOptions,
  RecycleReason,
} from "../../../src/supervisor/fleet/crew.ts";
import { Fleet } from "../../../src/supervisor/fleet/fleet.ts";
import type { WorkerEvent } from "../../../src/supervisor/fleet/lifecycle.ts";
import { randomOf } from "../../support/random.ts";

const LIMITS = { bootMs: 2000, drainMs: 500, stopMs: 500, killMs: 100 };
const SCHEDULES = 2000;
/** They take two seconds on a machine that does nothing else. */
const TEST_TIMEOUT_MS = 120_000;
const STEPS = 80;
const QUIET_ROUNDS_MAX = 5000;
/** Of most links and of the start of a good worker. */
const DELAY_MS_MAX = 400;
/** Beyond the boot timeout. */
const LINK_MS_MAX = 4000;

/** What becomes of the workers of a generation. */
type Code = "good" | "broken" | "hangs" | "flaky";

interface Planned {
  readonly at: number;
  readonly order: number;
  readonly act: () => void;
}

class World {
  readonly fleet: Fleet;
  now = 0;
  calm = false;
  readonly #random: () => number;
  #planned: Planned[] = [];
  #order = 0;
  /** Code by generation. */
  readonly #code = new Map<number, Code>();
  readonly #processes = new Set<number>();
  /** Workers that were told where the edges are, and those that an edge has. */
  readonly #connected = new Set<number>();
  readonly #linked = new Set<number>();
  readonly #connectedGenerations = new Set<number>();
  #newest = 1;
  #options: FleetOptions;
  /** Scaling down and reloads to fewer leave more workers beside the slots than the overlap: it is no bound then. */
  #countChanged = false;
  over = false;

  constructor(seed: number) {
    this.#random = randomOf(seed);
    this.#options = this.#anyOptions();
    this.fleet = new Fleet(this.#options, this.#random);
    this.#code.set(1, "good");
    this.#call("start", () => this.fleet.start(1, this.now));
  }

  #pick(count: number): number {
    return Math.floor(this.#random() * count);
  }

  #anyOptions(): FleetOptions {
    const overlap = [Infinity, 1, 2, 3][this.#pick(4)] ?? 1;
    const lifetimeMs = this.#pick(3) === 0 ? 1000 + this.#pick(5000) : 0;
    return {
      count: 1 + this.#pick(5),
      limits: LIMITS,
      overlap,
      lifetimeMs,
      lifetimeJitterMs: this.#pick(500),
    };
  }

  #later(act: () => void, delayMs: number = this.#pick(DELAY_MS_MAX)): void {
    this.#order += 1;
    this.#planned.push({ at: this.now + delayMs, order: this.#order, act });
  }

  /** A successor counts when it has taken over. */
  #serving(): number {
    const served = this.fleet.workers.filter(
      ({ id, state, slot }) =>
        state === "ready" && this.#linked.has(id) && slot.successor?.id !== id,
    );
    return served.length;
  }

  /** Runs one call of the fleet, carries out its effects, and checks what must hold. */
  #call(what: "death" | "start" | "other", run: () => FleetEffect[]): void {
    const before = this.#serving();
    for (const effect of run()) this.#carryOut(effect);
    const after = this.#serving();
    const { target, workers, pending } = this.fleet;
    if (what === "other") expect(after).toBeGreaterThanOrEqual(Math.min(before, target));
    for (const { id, generation, state } of workers) {
      if (generation === pending) expect(this.#connected.has(id)).toBe(false);
      // What has been forked and not ended is known; nothing else is.
      if (state !== "spawning") expect(this.#processes.has(id)).toBe(true);
    }
    const { overlap = Infinity } = this.#options;
    if (!this.#countChanged && overlap < Infinity) {
      expect(workers.length).toBeLessThanOrEqual(target + overlap);
    }
  }

  #event(id: number, event: WorkerEvent): void {
    const dies = event === "gone" || event === "stuck" || event === "failed";
    if (event === "gone") this.#processes.delete(id);
    if (event === "ready" && this.fleet.worker(id)?.generation === this.fleet.generation) {
      this.#connect(id);
    }
    this.#call(dies ? "death" : "other", () => this.fleet.event(id, event, this.now));
  }

  #connect(id: number): void {
    const generation = this.fleet.worker(id)?.generation ?? 0;
    this.#connected.add(id);
    this.#connectedGenerations.add(generation);
    // One that finds a full disk, or no descriptor, tries again and again.
    const delayMs = this.#chance(0.9) ? this.#pick(DELAY_MS_MAX) : this.#pick(LINK_MS_MAX);
    this.#later(() => this.#link(id, false), delayMs);
    this.#later(() => this.#link(id, true), delayMs + this.#pick(LINK_MS_MAX));
  }

  #link(id: number, all: boolean): void {
    if (!this.#processes.has(id)) return;
    this.#call("other", () => {
      this.#linked.add(id);
      return this.fleet.linked(id, all, this.now);
    });
  }

  #carryOut(effect: FleetEffect): void {
    switch (effect.do) {
      case "fork":
        return this.#forked(effect.worker, effect.generation);
      case "drain":
        if (this.#chance(0.9)) this.#later(() => this.#event(effect.worker, "drained"));
        return;
      case "stop":
        if (this.#chance(0.9)) this.#later(() => this.#event(effect.worker, "gone"));
        return;
      case "abort":
      case "kill":
        return this.#later(() => this.#event(effect.worker, "gone"), this.#pick(50));
      case "reloaded":
        expect(this.#code.get(effect.generation)).not.toBe("broken");
        return this.#proven(effect.generation);
      case "reload-failed":
        expect(this.#connectedGenerations.has(effect.generation)).toBe(false);
        expect(this.fleet.generation).not.toBe(effect.generation);
        return;
      case "empty":
        this.over = true;
        return;
      case "give-up":
        expect(this.fleet.workers.every(({ state }) => state === "terminating")).toBe(true);
        return;
    }
  }

  /** A generation serves only when its whole first batch is ready. */
  #proven(generation: number): void {
    const ready = this.fleet.workers.filter(
      (one) => one.generation === generation && one.state === "ready",
    );
    const { overlap = Infinity, count } = this.#options;
    expect(ready.length).toBeGreaterThanOrEqual(Math.min(overlap, count, this.fleet.target));
    for (const { id } of ready) this.#connect(id);
  }

  #chance(share: number): boolean {
    return this.calm || this.#random() < share;
  }

  #forked(id: number, generation: number): void {
    this.#later(() => {
      // A worker that was given up before it came is killed by whoever greets it.
      if (this.fleet.worker(id) === null) return;
      this.#processes.add(id);
      this.#event(id, "forked");
      this.#boots(id, this.#code.get(generation) ?? "good");
    });
  }

  #boots(id: number, code: Code): void {
    const fails = code === "broken" || (code === "flaky" && !this.#chance(0.6));
    if (code === "hangs" && !this.calm) return;
    this.#later(() => {
      if (!this.#processes.has(id)) return;
      this.#event(id, fails ? "failed" : "ready");
      if (fails) this.#later(() => this.#event(id, "gone"), 10);
    });
  }

  /** Something that an operator, an app or the system does. */
  step(): void {
    const { workers } = this.fleet;
    const id = workers[this.#pick(workers.length)]?.id ?? 0;
    const chance = this.#pick(100);
    if (chance < 45) return this.#pass(this.#pick(600));
    if (chance < 60) {
      const why = (["requests", "memory", "asked"] as const)[this.#pick(3)] as RecycleReason;
      return this.#call("other", () => this.fleet.recycle(id, why, this.now));
    }
    if (chance < 68 && this.#processes.has(id)) return this.#event(id, "gone");
    if (chance < 73) return this.#event(id, "stuck");
    if (chance < 76) return this.#call("death", () => this.fleet.event(id, "kill", this.now));
    if (chance < 79) {
      const { generation, pending } = this.fleet;
      const gone = this.#pick(2) === 0 ? generation : (pending ?? generation);
      return this.#call("death", () => this.fleet.zygoteGone(gone, this.now));
    }
    if (chance < 92) return this.#reload();
    this.#countChanged = true;
    if (chance === 92) return this.#call("other", () => this.fleet.rest(this.now));
    const count = Math.max(1, this.fleet.target + (this.#pick(2) === 0 ? 1 : -1));
    this.#call("other", () => this.fleet.scale(count, this.now));
  }

  #reload(): void {
    this.#newest += 1;
    const code = (["good", "good", "broken", "hangs", "flaky"] as const)[this.#pick(5)] ?? "good";
    this.#code.set(this.#newest, this.calm || this.fleet.phase !== "running" ? "good" : code);
    const wanted = !this.calm && this.#pick(3) === 0 ? this.#anyOptions() : this.#options;
    const options = {
      ...wanted,
      count: this.#pick(4) === 0 ? wanted.count : Math.max(1, this.fleet.target),
    };
    if (options.count !== this.fleet.target) this.#countChanged = true;
    if (options.overlap !== this.#options.overlap) this.#countChanged = true;
    // What starts for the first time makes room at once.
    if (this.fleet.phase !== "running") this.#countChanged = true;
    this.#options = options;
    this.#call("other", () => this.fleet.reload(this.#newest, this.now, options));
  }

  /** Everything that is due within the time happens, in order. */
  #pass(ms: number): void {
    const until = this.now + ms;
    for (;;) {
      const next = this.#planned.toSorted((a, b) => a.at - b.at || a.order - b.order)[0];
      const deadline = this.fleet.deadline();
      const at = Math.min(next?.at ?? Infinity, deadline);
      if (at > until) break;
      this.now = Math.max(this.now, at);
      if (deadline <= at) {
        this.#call("other", () => this.fleet.tick(this.now));
        expect(this.fleet.deadline()).toBeGreaterThan(this.now);
      } else if (next !== undefined) {
        this.#planned = this.#planned.filter((one) => one !== next);
        next.act();
      }
    }
    this.now = until;
  }

  /** Nothing bad happens any more, a good generation is deployed: everybody serves in the end. */
  settle(): void {
    this.calm = true;
    this.#options = { ...this.#options, lifetimeMs: 0 };
    this.#reload();
    for (let round = 0; round < QUIET_ROUNDS_MAX; round += 1) {
      const { workers, target, generation } = this.fleet;
      const done = workers.every((one) => one.state === "ready" && one.generation === generation);
      if (done && workers.length === target && this.fleet.pending === null) break;
      this.#pass(100);
    }
    const { workers, target } = this.fleet;
    expect(workers.map(({ state }) => state)).toEqual(Array<"ready">(target).fill("ready"));
    expect(new Set(workers.map(({ generation }) => generation)).size).toBe(1);
    expect(this.#processes).toEqual(new Set(workers.map(({ id }) => id)));
  }

  stop(): void {
    if (this.#random() < 0.5) this.#call("death", () => this.fleet.quiesce(this.now));
    this.#pass(this.#pick(200));
    const how = this.#random() < 0.5 ? "stop" : "kill";
    this.#call("death", () => this.fleet.end(how, this.now));
    for (let round = 0; round < QUIET_ROUNDS_MAX && !this.over; round += 1) this.#pass(100);
    expect(this.over).toBe(true);
    expect([...this.#processes]).toEqual([]);
  }
}

function simulate(seed: number): void {
  try {
    const world = new World(seed);
    for (let i = 0; i < STEPS; i += 1) world.step();
    if (seed % 4 !== 0) world.settle();
    world.stop();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new Error(`KEELBACK_SEED=${seed} shows it again: ${error.message}`, { cause: error });
  }
}

test(
  "no schedule lowers the number of ready workers, leaks one, or lets a failing generation serve",
  () => {
    const replay = process.env["KEELBACK_SEED"];
    if (replay !== undefined) return simulate(Number(replay));
    for (let seed = 1; seed <= SCHEDULES; seed += 1) simulate(seed);
  },
  TEST_TIMEOUT_MS,
);
