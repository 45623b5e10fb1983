import { describe, expect, test } from "bun:test";
import {
  isWireCloseCode,
  rotate,
  serverHeaderBytes,
  unmask,
  writeServerHeader,
} from "../../../../src/proto/ws/frame.ts";

describe("unmask", () => {
  const mask = [0x12, 0xf4, 0x56, 0x88];
  const key = Buffer.from(mask).readInt32LE(0);

  test("every length at every alignment, and nothing beside it", () => {
    for (const length of [0, 1, 3, 4, 5, 125, 127, 128, 129, 130, 131, 132, 133, 1000]) {
      for (let from = 0; from < 8; from++) {
        const bytes = Buffer.alloc(length + 16, 0x55);
        for (let i = 0; i < length; i++) bytes[from + i] = (i & 0x7f) ^ mask[i & 3]!;
        expect(unmask(bytes, from, from + length, key)).toBe(length < 128);
        const expected = Buffer.alloc(length + 16, 0x55);
        for (let i = 0; i < length; i++) expected[from + i] = i & 0x7f;
        expect(bytes.equals(expected)).toBe(true);
      }
    }
  });

  test("a byte that is not ASCII is told, wherever it is; long payloads are not looked at", () => {
    for (const length of [1, 7, 200, 203]) {
      for (let at = 0; at < length; at++) {
        const bytes = Buffer.alloc(length + 3);
        for (let i = 0; i < length; i++) bytes[3 + i] = (i === at ? 0x80 : 0x7f) ^ mask[i & 3]!;
        expect(unmask(bytes, 3, 3 + length, key)).toBe(false);
      }
    }
  });

  test("the key goes on where it was left", () => {
    for (let first = 0; first < 9; first++) {
      const bytes = Buffer.from(Array.from({ length: 300 }, (_, i) => i ^ mask[i & 3]!));
      unmask(bytes, 0, first, key);
      unmask(bytes, first, 300, rotate(key, first));
      expect(bytes.equals(Buffer.from(Array.from({ length: 300 }, (_, i) => i)))).toBe(true);
    }
  });
});

test.each([
  [0, "8100"],
  [125, "817d"],
  [126, "817e007e"],
  [65_535, "817effff"],
  [65_536, "817f0000000000010000"],
  [5_000_000_000, "817f000000012a05f200"],
])("the header of %d bytes", (length, hex) => {
  const out = Buffer.alloc(12);
  const end = writeServerHeader(out, 1, 0x81, length);
  expect(out.toString("hex", 1, end)).toBe(hex);
  expect(serverHeaderBytes(length)).toBe(end - 1);
});

test("close codes of the wire", () => {
  const valid = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
  const others = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];
  for (const code of [...valid, 3000, 3999, 4000, 4999]) expect(isWireCloseCode(code)).toBe(true);
  for (const code of others) expect(isWireCloseCode(code)).toBe(false);
});
