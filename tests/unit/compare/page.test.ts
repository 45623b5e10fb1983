/** The page as text: whole, inert whatever a server said, and its colours far enough from what is behind them. */
import { describe, expect, test } from "bun:test";
import { html } from "../../../src/compare/report/html.ts";
import { renderPage } from "../../../src/compare/report/page.ts";
import { DARK, LIGHT, look, seriesOf } from "../../../src/compare/report/palette.ts";
import type { Theme } from "../../../src/compare/report/palette.ts";
import { logarithmic } from "../../../src/compare/report/scale.ts";
import {
  failedRow,
  fullReport,
  HOSTILE,
  reportOf,
  rowOf,
  scenarioOf,
} from "../../support/comparison.ts";

const page = renderPage(fullReport());

describe("hostile words", () => {
  test("stay words", () => {
    expect(page).toContain("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;");
    expect(page).not.toMatch(/<script|<img|javascript:|\son\w+=(?!alert)/i);
    expect(page).not.toMatch(/[^\P{Cc}\n\t]/u);
  });

  test("in every place of a report", () => {
    const row = rowOf(HOSTILE, {
      rate: 10,
      row: { command: HOSTILE, load: HOSTILE, version: HOSTILE, warnings: [HOSTILE] },
    });
    const scenario = scenarioOf([row, failedRow(HOSTILE, HOSTILE)], {
      ...{ name: HOSTILE, title: HOSTILE, about: HOSTILE },
    });
    const everywhere = renderPage(
      reportOf([scenario], {
        ...{ app: HOSTILE, command: HOSTILE, notes: [HOSTILE], date: HOSTILE },
        machine: { [HOSTILE]: HOSTILE, cpu: HOSTILE },
        loadTools: [{ name: HOSTILE, version: HOSTILE }],
        tool: { name: "keelback", version: HOSTILE },
      }),
    );
    expect(everywhere).not.toMatch(/<script|<img/i);
    expect(everywhere.match(/<svg/g)).toHaveLength(everywhere.match(/<\/svg/g)?.length ?? 0);
  });

  test("a template escapes text, not its own markup", () => {
    const inner = html`<b>${"<&>"}</b>`;
    expect(html`<i title="${`"'`}">${[inner, 1, undefined]}</i>`.text).toBe(
      '<i title="&quot;&#39;"><b>&lt;&amp;&gt;</b>1</i>',
    );
  });
});

test("nothing is fetched and nothing runs", () => {
  const [, policy = ""] = /Content-Security-Policy" content="([^"]*)"/.exec(page) ?? [];
  expect(policy.replaceAll("&#39;", "'")).toBe(
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
  );
  expect(page).not.toMatch(/<(script|iframe|object|embed|img|audio|video)\b/i);
  expect([...page.matchAll(/(?:href|src)="([^"]*)"/g)].map(([, to]) => to)).toEqual(
    expect.arrayContaining(["data:,", "#scenario-1"]),
  );
  expect(page).not.toMatch(/(?:href|src)="(?!#|data:,)|url\(|@import/);
});

test("who won is said before anything else", () => {
  const rows = [rowOf("a", { rate: 100 }), rowOf("b", { rate: 300 })];
  const text = renderPage(reportOf([scenarioOf(rows)]));
  const first = text.slice(text.indexOf('<ul class="cards">'), text.indexOf('id="scenario-1"'));
  expect(first).toMatch(
    /<p class="who">b<\/p>\s*<p class="much">\s*3\.\d\d× a \([\d.]+ to [\d.]+\)/,
  );
  expect(first).toContain("✓ beyond the noise");
});

test("one round, no row, no scenario: a page all the same", () => {
  const once = renderPage(reportOf([scenarioOf([rowOf("a", { rate: 5, rounds: 1 })])]));
  expect(once).toContain("○ one round: noise unknown");
  expect(renderPage(reportOf([scenarioOf([])]))).toContain("✕ no winner");
  expect(renderPage(reportOf([], { partial: true }))).toContain("Ended early");
});

test("every row's commands are on it", () => {
  expect(page).toContain("gunicorn -k gthread main:app --bind 127.0.0.1:PORT --workers 2");
  expect(page).toContain("wrk -t1 -c64 -d5 http://127.0.0.1:PORT/");
});

/** WCAG 2.2, "relative luminance". */
function luminance(colour: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].toSorted((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

describe.each([
  ["light", LIGHT],
  ["dark", DARK],
] as [string, Theme][])("colours, %s", (_, theme) => {
  const { paper, card } = theme;

  test("text has a contrast of 4.5", () => {
    const { ink, faint, warn, bad, link, best } = theme;
    const ratios = [ink, faint, warn, bad, link, best].flatMap((colour) =>
      [paper, card].map((behind) => contrast(colour, behind)),
    );
    expect(Math.min(...ratios)).toBeGreaterThanOrEqual(4.5);
  });

  test("bars and curves have one of 3", () => {
    const { bar, best, baseline, whisker, series } = theme;
    const ratios = [bar, best, baseline, whisker, ...series].map((each) => contrast(each, card));
    expect(Math.min(...ratios)).toBeGreaterThanOrEqual(3);
  });
});

describe("which colour a server has", () => {
  test("follows from how often it is shown, then from its name", () => {
    const shown = ["c", "d", "c", "b"];
    const expected = ["c", "b", "d", "a"].map((name, i) => [name, i]);
    expect([...seriesOf(["a", "b", "c", "d"], shown)]).toEqual(expected as [string, number][]);
    expect([...seriesOf(["d", "c", "b", "a"], shown.toReversed())]).toEqual(
      expected as [string, number][],
    );
  });

  test("two dozen look different", () => {
    expect(new Set(Array.from({ length: 24 }, (_, i) => look(i))).size).toBe(24);
  });
});

describe("axes", () => {
  test("logarithmic: every value is on it, ticks are round and few", () => {
    for (const [low, high] of [
      [0.02, 40],
      [1, 1],
      [3, 1e6],
      [990, 1010],
    ] as const) {
      const { at, ticks } = logarithmic([low, high]);
      expect(at(low)).toBeGreaterThanOrEqual(0);
      expect(at(high)).toBeLessThanOrEqual(100);
      expect(ticks.length).toBeLessThanOrEqual(8);
      expect(ticks.every((tick) => at(tick) >= 0 && at(tick) <= 100)).toBe(true);
    }
    expect(logarithmic([]).ticks.length).toBeGreaterThan(0);
  });
});
