import { describe, expect, test } from "bun:test";
import { gather, memoryOf } from "../../../src/audit/gather.ts";
import { staticMemory, waitsForGil } from "../../../src/audit/gil.ts";
import type { ProbeReport, ProbeRoute } from "../../../src/audit/types.ts";
import { facts } from "./facts.ts";

function probeRoute(given: Partial<ProbeRoute> = {}): ProbeRoute {
  return {
    ...{ route: "GET /a/{number}", count: 10, failed: 0, statuses: { "200": 10 } },
    ...{ wallMs: 100, wallMaxMs: 20, wallsMs: [10, 20], cpuMs: 40, coreMs: 10, heldMs: 0 },
    ...{ blockedMs: 0, longestMs: 0, blockingCalls: 0, poolCalls: 0, poolMs: 0, poolWaitMs: 0 },
    ...{ bytes: 1000, queries: 20, queriesMax: 3, queryMs: 5, repeated: null },
    ...{ grownKib: 0, alone: 0, ...given },
  };
}

function probe(given: Partial<ProbeReport> = {}): ProbeReport {
  return {
    ...{ schema: 1, worker: 1, pid: 7, interface: "wsgi", found: "main:app (Flask, WSGI)" },
    ...{ python: "3.13.0", freeThreaded: false, seconds: 5, requests: 10, activeMax: 2 },
    ...{ poolMax: 0, lagsMs: [], memory: [], pssKib: 1024, routes: [probeRoute()], stacks: [] },
    ...{ paths: { "GET /a/1": "GET /a/{number}", "GET /a/2": "GET /a/{number}" } },
    ...{ numbers: ["GET /a/1", "GET /a/2"] },
    ...given,
  };
}

const recorded = {
  ...{
    lines: [],
    gil: null,
    seconds: 10,
    cores: 2,
    memoryMib: 1000,
    peakPerSecond: null,
    saturated: true,
  },
  current: facts().current,
};

describe("gathering", () => {
  test("workers are added up, means are of each request", () => {
    const other = probeRoute({ count: 30, wallMs: 500, wallMaxMs: 90, cpuMs: 40, coreMs: 30 });
    const probes = [probe(), probe({ pid: 8, routes: [other] })];
    const { routes, requests } = gather({ ...recorded, probes });
    expect(requests).toBe(40);
    expect(routes).toMatchObject([
      { route: "GET /a/{number}", count: 40, wall: 15, cpu: 2, core: 1, wait: 12, worst: 90 },
    ]);
  });

  test("lines of the access log go to the route of their path", () => {
    const line = { method: "GET", status: 200, bytes: 50, queueMs: 4 };
    const lines = [
      { ...line, target: "/a/1?x=1" },
      { ...line, target: "/a/2", queueMs: 8, bytes: 150 },
      { ...line, target: "/unknown", queueMs: 1000 },
    ];
    const [route] = gather({ ...recorded, probes: [probe()], lines }).routes;
    expect(route).toMatchObject({ queue: 6, queueP99: 8, bytes: 100 });
  });

  test("the wait for the GIL is taken out of the rest, and left out where it is not known", () => {
    const gil = new Map([
      ["GET /a/1", 20],
      ["GET /a/2", 10],
    ]);
    expect(gather({ ...recorded, gil, probes: [probe()] }).routes[0]).toMatchObject({
      ...{ gil: 3, wait: 2 },
    });
    expect(gather({ ...recorded, probes: [probe()] }).routes[0]).not.toHaveProperty("gil");
  });

  test("stacks with the same line of the app are one spot", () => {
    const app = { file: "app.py", line: 3, function: "view", code: "load()" };
    const deep = { file: "/lib/python3.13/ssl.py", line: 9, function: "read", code: "" };
    const stack = { route: "GET /a/{number}", kind: "wait", samples: 1 } as const;
    const stacks = [
      { ...stack, ms: 30, app: 1, frames: [deep, app] },
      { ...stack, ms: 20, app: 0, frames: [app] },
      { ...stack, ms: 0.1, app: null, frames: [deep] },
    ];
    const [route] = gather({ ...recorded, probes: [probe({ stacks })] }).routes;
    expect(route?.spots).toMatchObject([{ kind: "wait", ms: 5, at: app, own: true, within: deep }]);
  });

  test("memory that levels off is no leak, a steady slope is", () => {
    const points = (kib: (requests: number) => number): [number, number][] =>
      Array.from({ length: 40 }, (_, index) => [index * 100, kib(index * 100)]);
    const grows = memoryOf([probe({ memory: points((count) => 50_000 + count) })]);
    expect(grows?.growthKibPer1000).toBeCloseTo(1000);
    expect(grows?.fit).toBeCloseTo(1);
    const levels = points((count) => 50_000 + Math.min(count, 2400) * 5);
    expect(memoryOf([probe({ memory: levels })])?.growthKibPer1000).toBeCloseTo(0);
    expect(memoryOf([probe({ memory: points(() => 1).slice(0, 3) })])?.growthKibPer1000).toBe(0);
    expect(memoryOf([probe()])).toBeNull();
  });
});

describe("the GIL", () => {
  const maps = [
    "55d0c0000000-55d0c0200000 r-xp 00000000 08:01 11 /usr/bin/python3.11",
    "55d0c0400000-55d0c0500000 rw-p 00400000 08:01 11 /usr/bin/python3.11",
    "55d0c0500000-55d0c0540000 rw-p 00000000 00:00 0 ",
    "55d0c1000000-55d0c1100000 rw-p 00000000 00:00 0 [heap]",
    "7f0000000000-7f0000100000 rw-p 00000000 00:00 0 ",
    "7f0001000000-7f0001100000 rw-p 00000000 08:01 12 /usr/lib/libpython3.11.so.1.0",
    "7f0002000000-7f0002100000 rw-p 00000000 08:01 13 /usr/lib/libc.so.6",
  ].join("\n");

  test("lies in the interpreter's static memory", () => {
    expect(staticMemory(maps)).toEqual([
      [0x55d0c0400000n, 0x55d0c0500000n],
      [0x55d0c0500000n, 0x55d0c0540000n],
      [0x7f0001000000n, 0x7f0001100000n],
    ]);
  });

  test.each([
    ["202 0x55d0c0530010 0x189 0x0", true],
    ["202 0x55d0c1000010 0x189 0x0", false],
    ["230 0x55d0c0530010 0x0", false],
    ["running", false],
    ["-1 0x7ffd 0x55", false],
  ])("%p waits for it: %p", (doing, waits) => {
    expect(waitsForGil(doing, staticMemory(maps), "x64")).toBe(waits);
  });
});
