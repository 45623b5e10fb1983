import { describe, expect, test } from "bun:test";
import type { FleetEffect, FleetOptions } from "../../../src/supervisor/fleet/crew.ts";
import type { Failure } from "../../../src/supervisor/failure.ts";
import { Fleet } from "../../../src/supervisor/fleet/fleet.ts";
import { dueAt, judgeMemory, lifetime } from "../../../src/supervisor/fleet/recycling.ts";

const LIMITS = { bootMs: 3000, drainMs: 500, stopMs: 500, killMs: 100 };
const BROKEN: Failure = { stage: "import", message: "boom", traceback: "Traceback", hint: "" };
const LATER = 20_000;

function names(effects: readonly FleetEffect[]): string[] {
  return effects.map((effect) =>
    "worker" in effect ? `${effect.do} ${effect.worker}` : effect.do,
  );
}

/** Starts a worker and links it to the edges. */
function serve(fleet: Fleet, worker: number, now: number): string[] {
  const effects = [
    ...fleet.event(worker, "forked", now),
    ...fleet.event(worker, "ready", now),
    ...fleet.linked(worker, true, now),
  ];
  return names(effects);
}

function end(fleet: Fleet, worker: number, now: number): string[] {
  return names([...fleet.event(worker, "drained", now), ...fleet.event(worker, "gone", now)]);
}

/** Workers 1 to `count` serve. */
function serving(count: number, options: Partial<FleetOptions> = {}): Fleet {
  const fleet = new Fleet({ count, limits: LIMITS, ...options }, () => 0.5);
  fleet.start(1, 0);
  for (let worker = 1; worker <= count; worker += 1) serve(fleet, worker, 0);
  return fleet;
}

describe("recycling", () => {
  test("the successor is ready and linked before the old worker leaves", () => {
    const fleet = serving(2);
    expect(names(fleet.recycle(1, "requests", LATER))).toEqual(["fork 3", "recycle 1"]);
    fleet.event(3, "forked", LATER);
    expect(names(fleet.event(3, "ready", LATER))).toEqual([]);
    expect(names(fleet.linked(3, true, LATER))).toEqual(["drain 1"]);
    expect(end(fleet, 1, LATER)).toEqual(["stop 1"]);
    expect(fleet.workers.map(({ id }) => id)).toEqual([2, 3]);
  });

  test("further edges are not waited for long, the first one is", () => {
    const fleet = serving(1);
    fleet.recycle(1, "asked", LATER);
    fleet.event(2, "forked", LATER);
    fleet.event(2, "ready", LATER);
    expect(fleet.deadline()).toBe(LATER + LIMITS.bootMs);
    expect(names(fleet.linked(2, false, LATER))).toEqual([]);
    expect(fleet.deadline()).toBe(LATER + 1000);
    expect(names(fleet.tick(LATER + 1000))).toEqual(["drain 1"]);
  });

  test("a successor that the edges have before it says ready takes over then", () => {
    const fleet = serving(1);
    fleet.recycle(1, "asked", LATER);
    fleet.event(2, "forked", LATER);
    expect(names(fleet.linked(2, true, LATER))).toEqual([]);
    expect(names(fleet.event(2, "ready", LATER))).toEqual(["drain 1"]);
  });

  test("one at a time, and at most a quarter of the workers beside the others", () => {
    const fleet = serving(4);
    for (const worker of [1, 2, 3]) fleet.recycle(worker, "requests", LATER);
    expect(fleet.workers.length).toBe(5);
    expect(serve(fleet, 5, LATER)).toEqual(["drain 1"]);
    // The next one waits until the first is gone.
    expect(fleet.workers.length).toBe(5);
    expect(end(fleet, 1, LATER)).toEqual(["stop 1", "fork 6", "recycle 2"]);
    const many = serving(8);
    for (const worker of [1, 2, 3]) many.recycle(worker, "requests", LATER);
    expect(many.workers.length).toBe(9);
    expect(serve(many, 9, LATER)).toEqual(["drain 1", "fork 10", "recycle 2"]);
    expect(serve(many, 10, LATER)).toEqual(["drain 2"]);
  });

  test("a successor that fails leaves the old worker serving, and is tried again later", () => {
    const fleet = serving(1);
    fleet.recycle(1, "requests", LATER);
    fleet.event(2, "forked", LATER);
    fleet.event(2, "failed", LATER, BROKEN);
    const effects = fleet.event(2, "gone", LATER);
    expect(effects).toEqual([{ do: "recycle-failed", worker: 1, failure: BROKEN, delayMs: 100 }]);
    expect(fleet.worker(1)?.state).toBe("ready");
    expect(names(fleet.tick(LATER + 100))).toEqual(["fork 3", "recycle 1"]);
    expect(serve(fleet, 3, LATER + 200)).toEqual(["drain 1"]);
  });

  test("an old worker that dies leaves its place to the successor that starts", () => {
    const fleet = serving(1);
    fleet.recycle(1, "requests", LATER);
    fleet.event(2, "forked", LATER);
    expect(names(fleet.event(1, "gone", LATER))).toEqual([]);
    expect(serve(fleet, 2, LATER)).toEqual([]);
    expect(fleet.workers.map(({ id, state }) => [id, state])).toEqual([[2, "ready"]]);
  });

  test("workers are replaced when their time has come, each at its own", () => {
    const fleet = serving(1, { lifetimeMs: 60_000, lifetimeJitterMs: 10_000 });
    expect(fleet.deadline()).toBe(65_000);
    expect(fleet.tick(65_000)).toContainEqual({
      do: "recycle",
      worker: 1,
      successor: 2,
      why: "lifetime",
    });
    expect(lifetime(0, 10_000, 0.9)).toBe(Infinity);
  });

  test("one that had its requests at once serves for a second all the same", () => {
    const fleet = serving(1);
    expect(names(fleet.recycle(1, "requests", 10))).toEqual([]);
    expect(fleet.deadline()).toBe(1000);
    expect(names(fleet.tick(1000))).toEqual(["fork 2", "recycle 1"]);
  });

  test("one that is too large as soon as it is ready is replaced ever more slowly", () => {
    const fleet = serving(1);
    const waits: number[] = [];
    let now = 0;
    for (let worker = 1; worker <= 12; worker += 1) {
      fleet.recycle(worker, "memory", now);
      if (fleet.workers.length === 1) {
        waits.push(fleet.deadline() - now);
        now = fleet.deadline();
        fleet.tick(now);
      }
      serve(fleet, worker + 1, now);
      end(fleet, worker, now);
    }
    expect(waits.slice(0, 3)).toEqual([100, 200, 400]);
    expect(waits.at(-1)).toBe(30_000);
    // One that lives for long ends the series.
    expect(dueAt("memory", 0, 50_000, 12)).toBe(50_000);
  });

  test("what is no serving worker is not recycled", () => {
    const fleet = serving(1);
    fleet.recycle(1, "asked", LATER);
    expect(names(fleet.recycle(1, "asked", LATER))).toEqual([]);
    expect(names(fleet.recycle(2, "asked", LATER))).toEqual([]);
    expect(names(fleet.recycle(99, "asked", LATER))).toEqual([]);
    expect(fleet.workers.length).toBe(2);
  });

  test("a reload goes before recycling, which goes on when the reload fails", () => {
    const fleet = serving(2);
    fleet.recycle(1, "requests", LATER);
    fleet.event(3, "forked", LATER);
    expect(names(fleet.reload(2, LATER))).toEqual(["kill 3", "fork 4", "fork 5"]);
    fleet.event(3, "gone", LATER);
    expect(names(fleet.zygoteGone(2, LATER, BROKEN))).toEqual([
      "reload-failed",
      "fork 6",
      "recycle 1",
    ]);
  });
});

describe("a reload with a bounded overlap", () => {
  test("goes a few workers at a time, once the first few are ready", () => {
    const fleet = serving(4, { overlap: 2 });
    expect(names(fleet.reload(2, LATER))).toEqual(["fork 5", "fork 6"]);
    expect(serve(fleet, 5, LATER)).toEqual([]);
    expect(serve(fleet, 6, LATER)).toEqual(["reloaded", "drain 1", "drain 2"]);
    expect(fleet.workers.length).toBe(6);
    // Room for the next one comes when an old one is gone.
    expect(end(fleet, 2, LATER)).toEqual(["stop 2", "fork 7", "recycle 3"]);
    expect(end(fleet, 1, LATER)).toEqual(["stop 1", "fork 8", "recycle 4"]);
    expect(serve(fleet, 7, LATER)).toEqual(["drain 3"]);
    expect(serve(fleet, 8, LATER)).toEqual(["drain 4"]);
    for (const old of [3, 4]) end(fleet, old, LATER);
    expect(fleet.workers.map(({ generation }) => generation)).toEqual([2, 2, 2, 2]);
  });

  test("fails with the first batch only: later ones are tried again", () => {
    const fleet = serving(2, { overlap: 1 });
    fleet.reload(2, LATER);
    expect(names(fleet.zygoteGone(2, LATER, BROKEN))).toEqual(["reload-failed"]);
    fleet.reload(3, LATER);
    serve(fleet, 4, LATER);
    fleet.linked(4, true, LATER);
    end(fleet, 1, LATER);
    fleet.event(5, "forked", LATER);
    fleet.event(5, "failed", LATER, BROKEN);
    expect(names(fleet.event(5, "gone", LATER))).toEqual(["recycle-failed 2"]);
    expect(names(fleet.tick(LATER + 100))).toEqual(["fork 6", "recycle 2"]);
    expect(serve(fleet, 6, LATER + 100)).toEqual(["drain 2"]);
  });

  test("old workers that die are replaced by new code", () => {
    const fleet = serving(3, { overlap: 1 });
    fleet.reload(2, LATER);
    serve(fleet, 4, LATER);
    fleet.linked(4, true, LATER);
    fleet.event(3, "gone", LATER);
    fleet.tick(LATER);
    expect(fleet.workers.filter(({ generation }) => generation === 2).length).toBe(2);
  });
});

describe("a reload while the first workers start", () => {
  test("those that serve already stay until the new ones come", () => {
    const fleet = new Fleet({ count: 2, limits: LIMITS });
    fleet.start(1, 0);
    serve(fleet, 1, 1);
    expect(names(fleet.reload(2, 2))).toEqual(["serving", "fork 3", "fork 4"]);
    serve(fleet, 3, 3);
    expect(serve(fleet, 4, 4)).toEqual(["reloaded", "drain 1"]);
    // The one that was only starting is not needed any more.
    expect(fleet.worker(2)).toBeNull();
  });
});

describe("another number of workers", () => {
  test("more start at once, fewer leave when they have finished", () => {
    const fleet = serving(2);
    expect(names(fleet.scale(3, LATER))).toEqual(["fork 3"]);
    serve(fleet, 3, LATER);
    expect(names(fleet.scale(1, LATER))).toEqual(["drain 1", "drain 2"]);
    expect(fleet.target).toBe(1);
    expect(names(fleet.scale(0, LATER))).toEqual([]);
    expect(fleet.target).toBe(1);
  });

  test("those that only start go first, and one that is to be replaced before the others", () => {
    const fleet = serving(2);
    fleet.scale(3, LATER);
    expect(names(fleet.scale(2, LATER))).toEqual([]);
    expect(fleet.workers.map(({ id }) => id)).toEqual([1, 2]);
    fleet.recycle(2, "lifetime", LATER);
    expect(names(fleet.scale(1, LATER))).toEqual(["drain 2"]);
  });

  test("a death leaves the new number", () => {
    const fleet = serving(2);
    fleet.scale(3, LATER);
    serve(fleet, 3, LATER);
    fleet.event(2, "gone", LATER);
    expect(names(fleet.tick(LATER))).toEqual(["fork 4"]);
  });

  test("while a reload goes on it waits for its end", () => {
    const fleet = serving(1);
    fleet.reload(2, LATER);
    expect(names(fleet.scale(2, LATER))).toEqual([]);
    expect(serve(fleet, 2, LATER)).toEqual(["reloaded", "fork 3", "drain 1"]);
    expect(fleet.target).toBe(2);
  });
});

test.each([
  [100, { soft: 0, hard: 0 }, "fine"],
  [100, { soft: 100, hard: 200 }, "fine"],
  [101, { soft: 100, hard: 200 }, "recycle"],
  [201, { soft: 100, hard: 200 }, "kill"],
  [201, { soft: 0, hard: 200 }, "kill"],
] as const)("%d bytes with %p: %s", (bytes, limits, verdict) => {
  expect(judgeMemory(bytes, limits)).toBe(verdict);
});
