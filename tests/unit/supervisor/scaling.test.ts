import { describe, expect, test } from "bun:test";
import { EdgeLoad } from "../../../src/supervisor/edge-load.ts";
import type { Load } from "../../../src/supervisor/fleet/scaling.ts";
import { Scaling } from "../../../src/supervisor/fleet/scaling.ts";

const LIMITS = { min: 1, max: 8, idleMs: 10_000 };
const LOOK_MS = 250;
const QUIET: Load = { dispatched: 100, waitedMs: 20, oldestMs: 0, busy: 1 };
const WAITING: Load = { dispatched: 100, waitedMs: 2000, oldestMs: 0, busy: 1 };
const STANDING: Load = { dispatched: 0, waitedMs: 0, oldestMs: 40, busy: 1 };

/** Looks so often and gives the number of workers after each look; all that are wanted serve at once. */
function looks(
  scaling: Scaling,
  loads: readonly Load[],
  from: { count: number; now?: number },
): number[] {
  let { count, now = 0 } = from;
  return loads.map((load) => {
    now += LOOK_MS;
    count = scaling.look(load, { count, ready: count }, now);
    return count;
  });
}

function times<T>(count: number, value: T): T[] {
  return Array.from({ length: count }, () => value);
}

describe("the number of workers", () => {
  test.each([
    ["requests waited", WAITING],
    ["one waits and nothing moves", STANDING],
  ])("grows by half when %s in two looks, up to the bound", (_, load) => {
    const counts = looks(new Scaling(LIMITS), times(10, load), { count: 1 });
    expect(counts).toEqual([1, 2, 2, 3, 3, 5, 5, 8, 8, 8]);
  });

  test("stays when one look shows a burst", () => {
    const loads = [WAITING, QUIET, WAITING, QUIET, STANDING, QUIET];
    expect(new Set(looks(new Scaling(LIMITS), loads, { count: 2 }))).toEqual(new Set([2]));
  });

  test("stays while those that were asked for start", () => {
    const scaling = new Scaling(LIMITS);
    for (let now = 0; now < 10; now += 1) {
      expect(scaling.look(WAITING, { count: 3, ready: 2 }, now)).toBe(3);
    }
    expect(scaling.look(WAITING, { count: 3, ready: 3 }, 10)).toBe(5);
  });

  test("falls by one when fewer would do for the whole time", () => {
    const counts = looks(new Scaling(LIMITS), times(41, QUIET), { count: 4 });
    expect(counts.slice(0, -1)).toEqual(times(40, 4));
    expect(counts.at(-1)).toBe(3);
  });

  test("falls to the lower bound and no further", () => {
    const idle = { ...QUIET, busy: 0 };
    expect(looks(new Scaling({ ...LIMITS, min: 2 }), times(400, idle), { count: 4 }).at(-1)).toBe(
      2,
    );
  });

  test("stays when the others would be too busy", () => {
    const busy = { ...QUIET, busy: 2 };
    expect(looks(new Scaling(LIMITS), times(400, busy), { count: 4 }).at(-1)).toBe(4);
    expect(looks(new Scaling(LIMITS), times(400, busy), { count: 5 }).at(-1)).toBe(4);
  });

  test("stays for the whole time again after a request has waited", () => {
    const loads = [...times(39, QUIET), STANDING, ...times(39, QUIET)];
    expect(new Set(looks(new Scaling(LIMITS), loads, { count: 3 }))).toEqual(new Set([3]));
  });

  test("comes within the bounds at once", () => {
    expect(looks(new Scaling(LIMITS), [QUIET], { count: 12 })).toEqual([8]);
    expect(looks(new Scaling({ ...LIMITS, min: 3 }), [QUIET], { count: 1 })).toEqual([3]);
  });
});

describe("what the edges saw", () => {
  const stats = (dispatched: number, waitedMs: number, running: readonly number[] = []) => ({
    dispatch: { dispatched, waitedMs },
    oldestMs: 0,
    workers: running.map((count, at) => ({ worker: at + 1, running: count })),
  });

  test("is what came since the last look, of all edges", () => {
    const load = new EdgeLoad();
    load.heard(0, stats(10, 5, [1, 0]));
    load.heard(1, stats(20, 0, [0, 0, 2]));
    expect(load.take()).toEqual({ dispatched: 30, waitedMs: 5, oldestMs: 0, busy: 2 });
    load.heard(0, { ...stats(15, 9), oldestMs: 7 });
    expect(load.take()).toMatchObject({ dispatched: 5, waitedMs: 4, oldestMs: 7 });
  });

  test("begins anew with a new edge process", () => {
    const load = new EdgeLoad();
    load.heard(0, stats(1000, 800));
    load.take();
    load.heard(0, stats(3, 2));
    expect(load.take()).toMatchObject({ dispatched: 3, waitedMs: 2 });
  });

  test("is nothing before the first word, and counts nobody twice", () => {
    const load = new EdgeLoad();
    expect(load.take()).toEqual({ dispatched: 0, waitedMs: 0, oldestMs: 0, busy: 0 });
    load.heard(0, stats(1, 1, [1]));
    load.heard(1, stats(1, 1, [1]));
    expect(load.take().busy).toBe(1);
    expect(load.take()).toMatchObject({ dispatched: 0, waitedMs: 0 });
  });
});
