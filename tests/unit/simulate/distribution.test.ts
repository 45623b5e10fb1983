/** Service times as they are written, and as they come out. */
import { describe, expect, test } from "bun:test";
import {
  type Distribution,
  measured,
  parseDistribution,
} from "../../../src/simulate/distribution.ts";
import { parseTime, timeText } from "../../../src/simulate/distribution.ts";
import { randomOf } from "../../../src/simulate/random.ts";

const SAMPLES = 100_000;

function read(text: string): Distribution {
  const result = parseDistribution(text);
  if (typeof result === "string") throw new Error(result);
  return result;
}

function sorted(distribution: Distribution): Float64Array {
  const random = randomOf(7);
  return Float64Array.from({ length: SAMPLES }, () => distribution.sample(random)).sort();
}

function at(values: Float64Array, fraction: number): number {
  return values[Math.floor(values.length * fraction)] ?? Number.NaN;
}

describe("times", () => {
  test.each([
    ["5ms", 5],
    ["1.5s", 1500],
    ["250us", 0.25],
    ["0", 0],
    ["5", null],
    ["-5ms", null],
    ["ms", null],
  ] as const)("%s", (text, ms) => {
    expect(parseTime(text)).toBe(ms);
  });

  test("are shown in the unit that fits", () => {
    expect([0.25, 5, 1500, 0].map(timeText)).toEqual(["250us", "5ms", "1.5s", "0ms"]);
  });
});

describe("distributions", () => {
  test("a lognormal one is written as its P50 and P99, and has them", () => {
    const distribution = read("lognormal:5ms:50ms");
    const values = sorted(distribution);
    expect(at(values, 0.5)).toBeCloseTo(5, 0);
    expect(at(values, 0.99) / 50).toBeCloseTo(1, 1);
    const mean = values.reduce((sum, value) => sum + value, 0) / SAMPLES;
    expect(distribution.mean / mean).toBeCloseTo(1, 1);
  });

  test.each(["3ms", "exp:3ms", "uniform:2ms:4ms"])("%s has the mean 3 ms", (text) => {
    const values = sorted(read(text));
    const mean = values.reduce((sum, value) => sum + value, 0) / SAMPLES;
    expect(read(text).mean).toBe(3);
    expect(mean / 3).toBeCloseTo(1, 1);
  });

  test("measured values come as often as they were", () => {
    const values = sorted(measured([1, 1, 1, 9], "4 measured"));
    expect(at(values, 0.7)).toBe(1);
    expect(at(values, 0.8)).toBe(9);
  });

  test.each([
    ["fast", "is no time"],
    ["exp:1", "is no time"],
    ["uniform:5ms", "is no time"],
    ["uniform:5ms:1ms", "has its second time below its first"],
    ["lognormal:0:5ms", "has a median of 0"],
    ["normal:5ms:6ms", "is no time"],
  ])("%s is wrong: it %s", (text, what) => {
    expect(parseDistribution(text)).toStartWith(what);
  });
});
