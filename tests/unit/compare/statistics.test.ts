/** The statistics against definitions so plain that they can't be wrong, over generated input; the seed is fixed. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  generator,
  histogramOf,
  knee,
  LATENCY_BOUNDS,
  latencyOf,
  mean,
  median,
  mergeHistograms,
  mode,
  quantile,
  quantileOfHistogram,
  ratioOfMedians,
  spread,
  total,
} from "../../../src/compare/statistics.ts";

const PARAMETERS = { seed: 20261121, numRuns: 300 };
const figure = fc.double({ min: 0.001, max: 50_000, noNaN: true });
const figures = fc.array(figure, { minLength: 1, maxLength: 60 });
const fraction = fc.double({ min: 0, max: 1, noNaN: true });

function holds<T>(arbitrary: fc.Arbitrary<T>, check: (value: T) => void): void {
  fc.assert(fc.property(arbitrary, check), PARAMETERS);
}

describe("of a few values", () => {
  test("at least a fraction of the values do not exceed the quantile, and a lesser value has fewer", () => {
    holds(fc.tuple(figures, fraction), ([values, q]) => {
      const found = quantile(values, q);
      const upTo = (limit: number): number => values.filter((each) => each <= limit).length;
      expect(values).toContain(found);
      expect(upTo(found)).toBeGreaterThanOrEqual(values.length * q);
      const lesser = values.filter((each) => each < found);
      if (lesser.length > 0) expect(lesser.length).toBeLessThan(Math.max(1, values.length * q));
    });
  });

  test("as many values are above the median as below it", () => {
    holds(figures, (values) => {
      const middle = median(values);
      const above = values.filter((each) => each > middle).length;
      const below = values.filter((each) => each < middle).length;
      expect(Math.max(above, below)).toBeLessThanOrEqual(values.length / 2);
    });
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  test("the mean weighs every value the same", () => {
    holds(figures, (values) => {
      const middle = mean(values);
      expect(middle * values.length).toBeCloseTo(
        values.reduce((sum, each) => sum + each, 0),
        3,
      );
    });
  });

  test("the spread is the range, and the median distance from the median", () => {
    holds(figures, (values) => {
      const { least, most, deviation } = spread(values);
      expect([least, most]).toEqual([Math.min(...values), Math.max(...values)]);
      expect(deviation).toBeLessThanOrEqual(most - least);
    });
    expect(spread([90, 100, 120])).toEqual({ least: 90, most: 120, deviation: 10, relative: 0.15 });
    expect(spread([7]).relative).toBe(0);
  });

  test("nothing is known of nothing", () => {
    expect([mean([]), median([]), quantile([], 0.5), mode(histogramOf([]))]).toEqual(
      new Array(4).fill(Number.NaN),
    );
    expect(spread([]).least).toBeNaN();
  });

  test("every latency column is a value that was measured, in order", () => {
    holds(figures, (values) => {
      const { p50, p90, p99, p999, worst } = latencyOf(values);
      expect(values).toEqual(expect.arrayContaining([p50, p90, p99, p999, worst]));
      expect([p50, p90, p99, p999, worst]).toEqual(
        [p50, p90, p99, p999, worst].toSorted((a, b) => a - b),
      );
    });
  });
});

describe("histograms", () => {
  test("every value is in the bucket that covers it", () => {
    holds(figure, (value) => {
      const { bounds, counts } = histogramOf([value]);
      const at = counts.indexOf(1);
      expect(bounds[at]).toBeLessThanOrEqual(value);
      expect(bounds[at + 1]).toBeGreaterThan(value);
    });
  });

  test("what lies outside is counted at the ends", () => {
    const { counts } = histogramOf([-1, 0, 1e9]);
    expect([counts[0], counts.at(-1)]).toEqual([2, 1]);
  });

  test("a quantile is that of the values, up to a bucket's width above", () => {
    holds(fc.tuple(figures, fraction), ([values, q]) => {
      const exact = quantile(values, q);
      const found = quantileOfHistogram(histogramOf(values), q);
      expect(found).toBeGreaterThanOrEqual(exact);
      expect(found).toBeLessThanOrEqual(Math.max(exact, 0.001) * 1.0601);
    });
  });

  test("the mode is where most values are", () => {
    expect(mode(histogramOf([1, 50, 50.5, 51, 200]))).toBeCloseTo(51.5, 0);
    holds(figures, (values) => {
      const histogram = histogramOf(values);
      const at = mode(histogram);
      const fullest = Math.max(...histogram.counts);
      const bucket = histogram.bounds.findLastIndex((bound) => bound <= at);
      expect(histogram.counts[bucket]).toBe(fullest);
    });
  });

  test("merging is counting all values at once", () => {
    holds(fc.array(figures, { minLength: 1, maxLength: 4 }), (groups) => {
      const merged = mergeHistograms(groups.map((values) => histogramOf(values)));
      expect(merged).toEqual(histogramOf(groups.flat()));
    });
  });

  test("merging other bounds loses nothing", () => {
    const bounds = fc
      .uniqueArray(fc.integer({ min: 0, max: 1000 }), { minLength: 2, maxLength: 12 })
      .map((all) => all.toSorted((a, b) => a - b));
    holds(fc.tuple(bounds, bounds, figures), ([a, b, values]) => {
      const [first, second] = [histogramOf(values, a), histogramOf(values, b)];
      const merged = mergeHistograms([first, second]);
      expect(total(merged)).toBeCloseTo(2 * values.length, 6);
      const belowOf = ({ counts, bounds: all }: typeof merged, limit: number): number =>
        counts.reduce((sum, count, i) => ((all[i + 1] ?? 0) <= limit ? sum + count : sum), 0);
      for (const limit of a.filter((each) => b.includes(each))) {
        expect(belowOf(merged, limit)).toBeCloseTo(
          belowOf(first, limit) + belowOf(second, limit),
          6,
        );
      }
    });
  });

  test("a latency from a microsecond to 100 seconds has a bucket 6 % wide", () => {
    const widths = LATENCY_BOUNDS.slice(2).map((bound, i) => bound / (LATENCY_BOUNDS[i + 1] ?? 0));
    expect(Math.max(...widths)).toBeLessThan(1.06);
    expect(LATENCY_BOUNDS.at(-1)).toBe(100_000);
  });
});

describe("ratio of medians", () => {
  const rounds = fc.array(fc.double({ min: 50, max: 150, noNaN: true }), {
    minLength: 2,
    maxLength: 8,
  });

  test("its interval holds it", () => {
    holds(fc.tuple(rounds, rounds), ([old, now]) => {
      const { low, middle, high } = ratioOfMedians(old, now);
      expect(middle).toBeCloseTo(median(now) / median(old), 9);
      expect(low).toBeLessThanOrEqual(middle * 1.000001);
      expect(high).toBeGreaterThanOrEqual(middle * 0.999999);
    });
  });

  test("the same seed gives the same interval, and a scale changes nothing", () => {
    holds(fc.tuple(rounds, rounds), ([old, now]) => {
      expect(ratioOfMedians(old, now, 7)).toEqual(ratioOfMedians(old, now, 7));
      const scaled = ratioOfMedians(
        old.map((value) => value * 1000),
        now.map((value) => value * 1000),
        7,
      );
      expect(scaled.low).toBeCloseTo(ratioOfMedians(old, now, 7).low, 6);
    });
  });

  test("one round says nothing of its noise; rounds without noise say all", () => {
    expect(ratioOfMedians([100], [120, 121])).toEqual({
      low: 0,
      middle: 1.205,
      high: Number.POSITIVE_INFINITY,
    });
    const { low, high } = ratioOfMedians([100, 100, 100], [150, 150, 150]);
    expect([low, high].map((value) => value.toFixed(9))).toEqual(["1.500000000", "1.500000000"]);
    expect(ratioOfMedians([0, 0], [1, 1]).low).toBeNaN();
  });

  test.each([2, 3, 5])("with %i rounds, noise alone seldom looks like a change", (count) => {
    const random = generator(count);
    const round = (): number => 100 * Math.exp(0.1 * (random() + random() + random() - 1.5));
    const some = (): number[] => Array.from({ length: count }, round);
    const tries = 400;
    let wrong = 0;
    for (let i = 0; i < tries; i++) {
      const { low, high } = ratioOfMedians(some(), some(), i);
      if (low > 1 || high < 1) wrong++;
    }
    expect(wrong / tries).toBeLessThan(0.08);
  });

  test("five rounds with 2 % of noise tell 10 % apart", () => {
    const old = [98, 99, 100, 101, 102];
    expect(
      ratioOfMedians(
        old,
        old.map((value) => value * 1.1),
      ).low,
    ).toBeGreaterThan(1);
  });
});

test("the generator is uniform and repeats itself", () => {
  const random = generator(1);
  const values = Array.from({ length: 10_000 }, random);
  expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...values)).toBeLessThan(1);
  expect(mean(values)).toBeCloseTo(0.5, 1);
  const again = generator(1);
  expect(values.slice(0, 5)).toEqual(Array.from({ length: 5 }, again));
});

describe("the knee", () => {
  test("is the least value that reaches 95 % of the best", () => {
    const rates = [
      [1, 100],
      [8, 700],
      [64, 960],
      [256, 1000],
      [1000, 930],
    ] as const;
    expect(knee(rates.map(([value, rate]) => ({ value, figure: rate })))).toBe(64);
  });

  test("no lesser value reaches it", () => {
    const points = fc.array(fc.record({ value: fc.nat(1000), figure }), { minLength: 1 });
    holds(points, (all) => {
      const found = knee(all) ?? Number.NaN;
      const best = Math.max(...all.map((point) => point.figure));
      const before = all.filter(({ value }) => value < found);
      expect(before.every((point) => point.figure < best * 0.95)).toBe(true);
    });
  });

  test("nothing measured, no knee", () => {
    expect(knee([])).toBeUndefined();
    expect(knee([{ value: 1, figure: Number.NaN }])).toBeUndefined();
    expect(knee([{ value: 1, figure: 0 }])).toBeUndefined();
  });
});
