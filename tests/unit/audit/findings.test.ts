import { describe, expect, test } from "bun:test";
import { findingsOf } from "../../../src/audit/findings.ts";
import type { Facts } from "../../../src/audit/types.ts";
import { ASGI, facts, route, spot } from "./facts.ts";

const memory = { pssMib: 40, residentMib: 50, growthKibPer1000: 4096, fit: 0.99, requests: 5000 };

const cases: readonly (readonly [string, Facts, string])[] = [
  [
    "a blocking call on the event loop",
    facts({
      current: ASGI,
      routes: [
        route({
          ...{ route: "GET /report", wall: 49, wait: 48, held: 48.5, blocked: 48 },
          ...{ blockingShare: 1, spots: [spot("wait", "time.sleep(0.048)")] },
        }),
      ],
    }),
    "GET /report blocks the event loop 48 ms in time.sleep(0.048) at app.py:31",
  ],
  [
    "computing on the event loop",
    facts({
      current: ASGI,
      routes: [
        route({
          ...{ route: "GET /pdf", wall: 60, cpu: 60, wait: 0, held: 60, blockingShare: 1 },
          spots: [spot("cpu", "pages = [render(page) for page in book]", 7)],
        }),
      ],
    }),
    "GET /pdf computes 60 ms on the event loop in [render(page) for page in book] at app.py:7",
  ],
  [
    "one statement again and again",
    facts({
      routes: [
        route({
          ...{ route: "GET /list", queries: 41, query: 0.6 },
          repeated: { sql: "SELECT a", times: 40, ms: 0.6, line: "views.py:21" },
        }),
      ],
    }),
    "GET /list sends one statement 40 times in a request at views.py:21 (N+1): 0.60 ms in the database; SELECT a",
  ],
  [
    "the database",
    facts({ routes: [route({ wall: 20, wait: 15, queries: 2, query: 14 })] }),
    "GET / spends 14 ms of its 20 ms in 2 queries",
  ],
  [
    "waiting in a thread",
    facts({
      routes: [route({ wall: 90, wait: 80, spots: [spot("wait", "data = requests.get(url)")] })],
    }),
    "GET / waits 80 ms of its 90 ms in requests.get(url) at app.py:31",
  ],
  [
    "a full thread pool",
    facts({ current: ASGI, poolMax: 40, routes: [route({ poolShare: 1, poolWait: 30 })] }),
    "GET / waits 30 ms for a free thread",
  ],
  [
    "waiting for a worker",
    facts({ routes: [route({ queue: 12, queueP99: 80 })] }),
    "requests wait for a free worker: GET / 12 ms on average, 1 in 100 80 ms and longer",
  ],
  [
    "memory that grows",
    facts({
      memory,
      routes: [
        route({ growthKibPer1000: 100 }),
        route({ route: "GET /l", growthKibPer1000: 8000 }),
      ],
    }),
    "a worker grows by 4.0 MiB in 1000 requests, 100 % of it in GET /l",
  ],
  [
    "failures",
    facts({ routes: [route({ failed: 1000 })] }),
    "GET / failed 1,000 times of 1,000 (500 and above, or an exception)",
  ],
];

describe("findings", () => {
  test.each(cases)("%s", (_, given, text) => {
    expect(findingsOf(given).map((finding) => finding.text)).toEqual([text]);
  });

  test("nothing stands out where nothing does", () => {
    expect(findingsOf(facts())).toEqual([]);
    expect(findingsOf(facts({ memory: { ...memory, fit: 0.1 } }))).toEqual([]);
    const once = route({ held: 20, blocked: 20, blockingShare: 0.001 });
    expect(findingsOf(facts({ current: ASGI, routes: [once] }))).toEqual([]);
  });

  test("the gravest and costliest is first", () => {
    const blocking = { wall: 50, wait: 48, held: 48, blocked: 48, blockingShare: 1 };
    const found = findingsOf(
      facts({
        current: ASGI,
        routes: [
          route({ ...blocking, route: "GET /seldom", count: 10 }),
          route({ ...blocking, route: "GET /often", count: 1000 }),
          route({ route: "GET /queued", queue: 5, queueP99: 9, count: 100_000 }),
        ],
      }),
    );
    expect(found.map((finding) => finding.route)).toEqual(["GET /often", "GET /seldom", null]);
  });
});
