/**
 * A sweep for a terminal: one column for each number of connections, workers or threads, the knee marked.
 */
import { median } from "../statistics.ts";
import type { ScenarioResult } from "../types.ts";
import { rankedFigure } from "./figures.ts";
import { cut, padded, paint } from "./grid.ts";
import type { TextOptions } from "./grid.ts";
import { nameText } from "./names.ts";
import { NONE } from "./numbers.ts";
import type { Ranking } from "./ranking.ts";

const NAME_COLUMNS_MAX = 24;
const GAP = "  ";

export interface SweepCells {
  readonly values: readonly number[];
  /** One a row: its name, and its figure at each value, marked where the knee is. */
  readonly rows: readonly { readonly name: string; readonly cells: readonly SweepCell[] }[];
}

export interface SweepCell {
  readonly text: string;
  readonly knee: boolean;
}

export function sweepCells(scenario: ScenarioResult, { places }: Ranking): SweepCells {
  const { samples, format } = rankedFigure(scenario);
  const swept = places.filter(({ row }) => (row.sweep?.length ?? 0) > 0);
  const all = swept.flatMap(({ row: { sweep = [] } }) => sweep.map(({ value }) => value));
  const values = [...new Set(all)].sort((a, b) => a - b);
  const rows = swept.map((place) => {
    const { row } = place;
    const found = new Map(
      (row.sweep ?? []).map(({ value, rounds }) => [value, median(samples({ ...row, rounds }))]),
    );
    const cells = values.map((value) => {
      const figure = found.get(value) ?? Number.NaN;
      return { text: Number.isNaN(figure) ? NONE : format(figure), knee: value === row.knee };
    });
    return { name: nameText(place), cells };
  });
  return { values, rows };
}

export function sweepLines(
  scenario: ScenarioResult,
  ranking: Ranking,
  options: TextOptions,
): string[] {
  const { values, rows } = sweepCells(scenario, ranking);
  if (rows.length === 0) return [];
  const { label } = rankedFigure(scenario);
  const cells = rows.map((row) => row.cells.map(({ text, knee }) => `${text}${knee ? "*" : " "}`));
  const heads = values.map((value) => `${value} `);
  const widths = heads.map((head, i) =>
    Math.max(head.length, ...cells.map((row) => row[i]?.length ?? 0)),
  );
  const names = rows.map(({ name }) => cut(name, NAME_COLUMNS_MAX));
  const nameWidth = Math.max("SERVER".length, ...names.map((name) => Bun.stringWidth(name)));
  const kept = fitting(widths, options.columns - nameWidth);
  const line = (name: string, texts: readonly string[]): string => {
    const right = kept.map((i) => GAP + padded(texts[i] ?? "", widths[i] ?? 0, "right")).join("");
    return (padded(name, nameWidth, "left") + right).trimEnd();
  };
  const what = `${label} by ${scenario.sweepOf ?? "value"}; * is the knee: 95 % of the best`;
  const less = kept.length === values.length ? "" : `; ${kept.length} of ${values.length} shown`;
  return [
    paint(cut(`${what}${less}`, options.columns), "faint", options),
    paint(line("SERVER", heads), "faint", options),
    ...cells.map((row, i) => line(names[i] ?? "", row)),
  ];
}

/** Columns that fit: every second one goes, but for the first, until they do. */
function fitting(widths: readonly number[], room: number): readonly number[] {
  let kept = widths.map((_, i) => i);
  const used = (): number => kept.reduce((sum, i) => sum + GAP.length + (widths[i] ?? 0), 0);
  while (kept.length > 1 && used() > room) kept = kept.filter((_, at) => at % 2 === 0);
  return kept;
}
