/** What workers send as fields of HTTP/3, and request trailers as what they take. */
import { describe, expect, test } from "bun:test";
import {
  informationalFields,
  responseFields,
  ResponseHeads,
  trailerFields,
  trailerPairs,
} from "../../../../src/proto/h3/response-fields.ts";

const LIMITS = {
  requestLineBytesMax: 100,
  headerBytesMax: 100,
  headerFieldBytesMax: 100,
  headerCountMax: 3,
  underscoreHeaders: "drop",
} as const;

describe("HTTP/3 response fields", () => {
  test("a head", () => {
    const text =
      "..HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\n" +
      "set-cookie: c=3\r\nx-empty: \r\nx-l: \u{e9}\r\n\r\nbody";
    const buf = Buffer.from(text, "latin1");
    const fields = responseFields(200, buf, 2, buf.length - 4);
    expect({ ...fields }).toEqual({
      ":status": "200",
      "content-type": "text/plain",
      "set-cookie": ["a=1", "b=2", "c=3"],
      "x-empty": "",
      "x-l": "\u{e9}",
    });
    expect(Object.keys(fields)[0]).toBe(":status");
  });

  test("a head that repeats is read once, another one again", () => {
    const heads = new ResponseHeads();
    const one = Buffer.from("..HTTP/1.1 200 OK\r\nx-a: 1\r\n\r\nbody");
    const two = Buffer.from("..HTTP/1.1 200 OK\r\nx-a: 2\r\n\r\nbody");
    const long = Buffer.from(`..HTTP/1.1 200 OK\r\nx-a: ${"3".repeat(3000)}\r\n\r\nbody`);
    const read = (buf: Buffer, status = 200): object => heads.read(status, buf, 2, buf.length - 4);
    const first = read(one);
    expect(read(Buffer.from(one))).toBe(first);
    for (const [buf, status] of [[two], [one], [one, 203], [long], [long], [one]] as const) {
      expect(read(buf, status)).toEqual(responseFields(status ?? 200, buf, 2, buf.length - 4));
    }
  });

  test("a head without fields, and an interim response", () => {
    const bare = Buffer.from("HTTP/1.1 204 No Content\r\n\r\n");
    expect(responseFields(204, bare, 0, bare.length)).toEqual({ ":status": "204" });
    const link = Buffer.from("link: </a>; rel=preload\r\n");
    const fields = informationalFields(103, link, 0, link.length);
    expect(fields).toEqual({ ":status": "103", link: "</a>; rel=preload" });
  });

  test("names that objects have of themselves", () => {
    const lines = Buffer.from("constructor: a\r\n__proto__: b\r\ntoString: c\r\n");
    const fields = informationalFields(103, lines, 0, lines.length);
    const names = [":status", "constructor", "__proto__", "tostring"];
    expect(Object.keys(fields)).toEqual(names);
    expect(names.map((name) => fields[name])).toEqual(["103", "a", "b", "c"]);
  });

  test("trailers of a response", () => {
    const pairs = Buffer.from("grpc-status\x000\x00x-a\x001\x00x-a\x002");
    const fields = trailerFields(pairs, 0, pairs.length);
    expect(fields).toEqual({ "grpc-status": "0", "x-a": ["1", "2"] });
    expect(trailerFields(pairs, 3, 3)).toEqual({});
  });
});

describe("HTTP/3 request trailers", () => {
  test("are pairs, without those that must not be there", () => {
    const pairs = trailerPairs({ "x-a": ["1", "2"], "content-length": "5" }, LIMITS);
    expect(Buffer.from(pairs as Uint8Array).toString()).toBe("x-a\x001\x00x-a\x002");
    expect(trailerPairs({ host: "a", x_u: "1" }, LIMITS)).toBeNull();
  });

  test("are bounded and checked", () => {
    expect(trailerPairs({ "x-a": "a".repeat(94) }, LIMITS)).toBe("trailer-too-large");
    expect(trailerPairs({ "x-a": ["1", "2", "3", "4"] }, LIMITS)).toBe("trailer-too-large");
    expect(trailerPairs({ ":path": "/" }, LIMITS)).toBe("trailer-invalid");
    expect(trailerPairs({ "x-a": "a\r\n" }, LIMITS)).toBe("trailer-invalid");
  });
});
