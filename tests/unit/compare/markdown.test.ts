/** Markdown for a README: whole tables, and words of others that stay words. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { escapedMarkdown, renderMarkdown } from "../../../src/compare/report/markdown.ts";
import { fullReport, HOSTILE, reportOf, rowOf, scenarioOf } from "../../support/comparison.ts";

const markdown = renderMarkdown(fullReport());

/** Cells of a line: pipes that are not escaped part them. */
function cells(line: string): number {
  return (line.match(/(?<!\\)\|/g) ?? []).length;
}

test("every line of a table has as many cells as its head", () => {
  const tables = markdown.split(/\n\n/).filter((block) => block.startsWith("|"));
  expect(tables.length).toBeGreaterThanOrEqual(7);
  for (const table of tables) {
    expect(new Set(table.trimEnd().split("\n").map(cells)).size).toBe(1);
  }
});

test("the winner is said before its table and is bold in it", () => {
  const rows = [rowOf("a", { rate: 100 }), rowOf("b", { rate: 300 })];
  const text = renderMarkdown(reportOf([scenarioOf(rows)]));
  expect(text).toMatch(/\*\*b wins: 3\.\d\d× a \([\d.]+ to [\d.]+\)\.\*\*\n\n\| # \| server \|/);
  expect(text).toMatch(/\n\| 1 \| b 1\.2\.3 \| \*\*30\d ±\d%\*\* \|/);
  expect(text).toMatch(/\n\| 2 \| a 1\.2\.3 \| \d+ ±\d% \|/);
});

test("commands are there to repeat a row", () => {
  expect(markdown).toContain("`gunicorn -k gthread main:app --bind 127.0.0.1:PORT --workers 2`");
});

test("a server's words are neither HTML nor markup, nor a new line", () => {
  const prose = markdown.replaceAll(/(`+)(?!`)[^]*?(?<!`)\1(?!`)/g, "");
  const tags = new Set(prose.match(/<\/?\w+/g));
  expect(tags).toEqual(new Set(["<details", "<summary", "</summary", "</details"]));
  expect(markdown).not.toContain("<script");
  expect(escapedMarkdown(HOSTILE)).not.toMatch(/[<>\n]|(?<!\\)[|`]/);
  expect(escapedMarkdown("[a](b) *c* _d_ # ~")).toBe(String.raw`\[a\](b) \*c\* \_d\_ \# \~`);
});

const HOSTILE_CHARACTERS = [
  ...["<", ">", "&", "|", "`", "*", "_", "[", "]", "\\", "\n", "\r", "\x1b", " ", "a"],
] as const;

test("escaping never leaves markup behind", () => {
  const hostile = fc.string({ unit: fc.constantFrom(...HOSTILE_CHARACTERS) });
  fc.assert(
    fc.property(hostile, (text) => {
      const safe = escapedMarkdown(text);
      expect(safe).not.toMatch(/[<>]|\p{Cc}/u);
      expect(safe.replaceAll(/\\[\\`*_[\]|~#]/g, "")).not.toMatch(/[`*_[\]|]/);
    }),
    { seed: 20261121, numRuns: 500 },
  );
});

test("a command with backticks stays a code span", () => {
  const row = rowOf("a", { rate: 1, row: { command: "run `x` ``y``" } });
  expect(renderMarkdown(reportOf([scenarioOf([row])]))).toContain("- a: ``` run `x` ``y`` ```;");
});
