/** Header fields of HTTP/3 requests to head blocks, and what is refused. */
import { describe, expect, test } from "bun:test";
import type { HeadForm } from "../../../../src/proto/events.ts";
import { type FieldTable, H3RequestHead } from "../../../../src/proto/h3/request-head.ts";

const OPTIONS = {
  requestLineBytesMax: 300,
  headerBytesMax: 1000,
  headerFieldBytesMax: 500,
  headerCountMax: 10,
  underscoreHeaders: "drop",
  bodyBytesMax: 1000,
} as const;

const PSEUDO = { ":method": "GET", ":scheme": "https", ":authority": "a.test", ":path": "/" };

function read(
  fields: FieldTable,
  form: HeadForm = "asgi",
  options: Partial<Record<keyof typeof OPTIONS, unknown>> = {},
): H3RequestHead | string {
  const head = new H3RequestHead({ ...OPTIONS, ...options, form } as ConstructorParameters<
    typeof H3RequestHead
  >[0]);
  return head.read({ ...PSEUDO, ...fields }) ?? head;
}

/** The strings of the block around a constant part. */
function blockOf(head: H3RequestHead | string): string[] {
  if (typeof head === "string") throw new Error(head);
  const bytes = Buffer.from(head.block);
  const line = bytes.toString("latin1", 0, head.splitAt);
  return `${line}CONSTANT${bytes.toString("latin1", head.splitAt, head.blockEnd)}`.split("\0");
}

describe("HTTP/3 head blocks", () => {
  test("the asgi form", () => {
    const head = read({
      ":path": "/a%20b?x=1",
      "x-b": ["1", "2"],
      cookie: ["a=1", "b=2"],
      x_u: "no",
      proxy: "no",
    });
    const start = ["GET", "/a b", "/a%20b", "x=1", "CONSTANT", "host", "a.test"];
    expect(blockOf(head)).toEqual([...start, "x-b", "1", "x-b", "2", "cookie", "a=1; b=2"]);
    expect(head).toMatchObject({ method: "GET", version: 30, contentLength: -1, dropped: 2 });
  });

  test("the cgi form", () => {
    const fields = { "content-type": "text/plain", "content-length": "3", "x-b": ["1", "2"] };
    const head = read({ ":method": "POST", ...fields }, "cgi");
    expect(blockOf(head)).toEqual([
      ...["REQUEST_METHOD", "POST", "PATH_INFO", "/", "QUERY_STRING", "", "REQUEST_URI", "/"],
      ...["SERVER_PROTOCOL", "HTTP/3.0", "CONSTANT", "HTTP_HOST", "a.test"],
      ...["CONTENT_TYPE", "text/plain", "CONTENT_LENGTH", "3", "HTTP_X_B", "1, 2"],
    ]);
    expect(head).toMatchObject({ contentLength: 3 });
  });

  test("any method, OPTIONS *, a host in place of an authority, bytes beyond ASCII", () => {
    expect(blockOf(read({ ":method": "PROPFIND" }))[0]).toBe("PROPFIND");
    expect(blockOf(read({ ":method": "OPTIONS", ":path": "*" }))[1]).toBe("*");
    const host = { ":authority": undefined, host: "b.test" };
    expect(blockOf(read(host)).slice(-2)).toEqual(["host", "b.test"]);
    expect(blockOf(read({ "x-l": "\u{e9}" })).slice(-1)).toEqual(["\u{e9}"]);
  });

  test("expectations and TE", () => {
    expect(read({ expect: "100-continue" })).toMatchObject({ expectContinue: true });
    expect(read({ te: "trailers" })).toMatchObject({ trailersOk: true });
  });

  test("one reader serves one request after another", () => {
    const head = new H3RequestHead({ ...OPTIONS, form: "asgi" });
    expect(head.read({ ...PSEUDO, "x-long": "a".repeat(200), te: "trailers" })).toBeNull();
    expect(head.read(PSEUDO)).toBeNull();
    expect(blockOf(head)).toEqual(["GET", "/", "", "", "CONSTANT", "host", "a.test"]);
    expect(head.trailersOk).toBe(false);
  });
});

const refusals: [string, FieldTable][] = [
  ["pseudo-header-invalid", { ":method": ["GET", "GET"] }],
  ["pseudo-header-invalid", { ":path": undefined }],
  ["pseudo-header-invalid", { ":path": ["/", "/"] }],
  ["pseudo-header-invalid", { ":scheme": "http" }],
  ["pseudo-header-invalid", { ":authority": ["a.test", "b.test"] }],
  ["pseudo-header-invalid", { ":other": "x" }],
  ["method-invalid", { ":method": "GE T" }],
  ["connect-refused", { ":method": "CONNECT" }],
  ["target-invalid", { ":path": "" }],
  ["target-invalid", { ":path": "a" }],
  ["target-invalid", { ":path": "*" }],
  ["target-invalid", { ":path": "/a b" }],
  ["target-invalid", { ":path": "/%2" }],
  ["target-invalid", { ":path": "/\u{100}" }],
  ["target-nul", { ":path": "/%00" }],
  ["request-line-too-long", { ":path": `/${"a".repeat(300)}` }],
  ["host-missing", { ":authority": undefined }],
  ["host-missing", { ":authority": "" }],
  ["host-invalid", { ":authority": "user@a.test" }],
  ["host-invalid", { ":authority": "a.test/x" }],
  ["host-mismatch", { host: "b.test" }],
  ["host-duplicate", { host: ["a.test", "b.test"] }],
  ["header-connection-specific", { connection: "close" }],
  ["header-connection-specific", { "transfer-encoding": "chunked" }],
  ["header-connection-specific", { upgrade: "websocket" }],
  ["header-connection-specific", { te: "gzip" }],
  ["header-name-invalid", { "X-Upper": "1" }],
  ["header-name-invalid", { "a b": "1" }],
  ["header-name-invalid", { "": "1" }],
  ["header-value-invalid", { "x-a": "a\r\nb: c" }],
  ["header-value-invalid", { "x-a": "a\0b" }],
  ["header-value-invalid", { "x-a": " a" }],
  ["header-value-invalid", { "x-a": "a\t" }],
  ["header-value-invalid", { "x-a": ["a", "b\n"] }],
  ["header-too-large", { "x-a": "a".repeat(497) }],
  ["header-too-large", { "x-a": "a".repeat(480), "x-b": "a".repeat(480), "x-c": "a".repeat(40) }],
  ["header-count", { "x-a": Array.from({ length: 10 }, () => "1") }],
  ["content-type-duplicate", { "content-type": ["a/b", "c/d"] }],
  ["content-length-duplicate", { "content-length": ["1", "1"] }],
  ["content-length-invalid", { "content-length": "+1" }],
  ["expectation-unknown", { expect: "more" }],
  ["body-too-large", { "content-length": "1001" }],
];

describe("HTTP/3 requests that are refused", () => {
  test.each(refusals)("%s: %j", (code, fields) => {
    expect(read(fields)).toBe(code);
    expect(read(fields, "cgi")).toBe(code);
  });

  test("underscores where they are not dropped", () => {
    expect(read({ x_a: "1" }, "asgi", { underscoreHeaders: "refuse" })).toBe("header-name-invalid");
  });

  test("at the limits all is well", () => {
    expect(read({ ":path": `/${"a".repeat(286)}` })).toBeInstanceOf(H3RequestHead);
    expect(read({ "x-a": "a".repeat(495) })).toBeInstanceOf(H3RequestHead);
    const many = Array.from({ length: 9 }, () => "1");
    expect(read({ "x-a": many })).toBeInstanceOf(H3RequestHead);
    expect(read({ "content-length": "1000" })).toBeInstanceOf(H3RequestHead);
  });
});

/** Of all ordered pairs and triples of these. */
const repeated: FieldTable[] = [
  {},
  { ":path": "/other?x=1" },
  { ":path": "no target" },
  { ":path": `/${"a".repeat(300)}` },
  { ":method": "POST", "content-length": "3" },
  { ":method": "POST", "content-length": "4" },
  { ":authority": "b.test" },
  { "x-a": "1" },
  { "x-a": "1", "x-b": "2" },
  { "x-b": "2", "x-a": "1" },
  { "x-a": ["1", "2"] },
  { te: "trailers", expect: "100-continue", x_dropped: "1" },
  { "x-forwarded-for": "192.0.2.1" },
  { "x-a": "\n" },
];

function outcome(head: H3RequestHead, fields: FieldTable): unknown {
  // Values as the runtime makes them: equal, not the same.
  const refused = head.read(structuredClone({ ...PSEUDO, ...fields }));
  if (refused !== null) return refused;
  const { method, contentLength, expectContinue, trailersOk, dropped, forwarded } = head;
  const rest = { method, contentLength, expectContinue, trailersOk, dropped, forwarded };
  return { block: blockOf(head), target: head.target(), ...rest };
}

test.each(["asgi", "cgi"] as const)("whatever came before, a head reads the same (%s)", (form) => {
  const fresh = (): H3RequestHead => new H3RequestHead({ ...OPTIONS, form });
  const expected = repeated.map((fields) => outcome(fresh(), fields));
  for (const first of repeated) {
    for (const second of repeated) {
      const head = fresh();
      outcome(head, first);
      outcome(head, second);
      for (const [i, third] of repeated.entries()) {
        expect(outcome(head, third)).toEqual(expected[i]);
        expect(outcome(head, third)).toEqual(expected[i]);
      }
    }
  }
});
