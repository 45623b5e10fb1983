import { isUtf8 } from "node:buffer";
import { expect, test } from "bun:test";
import { scanUtf8, UTF8_INVALID, UTF8_WHOLE } from "../../../../src/proto/ws/utf8.ts";
import { randomOf } from "../../../support/h1-reader.ts";

function scan(hex: string): number {
  const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
  return scanUtf8(UTF8_WHOLE, bytes, 0, bytes.length);
}

/** Where the first byte is that makes it invalid; -1 nowhere. */
function invalidAt(bytes: Uint8Array): number {
  let state = UTF8_WHOLE;
  for (let i = 0; i < bytes.length; i++) {
    state = scanUtf8(state, bytes, i, i + 1);
    if (state === UTF8_INVALID) return i;
  }
  return -1;
}

test.each([
  ["first and last of each length", "00 7f c280 dfbf e0a080 efbfbf f0908080 f48fbfbf"],
  ["on both sides of the surrogates", "ed9fbf ee8080"],
  ["noncharacters", "efbfbe f09fbfbf"],
])("%s are UTF-8", (_, hex) => {
  expect(scan(hex)).toBe(UTF8_WHOLE);
});

test.each([
  ["a continuation byte alone", "80", 0],
  ["a byte that never occurs", "ff", 0],
  ["an overlong NUL", "c080", 0],
  ["an overlong slash in two bytes", "c1af", 0],
  ["overlong in three bytes", "e09fbf", 1],
  ["overlong in four bytes", "f08fbfbf", 1],
  ["a high surrogate", "eda080", 1],
  ["a low surrogate", "edbfbf", 1],
  ["beyond U+10FFFF", "f4908080", 1],
  ["five bytes", "f888808080", 0],
  ["a character cut by ASCII", "e28241", 2],
  ["a character cut by another", "f09f98c3a9", 3],
])("%s is seen at the first wrong byte", (_, hex, at) => {
  expect(invalidAt(Buffer.from(hex, "hex"))).toBe(at);
});

test("a character that has not ended is neither whole nor invalid", () => {
  for (const hex of ["c3", "e2", "e282", "f0", "f09f", "f09f98", "ed80", "f48f", "e0a0"]) {
    expect([UTF8_WHOLE, UTF8_INVALID]).not.toContain(scan(hex));
  }
});

test.each([undefined, isUtf8])("a long text may be cut anywhere (%p)", (whole) => {
  const judge = (state: number, bytes: Buffer, from: number, to: number): number =>
    scanUtf8(state, bytes, from, to, whole);
  const text = Buffer.from("aé€😀".repeat(200));
  for (let cut = 1000; cut < 1030; cut++) {
    const state = judge(UTF8_WHOLE, text, 0, cut);
    expect(state).not.toBe(UTF8_INVALID);
    expect(judge(state, text, cut, text.length)).toBe(UTF8_WHOLE);
    const wrong = Buffer.from(text);
    wrong[cut] = 0xff;
    expect(judge(UTF8_WHOLE, wrong, 0, wrong.length)).toBe(UTF8_INVALID);
    expect(judge(state, wrong, cut, wrong.length)).toBe(UTF8_INVALID);
    const short = Buffer.concat([text.subarray(0, 1000), Buffer.from([0xe2, 0x82])]);
    expect([UTF8_WHOLE, UTF8_INVALID]).not.toContain(judge(UTF8_WHOLE, short, 0, short.length));
  }
});

test("it agrees with the runtime's decoder on random bytes", () => {
  const random = randomOf(7);
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const heads = [0x41, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xf0, 0xf1, 0xf4, 0x80, 0xbf, 0x9f, 0xa0];
  const seen = { valid: 0, invalid: 0 };
  for (let i = 0; i < 20_000; i++) {
    const bytes = Uint8Array.from({ length: 1 + random() * 5 }, () =>
      random() < 0.8 ? heads[Math.floor(random() * heads.length)]! : random() * 256,
    );
    let valid = true;
    try {
      decoder.decode(bytes);
    } catch {
      valid = false;
    }
    seen[valid ? "valid" : "invalid"] += 1;
    expect(scanUtf8(UTF8_WHOLE, bytes, 0, bytes.length) === UTF8_WHOLE).toBe(valid);
  }
  expect(Math.min(seen.valid, seen.invalid)).toBeGreaterThan(500);
});
