/** The Huffman code (RFC 7541 section 5.2 and appendix B). */
import { describe, expect, test } from "bun:test";
import {
  huffmanDecode,
  huffmanEncode,
  huffmanLength,
  huffmanRoom,
} from "../../../../src/proto/h2/huffman.ts";

function encode(text: string): string {
  const bytes = Buffer.from(text, "latin1");
  const out = new Uint8Array(huffmanLength(bytes, 0, bytes.length) + 2).fill(0xee);
  const end = huffmanEncode(bytes, 0, bytes.length, out, 1);
  expect(end).toBe(out.length - 1);
  expect([out[0], out[end]]).toEqual([0xee, 0xee]);
  return Buffer.from(out.subarray(1, end)).toString("hex");
}

function decode(hex: string): string | null {
  const bytes = Buffer.from(`ff${hex}ff`, "hex");
  const out = new Uint8Array(huffmanRoom(bytes.length - 2) + 3).fill(0xee);
  const end = huffmanDecode(bytes, 1, bytes.length - 1, out, 2);
  expect(out[1]).toBe(0xee);
  return end < 0 ? null : Buffer.from(out.subarray(2, end)).toString("latin1");
}

describe("the code", () => {
  test.each([
    ["www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"],
    ["no-cache", "a8eb10649cbf"],
    ["custom-key", "25a849e95ba97d7f"],
    ["Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"],
    [
      "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
      "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ],
    ["", ""],
  ])("%j is what appendix C shows", (text, hex) => {
    expect(encode(text)).toBe(hex);
    expect(decode(hex)).toBe(text);
  });

  test("every symbol, before and after every other, is read back", () => {
    for (let first = 0; first < 256; first++) {
      let text = "";
      for (let second = 0; second < 256; second++) text += String.fromCharCode(first, second);
      expect(decode(encode(text))).toBe(text);
    }
  });

  test("the longest and the shortest code", () => {
    expect(encode("\n")).toBe("fffffff3");
    expect(encode("0")).toBe("07");
    expect(decode("fffffff3")).toBe("\n");
  });
});

describe("what is not a string", () => {
  test("EOS", () => {
    expect(decode("3fffffff")).toBeNull();
    expect(decode("07ffffffff")).toBeNull();
  });

  test("padding of eight bits and more", () => {
    expect(decode("07")).toBe("0");
    expect(decode("07ff")).toBeNull();
    expect(decode("ff")).toBeNull();
  });

  test("padding that is not ones", () => {
    expect(decode("00")).toBeNull();
    expect(decode("06")).toBeNull();
  });
});
