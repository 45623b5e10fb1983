/**
 * One policy for all versions: each headOf is given to the reader of HTTP/1.1 as lines and to the decoder of HTTP/2 as a block; both
 * refuse it with the same error or write the same headOf block, apart from the protocol's name.
 */
import { describe, expect, test } from "bun:test";
import type { HeadForm } from "../../../../src/proto/events.ts";
import { options, run } from "../../../support/h1-reader.ts";
import { type DecoderChanges, headOf } from "../../../support/h2-head.ts";
import type { Field } from "../../../support/header-block.ts";

interface Request {
  method?: string;
  path?: string;
  host?: string;
  fields?: [string, string][];
  limits?: DecoderChanges;
}

const FORMS: readonly HeadForm[] = ["cgi", "asgi"];

function asLines({ method = "GET", path = "/", host = "h", fields = [] }: Request): Buffer {
  const lines = [["Host", host], ...fields].map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`, "latin1");
}

function asFields({ method = "GET", path = "/", host = "h", fields = [] }: Request): Field[] {
  return [
    [":method", method],
    [":scheme", "http"],
    [":authority", host],
    [":path", path],
    ...fields,
  ];
}

/** What both say about a request, in both forms. */
function both(request: Request): unknown[][] {
  const ends = request.fields?.every(([name]) => name !== "content-length") ?? true;
  return FORMS.map((form) => {
    const { requests, error } = run([asLines(request)], options(form, request.limits));
    const seen = headOf(asFields(request), { form, ...request.limits }, ends);
    if (error !== null) return [[error], [seen.error]];
    const { method, target, prefix, fields, contentLength, expectContinue, dropped } = requests[0]!;
    const first = prefix.map((part) => part.replace("HTTP/1.1", "HTTP/2.0"));
    return [
      [method, target, first, fields, contentLength, expectContinue, dropped],
      [
        ...[seen.method, seen.target, seen.prefix, seen.fields],
        ...[seen.contentLength, seen.expectContinue, seen.dropped],
      ],
    ];
  });
}

function field(name: string, ...values: string[]): Request {
  return { fields: values.map((value) => [name, value]) };
}

const ACCEPTED: Record<string, Request> = {
  "a bare request": {},
  "a query": { path: "/a/b?c=d&e" },
  "an empty query": { path: "/?" },
  escapes: { path: "/%41%2F%c3%a9/?%zz" },
  "characters that browsers leave": { path: '/"{|}<>\\^`' },
  "a double slash": { path: "//x//y" },
  "OPTIONS *": { method: "OPTIONS", path: "*" },
  "OPTIONS of a path": { method: "OPTIONS", path: "/x" },
  "an unknown method": { method: "PURGE" },
  "a method in lower case": { method: "get" },
  "a port": { host: "example.com:8000" },
  "an IPv6 host": { host: "[::1]:80" },
  "a host in upper case": { host: "EXAMPLE.com" },
  fields: {
    fields: [
      ["accept", "*/*"],
      ["x-a", "1"],
      ["user-agent", "t é"],
    ],
  },
  "an empty value": field("x", ""),
  "blanks within a value": field("x", "a \t b"),
  "a repeated field": field("accept", "a", "b", "c"),
  "repeats of two names": {
    fields: [
      ["a", "1"],
      ["b", "2"],
      ["a", "3"],
      ["b", "4"],
      ["c", "5"],
    ],
  },
  "names that differ in one letter": {
    fields: [
      ["x-aa", "1"],
      ["x-ab", "2"],
      ["x-a", "3"],
    ],
  },
  "a length and a type": {
    fields: [
      ["content-length", "12"],
      ["content-type", "a/b"],
    ],
  },
  "a length of nothing": field("content-length", "0"),
  "leading zeros of a length": field("content-length", "0012"),
  "100-continue with a body": {
    fields: [
      ["content-length", "1"],
      ["expect", "100-Continue"],
    ],
  },
  "100-continue without a body": field("expect", "100-continue"),
  "two expectations": field("expect", "100-continue", "100-continue"),
  "TE: trailers": field("te", "trailers"),
  "underscores, which are dropped": {
    fields: [
      ["x_a", "1"],
      ["_", "2"],
      ["content_length", "3"],
    ],
  },
  "Proxy, which is dropped": field("proxy", "http://evil"),
  "one cookie": field("cookie", "a=1; b=2"),
  "a priority": field("priority", "u=1, i"),
  "a token of every kind": field("!#$%&'*+-.^`|~09az", "1"),
  "as many fields as allowed": {
    ...{
      fields: [
        ["a", "1"],
        ["b", "2"],
      ],
      limits: { headerCountMax: 3 },
    },
  },
  "as many bytes as allowed": {
    ...{ fields: [["a", "12345"]], limits: { headerBytesMax: 19, headerFieldBytesMax: 8 } },
  },
  "a request line as long as allowed": { path: "/abc", limits: { requestLineBytesMax: 17 } },
};

const REFUSED: Record<string, [error: string, Request]> = {
  "a host with user information": ["host-invalid", { host: "u@h" }],
  "a host with a path": ["host-invalid", { host: "h/x" }],
  "a port that is none": ["host-invalid", { host: "h:99999" }],
  "two types": ["content-type-duplicate", field("content-type", "a/b", "a/b")],
  "two lengths": ["content-length-duplicate", field("content-length", "5", "5")],
  "a length with a sign": ["content-length-invalid", field("content-length", "+5")],
  "a length list": ["content-length-invalid", field("content-length", "5, 5")],
  "an empty length": ["content-length-invalid", field("content-length", "")],
  "a length beyond 2^53": ["content-length-invalid", field("content-length", "9007199254740993")],
  "an unknown expectation": ["expectation-unknown", field("expect", "200-ok")],
  "an escape that is none": ["target-invalid", { path: "/%4" }],
  "an escaped NUL": ["target-nul", { path: "/a%00" }],
  "a fragment": ["target-invalid", { path: "/#x" }],
  "a target in latin-1": ["target-invalid", { path: "/\xe9" }],
  "* of GET": ["target-invalid", { path: "*" }],
  "a path without a slash": ["target-invalid", { path: "x" }],
  "a method that is no token": ["method-invalid", { method: "G(T" }],
  "an underscore, when refused": [
    "header-name-invalid",
    { ...field("x_a", "1"), limits: { underscoreHeaders: "refuse" } },
  ],
  "a name that is no token": ["header-name-invalid", field("a b", "1")],
  "a control character": ["header-value-invalid", field("a", "\x01")],
  "a body beyond the limit": [
    "body-too-large",
    { ...field("content-length", "5"), limits: { bodyBytesMax: 4 } },
  ],
  "too many fields": [
    "header-count",
    {
      fields: [
        ["a", "1"],
        ["b", "2"],
      ],
      limits: { headerCountMax: 2 },
    },
  ],
  "too long a field": [
    "header-too-large",
    { ...field("a", "123456"), limits: { headerFieldBytesMax: 8 } },
  ],
  "too many bytes": [
    "header-too-large",
    { ...field("a", "123456"), limits: { headerBytesMax: 19 } },
  ],
  "too long a host": ["header-too-large", { host: "hhh", limits: { headerFieldBytesMax: 8 } }],
  "too long a request line": [
    "request-line-too-long",
    { path: "/abcd", limits: { requestLineBytesMax: 17 } },
  ],
  "far too long a request line": [
    "request-line-too-long",
    { path: `/${"a".repeat(100)}`, limits: { requestLineBytesMax: 17 } },
  ],
};

describe("HTTP/2 follows the policy of HTTP/1.1", () => {
  test.each(Object.entries(ACCEPTED))("accepted: %s", (_, request) => {
    for (const [lines, fields] of both(request)) {
      expect(fields).toEqual(lines);
      expect(lines).toHaveLength(7);
    }
  });

  test.each(Object.entries(REFUSED))("refused: %s", (_, [error, request]) => {
    for (const verdicts of both(request)) expect(verdicts).toEqual([[error], [error]]);
  });
});
