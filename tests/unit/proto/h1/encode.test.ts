import { describe, expect, test } from "bun:test";
import { CHUNK_LINE_ROOM, writeChunkLine } from "../../../../src/proto/h1/encode.ts";

describe("writeChunkLine", () => {
  for (const size of [1, 9, 10, 15, 16, 255, 256, 65536, 2 ** 31, 2 ** 32, 2 ** 53 - 1]) {
    test(`writes ${size} in hexadecimal`, () => {
      const target = new Uint8Array(CHUNK_LINE_ROOM + 2);
      const end = writeChunkLine(target, 1, size);
      expect(Buffer.from(target.subarray(1, end)).toString()).toBe(`${size.toString(16)}\r\n`);
      expect(end).toBeLessThanOrEqual(CHUNK_LINE_ROOM + 1);
      expect(target[end]).toBe(0);
    });
  }
});
