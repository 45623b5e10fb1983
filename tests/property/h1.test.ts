/** Properties of H1Reader over generated and mutated input; the seed is fixed so that a failure can be had again. */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type { HeadForm } from "../../src/proto/events.ts";
import { H1Reader } from "../../src/proto/h1/reader.ts";
import { bytewise, options, randomOf, run, runOn, splitAtRandom } from "../support/h1-reader.ts";

const PARAMETERS = { seed: 20260701, numRuns: 400 };
const CORPUS = join(import.meta.dir, "../corpus/h1");
const FORMS: readonly HeadForm[] = ["cgi", "asgi"];

const corpus: Buffer[] = ["accept", "reject"].flatMap((kind) =>
  readdirSync(join(CORPUS, kind))
    .filter((file) => file.endsWith(".http"))
    .sort()
    .map((file) => readFileSync(join(CORPUS, kind, file))),
);

/** Pieces that requests are made of, put together at random: mostly wrong, often nearly right. */
const PIECES = [
  "GET",
  "POST",
  " ",
  "/",
  "/a%41",
  "?q",
  "*",
  "http://h",
  "HTTP/1.1",
  "HTTP/1.0",
  "\r\n",
  "\r",
  "\n",
  "Host: h\r\n",
  "Connection: close\r\n",
  "Content-Length: 3\r\n",
  "Transfer-Encoding: chunked\r\n",
  "X_Y: z\r\n",
  "A",
  ":",
  "\t",
  "3\r\nabc\r\n",
  "0\r\n\r\n",
  "0",
  ";",
  "\0",
  "\xff",
  "GET / HTTP/1.1\r\nHost: h\r\n",
  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
];

const requestLike = fc
  .array(fc.constantFrom(...PIECES), { maxLength: 20 })
  .map((pieces) => Buffer.from(pieces.join(""), "latin1"));

/** A corpus file with some bytes changed, put in or taken out. */
const mutated = fc
  .tuple(
    fc.constantFrom(...corpus),
    fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom(0, 1, 2)), { maxLength: 4 }),
  )
  .map(([file, changes]) => {
    const bytes = [...file];
    for (const [at, byte, kind] of changes) {
      const position = at % (bytes.length + 1);
      if (kind === 0) bytes.splice(position, 1, byte);
      else if (kind === 1) bytes.splice(position, 0, byte);
      else bytes.splice(position, 1);
    }
    return Buffer.from(bytes);
  });

const anyBytes = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
const input = fc.oneof(anyBytes, requestLike, mutated);
/** Tight limits, so that generated input meets them. */
const limits = fc.record({
  requestLineBytesMax: fc.constantFrom(16, 40, 8190),
  headerBytesMax: fc.constantFrom(24, 60, 65536),
  headerFieldBytesMax: fc.constantFrom(12, 40, 16384),
  headerCountMax: fc.constantFrom(2, 4, 100),
  bodyBytesMax: fc.constantFrom(0, 3),
  underscoreHeaders: fc.constantFrom("drop" as const, "refuse" as const),
});

describe("any input", () => {
  test("is read the same however it is split, and never throws", () => {
    fc.assert(
      fc.property(input, limits, fc.constantFrom(...FORMS), fc.nat(), (bytes, set, form, seed) => {
        const settings = options(form, set);
        const whole = run([bytes], settings);
        expect(run(bytewise(bytes), settings)).toEqual(whole);
        expect(run(splitAtRandom(bytes, randomOf(seed)), settings)).toEqual(whole);
      }),
      { ...PARAMETERS, numRuns: 2000 },
    );
  });

  test("means the same in both forms", () => {
    fc.assert(
      fc.property(input, (bytes) => {
        const [cgi, asgi] = FORMS.map((form) => run([bytes], options(form)));
        expect(cgi!.error).toBe(asgi!.error);
        const facts = (seen: typeof cgi): unknown =>
          seen!.requests.map((request) => ({ ...request, prefix: [], fields: [] }));
        expect(facts(cgi)).toEqual(facts(asgi));
      }),
      PARAMETERS,
    );
  });
});

const NAMES = ["A", "a", "B-c", "Cookie", "Accept", "X_y", "Connection", "TE", "Keep-Alive"];
const header = fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom("1", "", "close, x", "\xe9 b"));
const request = fc
  .record({
    method: fc.constantFrom("GET", "POST", "PURGE", "OPTIONS"),
    target: fc.constantFrom("/", "/abc", "/%41%2f?q=%", "http://auth.example/x", "//y", "/?"),
    version: fc.constantFrom("1.1", "1.1", "1.0"),
    headers: fc.array(header, { maxLength: 6 }),
    body: fc.constantFrom("", "Content-Length: 2\r\n", "Transfer-Encoding: chunked\r\n"),
  })
  .map(({ method, target, version, headers, body }) => {
    const keep = version === "1.0" ? "Connection: keep-alive\r\n" : "";
    const framed = version === "1.0" && body.startsWith("T") ? "" : body;
    const data = framed === "" ? "" : framed.startsWith("C") ? "ab" : "1\r\na\r\n0\r\nT: 1\r\n\r\n";
    const lines = headers
      .filter(([, value]) => !value.startsWith("close"))
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("");
    const head = `${method} ${target} HTTP/${version}\r\nHost: h\r\n${keep}${lines}${framed}`;
    return Buffer.from(`${head}\r\n${data}`, "latin1");
  });

describe("a keep-alive connection", () => {
  test("reads each request as a new connection would", () => {
    const sequence = fc
      .array(request, { minLength: 1, maxLength: 4 })
      .chain((pool) => fc.array(fc.constantFrom(...pool), { minLength: 2, maxLength: 8 }));
    fc.assert(
      fc.property(sequence, fc.constantFrom(...FORMS), fc.boolean(), (requests, form, together) => {
        const h1 = new H1Reader(options(form));
        const fed = together ? [Buffer.concat(requests)] : requests;
        const seen = runOn(h1, fed);
        const wanted = requests.map((bytes) => run([bytes], options(form)).requests[0]!);
        expect(wanted.every((one) => one.complete)).toBe(true);
        expect(seen.error).toBeNull();
        expect(seen.requests).toEqual(wanted);
      }),
      PARAMETERS,
    );
  });
});
