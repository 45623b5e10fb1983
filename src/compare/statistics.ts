/**
 * The statistics of a comparison: few rounds of noisy figures, and histograms of latencies. Pure; what is drawn at random comes
 * from a seeded generator, so that the same report always reads the same.
 */
import type { Histogram, Latency } from "./types.ts";

function ascending(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}

/** NaN of nothing, like every function here that can't know. */
export function mean(values: readonly number[]): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

export function median(values: readonly number[]): number {
  return medianOfSorted(ascending(values));
}

function medianOfSorted(sorted: ArrayLike<number>): number {
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Nearest rank: the smallest value that at least `fraction` of the values do not exceed. */
export function quantile(values: readonly number[], fraction: number): number {
  return quantileOfSorted(ascending(values), fraction);
}

function quantileOfSorted(sorted: ArrayLike<number>, fraction: number): number {
  const rank = Math.min(sorted.length, Math.max(1, Math.ceil(sorted.length * fraction)));
  return sorted[rank - 1] ?? Number.NaN;
}

export interface Spread {
  readonly least: number;
  readonly most: number;
  /** Median absolute deviation from the median. */
  readonly deviation: number;
  /** Half the range, as a share of the median: the `±` of the tables. */
  readonly relative: number;
}

export function spread(values: readonly number[]): Spread {
  const middle = median(values);
  const least = values.length === 0 ? Number.NaN : Math.min(...values);
  const most = values.length === 0 ? Number.NaN : Math.max(...values);
  const deviation = median(values.map((value) => Math.abs(value - middle)));
  const relative = most === least ? 0 : (most - least) / 2 / Math.abs(middle);
  return { least, most, deviation, relative };
}

/** Uniform in [0, 1), the same series for the same seed (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Interval {
  readonly low: number;
  readonly middle: number;
  readonly high: number;
}

const RESAMPLES = 2000;

/** 97.5 % points of Student's t for 1, 2, 3 ... degrees of freedom. */
const STUDENT = [
  ...[12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179],
  ...[2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093, 2.086],
];
const NORMAL = 1.96;

/**
 * How much a resample of few rounds is too narrow: it can't leave their range, and its variance is (n - 1) / n of the true one
 * (Hesterberg, "What Teachers Should Know About the Bootstrap", section 5.3).
 */
function widening(rounds: number, freedom: number): number {
  return (Math.sqrt(rounds / (rounds - 1)) * (STUDENT[freedom - 1] ?? NORMAL)) / NORMAL;
}

/**
 * `now` over `old`, as medians, with its 95 % confidence interval: a bootstrap over the rounds, widened for few of them. A side with one
 * round says nothing about its noise: the interval is everything. All values are above zero.
 */
export function ratioOfMedians(old: readonly number[], now: readonly number[], seed = 1): Interval {
  const middle = median(now) / median(old);
  if (!Number.isFinite(middle)) return { low: Number.NaN, middle, high: Number.NaN };
  const rounds = Math.min(old.length, now.length);
  if (rounds < 2) return { low: 0, middle, high: Number.POSITIVE_INFINITY };
  const random = generator(seed);
  const logs = new Float64Array(RESAMPLES);
  const [forOld, forNow] = [new Float64Array(old.length), new Float64Array(now.length)];
  for (let i = 0; i < RESAMPLES; i++) {
    logs[i] = Math.log(resample(now, forNow, random) / resample(old, forOld, random));
  }
  logs.sort();
  const centre = Math.log(middle);
  const wider = widening(rounds, old.length + now.length - 2);
  return {
    low: Math.exp(centre - Math.max(0, centre - quantileOfSorted(logs, 0.025)) * wider),
    middle,
    high: Math.exp(centre + Math.max(0, quantileOfSorted(logs, 0.975) - centre) * wider),
  };
}

/** Median of as many values, drawn with replacement into `room`. */
function resample(values: readonly number[], room: Float64Array, random: () => number): number {
  for (let i = 0; i < room.length; i++) {
    room[i] = values[Math.floor(random() * values.length)] ?? Number.NaN;
  }
  sortFew(room);
  return medianOfSorted(room);
}

/** By insertion: a handful of rounds, sorted thousands of times. */
function sortFew(values: Float64Array): void {
  for (let i = 1; i < values.length; i++) {
    const value = values[i] ?? Number.NaN;
    let at = i;
    for (; at > 0 && (values[at - 1] ?? Number.NaN) > value; at--) {
      values[at] = values[at - 1] ?? Number.NaN;
    }
    values[at] = value;
  }
}

/** A difference of less is no difference that anyone would choose a server for. */
const KNEE_SHARE = 0.95;

/** Where a sweep stops growing: the smallest value that reaches 95 % of the best figure of all. */
export function knee(
  points: readonly { readonly value: number; readonly figure: number }[],
): number | undefined {
  const known = points.filter(({ figure }) => Number.isFinite(figure));
  const best = Math.max(...known.map(({ figure }) => figure));
  const reached = known.filter(({ figure }) => figure >= best * KNEE_SHARE && figure > 0);
  return reached.length === 0 ? undefined : Math.min(...reached.map(({ value }) => value));
}

const BUCKETS_A_DECADE = 40;
const DECADES = { least: -3, most: 5 };

/** From a microsecond to 100 seconds in buckets 6 % wide, with one below and none above: in milliseconds. */
export const LATENCY_BOUNDS: readonly number[] = [
  0,
  ...Array.from({ length: (DECADES.most - DECADES.least) * BUCKETS_A_DECADE + 1 }, (_, i) =>
    Number((10 ** (DECADES.least + i / BUCKETS_A_DECADE)).toPrecision(6)),
  ),
];

/** The bucket that holds `value`; the first or last one for what lies outside. */
function bucketOf(bounds: readonly number[], value: number): number {
  let low = 0;
  let high = bounds.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((bounds[middle] ?? Number.POSITIVE_INFINITY) <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

export function histogramOf(
  values: Iterable<number>,
  bounds: readonly number[] = LATENCY_BOUNDS,
): Histogram {
  const counts = new Array<number>(bounds.length - 1).fill(0);
  for (const value of values) {
    const bucket = bucketOf(bounds, value);
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  return { bounds, counts };
}

export function total(histogram: Histogram): number {
  return histogram.counts.reduce((sum, count) => sum + count, 0);
}

/** Geometric centre, as the buckets are logarithmic; the arithmetic one of a bucket that starts at zero. */
function centreOf(low: number, high: number): number {
  return low > 0 ? Math.sqrt(low * high) : (low + high) / 2;
}

/** Centre of the fullest bucket (of the lowest, among equals): the latency that is met most often. */
export function mode({ bounds, counts }: Histogram): number {
  let fullest = -1;
  for (const [i, count] of counts.entries()) {
    if (count > 0 && count > (counts[fullest] ?? 0)) fullest = i;
  }
  return centreOf(bounds[fullest] ?? Number.NaN, bounds[fullest + 1] ?? Number.NaN);
}

/** Nearest rank, as the upper end of its bucket: never better than it was. */
export function quantileOfHistogram(histogram: Histogram, fraction: number): number {
  const rank = Math.max(1, Math.ceil(total(histogram) * fraction - 1e-9));
  let seen = 0;
  for (const [i, count] of histogram.counts.entries()) {
    seen += count;
    if (seen >= rank - 1e-9) return histogram.bounds[i + 1] ?? Number.NaN;
  }
  return Number.NaN;
}

/** All of them as one. Where bounds differ, a bucket is cut at the others' bounds and shared out by width. */
export function mergeHistograms(histograms: readonly Histogram[]): Histogram {
  const [first] = histograms;
  if (first === undefined) return { bounds: [], counts: [] };
  const same = histograms.every(
    ({ bounds }) =>
      bounds === first.bounds ||
      (bounds.length === first.bounds.length && bounds.every((at, i) => at === first.bounds[i])),
  );
  const bounds = same
    ? first.bounds
    : ascending([...new Set(histograms.flatMap((each) => each.bounds))]);
  const counts = new Array<number>(bounds.length - 1).fill(0);
  for (const each of histograms) {
    for (const [i, count] of each.counts.entries()) {
      if (count === 0) continue;
      const low = each.bounds[i] ?? Number.NaN;
      const high = each.bounds[i + 1] ?? Number.NaN;
      for (let b = bucketOf(bounds, low); (bounds[b] ?? high) < high; b++) {
        const width = (bounds[b + 1] ?? high) - (bounds[b] ?? low);
        counts[b] = (counts[b] ?? 0) + (count * width) / (high - low);
      }
    }
  }
  return { bounds, counts };
}

/** Every latency column of these milliseconds. */
export function latencyOf(milliseconds: readonly number[]): Latency {
  const sorted = Float64Array.from(milliseconds).sort();
  return {
    mean: mean(milliseconds),
    mode: mode(histogramOf(milliseconds)),
    p50: quantileOfSorted(sorted, 0.5),
    p90: quantileOfSorted(sorted, 0.9),
    p99: quantileOfSorted(sorted, 0.99),
    p999: quantileOfSorted(sorted, 0.999),
    worst: sorted.at(-1) ?? Number.NaN,
  };
}
