import { expect, test } from "bun:test";
import { LineBuffer } from "../../../src/supervisor/workers/lines.ts";

const TEXT = "one\r\ntwo\n\nünf\nlast";
const LINES = ["one", "two", "", "ünf"];

test("lines are the same whatever the chunks", () => {
  const bytes = Buffer.from(TEXT);
  for (let size = 1; size <= bytes.length; size += 1) {
    const buffer = new LineBuffer(100);
    const lines: string[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      lines.push(...buffer.push(bytes.subarray(at, at + size)));
    }
    expect(lines).toEqual(LINES);
    expect(buffer.rest()).toEqual(["last"]);
    expect(buffer.rest()).toEqual([]);
  }
});

test("a line beyond the bound comes in pieces, so that little is held", () => {
  const buffer = new LineBuffer(4);
  expect(buffer.push(Buffer.from("abcdefghij"))).toEqual(["abcd", "efgh"]);
  expect(buffer.push(Buffer.from("k\nxy\n"))).toEqual(["ijk", "xy"]);
});
