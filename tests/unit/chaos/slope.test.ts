/** Growth of processes, each compared with itself. */
import { describe, expect, test } from "bun:test";
import { type Point, slopeWithin } from "../../chaos/slope.ts";

const MIB = 1024 * 1024;

describe("the slope within lives", () => {
  const hour = 3600;
  /** From then on, so much an hour, a point each two minutes. */
  const life = (from: number, bytes: number, perHour: number, count: number): Point[] =>
    Array.from({ length: count }, (_, n) => {
      const seconds = from + n * 120;
      return { seconds, bytes: bytes + ((n * 120) / hour) * perHour };
    });

  test("a process that is replaced by a smaller one hides no leak", () => {
    const lives = [life(0, 50 * MIB, 3 * MIB, 8), life(2000, 20 * MIB, 3 * MIB, 8)];
    expect(slopeWithin(lives)).toBeCloseTo(3);
  });

  test("one that is replaced by a larger one is no leak", () => {
    expect(slopeWithin([life(0, 20 * MIB, 0, 8), life(2000, 50 * MIB, 0, 8)])).toBe(0);
  });

  test("a long life counts more than short ones that have just begun", () => {
    const young = [0, 1, 2].map((n) => life(2000 + n * 500, 20 * MIB, 40 * MIB, 3));
    expect(slopeWithin([life(0, 20 * MIB, 0, 10), ...young])).toBe(0);
  });

  test("points that lie far off do not change it", () => {
    const points = life(0, 20 * MIB, 1 * MIB, 12);
    points[3] = { ...points[3]!, bytes: 90 * MIB };
    points[11] = { ...points[11]!, bytes: 60 * MIB };
    expect(slopeWithin([points])).toBeLessThan(1.5);
  });

  test("of short lives alone nothing can be said", () => {
    expect(slopeWithin([life(0, 0, 0, 2), life(500, 0, 0, 2)])).toBeNull();
  });
});
