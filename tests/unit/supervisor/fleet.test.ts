import { describe, expect, test } from "bun:test";
import type { Failure } from "../../../src/supervisor/failure.ts";
import type { FleetEffect, FleetOptions } from "../../../src/supervisor/fleet/crew.ts";
import { Fleet } from "../../../src/supervisor/fleet/fleet.ts";

const LIMITS = { bootMs: 3000, drainMs: 500, stopMs: 500, killMs: 100 };
const BROKEN: Failure = { stage: "import", message: "boom", traceback: "Traceback", hint: "" };

function makeFleet(options: Partial<FleetOptions> = {}): Fleet {
  return new Fleet({ count: 2, limits: LIMITS, ...options });
}

function names(effects: readonly FleetEffect[]): string[] {
  return effects.map((effect) =>
    "worker" in effect ? `${effect.do} ${effect.worker}` : effect.do,
  );
}

/** Workers 1 and 2 of generation 1 serve. */
function serving(options: Partial<FleetOptions> = {}): Fleet {
  const fleet = makeFleet(options);
  fleet.start(1, 0);
  for (const worker of [1, 2]) {
    fleet.event(worker, "forked", 1);
    fleet.event(worker, "ready", 2);
    fleet.linked(worker, true, 2);
  }
  return fleet;
}

function slotsOf(effects: readonly FleetEffect[]): number[] {
  return effects.flatMap((effect) => (effect.do === "fork" ? [effect.slot] : []));
}

describe("the number of a slot", () => {
  test("is that of whoever takes a worker's place", () => {
    const fleet = makeFleet();
    expect(slotsOf(fleet.start(1, 0))).toEqual([0, 1]);
    for (const worker of [1, 2]) {
      fleet.event(worker, "forked", 1);
      fleet.event(worker, "ready", 2);
    }
    expect(slotsOf(fleet.recycle(2, "asked", 3))).toEqual([1]);
    fleet.event(1, "gone", 4);
    expect(slotsOf(fleet.tick(fleet.deadline()))).toEqual([0]);
    expect(slotsOf(fleet.reload(2, 5000))).toEqual([0, 1]);
  });

  test("that has become free is given again", () => {
    const fleet = serving();
    expect(slotsOf(fleet.scale(3, 10))).toEqual([2]);
    fleet.event(1, "gone", 11);
    // The slot without a worker goes.
    expect(slotsOf(fleet.scale(2, 12))).toEqual([]);
    expect(slotsOf(fleet.scale(4, 13))).toEqual([0, 3]);
  });

  test("leaves no gap in a new generation", () => {
    const fleet = serving();
    fleet.scale(3, 10);
    fleet.event(3, "ready", 10);
    fleet.linked(3, true, 10);
    fleet.event(1, "gone", 11);
    fleet.scale(2, 12);
    expect(slotsOf(fleet.reload(2, 13))).toEqual([0, 1]);
    expect(slotsOf(fleet.reload(3, 14, { count: 4, limits: LIMITS }))).toEqual([0, 1, 2, 3]);
  });
});

describe("start", () => {
  test("serving is said once, when every worker is ready", () => {
    const fleet = makeFleet();
    expect(names(fleet.start(1, 0))).toEqual(["fork 1", "fork 2"]);
    fleet.event(1, "forked", 1);
    fleet.event(2, "forked", 1);
    expect(names(fleet.event(2, "ready", 2))).toEqual([]);
    expect(names(fleet.event(1, "ready", 3))).toEqual(["serving"]);
    expect(fleet.deadline()).toBe(Infinity);
  });

  test("all fail: given up with the first failure, and nothing is tried again", () => {
    const fleet = makeFleet();
    fleet.start(1, 0);
    for (const worker of [1, 2]) fleet.event(worker, "forked", 1);
    fleet.event(2, "failed", 2, BROKEN);
    fleet.event(1, "failed", 2, { ...BROKEN, message: "second" });
    expect(names(fleet.event(2, "gone", 3))).toEqual([]);
    const effects = fleet.event(1, "gone", 4);
    expect(effects[0]).toEqual({ do: "give-up", failure: BROKEN });
    expect(fleet.deadline()).toBe(Infinity);
    expect(names(fleet.tick(1e9))).toEqual([]);
  });

  test("one fails: the others serve, and its slot is tried again", () => {
    const fleet = makeFleet();
    fleet.start(1, 0);
    for (const worker of [1, 2]) fleet.event(worker, "forked", 1);
    fleet.event(1, "ready", 2);
    fleet.event(2, "failed", 2, BROKEN);
    expect(names(fleet.event(2, "gone", 3))).toEqual(["serving", "retry"]);
    expect(names(fleet.tick(fleet.deadline()))).toEqual(["fork 3"]);
  });

  test("a worker that does not become ready is aborted, then killed", () => {
    const fleet = makeFleet({ count: 1 });
    fleet.start(1, 0);
    fleet.event(1, "forked", 0);
    expect(names(fleet.tick(3000))).toEqual(["abort 1"]);
    expect(names(fleet.tick(3100))).toEqual(["kill 1"]);
    const [first] = fleet.event(1, "gone", 3110);
    expect(first).toMatchObject({ do: "give-up", failure: { stage: "boot" } });
  });

  test("the zygote ends before it forks: given up with its words", () => {
    const fleet = makeFleet();
    fleet.start(1, 0);
    expect(fleet.zygoteGone(1, 5, BROKEN)[0]).toEqual({ do: "give-up", failure: BROKEN });
  });
});

describe("deaths", () => {
  test("a first death is made good at once, further ones ever later, until one is stable", () => {
    const fleet = serving({ count: 1 });
    expect(fleet.event(1, "gone", 10)).toEqual([{ do: "retry", failure: null, delayMs: 0 }]);
    fleet.tick(10);
    fleet.event(3, "forked", 11);
    fleet.event(2, "forked", 11);
    const id = fleet.workers[0]?.id ?? 0;
    fleet.event(id, "ready", 12);
    expect(fleet.event(id, "gone", 13)).toMatchObject([{ do: "retry", delayMs: 100 }]);
    expect(names(fleet.tick(112))).toEqual([]);
    fleet.tick(113);
    const next = fleet.workers[0]?.id ?? 0;
    fleet.event(next, "forked", 114);
    fleet.event(next, "ready", 115);
    expect(fleet.event(next, "gone", 20_000)).toMatchObject([{ do: "retry", delayMs: 0 }]);
  });

  test("a worker that served for a second is replaced at once, however often one dies", () => {
    const fleet = serving({ count: 1 });
    let now = 10;
    let id = 1;
    for (let death = 0; death < 60; death += 1) {
      now += 1000;
      expect(fleet.event(id, "gone", now)).toMatchObject([{ do: "retry", delayMs: 0 }]);
      fleet.tick(now);
      id = fleet.workers[0]?.id ?? 0;
      fleet.event(id, "forked", now);
      fleet.event(id, "ready", now);
    }
  });

  test("one that is killed for its memory again and again is replaced ever more slowly", () => {
    const fleet = serving({ count: 1 });
    const delays: number[] = [];
    let now = 10;
    let id = 1;
    for (const life of [2000, 2000, 2000, 20_000]) {
      now += life;
      expect(names(fleet.outgrown(id, now))).toEqual([`kill ${id}`]);
      for (const effect of fleet.event(id, "gone", now)) {
        if (effect.do === "retry") delays.push(effect.delayMs);
      }
      now = fleet.deadline();
      fleet.tick(now);
      id = fleet.workers[0]?.id ?? 0;
      fleet.event(id, "forked", now);
      fleet.event(id, "ready", now);
    }
    expect(delays).toEqual([0, 100, 200, 0]);
  });

  test("without any worker for long, the edges are told so once", () => {
    const fleet = serving({ count: 1 });
    const told: string[] = [];
    let now = 10;
    let id = 1;
    for (let round = 0; round < 8; round += 1) {
      told.push(...names(fleet.event(id, "gone", now)).filter((name) => name === "starved"));
      now = fleet.deadline();
      fleet.tick(now);
      id = fleet.workers[0]?.id ?? 0;
      fleet.event(id, "forked", now);
    }
    expect(told).toEqual(["starved"]);
  });

  test("a stuck worker is aborted, killed and replaced", () => {
    const fleet = serving();
    expect(names(fleet.event(1, "stuck", 50))).toEqual(["abort 1"]);
    expect(names(fleet.tick(150))).toEqual(["kill 1"]);
    expect(names(fleet.event(1, "gone", 151))).toEqual(["retry"]);
    expect(names(fleet.tick(151))).toEqual(["fork 3"]);
  });
});

describe("reload", () => {
  test("old workers go when all new ones are ready and the edges have their successors", () => {
    const fleet = serving();
    expect(names(fleet.reload(2, 100))).toEqual(["fork 3", "fork 4"]);
    for (const worker of [3, 4]) fleet.event(worker, "forked", 101);
    expect(names(fleet.event(3, "ready", 102))).toEqual([]);
    expect(names(fleet.event(4, "ready", 103))).toEqual(["reloaded"]);
    expect(names(fleet.linked(3, true, 103))).toEqual(["drain 1"]);
    expect(names(fleet.linked(4, true, 103))).toEqual(["drain 2"]);
    expect(names(fleet.event(1, "drained", 104))).toEqual(["stop 1"]);
    expect(names(fleet.event(1, "gone", 105))).toEqual([]);
    fleet.event(2, "drained", 106);
    expect(names(fleet.event(2, "gone", 107))).toEqual([]);
    expect(fleet.generation).toBe(2);
  });

  test("one new worker fails: the old ones stay, the other new ones are killed", () => {
    const fleet = serving();
    fleet.reload(2, 100);
    for (const worker of [3, 4]) fleet.event(worker, "forked", 101);
    fleet.event(3, "ready", 102);
    fleet.event(4, "failed", 103, BROKEN);
    const effects = fleet.event(4, "gone", 104);
    expect(names(effects)).toEqual(["kill 3", "reload-failed"]);
    expect(effects[1]).toEqual({ do: "reload-failed", generation: 2, failure: BROKEN });
    fleet.event(3, "gone", 105);
    expect(fleet.workers.map(({ id, state }) => [id, state])).toEqual([
      [1, "ready"],
      [2, "ready"],
    ]);
    expect(fleet.generation).toBe(1);
  });

  test("an old worker stays while no edge has its successor, which is given up in the end", () => {
    const fleet = serving({ count: 1 });
    fleet.reload(2, 100);
    fleet.event(2, "forked", 101);
    expect(names(fleet.event(2, "ready", 102))).toEqual(["reloaded"]);
    expect(fleet.deadline()).toBe(102 + LIMITS.bootMs);
    expect(names(fleet.tick(fleet.deadline()))).toEqual(["abort 2"]);
    expect(fleet.event(2, "gone", 3150)).toMatchObject([
      { do: "recycle-failed", worker: 1, failure: { stage: "link" } },
    ]);
    expect(names(fleet.tick(fleet.deadline()))).toEqual(["fork 3", "recycle 1"]);
    expect(fleet.worker(1)?.state).toBe("ready");
  });

  test("an old worker leaves when one of the edges has had its successor for a second", () => {
    const fleet = serving({ count: 1 });
    fleet.reload(2, 100);
    fleet.event(2, "forked", 101);
    fleet.event(2, "ready", 102);
    expect(names(fleet.linked(2, false, 103))).toEqual([]);
    expect(names(fleet.tick(fleet.deadline()))).toEqual(["drain 1"]);
    expect(fleet.deadline()).toBe(1102 + LIMITS.drainMs);
  });

  test("it leaves at once for a successor that comes to one of the edges late", () => {
    const fleet = serving({ count: 1 });
    fleet.reload(2, 100);
    fleet.event(2, "forked", 101);
    fleet.event(2, "ready", 102);
    expect(names(fleet.tick(1103))).toEqual([]);
    expect(names(fleet.linked(2, false, 1104))).toEqual(["drain 1"]);
  });

  test("a new worker that fills the slot of one that was starting does not run old code", () => {
    const fleet = serving();
    fleet.event(2, "gone", 90);
    fleet.tick(90);
    expect(names(fleet.reload(2, 100))).toEqual(["fork 4", "fork 5"]);
    for (const worker of [4, 5]) fleet.event(worker, "forked", 101);
    fleet.event(4, "ready", 102);
    expect(names(fleet.event(5, "ready", 103))).toEqual(["reloaded"]);
    expect(names(fleet.linked(5, true, 104))).toEqual([]);
    expect(names(fleet.linked(4, true, 104))).toEqual(["drain 1"]);
    fleet.event(1, "gone", 105);
    expect(fleet.workers.map(({ id, state }) => [id, state])).toEqual([
      [4, "ready"],
      [5, "ready"],
    ]);
  });

  test("a reload during a reload takes its place", () => {
    const fleet = serving();
    fleet.reload(2, 100);
    fleet.event(3, "forked", 101);
    expect(names(fleet.reload(3, 102))).toEqual(["kill 3", "fork 5", "fork 6"]);
    expect(fleet.pending).toBe(3);
  });

  test("after a start that failed, a reload is a new start", () => {
    const fleet = makeFleet({ count: 1 });
    fleet.start(1, 0);
    fleet.zygoteGone(1, 5, BROKEN);
    expect(names(fleet.reload(2, 10))).toEqual(["fork 2"]);
    fleet.event(2, "forked", 11);
    expect(names(fleet.event(2, "ready", 12))).toEqual(["serving"]);
  });
});

describe("stop", () => {
  test("nothing is replaced, and the last end is told", () => {
    const fleet = serving();
    fleet.quiesce(10);
    expect(names(fleet.event(1, "gone", 11))).toEqual([]);
    expect(names(fleet.end("stop", 12))).toEqual(["stop 2"]);
    expect(names(fleet.event(2, "gone", 13))).toEqual(["empty"]);
  });

  test("what does not stop is killed", () => {
    const fleet = serving({ count: 1 });
    fleet.end("stop", 10);
    expect(names(fleet.tick(510))).toEqual(["kill 1"]);
  });
});

describe("a reload with another number of workers", () => {
  /** Takes a reload to `count` workers up to the point where the old ones leave. */
  function reloaded(count: number): Fleet {
    const fleet = serving();
    fleet.reload(2, 100, { count, limits: LIMITS });
    for (const { id, state } of fleet.workers) {
      if (state !== "spawning") continue;
      fleet.event(id, "forked", 101);
      fleet.event(id, "ready", 102);
    }
    for (const { id } of fleet.workers) fleet.linked(id, true, 102);
    return fleet;
  }

  function generations(fleet: Fleet): number[] {
    return fleet.workers.map(({ generation }) => generation);
  }

  test.each([1, 3])("%d: all old ones leave, and so many serve", (count) => {
    const fleet = reloaded(count);
    for (const old of [1, 2]) {
      expect(fleet.worker(old)?.state).toBe("draining");
      fleet.event(old, "drained", 103);
      fleet.event(old, "gone", 104);
    }
    expect(generations(fleet)).toEqual(Array<number>(count).fill(2));
    expect(fleet.deadline()).toBe(Infinity);
  });

  test.each([1, 3])("%d: when it fails, the old number stays", (count) => {
    const fleet = serving();
    fleet.reload(2, 100, { count, limits: LIMITS });
    fleet.zygoteGone(2, 101, BROKEN);
    expect(generations(fleet)).toEqual([1, 1]);
    fleet.event(1, "gone", 200);
    fleet.tick(200);
    expect(generations(fleet)).toEqual([1, 1]);
  });
});
