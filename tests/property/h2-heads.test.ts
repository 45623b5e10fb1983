/** Properties of header blocks over generated and mutated input; the seed is fixed so that a failure can be had again. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { HeadForm } from "../../src/proto/events.ts";
import { OutputBuffer } from "../../src/proto/h2/output-buffer.ts";
import { DecodeCode } from "../../src/proto/h2/request-decoder.ts";
import { ResponseEncoder } from "../../src/proto/h2/response-encoder.ts";
import { FieldCode, HpackDecoder } from "../../src/proto/h2/hpack-decoder.ts";
import { decode, GET, headOf, newDecoder } from "../support/h2-head.ts";
import { BlockMaker, type Field, integer, text } from "../support/header-block.ts";

const PARAMETERS = { seed: 20260901, numRuns: 1000 };
const FORMS: readonly HeadForm[] = ["cgi", "asgi"];

/** Parts of blocks: whole representations, often wrong ones, and bytes. */
const piece = fc.oneof(
  fc.nat(80).map((index) => integer(0x80, 7, index)),
  fc
    .tuple(fc.constantFrom(0x40, 0, 0x10), fc.nat(70), fc.string({ maxLength: 9 }))
    .map(([first, index, value]) => [
      ...integer(first, first === 0x40 ? 6 : 4, index),
      ...(index === 0 ? text("n") : []),
      ...text(value),
    ]),
  fc.nat(5000).map((size) => integer(0x20, 5, size)),
  fc.constantFrom([0x82], [0x84], [0x87], [...[0x41], ...text("h")], [0x0f, 0x0d, ...text("3")]),
  fc.constantFrom([0x41, 0x90], [0xff, 0x80], [0x00, 0xff]),
  fc.uint8Array({ maxLength: 4 }).map((bytes) => [...bytes]),
);
const anyBlock = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.array(piece, { maxLength: 12 }).map((parts) => Buffer.from(parts.flat())),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 120 }).map((bytes) => Buffer.from(bytes)) },
);
const limits = fc.record({
  requestLineBytesMax: fc.constantFrom(16, 40, 8190),
  headerBytesMax: fc.constantFrom(24, 60, 65536),
  headerFieldBytesMax: fc.constantFrom(12, 40, 16384),
  headerCountMax: fc.constantFrom(2, 4, 100),
  bodyBytesMax: fc.constantFrom(0, 3),
  underscoreHeaders: fc.constantFrom("drop" as const, "refuse" as const),
});

describe("any blocks", () => {
  test("are decoded or refused, the same in both forms and by any caller, and never throw", () => {
    fc.assert(
      fc.property(fc.array(anyBlock, { maxLength: 5 }), limits, fc.nat(3), (blocks, set, kinds) => {
        const [cgi, asgi, skipping] = [
          newDecoder("cgi", set),
          newDecoder("asgi", set),
          newDecoder("cgi"),
        ];
        for (const block of blocks) {
          const ends = (kinds & 1) === 0;
          const one = decode(cgi, block, ends);
          const other = decode(asgi, block, ends);
          expect([one.code, one.error]).toEqual([other.code, other.error]);
          const skipped = skipping.skip(block, 0, block.length);
          if (one.code === DecodeCode.COMPRESSION) {
            if (cgi.connectionError === 9) expect(skipped).toBe(DecodeCode.COMPRESSION);
            return;
          }
          expect(skipped).toBe(DecodeCode.OK);
          const code =
            (kinds & 2) === 0 ? DecodeCode.OK : cgi.decodeTrailers(block, 0, block.length);
          if (code === DecodeCode.COMPRESSION) return;
          if ((kinds & 2) !== 0) {
            expect(asgi.decodeTrailers(block, 0, block.length)).toBe(code);
            expect(asgi.trailers).toEqual(cgi.trailers);
            skipping.skip(block, 0, block.length);
          }
        }
      }),
      { ...PARAMETERS, numRuns: 5000 },
    );
  });
});

const NAMES = [
  "accept",
  "cookie",
  "x-a",
  "te",
  "content-type",
  "expect",
  "host",
  "a_b",
  "B",
  "proxy",
];
const field = fc
  .tuple(
    fc.constantFrom(...NAMES),
    fc.constantFrom("1", "", "trailers", "100-continue", "h", "a b", "\xe9", " x"),
    fc.constantFrom("index" as const, "index" as const, "plain" as const, "never" as const),
  )
  .map(([name, value, mode]): Field => [name, value, mode]);
const request = fc
  .record({
    path: fc.constantFrom("/", "/a", "/abc%41?d", "*", "/%00", ""),
    pathMode: fc.constantFrom("index" as const, "plain" as const),
    authority: fc.constantFrom("h", "h", "other.example"),
    method: fc.constantFrom("GET", "GET", "POST", "OPTIONS", "PURGE"),
    fields: fc.array(field, { maxLength: 4 }),
  })
  .map(({ path, pathMode, authority, method, fields }): Field[] => [
    [":method", method],
    [":scheme", "https"],
    [":authority", authority],
    [":path", path, pathMode],
    ...fields,
  ]);

describe("a connection", () => {
  test("reads each request as a new connection would", () => {
    const sequence = fc
      .array(request, { minLength: 1, maxLength: 4 })
      .chain((pool) => fc.array(fc.constantFrom(...pool), { minLength: 2, maxLength: 12 }));
    fc.assert(
      fc.property(sequence, fc.constantFrom(...FORMS), fc.boolean(), (requests, form, coded) => {
        const decoder = newDecoder(form);
        const maker = new BlockMaker(coded);
        for (const fields of [...requests, GET]) {
          const wanted = headOf(fields, { form });
          const seen = decode(decoder, maker.block(fields));
          expect([seen.code, seen.error]).toEqual([wanted.code, wanted.error]);
          if (seen.code === DecodeCode.OK) expect(seen).toEqual(wanted);
        }
      }),
      PARAMETERS,
    );
  });
});

const line = fc.tuple(
  fc.constantFrom("content-type", "date", "server", "etag", "x-a", "x-b", "vary", "set-cookie"),
  fc.oneof(
    fc.constantFrom("1", "2", "3", "", "a longer value, with more"),
    fc.string({ maxLength: 300 }),
  ),
);

/** A value as a worker lets it through. */
function clean(value: string): string {
  return value.replaceAll(/[^ -~]/g, "").trim();
}

describe("responses", () => {
  test("are read as they were meant, whatever the peer's table", () => {
    const sequence = fc
      .array(fc.array(line, { maxLength: 6 }), { minLength: 1, maxLength: 4 })
      .chain((pool) =>
        fc.array(fc.tuple(fc.constantFrom(...pool), fc.constantFrom(-1, -1, -1, 0, 64, 4096)), {
          maxLength: 16,
        }),
      );
    fc.assert(
      fc.property(sequence, (responses) => {
        const encoder = new ResponseEncoder();
        const decoder = new HpackDecoder("asgi", 1_000_000);
        const out = new OutputBuffer();
        for (const [fields, size] of responses) {
          if (size >= 0) encoder.setPeerTableSizeMax(size);
          const lines = fields.map(([name, value]) => `${name}: ${clean(value)}`);
          const bytes = Buffer.from(["HTTP/1.1 200 OK", ...lines, "", ""].join("\r\n"));
          encoder.response(out, 200, bytes, 0, bytes.length);
          const block = out.take();
          expect(decoder.begin(block, 0, block.length)).toBe(true);
          const seen: string[] = [];
          for (let code = decoder.next(); code !== FieldCode.END; code = decoder.next()) {
            expect(code).toBe(FieldCode.FIELD);
            const pair = Buffer.from(decoder.source.subarray(decoder.from, decoder.to));
            seen.push(pair.toString("latin1").slice(1).replace("\0", ": "));
          }
          expect(seen).toEqual([": 200", ...lines]);
        }
      }),
      PARAMETERS,
    );
  });
});
