/**
 * Bars: how a scenario's rows are judged. Pure.
 */
import { median } from "./stats.ts";
import type { Figure, Row, Verdict } from "./types.ts";

export const OURS = "keelback";

function figureOf(rows: readonly Row[], server: string, key: string): Figure | undefined {
  return rows.find((row) => row.server === server)?.figures[key];
}

export function medianOf(rows: readonly Row[], server: string, key: string): number {
  return median(figureOf(rows, server, key)?.samples ?? []);
}

/** The best median among these servers (`all`: every other one). */
export function best(rows: readonly Row[], peers: readonly string[] | "all", key: string): number {
  const names = peers === "all" ? rows.map((row) => row.server) : peers;
  const others = names.filter((name) => !name.startsWith(OURS));
  const values = others.map((name) => medianOf(rows, name, key)).filter((n) => !Number.isNaN(n));
  const more = rows.find((row) => row.figures[key] !== undefined)?.figures[key]?.better === "more";
  if (values.length === 0) return Number.NaN;
  return more ? Math.max(...values) : Math.min(...values);
}

/** At least `least` times as good as the best of the peers. */
export function ratioBar(
  key: string,
  peers: readonly string[] | "all",
  least: number,
): (rows: readonly Row[]) => Verdict {
  return (rows) => {
    const ours = medianOf(rows, OURS, key);
    const theirs = best(rows, peers, key);
    const figure = figureOf(rows, OURS, key);
    const ratio = figure?.better === "less" ? theirs / ours : ours / theirs;
    const whom = peers === "all" ? "the best peer" : peers.join(" and ");
    const bar = `${figure?.label ?? key} at least ${least.toFixed(2)}x as good as of ${whom}`;
    return { bar, measured: `${ratio.toFixed(2)}x`, met: ratio >= least };
  };
}

/** At most `most`, in the figure's unit. */
export function valueBar(key: string, most: number): (rows: readonly Row[]) => Verdict {
  return (rows) => {
    const figure = figureOf(rows, OURS, key);
    const value = median(figure?.samples ?? []);
    const unit = figure?.unit ?? "";
    const bar = `${figure?.label ?? key} <= ${most} ${unit}`.trim();
    return { bar, measured: `${value.toPrecision(3)} ${unit}`.trim(), met: value <= most };
  };
}
