import { expect, test } from "bun:test";
import { Collector } from "../../../src/edge/collector.ts";

test("the heap is collected after many requests, and only with many connections", () => {
  let collections = 0;
  const collector = new Collector(() => (collections += 1));
  collector.tick(100, 1_000_000);
  collector.tick(5000, 1_050_000);
  expect(collections).toBe(0);
  collector.tick(5000, 1_100_000);
  collector.tick(5000, 1_150_000);
  expect(collections).toBe(1);
  collector.tick(5000, 1_200_000);
  expect(collections).toBe(2);
});
