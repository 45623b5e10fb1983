/** Heads of HTTP/2 requests (RFC 9113 sections 8.2 and 8.3, RFC 8441). */
import { describe, expect, test } from "bun:test";
import type { HeadForm } from "../../../../src/proto/events.ts";
import { DecodeCode } from "../../../../src/proto/h2/request-decoder.ts";
import { BlockMaker, type Field } from "../../../support/header-block.ts";
import { decode, GET, headOf, newDecoder, verdict } from "../../../support/h2-head.ts";

const { OK, MALFORMED, REFUSED, COMPRESSION } = DecodeCode;
const PSEUDO = "malformed pseudo-header-invalid";
const HOP = "malformed header-connection-specific";
const CONNECT: readonly Field[] = [
  [":method", "CONNECT"],
  [":protocol", "websocket"],
  [":scheme", "https"],
  [":path", "/chat"],
  [":authority", "h"],
];

function without(name: string, fields = GET): Field[] {
  return fields.filter(([other]) => other !== name);
}

function withValue(name: string, value: string): Field[] {
  return GET.map((field) => (field[0] === name ? [name, value] : field));
}

describe("the head block", () => {
  const fields: readonly Field[] = [
    [":method", "POST"],
    [":scheme", "https"],
    [":authority", "www.example.com"],
    [":path", "/a%20b?q=1"],
    ["content-type", "text/plain"],
    ["accept", "*/*"],
    ["cookie", "a=1"],
    ["cookie", "b=2"],
    ["accept", "x/y"],
    ["content-length", "5"],
    ["x_y", "1"],
    ["proxy", "1"],
    ["cookie", "c=3"],
    ["te", "trailers"],
    ["empty", ""],
  ];

  test("for ASGI", () => {
    expect(headOf(fields, { form: "asgi" }, false)).toEqual({
      ...{ code: OK, error: null, method: "POST", target: "/a%20b?q=1" },
      prefix: ["POST", "/a b", "/a%20b", "q=1"],
      fields: [
        ["host", "www.example.com"],
        ["content-type", "text/plain"],
        ["accept", "*/*"],
        ["cookie", "a=1; b=2; c=3"],
        ["accept", "x/y"],
        ["content-length", "5"],
        ["te", "trailers"],
        ["empty", ""],
      ],
      ...{ contentLength: 5, expectContinue: false, dropped: 2, protocol: null },
    });
  });

  test("for CGI", () => {
    const seen = headOf(fields, { form: "cgi" }, false);
    expect(seen.prefix).toEqual([
      ...["REQUEST_METHOD", "POST", "PATH_INFO", "/a b", "QUERY_STRING", "q=1"],
      ...["REQUEST_URI", "/a%20b?q=1", "SERVER_PROTOCOL", "HTTP/2.0"],
    ]);
    expect(seen.fields).toEqual([
      ["HTTP_HOST", "www.example.com"],
      ["CONTENT_TYPE", "text/plain"],
      ["HTTP_ACCEPT", "*/*, x/y"],
      ["HTTP_COOKIE", "a=1; b=2; c=3"],
      ["CONTENT_LENGTH", "5"],
      ["HTTP_TE", "trailers"],
      ["HTTP_EMPTY", ""],
    ]);
  });

  test("fields are found in it by name", () => {
    for (const form of ["cgi", "asgi"] satisfies HeadForm[]) {
      const decoder = newDecoder(form);
      decode(decoder, new BlockMaker().block(fields), false);
      const values = ["host", "accept", "content-length", "absent"].map((name) =>
        decoder.head.field(name),
      );
      expect(values).toEqual(["www.example.com", "*/*, x/y", "5", null]);
    }
  });

  test("a host field stands for an authority that did not come", () => {
    const seen = headOf([...without(":authority"), ["a", "1"], ["host", "x"]]);
    expect(seen.fields).toEqual([
      ["a", "1"],
      ["host", "x"],
    ]);
  });
});

describe("pseudo-header fields", () => {
  test.each([
    ["none", [["a", "1"]]],
    ["no :method", without(":method")],
    ["no :scheme", without(":scheme")],
    ["no :path", without(":path")],
    [":method twice", [[":method", "GET"], ...GET]],
    [":path twice", [...GET, [":path", "/"]]],
    [":authority twice", [...GET, [":authority", "h"]]],
    ["an unknown one", [...GET, [":x", "1"]]],
    [":status", [...GET, [":status", "200"]]],
    ["one behind a field", [...without(":path"), ["a", "1"], [":path", "/"]]],
    ["a scheme other than http and https", withValue(":scheme", "ftp")],
    ["an empty scheme", withValue(":scheme", "")],
    [":protocol without CONNECT", [...GET, [":protocol", "websocket"]]],
  ] as [string, Field[]][])("malformed: %s", (_, fields) => {
    expect(verdict(fields)).toBe(PSEUDO);
  });

  test("the order among them is free, and http over TLS is not refused", () => {
    expect(verdict(GET.toReversed())).toBe("ok");
    expect(verdict(withValue(":scheme", "http"))).toBe("ok");
  });

  test("an empty path is malformed, another form than origin-form refused", () => {
    expect(verdict(withValue(":path", ""))).toBe("malformed target-invalid");
    expect(verdict(withValue(":path", "http://h/"))).toBe("refused target-invalid");
    expect(verdict(withValue(":path", "*"))).toBe("refused target-invalid");
    const options: Field[] = [
      [":method", "OPTIONS"],
      ...without(":method", withValue(":path", "*")),
    ];
    expect(headOf(options).prefix).toEqual(["OPTIONS", "*", "", ""]);
  });

  test(":authority and host agree", () => {
    expect(verdict([...GET, ["host", "H"]])).toBe("ok");
    expect(headOf([...GET, ["host", "H"]]).fields).toEqual([["host", "h"]]);
    expect(verdict([...GET, ["host", "h:443"]])).toBe("malformed host-mismatch");
    expect(verdict([...GET, ["host", "h"], ["host", "h"]])).toBe("refused host-duplicate");
    expect(verdict(without(":authority"))).toBe("refused host-missing");
  });

  test(":authority has the grammar of a host", () => {
    expect(verdict(withValue(":authority", ""))).toBe("malformed host-invalid");
    for (const wrong of ["user@h", "h/", "h:x", "[::1"]) {
      expect(verdict(withValue(":authority", wrong))).toBe("refused host-invalid");
    }
    expect(verdict(withValue(":authority", "[::1]:8000"))).toBe("ok");
  });
});

describe("CONNECT", () => {
  test("without :protocol it is refused", () => {
    const plain: Field[] = [
      [":method", "CONNECT"],
      [":authority", "h:443"],
    ];
    expect(verdict(plain)).toBe("refused connect-refused");
    expect(verdict([...plain, [":path", "/"]])).toBe(PSEUDO);
    expect(verdict([...plain, [":scheme", "https"]])).toBe(PSEUDO);
    expect(verdict([[":method", "CONNECT"]])).toBe(PSEUDO);
  });

  test("with :protocol it is a request with scheme, path and authority", () => {
    const seen = headOf(CONNECT, {}, false);
    expect([seen.code, seen.protocol, seen.target]).toEqual([OK, "websocket", "/chat"]);
    expect(seen.contentLength).toBe(-1);
    for (const name of [":scheme", ":path", ":authority"]) {
      expect(verdict(without(name, [...CONNECT]), {}, false)).toBe(PSEUDO);
    }
    expect(verdict(CONNECT, { connectProtocol: false }, false)).toBe(PSEUDO);
    const odd = CONNECT.map((field): Field =>
      field[0] === ":protocol" ? [":protocol", "a b"] : field,
    );
    expect(verdict(odd, {}, false)).toBe(PSEUDO);
  });

  test("the next request has no protocol", () => {
    const decoder = newDecoder("asgi");
    const maker = new BlockMaker();
    for (const protocol of [null, "websocket", null, "websocket", null]) {
      const block = maker.block(protocol === null ? GET : CONNECT);
      const seen = decode(decoder, block, protocol === null);
      expect([seen.protocol, decoder.head.upgrade]).toEqual([protocol, protocol !== null]);
    }
  });
});

describe("fields of HTTP/1.1 connections are malformed", () => {
  test.each([
    ["connection", "close"],
    ["keep-alive", "1"],
    ["proxy-connection", "close"],
    ["transfer-encoding", "chunked"],
    ["upgrade", "h2c"],
    ["te", "gzip"],
    ["te", "trailers, gzip"],
    ["te", ""],
  ])("%s: %s", (name, value) => {
    expect(verdict([...GET, [name, value]])).toBe(HOP);
  });
});

describe("names and values", () => {
  test.each(["A", "Accept", "a b", "", "a\xe9", "a\0b", "a:"])(
    "the name %j is malformed",
    (name) => {
      expect(verdict([...GET, [name, "1"]])).toBe("malformed header-name-invalid");
    },
  );

  test.each(["a\nb", "a\rb", "a\0b", " a", "a ", "\ta", "a\t", "\x7f", "a\x01"])(
    "the value %j is malformed",
    (value) => {
      expect(verdict([...GET, ["a", value]])).toBe("malformed header-value-invalid");
    },
  );

  test.each([":method", ":path", ":authority", ":scheme"])("and in %s", (name) => {
    expect(verdict(withValue(name, "/\r\nx: 1"))).toBe("malformed header-value-invalid");
  });
});

describe("content-length", () => {
  const five: Field[] = [...GET, ["content-length", "5"]];

  test("does not go with a request that ends at once", () => {
    expect(verdict(five)).toBe("malformed content-length-mismatch");
    expect(verdict([...GET, ["content-length", "0"]])).toBe("ok");
  });

  test("is told; without it the length is unknown", () => {
    expect(headOf(five, {}, false).contentLength).toBe(5);
    expect(headOf(GET, {}, false).contentLength).toBe(-1);
    expect(headOf(GET).contentLength).toBe(0);
    expect(verdict(five, { bodyBytesMax: 4 }, false)).toBe("refused body-too-large");
  });

  test("the same block with and without an end is told apart", () => {
    const decoder = newDecoder("asgi");
    const maker = new BlockMaker();
    const lengths = [true, false, true, false].map(
      (ends) => decode(decoder, maker.block(GET), ends).contentLength,
    );
    expect(lengths).toEqual([0, -1, 0, -1]);
    expect(decode(decoder, maker.block(five), false).contentLength).toBe(5);
    expect(decode(decoder, maker.block(five), true).error).toBe("content-length-mismatch");
    expect(decode(decoder, maker.block(five), false).contentLength).toBe(5);
  });
});

describe("a refused block", () => {
  test("leaves the table right", () => {
    const decoder = newDecoder("asgi");
    const maker = new BlockMaker();
    const wrong = maker.block([["first", "1"], ...GET, ["x-later", "2"]]);
    expect(decode(decoder, wrong).code).toBe(MALFORMED);
    const seen = decode(decoder, maker.block([...GET, ["x-later", "2"]]));
    expect(seen.fields).toEqual([
      ["host", "h"],
      ["x-later", "2"],
    ]);
  });

  test("tells method and target when they are known", () => {
    const seen = headOf([...GET, ["expect", "x"]]);
    expect([seen.code, seen.method, seen.target]).toEqual([REFUSED, "GET", "/"]);
  });

  test("that is far too large ends the connection", () => {
    const decoder = newDecoder("asgi", { headerBytesMax: 1000 });
    const maker = new BlockMaker();
    const large = maker.block([...GET, ["a", "v".repeat(3000)]]);
    expect(decode(decoder, large).error).toBe("header-too-large");
    // Sixteen more of them are within 64 KiB over the limit, thirty are not.
    const some = Buffer.concat([maker.block(GET), Buffer.alloc(16, 0xbe)]);
    expect(decode(decoder, some).code).toBe(REFUSED);
    const many = Buffer.concat([maker.block(GET), Buffer.alloc(30, 0xbe)]);
    expect(decode(decoder, many).code).toBe(COMPRESSION);
    expect(decoder.connectionError).toBe(11);
  });

  test("that cannot be decoded ends the connection", () => {
    const decoder = newDecoder("asgi");
    expect(decode(decoder, Buffer.from([0xbe])).code).toBe(COMPRESSION);
    expect([decoder.connectionError, decoder.errorCode]).toEqual([9, null]);
    expect(decoder.skip(Buffer.from([0x82]), 0, 1)).toBe(OK);
    expect(decoder.skip(Buffer.from([0xbe]), 0, 1)).toBe(COMPRESSION);
  });

  test("skip keeps the table right", () => {
    const decoder = newDecoder("asgi");
    const maker = new BlockMaker();
    const unwanted = maker.block([
      ["A", "\n"],
      ["x-a", "1"],
    ]);
    expect(decoder.skip(unwanted, 0, unwanted.length)).toBe(OK);
    expect(decode(decoder, maker.block([...GET, ["x-a", "1"]])).fields).toContainEqual([
      "x-a",
      "1",
    ]);
  });
});
