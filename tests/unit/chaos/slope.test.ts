/** Growth seen through the saw teeth of garbage collection. */
import { describe, expect, test } from "bun:test";
import { envelope, type Point, slopeOf } from "../../chaos/slope.ts";

const MIB = 1024 * 1024;

/** Half an hour, a sample each ten seconds. */
function samples(bytesAt: (seconds: number) => number): Point[] {
  return Array.from({ length: 180 }, (_, n) => ({ seconds: n * 10, bytes: bytesAt(n * 10) }));
}

/** Grows by 20 MiB, then is collected. */
const tooth = (seconds: number): number => ((seconds % 70) / 70) * 20 * MIB;

describe("the slope of memory", () => {
  test("saw teeth alone are no growth", () => {
    expect(slopeOf(samples(tooth), 120)).toBe(0);
  });

  test("a leak under saw teeth is seen", () => {
    const leak = samples((seconds) => tooth(seconds) + (seconds / 3600) * 6 * MIB);
    const slope = slopeOf(leak, 120) ?? 0;
    expect(slope).toBeGreaterThan(5);
    expect(slope).toBeLessThan(7);
  });

  test("a few windows that lie far off do not change it", () => {
    const points = samples((seconds) => (seconds >= 600 && seconds < 840 ? 500 * MIB : 50 * MIB));
    expect(slopeOf(points, 120)).toBe(0);
  });

  test("of two windows nothing can be said", () => {
    expect(slopeOf(samples(tooth).slice(0, 20), 120)).toBe(null);
  });

  test("the envelope has the least of each window", () => {
    const points = [5, 3, 4, 9, 8, 7].map((bytes, n) => ({ seconds: n * 40, bytes }));
    expect(envelope(points, 120)).toEqual([
      { seconds: 40, bytes: 3 },
      { seconds: 200, bytes: 7 },
    ]);
  });
});
