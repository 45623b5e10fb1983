/** The readers of uwsgi, SCGI and FastCGI: whole, byte by byte, and what they refuse. */
import { describe, expect, test } from "bun:test";
import {
  GatewayError,
  type GatewayEvent,
  type GatewayReader,
  VARIABLES_BYTES_MAX,
} from "../../../../src/proto/gateway/events.ts";
import { FastcgiReader } from "../../../../src/proto/gateway/fastcgi.ts";
import { ScgiReader } from "../../../../src/proto/gateway/scgi.ts";
import { UwsgiReader } from "../../../../src/proto/gateway/uwsgi.ts";
import { fastcgiPairs, record, scgi, uwsgi } from "../../../support/gateway.ts";

const VARIABLES = { CONTENT_LENGTH: "4", SCGI: "1", REQUEST_METHOD: "POST", LONG: "x".repeat(300) };
const BEGIN = record(1, 1, Buffer.from([0, 1, 1, 0, 0, 0, 0, 0]));

const KINDS: readonly [string, () => GatewayReader, Buffer][] = [
  ["uwsgi", () => new UwsgiReader(), Buffer.concat([uwsgi(VARIABLES), Buffer.from("body")])],
  ["scgi", () => new ScgiReader(), Buffer.concat([scgi(VARIABLES), Buffer.from("body")])],
  [
    "fastcgi",
    () => new FastcgiReader(),
    Buffer.concat([
      BEGIN,
      record(4, 1, fastcgiPairs(VARIABLES).subarray(0, 20)),
      record(4, 1, fastcgiPairs(VARIABLES).subarray(20), 5),
      record(4, 1, Buffer.alloc(0)),
      record(5, 1, Buffer.from("bo")),
      record(5, 1, Buffer.from("dy"), 3),
      record(5, 1, Buffer.alloc(0)),
    ]),
  ],
];

/** What a reader makes of these bytes: the variables, the body, and how it ended. */
function read(reader: GatewayReader, pieces: readonly Buffer[]): object {
  const events: GatewayEvent[] = pieces.flatMap((piece) => reader.feed(piece));
  const bodies = events.flatMap((event) => (event.t === "body" ? [event.data] : []));
  const head = events.find((event) => event.t === "head");
  return {
    variables: head?.t === "head" ? Object.fromEntries(head.variables.pairs) : null,
    body: Buffer.concat(bodies).toString(),
    others: events.flatMap(({ t }) => (t === "head" || t === "body" ? [] : [t])),
  };
}

describe.each(KINDS)("%s", (name, make, bytes) => {
  const others = name === "fastcgi" ? ["end"] : [];
  const whole = { variables: VARIABLES, body: "body", others };

  test("whole", () => {
    expect(read(make(), [bytes])).toEqual(whole);
  });

  test("byte by byte", () => {
    const pieces = [...bytes].map((byte) => Buffer.from([byte]));
    expect(read(make(), pieces)).toEqual(whole);
  });

  test("cut in two at each place", () => {
    for (let at = 0; at <= bytes.length; at++) {
      const pieces = [bytes.subarray(0, at), bytes.subarray(at)].filter(({ length }) => length > 0);
      expect(read(make(), pieces)).toEqual(whole);
    }
  });

  test("any wrong byte is an error or another request, never anything else", () => {
    for (let at = 0; at < bytes.length; at++) {
      const wrong = Buffer.from(bytes);
      wrong[at]! ^= 0x81;
      try {
        read(make(), [wrong]);
      } catch (error) {
        expect(error).toBeInstanceOf(GatewayError);
      }
    }
  });
});

type Pairs = readonly (readonly [string, string])[];
const HEADS: readonly [string, () => GatewayReader, (pairs: Pairs) => Buffer][] = [
  ["uwsgi", () => new UwsgiReader(), uwsgi],
  ["scgi", () => new ScgiReader(), (pairs) => scgi([["SCGI", "1"], ...pairs])],
  [
    "fastcgi",
    () => new FastcgiReader(),
    (pairs) => {
      const params = record(4, 1, fastcgiPairs(pairs));
      return Buffer.concat([BEGIN, params, record(4, 1, Buffer.alloc(0))]);
    },
  ],
];

describe.each(HEADS)("what comes twice over %s", (_, make, bytesOf) => {
  const pairsOf = (pairs: Pairs): Pairs => {
    const [head] = make().feed(bytesOf(pairs));
    if (head?.t !== "head") throw new Error("no head");
    return head.variables.pairs.filter(([key]) => key !== "SCGI");
  };

  test("header lines are kept, in order", () => {
    const pairs: Pairs = [
      ["HTTP_X_FOO", "1"],
      ["HTTP_HOST", "x"],
      ["HTTP_X_FOO", "2"],
      ["HTTP_X_FOO", "1"],
    ];
    expect(pairsOf(pairs)).toEqual(pairs);
  });

  test("a file of parameters that is included twice counts once", () => {
    const once: Pairs = [
      ["REQUEST_METHOD", "GET"],
      ["REMOTE_PORT", ""],
    ];
    expect(pairsOf([...once, ...once])).toEqual(once);
  });

  test("of two values of a variable the last one counts", () => {
    const pairs: Pairs = [
      ["SCRIPT_NAME", "/x"],
      ["REMOTE_USER", ""],
      ["SCRIPT_NAME", ""],
      ["REMOTE_USER", "ann"],
    ];
    expect(pairsOf(pairs)).toEqual([
      ["SCRIPT_NAME", ""],
      ["REMOTE_USER", "ann"],
    ]);
  });

  test("two lengths of the body are refused", () => {
    const pairs: Pairs = [
      ["CONTENT_LENGTH", "4"],
      ["CONTENT_LENGTH", "5"],
    ];
    expect(() => pairsOf(pairs)).toThrow(
      new GatewayError("the variable CONTENT_LENGTH came with two values"),
    );
  });

  test("a Host that the configuration adds to the client's counts once, another one twice", () => {
    const host: Pairs = [["HTTP_HOST", "x"]];
    expect(pairsOf([...host, ...host])).toEqual(host);
    expect(pairsOf([...host, ["HTTP_HOST", "y"]])).toEqual([...host, ["HTTP_HOST", "y"]]);
  });
});

describe("uwsgi refuses", () => {
  test.each([
    ["another modifier", Buffer.from([5, 0, 0, 0]), /modifier 5/],
    ["HTTP", Buffer.from("GET / HTTP/1.1\r\n\r\n"), /modifier 71/],
    ["a name that is cut", Buffer.from([0, 3, 0, 0, 9, 0, 65]), /ends within a variable/],
    ["a length that is cut", Buffer.from([0, 1, 0, 0, 9]), /ends within a variable/],
  ])("%s", (_, bytes, message) => {
    expect(() => new UwsgiReader().feed(bytes)).toThrow(message);
  });
});

describe("SCGI refuses", () => {
  test.each([
    ["HTTP", "GET / HTTP/1.1\r\n\r\n", /does not begin with the length/],
    ["a length with a leading zero", "01:a,", /does not begin with the length/],
    ["an endless length", "99999999999", /does not begin with the length/],
    ["a length without bound", `${VARIABLES_BYTES_MAX + 1}:`, /are too many/],
    ["no comma", "24:CONTENT_LENGTH\u00000\u0000SCGI\u00001\u0000;", /no comma/],
    ["half a pair", "5:SCGI\u0000,", /are not pairs/],
    ["no NUL at the end", "6:SCGI\u00001,", /are not pairs/],
    ["no SCGI", "17:CONTENT_LENGTH\u00000\u0000,", /SCGI is not 1/],
  ])("%s", (_, text, message) => {
    expect(() => new ScgiReader().feed(Buffer.from(text))).toThrow(message);
  });
});

describe("FastCGI", () => {
  test("answers what is asked about the server", () => {
    const asked = record(9, 0, fastcgiPairs({ FCGI_MPXS_CONNS: "", FCGI_MAX_CONNS: "" }));
    const [reply] = new FastcgiReader().feed(asked);
    const expected = record(10, 0, fastcgiPairs({ FCGI_MPXS_CONNS: "0" }));
    expect(reply).toEqual({ t: "reply", data: expected });
    const [unknown] = new FastcgiReader().feed(record(77, 0, Buffer.alloc(0)));
    expect(unknown).toEqual({
      t: "reply",
      data: record(11, 0, Buffer.from([77, 0, 0, 0, 0, 0, 0, 0])),
    });
  });

  test("refuses other roles and a second request at a time", () => {
    const reader = new FastcgiReader();
    const authorizer = record(1, 1, Buffer.from([0, 2, 0, 0, 0, 0, 0, 0]));
    const ended = (status: number): Buffer => {
      return record(3, 1, Buffer.from([0, 0, 0, 0, status, 0, 0, 0]));
    };
    expect(reader.feed(authorizer)).toEqual([{ t: "reply", data: ended(3) }]);
    expect(reader.feed(BEGIN)).toEqual([]);
    expect(reader.keepConnection).toBe(true);
    expect(reader.feed(BEGIN)).toEqual([{ t: "reply", data: ended(1) }]);
  });

  test("serves several requests in turn", () => {
    const reader = new FastcgiReader();
    for (const path of ["/a", "/b"]) {
      const params = record(4, 1, fastcgiPairs({ PATH_INFO: path }));
      const bytes = Buffer.concat([BEGIN, params, record(4, 1, Buffer.alloc(0))]);
      const [head] = reader.feed(bytes);
      expect(head).toMatchObject({ t: "head", variables: { pairs: [["PATH_INFO", path]] } });
      expect(reader.stdout(Buffer.from("answer"))).toEqual(record(6, 1, Buffer.from("answer")));
      const status = record(3, 1, Buffer.alloc(8));
      expect(reader.end()).toEqual(Buffer.concat([record(6, 1, Buffer.alloc(0)), status]));
      // The web server may still send the end of a body that nobody read.
      expect(reader.feed(record(5, 1, Buffer.alloc(0)))).toEqual([]);
    }
  });

  test("a large response becomes several records", () => {
    const reader = new FastcgiReader();
    reader.feed(BEGIN);
    const data = Buffer.alloc(150_000, "x");
    const records = reader.stdout(data);
    expect(records.readUInt16BE(4)).toBe(65_528);
    expect(records.length).toBe(data.length + 3 * 8);
  });

  test.each([
    ["another version", Buffer.from([2, 1, 0, 1, 0, 0, 0, 0]), /version 2/],
    ["HTTP", Buffer.from("GET / HTTP/1.1\r\n\r\n"), /version 71/],
    ["a short beginning", record(1, 1, Buffer.alloc(4)), /malformed record/],
    [
      "a body before the variables",
      Buffer.concat([BEGIN, record(5, 1, Buffer.from("x"))]),
      /before the variables/,
    ],
    [
      "variables after their end",
      Buffer.concat([BEGIN, record(4, 1, Buffer.alloc(0)), record(4, 1, Buffer.from("x"))]),
      /after their end/,
    ],
    [
      "a variable that is cut",
      Buffer.concat([BEGIN, record(4, 1, Buffer.from([9, 9])), record(4, 1, Buffer.alloc(0))]),
      /end within one/,
    ],
    ["a record of ours", Buffer.concat([BEGIN, record(6, 1, Buffer.alloc(0))]), /type 6/],
    [
      "variables without end",
      Buffer.concat([
        BEGIN,
        ...Array.from({ length: 5 }, () => record(4, 1, Buffer.alloc(65_535))),
      ]),
      /are too many/,
    ],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => new FastcgiReader().feed(bytes)).toThrow(message);
  });
});
