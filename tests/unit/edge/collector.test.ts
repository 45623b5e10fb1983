import { expect, test } from "bun:test";
import { Collector } from "../../../src/edge/collector.ts";

test("after many requests with many connections the whole heap is collected", () => {
  let collections = 0;
  const collector = new Collector((whole) => (collections += whole ? 1 : 0));
  collector.tick(0, 100, 1_000_000);
  collector.tick(0, 5000, 1_050_000);
  expect(collections).toBe(0);
  collector.tick(0, 5000, 1_100_000);
  collector.tick(0, 5000, 1_150_000);
  expect(collections).toBe(1);
  collector.tick(0, 5000, 1_200_000);
  expect(collections).toBe(2);
});

test("it is asked once a second while requests come, once after the last, and then no more", () => {
  const at: number[] = [];
  let now = 10_000;
  const collector = new Collector(() => void at.push(now));
  const tick = (requests: number): boolean => {
    now += 500;
    return collector.tick(now, 1, requests);
  };
  expect(tick(0)).toBe(false);
  expect([tick(5), tick(9), tick(12), tick(12)]).toEqual([false, true, false, false]);
  expect([tick(13), tick(14), tick(14)]).toEqual([false, true, false]);
  expect([tick(14), tick(14), tick(14)]).toEqual([false, false, false]);
  expect(at).toEqual([11_000, 12_000, 13_000, 14_000]);
  expect([tick(10_014), tick(10_015)]).toEqual([false, true]);
});
