/**
 * A world of processes around a fleet: whatever happens in whatever order, once the world behaves
 * again every slot has exactly one serving worker, and a stop ends them all.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { FleetEffect } from "../../../src/supervisor/fleet/crew.ts";
import { Fleet } from "../../../src/supervisor/fleet/fleet.ts";
import type { WorkerEvent, WorkerState } from "../../../src/supervisor/fleet/lifecycle.ts";

const LIMITS = { bootMs: 1000, drainMs: 500, stopMs: 500, killMs: 100 };
const ROUNDS_MAX = 500;

type Step =
  | { readonly kind: "event"; readonly pick: number; readonly event: WorkerEvent }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "reload" }
  | { readonly kind: "zygote-gone" };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant("event" as const),
      pick: fc.nat(20),
      event: fc.constantFrom<WorkerEvent>("forked", "ready", "failed", "drained", "stuck", "gone"),
    }),
    fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(2000) }),
    fc.constant({ kind: "reload" as const }),
    fc.constant({ kind: "zygote-gone" as const }),
  ),
  { maxLength: 60 },
);

class World {
  readonly fleet: Fleet;
  now = 0;
  gaveUp = false;
  empty = false;
  #generation = 1;

  constructor(count: number) {
    this.fleet = new Fleet({ count, limits: LIMITS });
    this.take(this.fleet.start(1, 0));
  }

  take(effects: readonly FleetEffect[]): void {
    for (const effect of effects) {
      if (effect.do === "give-up") this.gaveUp = true;
      if (effect.do === "serving") this.gaveUp = false;
      if (effect.do === "empty") this.empty = true;
    }
  }

  run(step: Step): void {
    const { workers } = this.fleet;
    if (step.kind === "wait") {
      this.now += step.ms;
      this.take(this.fleet.tick(this.now));
    } else if (step.kind === "reload") {
      this.#generation += 1;
      this.take(this.fleet.reload(this.#generation, this.now));
    } else if (step.kind === "zygote-gone") {
      this.take(this.fleet.zygoteGone(this.#generation, this.now));
    } else if (workers.length > 0) {
      const id = workers[step.pick % workers.length]?.id ?? 0;
      this.take(this.fleet.event(id, step.event, this.now));
    }
  }

  /** Each worker does what is expected of it; time passes only when nobody has anything to do. */
  settle(): void {
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      let moved = false;
      for (const { id, state } of this.fleet.workers) {
        const event = EXPECTED[state];
        if (event === undefined) continue;
        moved = true;
        this.take(this.fleet.event(id, event, this.now));
      }
      if (moved) continue;
      const deadline = this.fleet.deadline();
      if (deadline === Infinity) return;
      this.now = Math.max(this.now, deadline);
      this.take(this.fleet.tick(this.now));
    }
    throw new Error("the world does not come to rest");
  }
}

const EXPECTED: Readonly<Partial<Record<WorkerState, WorkerEvent>>> = {
  spawning: "forked",
  booting: "ready",
  draining: "drained",
  terminating: "gone",
};

const parameters = { numRuns: 300, seed: 20_261_121 };

test("no order of events loses a slot", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), steps, (count, list) => {
      const world = new World(count);
      for (const step of list) world.run(step);
      world.settle();
      const expected = world.gaveUp ? 0 : count;
      expect(world.fleet.workers.length).toBe(expected);
      const generations = new Set(world.fleet.workers.map(({ generation }) => generation));
      expect([...generations]).toEqual(world.gaveUp ? [] : [world.fleet.generation]);
    }),
    parameters,
  );
});

test("a stop at any moment ends every worker", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.boolean(), steps, (count, kill, list) => {
      const world = new World(count);
      for (const step of list) world.run(step);
      if (!kill) world.take(world.fleet.quiesce(world.now));
      world.take(world.fleet.end(kill ? "kill" : "stop", world.now));
      world.settle();
      expect(world.fleet.workers).toEqual([]);
      expect(world.empty).toBe(true);
    }),
    parameters,
  );
});
