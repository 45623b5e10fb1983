import { expect, test } from "bun:test";
import { release } from "../../../src/core/bytes.ts";

test("memory that a buffer has for itself is given back at once", () => {
  const whole = Buffer.from(new ArrayBuffer(100_000));
  const piece = whole.subarray(5, 10);
  release(whole);
  expect([whole.length, piece.length]).toEqual([0, 0]);
});

test("shared memory is left alone", () => {
  const part = Buffer.from(new ArrayBuffer(100_000), 10, 50_000);
  release(part);
  expect(part.length).toBe(50_000);
});
