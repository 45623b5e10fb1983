/** Forwarding fields in heads: one policy for HTTP/1.1, 2 and 3, in both forms, and also where a head is recognised as the last one. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type HeadForm, ReadEvent, type RequestHead } from "../../../src/proto/events.ts";
import {
  FORWARDING_FIELDS,
  ForwardingPolicy,
  type ForwardingSource,
} from "../../../src/proto/forwarded.ts";
import { H1Reader } from "../../../src/proto/h1/reader.ts";
import { DecodeCode } from "../../../src/proto/h2/request-decoder.ts";
import { H3RequestHead } from "../../../src/proto/h3/request-head.ts";
import { DEFAULTS } from "../../support/h1-reader.ts";
import { newDecoder } from "../../support/h2-head.ts";
import { BlockMaker } from "../../support/header-block.ts";

type Fields = readonly (readonly [name: string, value: string])[];
/** Reads one head after the other on a connection: the head, or why it was refused. */
type Reader = (fields: Fields) => RequestHead | string;

const FORMS: readonly HeadForm[] = ["cgi", "asgi"];
const OURS = new ForwardingPolicy(FORWARDING_FIELDS, (address) => address.startsWith("10."));
const trusted: ForwardingSource = () => OURS;
const untrusted: ForwardingSource = () => null;

function h1(form: HeadForm, forwarding: ForwardingSource): Reader {
  const reader = new H1Reader({ ...DEFAULTS, form, forwarding });
  return (fields) => {
    const lines = [["host", "own.test"], ...fields].map(([name, value]) => `${name}: ${value}`);
    reader.feed(Buffer.from(`GET / HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`, "latin1"));
    if (reader.next() !== ReadEvent.HEAD) return reader.errorCode ?? "nothing";
    expect(reader.next()).toBe(ReadEvent.END);
    reader.resume();
    return reader.head;
  };
}

function h2(form: HeadForm, forwarding: ForwardingSource): Reader {
  const decoder = newDecoder(form, { forwarding });
  const maker = new BlockMaker();
  return (fields) => {
    const block = maker.block([
      [":method", "GET"],
      [":scheme", "https"],
      [":path", "/"],
      [":authority", "own.test"],
      ...fields,
    ]);
    const code = decoder.decodeRequest(block, 0, block.length, true);
    return code === DecodeCode.OK ? decoder.head : (decoder.errorCode ?? "nothing");
  };
}

function h3(form: HeadForm, forwarding: ForwardingSource): Reader {
  const head = new H3RequestHead({ ...DEFAULTS, form });
  return (fields) => {
    const table: Record<string, string | string[]> = {
      ":method": "GET",
      ":scheme": "https",
      ":path": "/",
      ":authority": "own.test",
    };
    for (const [name, value] of fields) {
      const before = table[name];
      table[name] = before === undefined ? value : [before, value].flat();
    }
    return head.read(table, forwarding) ?? head;
  };
}

const VERSIONS = { "HTTP/1.1": h1, "HTTP/2": h2, "HTTP/3": h3 } as const;

/** The fields in the block, in the order of their names, which are those of the wire. */
function fieldsOf(head: RequestHead): string[] {
  const bytes = Buffer.from(head.block.subarray(head.splitAt, head.blockEnd));
  const strings = bytes.toString("latin1").split("\0").slice(1);
  const fields: string[] = [];
  for (let i = 0; i < strings.length; i += 2) {
    const name = strings[i]!.replace(/^HTTP_/, "")
      .toLowerCase()
      .replaceAll("_", "-");
    fields.push(`${name}: ${strings[i + 1]}`);
  }
  return fields.sort();
}

function shown(read: RequestHead | string): unknown {
  if (typeof read === "string") return read;
  return { fields: fieldsOf(read), forwarded: read.forwarded, dropped: read.dropped };
}

describe.each(Object.entries(VERSIONS))("%s", (_, make) => {
  test.each(FORMS)("%s: the host of a trusted proxy stands for the request's own", (form) => {
    const read = make(form, trusted);
    const long = "a-host-name-that-is-longer-than-the-one-it-stands-for.example";
    for (const host of [long, "x", long, long]) {
      const head = read([
        ["accept", "*/*"],
        ["x-forwarded-host", host],
      ]);
      expect(shown(head)).toMatchObject({
        fields: ["accept: */*", `host: ${host}`, `x-forwarded-host: ${host}`],
        forwarded: { host },
        dropped: 0,
      });
    }
    expect(shown(read([["accept", "*/*"]]))).toEqual({
      fields: ["accept: */*", "host: own.test"],
      forwarded: null,
      dropped: 0,
    });
  });

  test.each(FORMS)("%s: what others send is left out and counted", (form) => {
    const read = make(form, untrusted);
    const fields: Fields = [
      ["x-forwarded-for", "192.0.2.7"],
      ["x-forwarded-anything", "1"],
      ["accept", "*/*"],
      ["forwarded", "for=192.0.2.7"],
      ["x-real-ip", "192.0.2.7"],
      ["x-forwarded", "kept"],
    ];
    for (let i = 0; i < 3; i++) {
      expect(shown(read(fields))).toEqual({
        fields: ["accept: */*", "host: own.test", "x-forwarded: kept"],
        forwarded: null,
        dropped: 4,
      });
    }
  });

  test("a refused head is none that the next one could be taken for", () => {
    const bad: Fields = [["x-forwarded-proto", "gopher"]];
    expect(make("cgi", trusted)(bad)).toBe("forwarding-invalid");
    if (make !== h1) {
      const read = make("asgi", trusted);
      expect([read(bad), read(bad)]).toEqual(["forwarding-invalid", "forwarding-invalid"]);
      expect(shown(read([]))).toMatchObject({ forwarded: null });
    }
  });
});

test("all versions and forms come to the same", () => {
  const name = fc.constantFrom(...FORWARDING_FIELDS, "x-forwarded-user", "x-real-ip", "accept");
  const pieces = ["192.0.2.7", "10.0.0.1", "unknown", ", ", ";", "for=", "proto=http", "https"];
  const more = ["http", "a.test", ":80", "8080", "/a", "//a", '"', "[2001:db8::1]", " "];
  const value = fc
    .array(fc.constantFrom(...pieces, ...more), { minLength: 1, maxLength: 5 })
    .map((parts) => parts.join("").trim() || "x");
  const heads = fc.array(fc.array(fc.tuple(name, value), { maxLength: 4 }), { maxLength: 4 });
  fc.assert(
    fc.property(heads, fc.boolean(), (requests, believed) => {
      for (const form of FORMS) {
        const source = believed ? trusted : untrusted;
        const [two, three] = [h2(form, source), h3(form, source)];
        let one = h1(form, source);
        for (const fields of requests) {
          const expected = shown(three(fields));
          expect(shown(two(fields))).toEqual(expected);
          const first = one(fields);
          expect(shown(first)).toEqual(expected);
          // After an error HTTP/1.1 reads nothing more.
          if (typeof first === "string") one = h1(form, source);
        }
      }
    }),
    { seed: 20261121, numRuns: 500 },
  );
});
