/** What a connection keeps of its last header block, and the trailer fields of requests. */
import { describe, expect, test } from "bun:test";
import type { HeadForm } from "../../../../src/proto/events.ts";
import { DecodeCode, type RequestDecoder } from "../../../../src/proto/h2/request-decoder.ts";
import { BlockMaker, type Field, integer, text } from "../../../support/header-block.ts";
import { decode, type DecodedHead, GET, headOf, newDecoder } from "../../../support/h2-head.ts";

const { OK, MALFORMED, REFUSED, COMPRESSION } = DecodeCode;

function without(name: string, fields: readonly Field[] = GET): Field[] {
  return fields.filter(([other]) => other !== name);
}

describe("what is kept of the last block", () => {
  function fieldsOf(path: string, more: readonly Field[] = []): Field[] {
    return [...without(":path"), [":path", path, "plain"], ["accept", "*/*"], ...more];
  }

  /** Each request as it is read behind the others and as a new connection reads it. */
  function compare(requests: readonly (readonly Field[])[], form: HeadForm): void {
    const decoder = newDecoder(form);
    const maker = new BlockMaker();
    for (const fields of requests) {
      const wanted = headOf(fields, { form });
      expect(decode(decoder, maker.block(fields))).toEqual(wanted);
    }
  }

  test.each(["cgi", "asgi"] satisfies HeadForm[])("is right for %s", (form) => {
    const once = fieldsOf("/");
    const other = once.map((field): Field =>
      field[0] === ":authority" ? [":authority", "other"] : field,
    );
    const requests = [
      ...[once, once, once, fieldsOf("/longer/%41?q"), fieldsOf("/x"), once, other, other, once],
      ...[
        fieldsOf("/", [["cookie", "a=1", "plain"]]),
        once,
        fieldsOf("/", [["cookie", "a=2", "plain"]]),
      ],
      ...[once, without(":authority", once), once, once, [...once, ["host", "h"] as const], once],
      ...[fieldsOf("/%00"), once, fieldsOf("/", [["a_b", "1"]]), once, GET, GET, once],
      ...[
        fieldsOf(`/${"p".repeat(5000)}`),
        once,
        fieldsOf("/", [["x-long", "v".repeat(9000), "plain"]]),
      ],
      ...[once, fieldsOf("/", [["x-new", "1"]]), once, once],
    ];
    compare(requests, form);
  });

  test("is forgotten when the table changes under it", () => {
    const decoder = newDecoder("asgi");
    const entry = (value: string): Buffer => Buffer.from([0x40, ...text("x-a"), ...text(value)]);
    const pseudo = new BlockMaker().block([...without(":authority"), [":authority", "h", "plain"]]);
    const block = Buffer.concat([pseudo, Buffer.from([0xbe])]);
    const seen = (): DecodedHead["fields"] => decode(decoder, block).fields;
    skip(decoder, entry("1"));
    for (let i = 0; i < 3; i++)
      expect(seen()).toEqual([
        ["host", "h"],
        ["x-a", "1"],
      ]);
    skip(decoder, entry("2"));
    for (let i = 0; i < 3; i++)
      expect(seen()).toEqual([
        ["host", "h"],
        ["x-a", "2"],
      ]);
    // Evicted, and the same bytes mean another entry, or none.
    skip(decoder, Buffer.from([0x20, 0x3f, 0xe1, 0x1f]));
    expect(decode(decoder, block).code).toBe(COMPRESSION);
  });

  test("is not an authority that another one has taken the place of", () => {
    // Every so many entries the oldest one is asked for: at some distance they all lie at the same place.
    for (let distance = 60; distance < 140; distance++) {
      const decoder = newDecoder("asgi");
      const pseudo = new BlockMaker().block(without(":authority"));
      const block = Buffer.concat([pseudo, Buffer.from(integer(0x80, 7, 62 + 86))]);
      for (let i = 0; i < 1000; i++) {
        skip(decoder, Buffer.from([0x41, ...text(`h${1000 + i}`)]));
        if (i < 86 || i % distance !== 0) continue;
        expect(decode(decoder, block).fields).toEqual([["host", `h${1000 + i - 86}`]]);
      }
    }
  });

  test("is not an authority that came as a literal", () => {
    for (const mode of ["plain", "index"] as const) {
      const decoder = newDecoder("asgi");
      const maker = new BlockMaker();
      for (const host of ["h1", "h2", "h2", "h3", "h1"]) {
        const fields: Field[] = [...without(":authority"), [":authority", host, mode], ["a", "1"]];
        expect(decode(decoder, maker.block(fields)).fields[0]).toEqual(["host", host]);
      }
    }
  });

  test("does not hold what other connections have written", () => {
    const [one, other] = [newDecoder("cgi"), newDecoder("cgi")];
    const makers = [new BlockMaker(), new BlockMaker()];
    for (let i = 0; i < 4; i++) {
      const first = decode(one, makers[0]!.block(fieldsOf(`/one/${i}`)));
      const second = decode(other, makers[1]!.block(fieldsOf("/other")));
      expect(first.target).toBe(`/one/${i}`);
      expect(second.target).toBe("/other");
      expect(one.head.target()).toBe(`/one/${i}`);
    }
  });

  function skip(decoder: RequestDecoder, block: Buffer): void {
    expect(decoder.skip(block, 0, block.length)).toBe(OK);
  }
});

describe("trailers", () => {
  function trailers(fields: readonly Field[], changes = {}): string {
    const texts = (["cgi", "asgi"] satisfies HeadForm[]).map((form) => {
      const decoder = newDecoder(form, changes);
      const block = new BlockMaker().block(fields);
      const code = decoder.decodeTrailers(block, 0, block.length);
      if (code !== OK) return `${code} ${decoder.errorCode}`;
      return decoder.trailers === null ? "none" : Buffer.from(decoder.trailers).toString("latin1");
    });
    expect(texts[0]).toBe(texts[1]);
    return texts[0]!;
  }

  test("are pairs, without those that have no business there", () => {
    const fields: Field[] = [
      ["grpc-status", "0"],
      ["content-length", "5"],
      ["x_y", "1"],
      ["x-real-ip", "1"],
      ["a", ""],
    ];
    expect(trailers(fields)).toBe("grpc-status\x000\0a\0");
    expect(trailers([])).toBe("none");
    expect(trailers([["host", "h"]])).toBe("none");
  });

  test("without pseudo-header fields, and of the grammar of fields", () => {
    for (const wrong of [
      [":path", "/"],
      ["A", "1"],
      ["a", "b\n"],
    ] satisfies Field[]) {
      expect(trailers([wrong])).toBe(`${MALFORMED} trailer-invalid`);
    }
    expect(trailers([["a_b", "1"]], { underscoreHeaders: "refuse" })).toBe(
      `${REFUSED} trailer-invalid`,
    );
  });

  test("within the limits of a header section", () => {
    const two: Field[] = [
      ["a", "12345"],
      ["b", "1"],
    ];
    const tooLarge = `${REFUSED} trailer-too-large`;
    expect(trailers(two, { headerCountMax: 1 })).toBe(tooLarge);
    expect(trailers(two, { headerFieldBytesMax: 7 })).toBe(tooLarge);
    expect(trailers(two, { headerBytesMax: 15 })).toBe(tooLarge);
    expect(trailers(two, { headerCountMax: 2, headerFieldBytesMax: 8, headerBytesMax: 16 })).toBe(
      "a\x0012345\0b\x001",
    );
  });
});
