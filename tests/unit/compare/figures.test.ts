/** Figures with names of their own, and bars: in the list of figures, in Markdown, in the table and on the page. */
import { expect, test } from "bun:test";
import {
  errorKinds,
  figuresIn,
  findFigure,
  rankedFigure,
} from "../../../src/compare/report/figures.ts";
import { renderMarkdown } from "../../../src/compare/report/markdown.ts";
import { renderPage } from "../../../src/compare/report/page.ts";
import { rankingOf, verdictOf } from "../../../src/compare/report/ranking.ts";
import { renderTable } from "../../../src/compare/report/table.ts";
import type { Row } from "../../../src/compare/types.ts";
import { HOSTILE, NO_ERRORS, reportOf, rowOf, scenarioOf } from "../../support/comparison.ts";

/** A round for each pair of failed requests and a P99. */
function killed(server: string, ...pairs: readonly [number, number][]): Row {
  const rounds = pairs.map(([failed, p99]) => ({
    ...{ requests: 0, errors: NO_ERRORS },
    figures: {
      failed: { label: "failed", unit: "requests", better: "less", value: failed },
      p99: { label: "P99 during", unit: "ms", better: "less", value: p99 },
    } as const,
  }));
  return { ...rowOf(server, { rate: 1 }), rounds };
}

const scenario = scenarioOf(
  [killed("keelback", [0, 2.5], [0, 3.5]), killed("uvicorn", [6, 9], [8, 11])],
  {
    ...{ name: "killed", title: "Workers killed", ranked: "figures.failed", connections: 0 },
    bars: [
      { bar: "failed <= 0 requests", measured: "0 requests", met: true },
      { bar: `P99 <= 2 ms ${HOSTILE}`, measured: "3 ms", met: false },
    ],
  },
);
const report = reportOf([scenario]);

test("named figures come first, and are found by their plain name before all others", () => {
  expect(figuresIn(scenario).map(({ key }) => key)).toEqual(["figures.failed", "figures.p99"]);
  expect(findFigure(scenario.rows, "p99")?.label).toBe("P99 during");
  expect(findFigure([rowOf("a", { rate: 5 })], "p99")?.label).toBe("P99 latency");
  expect(findFigure(scenario.rows, "nothing")).toBeUndefined();
});

test("failed requests are counted in whole numbers, of all rounds", () => {
  const errors = { connection: 1, timeout: 3, status: 0, body: 2000 };
  const row = rowOf("a", { rate: 5 });
  const rounds = row.rounds.slice(0, 1).map((round) => ({ ...round, errors }));
  expect(errorKinds({ ...row, rounds })).toBe(
    "1 failed connection, 3 timeouts, 2,000 wrong bodies",
  );
});

test("a named figure ranks, also where nobody has it", () => {
  expect(rankedFigure(scenario).label).toBe("failed");
  expect(verdictOf(scenario)).toBe("keelback wins: 0 requests against uvicorn's 7 requests");
  const lucky = killed("granian", [0, 9], [9, 9], [9, 9]);
  const two = scenario.rows.slice(0, 1).concat(lucky);
  const { places } = rankingOf({ ...scenario, rows: two });
  expect(places.map(({ row, rank }) => `${row.server} ${rank}`)).toEqual([
    ...["keelback 1", "granian 1"],
  ]);
  const nobody = { ...scenario, rows: [] };
  expect(rankedFigure(nobody).head).toBe("failed");
  expect(verdictOf(nobody)).toBe("nobody wins: no server has figures");
});

test("Markdown has a column with the range for each, and the bars below", () => {
  const text = renderMarkdown(report);
  expect(text).toContain("| # | server | failed, requests | P99 during, ms |");
  expect(text).toContain("| 1 | keelback 1.2.3 | **0 ±0%** | 3.00 (2.50 to 3.50) |");
  expect(text).toContain("- met: failed &lt;= 0 requests; measured 0 requests\n");
  expect(text).toContain("- **missed**: P99 &lt;= 2 ms &lt;script&gt;");
  expect(text).not.toContain("0 connections");
});

test("the table and the page show them too", () => {
  const table = renderTable(report, { columns: 100, colour: false });
  expect(table).toMatch(/SERVER +failed/);
  const page = renderPage(report);
  expect(page).toContain('<abbr title="P99 during">P99 during</abbr> <small>ms</small>');
  expect(page).toContain("3.00 <small>2.50 to 3.50</small>");
  expect(page).toContain("✕ missed:");
  expect(page).not.toContain("<script");
});
