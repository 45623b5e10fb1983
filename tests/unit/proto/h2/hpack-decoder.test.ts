/** HPACK decoding (RFC 7541): the examples of appendix C, and each way a block can be wrong. */
import { describe, expect, test } from "bun:test";
import { FieldCode, HpackDecoder } from "../../../../src/proto/h2/hpack-decoder.ts";
import { integer, text } from "../../../support/header-block.ts";

const DECODED_MAX = 100_000;

function hex(...parts: string[]): Buffer {
  return Buffer.from(parts.join("").replaceAll(" ", ""), "hex");
}

/** `name: value` of each field (the names of pseudo-header fields are not kept), or a fault. */
function decode(decoder: HpackDecoder, block: Uint8Array): string[] | "fault" {
  if (!decoder.begin(block, 0, block.length)) return "fault";
  const seen: string[] = [];
  for (;;) {
    const code = decoder.next();
    if (code === FieldCode.END) return seen;
    if (code === FieldCode.FAULT) return "fault";
    const { source, from, valueAt, to } = decoder;
    const bytes = Buffer.from(source.subarray(from, to)).toString("latin1");
    expect([bytes[0], bytes[valueAt - from - 1]]).toEqual(["\0", "\0"]);
    seen.push(`${bytes.slice(1, valueAt - from - 1)}: ${bytes.slice(valueAt - from)}`);
  }
}

function newDecoder(): HpackDecoder {
  return new HpackDecoder("asgi", DECODED_MAX);
}

function decodeOnce(block: Uint8Array | readonly number[]): string[] | "fault" {
  return decode(newDecoder(), Uint8Array.from(block));
}

const DATE_21 = "date: Mon, 21 Oct 2013 20:13:21 GMT";
const DATE_22 = "date: Mon, 21 Oct 2013 20:13:22 GMT";
const PLACE = "location: https://www.example.com";
const COOKIE = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";

describe("appendix C", () => {
  test("C.1: integers", () => {
    expect(integer(0, 5, 10)).toEqual([0x0a]);
    expect(integer(0, 5, 1337)).toEqual([0x1f, 0x9a, 0x0a]);
    // The same as the size of an update, which is within the limit or not.
    for (const [size, fits] of [
      [1336, false],
      [1337, true],
    ] as const) {
      const one = newDecoder();
      one.setTableSizeMax(size);
      expect(decode(one, hex("3f9a0a"))).toEqual(fits ? [] : "fault");
    }
  });

  test("C.2: representations", () => {
    expect(decodeOnce(hex("400a6375 73746f6d 2d6b6579 0d637573 746f6d2d 68656164 6572"))).toEqual([
      "custom-key: custom-header",
    ]);
    expect(decodeOnce(hex("040c2f73 616d706c 652f7061 7468"))).toEqual([": /sample/path"]);
    expect(decodeOnce(hex("10087061 7373776f 72640673 65637265 74"))).toEqual(["password: secret"]);
    expect(decodeOnce(hex("82"))).toEqual([": GET"]);
  });

  test.each([
    [
      "C.3: without Huffman",
      [
        "828684410f77 77772e65 78616d70 6c652e63 6f6d",
        "828684be5808 6e6f2d63 61636865",
        "828785bf400a 63757374 6f6d2d6b 65790c63 7573746f 6d2d7661 6c7565",
      ],
    ],
    [
      "C.4: with Huffman",
      [
        "828684418cf1 e3c2e5f2 3a6ba0ab 90f4ff",
        "828684be5886 a8eb1064 9cbf",
        "828785bf4088 25a849e9 5ba97d7f 8925a849 e95bb8e8 b4bf",
      ],
    ],
  ])("%s", (_, blocks) => {
    const one = newDecoder();
    const host = "host: www.example.com";
    expect(decode(one, hex(blocks[0]!))).toEqual([": GET", ": http", ": /", host]);
    expect(decode(one, hex(blocks[1]!))).toEqual([
      ...[": GET", ": http", ": /", host],
      "cache-control: no-cache",
    ]);
    expect(decode(one, hex(blocks[2]!))).toEqual([
      ...[": GET", ": https", ": /index.html", host],
      "custom-key: custom-value",
    ]);
  });

  test.each([
    [
      "C.5: responses, with a table of 256 octets",
      [
        "4803333032 580770726976617465 611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54",
        "6e1768747470733a2f2f7777772e6578616d706c652e636f6d",
        "4803333037c1c0bf",
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a6970",
        "7738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
      ],
    ],
    [
      "C.6: the same with Huffman",
      [
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff",
        "6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        "4883640effc1c0bf",
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab",
        "77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
      ],
    ],
  ])("%s", (_, [first, firstEnd, second, third, thirdEnd]) => {
    const one = newDecoder();
    const size = "3fe101";
    expect(decode(one, hex(size, first!, firstEnd!))).toEqual([
      ...[": 302", "cache-control: private", DATE_21, PLACE],
    ]);
    expect(decode(one, hex(second!))).toEqual([
      ...[": 307", "cache-control: private", DATE_21, PLACE],
    ]);
    expect(decode(one, hex(third!, thirdEnd!))).toEqual([
      ...[": 200", "cache-control: private", DATE_22, PLACE, "content-encoding: gzip", COOKIE],
    ]);
    // Three entries are left: cookie, coding, date.
    expect(decode(one, hex("bebfc0"))).toEqual([COOKIE, "content-encoding: gzip", DATE_22]);
    expect(decode(one, hex("c1"))).toBe("fault");
  });
});

describe("the dynamic table", () => {
  test("an entry as large as the table stays, a larger one empties it", () => {
    const one = newDecoder();
    const entry = (bytes: number): Buffer =>
      Buffer.from([0x40, ...text("a"), ...text("v".repeat(bytes - 33))]);
    expect(decode(one, entry(4096))).toHaveLength(1);
    expect(decode(one, hex("be"))).toHaveLength(1);
    expect(decode(one, entry(4097))).toHaveLength(1);
    expect(decode(one, hex("be"))).toBe("fault");
  });

  test("the name of an entry that its own adding evicts is read first", () => {
    const one = newDecoder();
    const name = `n${"a".repeat(2000)}`;
    expect(decode(one, Buffer.from([0x40, ...text(name), ...text("1")]))).toEqual([`${name}: 1`]);
    const again = Buffer.from([0x7e, ...text("v".repeat(1500))]);
    expect(decode(one, again)).toEqual([`${name}: ${"v".repeat(1500)}`]);
    expect(decode(one, hex("be"))).toEqual([`${name}: ${"v".repeat(1500)}`]);
    expect(decode(one, hex("bf"))).toBe("fault");
  });

  test("it holds over many evictions and movings", () => {
    const one = newDecoder();
    for (let i = 0; i < 3000; i++) {
      const value = String(i).padEnd(i % 97, "x");
      const coded = i % 2 === 0;
      const block = Buffer.from([0x40, ...text(`n${i}`, coded), ...text(value, coded)]);
      expect(decode(one, block)).toEqual([`n${i}: ${value}`]);
      if (i < 10) continue;
      const older = String(i - 10).padEnd((i - 10) % 97, "x");
      expect(decode(one, hex("c8"))).toEqual([`n${i - 10}: ${older}`]);
    }
  });

  test("a name is taken from an entry, wherever that has moved", () => {
    const one = newDecoder();
    const names = ["name-a", "name-bb", "name-ccc"];
    for (const name of names) decode(one, Buffer.from([0x40, ...text(name), ...text("1")]));
    for (let i = 0; i < 3000; i++) {
      const value = String(i).padEnd(i % 61, "x");
      // Always the third newest entry's name.
      const block = Buffer.from([...integer(0x40, 6, 64), ...text(value, i % 3 === 0)]);
      expect(decode(one, block)).toEqual([`${names[i % 3]}: ${value}`]);
    }
  });

  test("a size update to nothing empties it", () => {
    const one = newDecoder();
    decode(one, hex("40 0161 0162"));
    expect(decode(one, hex("20 3fe11f"))).toEqual([]);
    expect(decode(one, hex("be"))).toBe("fault");
  });
});

describe("what cannot be decoded", () => {
  test.each([
    ["index 0", "80"],
    ["an index beyond the static table", "be"],
    ["an index far beyond", "ffffffff0f"],
    ["a literal whose name has an index beyond", "7e0161"],
    ["an integer without an end", "ff"],
    ["an integer that goes on at the end", "ff8080"],
    ["an integer of more than four further octets", "ff8080808000"],
    ["a string longer than the block", "0001610262"],
    ["a name longer than the block", "000561"],
    ["no value", "000161"],
    ["no name", "00"],
    ["a string whose length overflows", "0001617fffffffff7f"],
    ["EOS in a Huffman string", "00016184ffffffff"],
    ["a Huffman string with padding of a byte", "0001618207ff"],
    ["a Huffman name with wrong padding", "00810000"],
    ["a size update behind a field", "8220"],
    ["a size update above the limit", "3fe21f"],
  ])("%s", (_, block) => {
    expect(decodeOnce(hex(block))).toBe("fault");
  });

  test("a block without the size update that a smaller limit asks for", () => {
    const one = newDecoder();
    one.setTableSizeMax(100);
    expect(decode(one, hex("82"))).toBe("fault");
    const other = newDecoder();
    other.setTableSizeMax(100);
    expect(decode(other, hex("3f4582"))).toEqual([": GET"]);
    expect(decode(other, hex("82"))).toEqual([": GET"]);
    expect(decode(other, hex("3f46"))).toBe("fault");
  });

  test("more than a block may come to (an HPACK bomb)", () => {
    const one = newDecoder();
    const entry = Buffer.from([0x40, ...text("a"), ...text("v".repeat(4000))]);
    expect(decode(one, entry)).toHaveLength(1);
    const fits = Math.floor(DECODED_MAX / 4033);
    expect(decode(one, Buffer.alloc(fits, 0xbe))).toHaveLength(fits);
    expect(one.tooLarge).toBe(false);
    expect(decode(one, Buffer.alloc(fits + 1, 0xbe))).toBe("fault");
    expect(one.tooLarge).toBe(true);
  });
});

describe("wrong names and values are marked and kept", () => {
  test.each([
    ["an upper-case name", [0x40, ...text("A"), ...text("v")], 18, false],
    ["a name that is no token", [0x40, ...text("a b"), ...text("v")], 18, false],
    ["an empty name", [0x40, ...text(""), ...text("v")], 18, false],
    ["an underscore", [0x40, ...text("a_b"), ...text("v")], 17, false],
    ["an unknown pseudo-header field", [0x40, ...text(":x"), ...text("v")], 37, false],
    ["a line feed in the value", [0x40, ...text("a"), ...text("v\nw")], 0, true],
    ["a blank before the value", [0x40, ...text("a"), ...text(" v")], 0, true],
    ["a tab behind the value", [0x40, ...text("a"), ...text("v\t")], 0, true],
    ["an empty value", [0x40, ...text("a"), ...text("")], 0, false],
  ])("%s", (_, block, kind, invalid) => {
    const one = newDecoder();
    for (const bytes of [Uint8Array.from(block), hex("be")]) {
      expect(one.begin(bytes, 0, bytes.length)).toBe(true);
      expect(one.next()).toBe(FieldCode.FIELD);
      expect([one.kind as number, one.valueInvalid]).toEqual([kind, invalid]);
    }
  });
});
