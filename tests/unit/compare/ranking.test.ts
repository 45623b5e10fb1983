/** Who wins a scenario, and when nobody does. */
import { describe, expect, test } from "bun:test";
import { rankingOf, verdictOf } from "../../../src/compare/report/ranking.ts";
import type { Row } from "../../../src/compare/types.ts";
import {
  failedRow,
  NO_ERRORS,
  rounds,
  rowOf,
  scenarioOf,
  sweepRow,
} from "../../support/comparison.ts";

function ranks(rows: readonly Row[]): [string, number | undefined][] {
  return rankingOf(scenarioOf(rows)).places.map(({ row, rank }) => [row.server, rank]);
}

describe("ranks", () => {
  test("the best is first, whatever the order of the rows", () => {
    const rows = [rowOf("a", { rate: 100 }), rowOf("b", { rate: 300 }), rowOf("c", { rate: 200 })];
    const expected: [string, number][] = [
      ["b", 1],
      ["c", 2],
      ["a", 3],
    ];
    expect(ranks(rows)).toEqual(expected);
    expect(ranks(rows.toReversed())).toEqual(expected);
  });

  test("rows that differ by less than their noise share a rank", () => {
    const rows = [
      rowOf("a", { rate: 1000, noise: 0.1, seed: 1 }),
      rowOf("b", { rate: 1010, noise: 0.1, seed: 2 }),
      rowOf("c", { rate: 500, noise: 0.02 }),
    ];
    const { places, winners } = rankingOf(scenarioOf(rows));
    expect(places.map(({ rank, tied }) => [rank, tied])).toEqual([
      [1, true],
      [1, true],
      [3, false],
    ]);
    expect(winners).toHaveLength(2);
    expect(verdictOf(scenarioOf(rows))).toContain("level: their difference is within the noise");
  });

  test("one round ranks nobody", () => {
    const rows = [rowOf("a", { rate: 100, rounds: 1 }), rowOf("b", { rate: 300, rounds: 1 })];
    const { places, winners, front } = rankingOf(scenarioOf(rows));
    expect(places.map(({ rank, unsure }) => [rank, unsure])).toEqual([
      [undefined, true],
      [undefined, true],
    ]);
    expect([winners, front?.row.server]).toEqual([[], "b"]);
    expect(verdictOf(scenarioOf(rows))).toBe(
      "b has the best figure, but one round says nothing about noise",
    );
  });

  test("a row that was cut short is not ranked among whole ones", () => {
    const rows = [rowOf("a", { rate: 100 }), rowOf("b", { rate: 300, rounds: 1 })];
    expect(ranks(rows)).toEqual([
      ["b", undefined],
      ["a", 1],
    ]);
    expect(verdictOf(scenarioOf(rows))).toBe(
      "b has the best figure, in its only round; of the others a is the best",
    );
  });

  test("of a latency the least is the best", () => {
    const rows = [rowOf("slow", { rate: 9, p50: 20 }), rowOf("quick", { rate: 9, p50: 5 })];
    const scenario = scenarioOf(rows, { ranked: "p99" });
    const { winners, lead } = rankingOf(scenario);
    expect(winners.map(({ row }) => row.server)).toEqual(["quick"]);
    expect(lead?.factor.middle).toBeGreaterThan(2);
    expect(verdictOf(scenario)).toMatch(/^quick wins: [\d.]+ ms against slow's [\d.]+ ms, [\d.]+×/);
  });

  test("a sweep is ranked by its best point", () => {
    const rows = [sweepRow("a", 1000, 10), sweepRow("b", 3000, 10)];
    const scenario = scenarioOf(rows, { sweepOf: "connections" });
    expect(rankingOf(scenario).winners.map(({ row }) => row.server)).toEqual(["b"]);
    expect(verdictOf(scenario)).toMatch(/^b wins: at its best, [23]\.\d\d× a/);
  });
});

describe("who does not compete", () => {
  test("the ceiling and teaching baselines, next to servers", () => {
    const rows = [
      rowOf("nginx", { rate: 9000, row: { kind: "ceiling" } }),
      rowOf("select", { rate: 5000, row: { kind: "baseline" } }),
      rowOf("gunicorn", { rate: 100 }),
    ];
    expect(ranks(rows)).toEqual([
      ["nginx", undefined],
      ["select", undefined],
      ["gunicorn", 1],
    ]);
    expect(verdictOf(scenarioOf(rows))).toBe("gunicorn is the only server with figures to rank");
  });

  test("baselines compete among themselves", () => {
    const rows = ["a", "b"].map((name, i) =>
      rowOf(name, { rate: 100 + 100 * i, row: { kind: "baseline" } }),
    );
    expect(ranks(rows)).toEqual([
      ["b", 1],
      ["a", 2],
    ]);
  });

  test("a server that fails more than one request in a thousand, however fast", () => {
    const wrong = rounds({ rate: 9000 }).map((round) => ({
      ...round,
      errors: { ...NO_ERRORS, body: Math.ceil(round.requests * 0.002) },
    }));
    const rows = [
      rowOf("fast", { rate: 9000, row: { rounds: wrong } }),
      rowOf("right", { rate: 100 }),
    ];
    const { places, winners } = rankingOf(scenarioOf(rows));
    expect(winners.map(({ row }) => row.server)).toEqual(["right"]);
    expect(places[0]?.unranked).toMatch(/^0\.2% of its requests failed \([\d,]+ wrong bodies\)$/);
    expect(verdictOf(scenarioOf(rows.slice(0, 1)))).toBe(
      "nobody wins: every server with figures failed too many requests",
    );
  });

  test("rows without figures come last", () => {
    const rows = [failedRow("a", "not installed"), rowOf("b", { rate: 1 })];
    expect(ranks(rows)).toEqual([
      ["b", 1],
      ["a", undefined],
    ]);
    expect(verdictOf(scenarioOf(rows.slice(0, 1)))).toBe("nobody wins: no server has figures");
    expect(verdictOf(scenarioOf([]))).toBe("nobody wins: no server has figures");
  });
});
