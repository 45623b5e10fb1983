/** The terminal's table: what fits, what is said of what does not, and what a terminal must never get. */
import { describe, expect, test } from "bun:test";
import { wrapped } from "../../../src/compare/report/grid.ts";
import { renderTable } from "../../../src/compare/report/table.ts";
import {
  failedRow,
  fullReport,
  HOSTILE,
  reportOf,
  rowOf,
  scenarioOf,
} from "../../support/comparison.ts";

const report = fullReport();

function linesOf(columns: number): string[] {
  return renderTable(report, { columns, colour: false }).split("\n");
}

describe("widths", () => {
  test.each([60, 80, 100, 120, 132, 160, 200])("no line is wider than %i columns", (columns) => {
    const wide = linesOf(columns).filter((line) => Bun.stringWidth(line) > columns);
    expect(wide).toEqual([]);
  });

  test("what is left out is said, and the telling columns stay", () => {
    const text = linesOf(80).join("\n");
    expect(text).toMatch(/Not shown in 80 columns: .*MEAN.*MODE/);
    const head = linesOf(80).find((line) => line.includes("SERVER")) ?? "";
    expect(head.split(/ +/)).toEqual(
      expect.arrayContaining(["SERVER", "RPS", "±", "P99", "ERRORS"]),
    );
  });

  test("a wide terminal shows every column", () => {
    const head = linesOf(200).find((line) => line.includes("SERVER")) ?? "";
    const all = "# SERVER RPS ± MEAN MODE P50 P90 P99 P99.9 WORST ERRORS CPU/1k IDLE LOADED";
    expect(head.trim().split(/ +/)).toEqual([...all.split(" "), "WORKER", "START", "%NGINX"]);
    expect(linesOf(200).join("\n")).not.toContain("Not shown");
  });

  test("a word longer than the line is broken", () => {
    expect(wrapped("x".repeat(25), 10, "- ", "  ")).toEqual([
      "- xxxxxxxx",
      "  xxxxxxxx",
      "  xxxxxxxx",
      "  x",
    ]);
  });
});

test("the best row is first, with ranks, and the verdict is above", () => {
  const rows = [rowOf("a", { rate: 100 }), rowOf("b", { rate: 300 })];
  const text = renderTable(reportOf([scenarioOf(rows)]), { columns: 100, colour: false });
  expect(text).toMatch(/b wins: 3\.\d\d× a \([\d.]+ to [\d.]+\)\.[^]*\n1 {2}b .*\n2 {2}a /);
});

test("failures and warnings are told, and a row without figures has no line of its own", () => {
  const rows = [
    rowOf("a", { rate: 100, row: { warnings: ["answers 12 of 100 requests with another body"] } }),
    failedRow("b", "does not start: ImportError: no module named main"),
  ];
  const text = renderTable(reportOf([scenarioOf(rows)]), { columns: 100, colour: false });
  expect(text).toContain(" ! a: answers 12 of 100 requests with another body\n");
  expect(text).toContain(" ! b: does not start: ImportError: no module named main\n");
});

test("a sweep has a column for each value and marks the knee", () => {
  const text = linesOf(100).join("\n");
  expect(text).toMatch(/SERVER +1 +4 +16 +64 +256 +1000\n/);
  expect(text).toMatch(/keelback +[\d,]+ +[\d,]+ +[\d,]+ +[\d,]+ +[\d,]+\* +[\d,]+\n/);
});

describe("what the terminal gets", () => {
  test("no escape sequences without colour, none of a server's ever", () => {
    const controls = /\p{Cc}/gu;
    const found = (colour: boolean): Set<string> =>
      new Set(renderTable(report, { columns: 120, colour }).match(controls));
    expect(found(false)).toEqual(new Set(["\n"]));
    expect(found(true)).toEqual(new Set(["\n", "\x1b"]));
    const coloured = renderTable(report, { columns: 120, colour: true });
    expect(HOSTILE).toContain("\x1b[31m &");
    expect(coloured).not.toContain("\x1b[31m &");
    expect(Bun.stripANSI(coloured)).toBe(renderTable(report, { columns: 120, colour: false }));
  });

  test("ASCII alone where that is all it has", () => {
    const text = renderTable(report, { columns: 120, colour: true, ascii: true });
    expect(text).not.toMatch(/\P{ASCII}/u);
    expect(text).toContain("########");
  });
});

test("a report without scenarios, and one that ended early, can be shown", () => {
  const text = renderTable(reportOf([], { partial: true }), { columns: 80, colour: false });
  expect(text).toContain("Ended early: what is missing was not measured.");
});
