/** Bars: judged by medians of Keelback's row, by figures of every scenario or by those with names. */
import { expect, test } from "bun:test";
import {
  best,
  faultlessBar,
  judged,
  medianOf,
  ratioBar,
  valueBar,
} from "../../../bench/macro/bars.ts";
import { countsOf, less, more, worst } from "../../../bench/macro/figures.ts";
import type { StreamResult } from "../../../src/compare/load/http-load.ts";
import type { Row } from "../../../src/compare/types.ts";
import { failedRow, NO_ERRORS, rowOf } from "../../support/comparison.ts";

/** One round for each pair of a rate and a P99. */
function named(server: string, ...pairs: readonly [number, number][]): Row {
  const rounds = pairs.map(([rate, p99]) => ({
    ...{ requests: 1000, errors: NO_ERRORS },
    figures: { rate: more("messages", "/s", rate), p99: less("P99", "ms", p99) },
  }));
  return { ...rowOf(server, { rate: 1 }), rounds };
}

const rows = [
  named("keelback", [100, 4], [140, 2], [120, 3]),
  named("keelback preload", [900, 1]),
  named("granian", [80, 6]),
  named("uvicorn", [100, 9], [50, 12], [60, 10]),
  failedRow("hypercorn", "not installed"),
];

test("the median of a named figure, and the best of the others whichever way is better", () => {
  expect(medianOf(rows, "keelback", "rate")).toBe(120);
  expect(medianOf(rows, "hypercorn", "rate")).toBeNaN();
  expect(medianOf(rows, "nobody", "rate")).toBeNaN();
  expect(best(rows, "all", "rate")).toBe(80);
  expect(best(rows, "all", "p99")).toBe(6);
  expect(best(rows, ["uvicorn"], "p99")).toBe(10);
});

test("a ratio is above one where Keelback is better", () => {
  expect(ratioBar("rate", "all", 1.5)(rows)).toEqual({
    bar: "messages at least 1.50x as good as of the best peer",
    measured: "1.50x",
    met: true,
  });
  expect(ratioBar("p99", ["granian", "uvicorn"], 2.1)(rows)).toEqual({
    bar: "P99 at least 2.10x as good as of granian and uvicorn",
    measured: "2.00x",
    met: false,
  });
});

test("a value is judged in the figure's unit", () => {
  expect(valueBar("p99", 3)(rows)).toEqual({ bar: "P99 <= 3 ms", measured: "3.00 ms", met: true });
  expect(valueBar("p99", 2.9)(rows).met).toBe(false);
});

test("figures that every scenario has are judged too", () => {
  const usual = [
    rowOf("keelback", { rate: 300, noise: 0 }),
    rowOf("granian", { rate: 200, noise: 0 }),
  ];
  const bar = ratioBar("requestsPerSecond", ["granian"], 1.4)(usual);
  expect(bar.bar).toBe("requests a second at least 1.40x as good as of granian");
  expect(bar.measured).toBe("1.50x");
});

test("without a figure nothing is met", () => {
  expect(ratioBar("rate", ["hypercorn"], 1)(rows).met).toBe(false);
  expect(valueBar("nothing", 5)(rows).met).toBe(false);
  expect(faultlessBar([]).met).toBe(false);
});

test("errors of all rounds count", () => {
  expect(faultlessBar(rows)).toEqual({
    bar: "errors and timeouts: 0",
    measured: "0",
    met: true,
  });
  const [first = rows[0]] = rows.slice(0, 1).map((row) => ({
    ...row,
    rounds: row.rounds.map((round) => ({ ...round, errors: { ...NO_ERRORS, timeout: 2 } })),
  }));
  expect(faultlessBar(first === undefined ? [] : [first]).measured).toBe("6");
});

test("bars are judged only where Keelback was measured", () => {
  const bars = [valueBar("p99", 3)];
  expect(judged(bars, rows)).toHaveLength(1);
  expect(judged(bars, rows.slice(2))).toEqual([]);
  expect(judged(bars, [failedRow("keelback", "does not start")])).toEqual([]);
});

test("requests that were never sent have waited too long", () => {
  const stream: StreamResult = {
    ...{ sent: 90, answered: 85, errors: 15, unsent: 10, perSecond: 9 },
    kinds: { connection: 3, timeout: 2, status: 0, body: 0 },
    ...{ p50Ms: 1, p99Ms: 7, p999Ms: 8, maxMs: 9, latency: null, timeline: [] },
    histogram: { bounds: [], counts: [] },
  };
  const results = { kept: stream, fresh: { ...stream, p99Ms: 70, unsent: 0 } };
  expect(countsOf(results)).toEqual({
    requests: 190,
    errors: { connection: 6, timeout: 14, status: 0, body: 0 },
  });
  expect(worst(results, "p99Ms")).toBe(70);
});
