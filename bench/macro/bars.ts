/** Bars: how a scenario's rows are judged. Pure. */
import { errorCount, findFigure } from "../../src/compare/report/figures.ts";
import { median } from "../../src/compare/statistics.ts";
import type { Bar, Row } from "../../src/compare/types.ts";

export const OURS = "keelback";

export type Judge = (rows: readonly Row[]) => Bar;

export function medianOf(rows: readonly Row[], server: string, key: string): number {
  const row = rows.find((each) => each.server === server);
  return row === undefined ? Number.NaN : median(findFigure(rows, key)?.samples(row) ?? []);
}

/** The best median among these servers (`all`: every other one). */
export function best(rows: readonly Row[], peers: readonly string[] | "all", key: string): number {
  const names = peers === "all" ? rows.map((row) => row.server) : peers;
  const others = names.filter((name) => !name.startsWith(OURS));
  const values = others.map((name) => medianOf(rows, name, key)).filter((n) => !Number.isNaN(n));
  if (values.length === 0) return Number.NaN;
  const more = findFigure(rows, key)?.better === "more";
  return more ? Math.max(...values) : Math.min(...values);
}

/** At least `least` times as good as the best of the peers. */
export function ratioBar(key: string, peers: readonly string[] | "all", least: number): Judge {
  return (rows) => {
    const ours = medianOf(rows, OURS, key);
    const theirs = best(rows, peers, key);
    const figure = findFigure(rows, key);
    const ratio = figure?.better === "less" ? theirs / ours : ours / theirs;
    const whom = peers === "all" ? "the best peer" : peers.join(" and ");
    const bar = `${figure?.label ?? key} at least ${least.toFixed(2)}x as good as of ${whom}`;
    return { bar, measured: `${ratio.toFixed(2)}x`, met: ratio >= least };
  };
}

/** At most `most`, in the figure's unit. */
export function valueBar(key: string, most: number): Judge {
  return (rows) => {
    const figure = findFigure(rows, key);
    const value = medianOf(rows, OURS, key);
    const unit = figure?.unit ?? "";
    const bar = `${figure?.label ?? key} <= ${most} ${unit}`.trim();
    const said = figure?.format(value) ?? `${value}`;
    return { bar, measured: `${said} ${unit}`.trim(), met: value <= most };
  };
}

/** Nothing went wrong. */
export function faultlessBar(rows: readonly Row[]): Bar {
  const ours = rows.find(({ server }) => server === OURS);
  const errors = ours === undefined ? Number.NaN : errorCount(ours);
  return { bar: "errors and timeouts: 0", measured: `${errors}`, met: errors === 0 };
}

/** The bars of a scenario, where Keelback took part. */
export function judged(bars: readonly Judge[], rows: readonly Row[]): Bar[] {
  const ours = rows.some(({ server, rounds }) => server === OURS && rounds.length > 0);
  return ours ? bars.map((bar) => bar(rows)) : [];
}
