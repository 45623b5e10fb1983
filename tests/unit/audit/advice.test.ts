import { describe, expect, test } from "bun:test";
import { adviceOf, changesOf } from "../../../src/audit/advice.ts";
import type { Facts, Settings } from "../../../src/audit/types.ts";
import { ASGI, facts, route } from "./facts.ts";

const TIMEOUT = { timeout: "5s" };
const growing = { pssMib: 40, residentMib: 100, growthKibPer1000: 5120, fit: 0.99, requests: 5000 };
const steady = { ...growing, growthKibPer1000: 10 };
const waiting = route({ wall: 100, cpu: 2, wait: 98, worst: 200 });
const computing = route({ wall: 10, cpu: 10, wait: 0, worst: 20 });
const blocking = route({
  ...{ wall: 51, cpu: 1, wait: 50, held: 51, blocked: 50, blockingShare: 1, worst: 60 },
});

const cases: readonly (readonly [string, Facts, Settings])[] = [
  ["an app that computes, a worker for each core", facts({ routes: [computing] }), TIMEOUT],
  [
    "fewer workers than cores",
    facts({ routes: [computing], current: { workers: 1 } }),
    { ...TIMEOUT, workers: "4" },
  ],
  [
    "more workers than cores, and nothing waits",
    facts({ routes: [computing], current: { workers: 8 } }),
    { ...TIMEOUT, workers: "4" },
  ],
  [
    "an app that waits, with too few threads",
    facts({ routes: [waiting] }),
    { ...TIMEOUT, threads: "64" },
  ],
  [
    "an app that waits, with enough",
    facts({ routes: [waiting], current: { threads: 64 } }),
    TIMEOUT,
  ],
  [
    "sync workers for an app that waits",
    facts({ routes: [waiting], current: { kind: "sync" } }),
    { ...TIMEOUT, worker: "threads", threads: "64" },
  ],
  [
    "threads that contend for the GIL",
    facts({ routes: [route({ wall: 40, cpu: 10, wait: 10, gil: 20 })] }),
    { ...TIMEOUT, threads: "4" },
  ],
  [
    "an event loop that is blocked",
    facts({ current: { ...ASGI, workers: 4 }, routes: [blocking] }),
    { ...TIMEOUT, workers: "16" },
  ],
  [
    "an event loop that is blocked, on little memory",
    facts({
      ...{ current: { ...ASGI, workers: 4 }, routes: [blocking] },
      ...{ memory: { ...steady, pssMib: 100 }, memoryMib: 1000 },
    }),
    { ...TIMEOUT, workers: "7" },
  ],
  [
    "Django's sync views under ASGI",
    facts({
      current: { ...ASGI, app: "site.asgi:application", wsgiTwin: "site.wsgi:application" },
      routes: [route({ poolShare: 1 })],
    }),
    { ...TIMEOUT, app: "site.wsgi:application" },
  ],
  [
    "async views under ASGI",
    facts({
      current: { ...ASGI, app: "site.asgi:application", wsgiTwin: "site.wsgi:application" },
      routes: [route({ poolShare: 0.2 })],
    }),
    TIMEOUT,
  ],
  [
    "a worker that grows",
    facts({ routes: [computing], memory: growing }),
    { ...TIMEOUT, "max-requests": "10000", "max-requests-jitter": "1000" },
  ],
  [
    "a worker that grows and is recycled already",
    facts({ routes: [computing], memory: growing, current: { maxRequests: 5000 } }),
    TIMEOUT,
  ],
  [
    "recycling that nothing asks for",
    facts({ routes: [computing], memory: steady, current: { maxRequests: 1000 } }),
    { ...TIMEOUT, "max-requests": "0" },
  ],
  [
    "a request that comes near the timeout",
    facts({ routes: [route({ worst: 20_000 })] }),
    { timeout: "60s" },
  ],
  ["slow requests within the timeout", facts({ routes: [route({ worst: 2000 })] }), {}],
  ["too few requests to shorten the timeout", facts({ routes: [route({ count: 50 })] }), {}],
];

describe("recommendations", () => {
  test.each(cases)("%s", (_, given, changes) => {
    expect(changesOf(adviceOf(given))).toEqual(changes);
  });

  test.each(cases)("each says what it rests on, and what it changes: %s", (_, given) => {
    for (const { current, recommended, because, effect } of adviceOf(given)) {
      expect(because).not.toBe("");
      expect(effect === "").toBe(current === recommended);
    }
  });

  test("the effect is what the operational laws allow", () => {
    const advice = adviceOf(facts({ routes: [waiting] })).find(
      ({ setting }) => setting === "threads",
    );
    expect(advice).toMatchObject({
      effect: "at most 2,000 requests a second instead of 640",
      because: "a request waits 98 ms and computes 2.0 ms: 64 threads keep its worker's core busy",
    });
  });

  test("the log's peak is set against the cores", () => {
    const given = facts({ routes: [computing], peakPerSecond: 100 });
    const workers = adviceOf(given).find(({ setting }) => setting === "workers");
    expect(workers?.because).toEndWith(
      "on 4 cores; the log's peak of 100 a second keeps 1.0 of them busy",
    );
    const flooded = adviceOf(facts({ routes: [computing], peakPerSecond: 551 }));
    expect(flooded.find(({ setting }) => setting === "workers")?.because).toContain(
      "the log's peak of 551 a second needs 5.5 cores, more than there are",
    );
  });

  test("without requests there is no advice", () => {
    expect(adviceOf(facts({ routes: [] }))).toEqual([]);
  });
});
