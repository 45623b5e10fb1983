/**
 * The curves of a scenario: latency by percentile, as HdrHistogram plots it (x is 1 / (1 - q), logarithmic, so that each nine has as
 * much room as the one before), throughput by the value of a sweep with its knee, and latency over time as one small picture a server.
 */
import { median, mergeHistograms, quantileOfHistogram, total } from "../statistics.ts";
import type { Histogram, Row, ScenarioResult } from "../types.ts";
import { figureOf, rankedFigure } from "./figures.ts";
import { coordinate, html, NOTHING } from "./html.ts";
import type { Markup } from "./html.ts";
import { duration, rounded, tickDuration, tickText } from "./numbers.ts";
import { look } from "./palette.ts";
import { plotFigure } from "./plot.ts";
import type { Curve, Point } from "./plot.ts";
import type { Place, Ranking } from "./ranking.ts";
import { logarithmic, logarithmicAt } from "./scale.ts";
import { nameText } from "./names.ts";

/** More curves than that are a tangle: the others wait in the legend. */
const CURVES_SHOWN_MAX = 6;
const POINTS = 72;
const NINES_MAX = 5;

export type Series = ReadonlyMap<string, number>;

/** Whose curves are shown at first: those who compete, then whoever else has one. */
export function shownFirst(places: readonly Place[]): readonly Place[] {
  return places
    .filter(({ row }) => row.rounds.length > 0 || row.sweep !== undefined)
    .toSorted((a, b) => (a.rank ?? Number.MAX_VALUE) - (b.rank ?? Number.MAX_VALUE))
    .slice(0, CURVES_SHOWN_MAX);
}

function percentilePoints(histogram: Histogram): readonly Point[] {
  const nines = Math.min(NINES_MAX, Math.log10(total(histogram)));
  return Array.from({ length: POINTS + 1 }, (_, i) => {
    const x = 10 ** ((nines * i) / POINTS);
    return { x, y: quantileOfHistogram(histogram, 1 - 1 / x) };
  });
}

const PERCENT_TICKS = [1, 2, 10, 100, 1000, 10_000, 100_000];

function percentText(tick: number): string {
  return tick === 1 ? "0%" : `${Number(((1 - 1 / tick) * 100).toPrecision(6))}%`;
}

function rateText({ rounds }: Row): string {
  const rates = rounds.flatMap(({ openRate }) => (openRate === undefined ? [] : [openRate]));
  return rates.length === 0 ? "" : ` at ${rounded(median(rates))}/s`;
}

export function percentileCurves(
  scenario: ScenarioResult,
  { places }: Ranking,
  series: Series,
): Markup {
  const found = places.flatMap((place) => {
    const histograms = place.row.rounds.flatMap(({ histogram }) => (histogram ? [histogram] : []));
    const merged = mergeHistograms(histograms);
    return total(merged) > 1 ? [{ place, points: percentilePoints(merged) }] : [];
  });
  if (found.length === 0) return NOTHING;
  const first = shownFirst(found.map(({ place }) => place));
  const p99 = figureOf("p99");
  const curves: Curve[] = found.map(({ place, points }) => ({
    ...{ name: nameText(place), series: series.get(place.row.server) ?? 0, points },
    note: `P99 ${duration(p99.shown(place.row, scenario))}${rateText(place.row)}`,
    shown: first.includes(place),
  }));
  const right = Math.max(...found.flatMap(({ points }) => points.map(({ x }) => x)));
  const ticks = PERCENT_TICKS.filter((tick) => tick <= right * 1.01);
  const reach = Math.log10(right);
  return plotFigure({
    caption: html`Latency by percentile
      <small>lower is better; the further right, the rarer</small>`,
    alternative: `Latency by percentile. ${curves.map(({ name, note }) => `${name}: ${note}`).join("; ")}.`,
    x: {
      scale: { at: (x) => Math.min(100, (Math.log10(x) / reach) * 100), ticks },
      ...{ label: "share of requests that were at least as fast", format: percentText },
    },
    y: {
      scale: logarithmic(found.flatMap(({ points }) => points.map(({ y }) => y))),
      ...{ label: "latency from when the request was due", format: tickDuration },
    },
    curves,
  });
}

export function sweepCurves(scenario: ScenarioResult, { places }: Ranking, series: Series): Markup {
  const { samples, format, label, better } = rankedFigure(scenario);
  const found = places.flatMap((place) => {
    const points = (place.row.sweep ?? [])
      .map(({ value, rounds }) => ({ x: value, y: median(samples({ ...place.row, rounds })) }))
      .filter(({ y }) => Number.isFinite(y));
    return points.length > 0 ? [{ place, points }] : [];
  });
  if (found.length === 0) return NOTHING;
  const first = shownFirst(found.map(({ place }) => place));
  const by = scenario.sweepOf ?? "value";
  const curves: Curve[] = found.map(({ place, points }) => {
    const { row } = place;
    const best = points.reduce((a, b) => ((better === "more") === b.y > a.y ? b : a));
    const at = row.knee === undefined ? "" : `, knee at ${row.knee}`;
    return {
      ...{ name: nameText(place), series: series.get(row.server) ?? 0, points },
      dots: points.map((point) => ({ ...point, knee: point.x === row.knee })),
      note: `${format(best.y)} at ${best.x}${at}`,
      shown: first.includes(place),
    };
  });
  const all = found.flatMap(({ points }) => points);
  const values = [...new Set(all.map(({ x }) => x))].sort((a, b) => a - b);
  return plotFigure({
    caption: html`${label} by ${by}
      <small>the ring is the knee: 95 % of the best; both axes logarithmic</small>`,
    alternative: `${label} by ${by}. ${curves.map(({ name, note }) => `${name}: ${note}`).join("; ")}.`,
    x: { scale: logarithmicAt(values), label: by, format: tickText },
    y: { scale: logarithmic(all.map(({ y }) => y)), label, format: tickText },
    curves,
  });
}

/** Medians over the rounds of each slice of time. */
function timelineOf({ rounds }: Row): { second: number; p50: number; p99: number }[] {
  const slices = new Map<number, { p50: number[]; p99: number[] }>();
  for (const { second, p50, p99 } of rounds.flatMap(({ timeline = [] }) => timeline)) {
    const slice = slices.get(second) ?? { p50: [], p99: [] };
    slice.p50.push(p50);
    slice.p99.push(p99);
    slices.set(second, slice);
  }
  return [...slices]
    .map(([second, { p50, p99 }]) => ({ second, p50: median(p50), p99: median(p99) }))
    .sort((a, b) => a.second - b.second);
}

/** One small picture a server, all with the same axes: a line for P99, the band below it down to P50. */
export function timelines({ places }: Ranking, series: Series): Markup {
  const found = places
    .map((place) => ({ place, slices: timelineOf(place.row) }))
    .filter(({ slices }) => slices.length > 1);
  if (found.length === 0) return NOTHING;
  const all = found.flatMap(({ slices }) => slices);
  const scale = logarithmic(all.flatMap(({ p50, p99 }) => [p50, p99]));
  const last = Math.max(...all.map(({ second }) => second));
  const slice = Math.min(...found.map(({ slices: [a, b] }) => (b?.second ?? 1) - (a?.second ?? 0)));
  const [low, high] = [
    Math.min(...all.map(({ p50 }) => p50)),
    Math.max(...all.map(({ p99 }) => p99)),
  ];
  const cells = found.map(({ place, slices }) => {
    const at = (second: number, y: number): string =>
      `${coordinate((second / last) * 1000)} ${coordinate(1000 - scale.at(y) * 10)}`;
    const upper = slices.map(({ second, p99 }) => at(second, p99));
    const lower = slices.map(({ second, p50 }) => at(second, p50)).reverse();
    const worst = Math.max(...slices.map(({ p99 }) => p99));
    const name = nameText(place);
    const words = `${name}: P99 of a second from ${duration(Math.min(...slices.map(({ p99 }) => p99)))} to ${duration(worst)}`;
    const classes = look(series.get(place.row.server) ?? 0);
    return html`<li>
      <span>${name} <small>P99 up to ${duration(worst)}</small></span>
      <svg
        class="small"
        viewBox="0 0 1000 1000"
        preserveAspectRatio="none"
        role="img"
        aria-label="${words}"
      >
        <path class="band ${classes}" d="M${[...upper, ...lower].join("L")}Z" />
        <path class="curve mark ${classes.replace(/d\d+/, "d0")}" d="M${upper.join("L")}" />
      </svg>
    </li>`;
  });
  return html`<figure class="chart">
    <figcaption>
      Latency over time
      <small
        >line: P99, band: down to P50; all from ${duration(low)} to ${duration(high)}, logarithmic,
        over ${tickText(last + slice)} s</small
      >
    </figcaption>
    <ul class="times">
      ${cells}
    </ul>
  </figure>`;
}
