/** What changed since an older report: verdicts, and what must not be compared silently. */
import { describe, expect, test } from "bun:test";
import { against, changeOf } from "../../../src/compare/report/against.ts";
import type { Change, Comparison, Verdict } from "../../../src/compare/report/against.ts";
import { renderAgainst } from "../../../src/compare/report/against-text.ts";
import { figureOf } from "../../../src/compare/report/figures.ts";
import type { FigureKey } from "../../../src/compare/report/figures.ts";
import type { Report, Row, ScenarioResult } from "../../../src/compare/types.ts";
import {
  failedRow,
  fullReport,
  HOSTILE,
  NO_ERRORS,
  reportOf,
  rounds,
  rowOf,
  scenarioOf,
  sweepRow,
} from "../../support/comparison.ts";

const base = reportOf([scenarioOf([rowOf("a", { rate: 1000, noise: 0.01 })])]);

function withRows(rows: readonly Row[], more: Partial<Report> = {}): Report {
  return reportOf([scenarioOf(rows)], more);
}

function find(comparison: Comparison, figure: FigureKey, server = "a"): Change | undefined {
  return comparison.changes.find((each) => each.figure === figure && each.server === server);
}

function judge(figure: FigureKey, old: number[], now: number[]): Verdict | undefined {
  return changeOf(figureOf(figure), old, now, 3)?.verdict;
}

describe("verdicts", () => {
  test("the same report has not changed", () => {
    const { changes, tally, comparable, differences } = against(base, base);
    expect(tally).toMatchObject({ better: 0, worse: 0 });
    expect(changes.every(({ percent }) => percent === null || percent === 0)).toBe(true);
    expect([comparable, differences]).toEqual([true, []]);
  });

  test("a fifth less throughput is worse, with how much", () => {
    const now = withRows([rowOf("a", { rate: 800, noise: 0.01, seed: 5 })]);
    const change = find(against(base, now), "requestsPerSecond");
    expect(change?.verdict).toBe("worse");
    expect(change?.percent).toBeCloseTo(-20, -0.5);
    expect(change?.low).toBeLessThan(change?.percent ?? 0);
    expect(change?.high).toBeLessThan(0);
  });

  test.each([
    ["requestsPerSecond", [100, 101, 102], [150, 151, 152], "better"],
    ["requestsPerSecond", [150, 151, 152], [100, 101, 102], "worse"],
    ["p99", [100, 101, 102], [150, 151, 152], "worse"],
    ["p99", [150, 151, 152], [100, 101, 102], "better"],
    ["p99", [100, 100.1, 100.2], [100.3, 100.4, 100.5], "unchanged"],
    ["p99", [50, 100, 200], [60, 120, 180], "too noisy"],
    ["p99", [100], [200], "too noisy"],
    ["errors", [0, 0, 0], [0, 0, 0], "unchanged"],
    ["errors", [0, 0, 0], [0, 0.001, 0], "too noisy"],
    ["errors", [0, 0, 0], [0.001, 0.002, 0.001], "worse"],
    ["errors", [0.001, 0.002, 0.001], [0, 0, 0], "better"],
    ["errors", [0], [0.5], "too noisy"],
  ] as const)("%s from %j to %j is %s", (figure, old, now, verdict) => {
    expect(judge(figure, [...old], [...now])).toBe(verdict);
  });

  test("a figure that one report lacks is not compared", () => {
    expect(changeOf(figureOf("p99"), [], [1], 3)).toBeUndefined();
    expect(changeOf(figureOf("p99"), [1], [], 3)).toBeUndefined();
  });

  test("the tolerance is the caller's", () => {
    const now = withRows([rowOf("a", { rate: 800, noise: 0.01, seed: 5 })]);
    const { tolerance, changes } = against(base, now, { tolerance: 30 });
    expect(tolerance).toBe(30);
    expect(changes.find((each) => each.figure === "requestsPerSecond")?.verdict).toBe("unchanged");
  });

  test("each point of a sweep is compared", () => {
    const scenario = (top: number): ScenarioResult =>
      scenarioOf([sweepRow("a", top, 10)], { sweepOf: "connections" });
    const { changes } = against(reportOf([scenario(1000)]), reportOf([scenario(2000)]));
    expect(changes.map(({ at }) => at)).toEqual([1, 4, 16, 64, 256, 1000]);
    expect(changes.every(({ verdict }) => verdict === "better")).toBe(true);
  });
});

describe("what differs", () => {
  const differing = (more: Partial<Report>): Comparison => against(base, { ...base, ...more });

  test.each([
    ["another app", { app: "other:app" }, "app"],
    ["another processor", { machine: { ...base.machine, cpu: "Other" } }, "machine: cpu"],
    ["other cores", { machine: { ...base.machine, "load cores": "0" } }, "machine: load cores"],
    ["another load generator", { loadTools: [] }, "load generators"],
  ] as const)("%s makes reports incomparable, and says so first", (_, more, what) => {
    const comparison = differing(more);
    expect(comparison.comparable).toBe(false);
    expect(comparison.differences).toMatchObject([{ what, spoils: true }]);
    const text = renderAgainst(comparison, { columns: 100, colour: false });
    expect(text.split("\n")[2]).toStartWith("These reports are not of the same thing.");
    expect(text).toContain(`  - ${what}: `);
  });

  test("load before, versions and rounds are told, and spoil nothing", () => {
    const { comparable, differences } = differing({
      ...{ machine: { ...base.machine, "load average before": "3.5", bun: "2.0.0" }, rounds: 7 },
      tool: { name: "keelback", version: "0.2.0" },
      loadTools: [
        { name: "wrk", version: "4.2.0" },
        { name: "keelback", version: "0.2.0" },
      ],
    });
    expect(comparable).toBe(true);
    expect(differences.map(({ what }) => what)).toEqual(["machine: bun", "keelback", "rounds"]);
  });

  test("a scenario that was run in another way is not compared", () => {
    const now = reportOf([scenarioOf([rowOf("a", { rate: 500 })], { connections: 8 })]);
    const { changes, remarks, comparable } = against(base, now);
    expect([changes, comparable]).toEqual([[], false]);
    expect(remarks.map(({ text }) => text)).toEqual([
      "hello: not compared, as it was run in another way",
    ]);
  });

  test("reports without a row in common are not compared", () => {
    const { comparable, differences } = against(base, withRows([rowOf("b", { rate: 1000 })]));
    expect(comparable).toBe(false);
    expect(differences).toEqual([
      { what: "what was measured", old: "hello: a", now: "hello: b", spoils: true },
    ]);
  });

  test("another version of a server explains a change", () => {
    const now = withRows([rowOf("a", { rate: 1000, row: { version: "2.0" } })]);
    expect(against(base, now).differences).toEqual([
      { what: "hello: a's version", old: "1.2.3", now: "2.0", spoils: false },
    ]);
  });

  test("rows that came, went, fail now or no longer do", () => {
    const old = withRows([
      rowOf("gone", { rate: 1 }),
      rowOf("broken", { rate: 1 }),
      failedRow("mended", "did not start"),
    ]);
    const now = withRows([
      rowOf("new", { rate: 1 }),
      failedRow("broken", "does not start"),
      rowOf("mended", { rate: 1 }),
    ]);
    expect(against(old, now).remarks).toEqual([
      { text: "hello: new is not in the old report", worse: false },
      { text: "hello: broken has no figures any more: does not start", worse: true },
      { text: "hello: mended has figures again", worse: false },
      { text: "hello: gone is only in the old report", worse: false },
    ]);
  });

  test("scenarios that only one report has", () => {
    const other = reportOf([scenarioOf([], { name: "other" })]);
    expect(against(base, other).remarks.map(({ text }) => text)).toEqual([
      "other: not in the old report",
      "hello: only in the old report",
    ]);
  });
});

describe("as text", () => {
  const errors = { ...NO_ERRORS, timeout: 30 };
  const now = withRows([
    rowOf("a", {
      rate: 1000,
      row: {
        rounds: rounds({ rate: 700, noise: 0.01, seed: 2 }).map((round) => ({ ...round, errors })),
      },
    }),
  ]);
  const comparison = against(base, now);

  test("what got worse comes first, and chance is owned up to", () => {
    const text = renderAgainst(comparison, { columns: 100, colour: false });
    expect(text).toMatch(/\d+ worse, \d+ better, \d+ unchanged \(within 3 %\), \d+ too noisy/);
    expect(text).toMatch(/\na +requests a second +[\d,.]+ +\d+ +-30 % +-\d+ to -\d+ % +worse\n/);
    expect(text).toMatch(/\na +error rate +0 +0\.\d+% +– +– +worse\n/);
    expect(text).toContain("may differ by chance alone");
  });

  test.each([80, 120])("fits %i columns and holds no control characters", (columns) => {
    const old = fullReport();
    const other = { ...old, app: HOSTILE, machine: { ...old.machine, cpu: HOSTILE } };
    const text = renderAgainst(against(old, other), { columns, colour: false });
    expect(text.split("\n").filter((line) => Bun.stringWidth(line) > columns)).toEqual([]);
    expect(text).not.toMatch(/[^\P{Cc}\n]/u);
  });

  test("its JSON is all of it", () => {
    expect(JSON.parse(JSON.stringify(comparison))).toEqual(comparison);
    const once = against(base, withRows([rowOf("a", { rate: 9, rounds: 1 })]));
    expect(find(once, "p99")).toMatchObject({ low: -100, high: null, verdict: "too noisy" });
  });
});
