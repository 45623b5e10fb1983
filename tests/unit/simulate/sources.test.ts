/** Routes from reports and logs. */
import { describe, expect, test } from "bun:test";
import { readSource, type Source } from "../../../src/simulate/sources.ts";

function read(text: string, cpuShare = 1): Source {
  const source = readSource(text, cpuShare);
  if (typeof source === "string") throw new Error(source);
  return source;
}

describe("an audit", () => {
  const fast = { route: "GET /", count: 90, wall: 2, cpu: 2, core: 0, p50: 2, p99: 2, blocked: 0 };
  const report = {
    facts: {
      routes: [
        fast,
        {
          ...fast,
          route: "GET /slow",
          count: 10,
          wall: 60,
          cpu: 5,
          core: 10,
          p50: 40,
          p99: 200,
          blocked: 45,
        },
        { ...fast, route: "GET /never", count: 0 },
      ],
    },
  };

  test("gives each route its weight, its time and the share on a core", () => {
    const { routes } = read(JSON.stringify(report));
    expect(routes.map(({ name, weight }) => [name, weight])).toEqual([
      ["GET /", 90],
      ["GET /slow", 10],
    ]);
    const [first, slow] = routes;
    expect([first?.service.mean, first?.cpuShare, first?.blocking]).toEqual([2, 1, false]);
    // Without what it waited for a core.
    expect([slow?.service.mean, slow?.cpuShare, slow?.blocking]).toEqual([50, 0.1, true]);
  });

  test("without routes is refused", () => {
    expect(readSource('{"facts":{"routes":[]}}', 1)).toContain("without any route");
  });
});

describe("a comparison", () => {
  const round = { latency: { mean: 10, p50: 8, p99: 40 }, cpuPer1000: 2 };
  const scenarios = [
    { name: "sweep", rows: [{ server: "keelback", rounds: [{}] }] },
    {
      name: "app",
      rows: [
        { server: "uvicorn", rounds: [round] },
        { server: "keelback", rounds: [round] },
      ],
    },
  ];

  test("gives the first latencies of keelback, and says what they are", () => {
    const { routes, notes } = read(JSON.stringify({ scenarios }));
    expect(routes).toHaveLength(1);
    expect([routes[0]?.name, routes[0]?.service.mean, routes[0]?.cpuShare]).toEqual([
      "app",
      10,
      0.2,
    ]);
    expect(notes[0]).toContain("as clients saw them");
  });

  test("without any is refused", () => {
    expect(readSource(JSON.stringify({ scenarios: [] }), 1)).toContain("without latencies");
  });
});

describe("a log", () => {
  const line = (target: string, ms: number, queue = 0): string =>
    JSON.stringify({ method: "GET", target, duration_ms: ms, queue_ms: queue });

  test("in JSON gives routes without queries, and times without the queue", () => {
    const { routes } = read(
      [line("/a?x=1", 12, 2), line("/a", 10), line("/b", 1), ""].join("\n"),
      0.4,
    );
    expect(routes.map(({ name, weight }) => [name, weight])).toEqual([
      ["GET /a", 2],
      ["GET /b", 1],
    ]);
    expect([routes[0]?.service.mean, routes[0]?.cpuShare]).toEqual([10, 0.4]);
  });

  test("of numbers is one route", () => {
    expect(read("5\n15\n").routes[0]?.service.mean).toBe(10);
  });

  test("lines without a time are counted", () => {
    expect(read(`${line("/a", 1)}\nGET /b\n`).notes).toEqual([
      "1 lines hold no time and were left out.",
    ]);
  });

  test("routes beyond the twentieth are one", () => {
    const lines = Array.from({ length: 30 }, (_, index) => line(`/${index}`, 1));
    const { routes } = read(lines.join("\n"));
    expect([routes.length, routes.at(-1)?.name, routes.at(-1)?.weight]).toEqual([
      21,
      "(others)",
      10,
    ]);
  });

  test("without any time is refused", () => {
    expect(readSource("hello\n", 1)).toStartWith("holds no times");
  });
});
