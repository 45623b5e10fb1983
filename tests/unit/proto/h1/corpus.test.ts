/**
 * Runs tests/corpus/h1: each `.http` file is the bytes, the `.json` beside it names the rule and what must come of them.
 * Every case is read whole, byte by byte, at random splits and with a request behind it, in both forms of the block.
 */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { H1ReaderOptions } from "../../../../src/proto/h1/reader.ts";
import { options, readEveryWay, type SeenRequest } from "../../../support/h1-reader.ts";

const CORPUS = join(import.meta.dir, "../../../corpus/h1");

interface Expected {
  method?: string;
  target?: string;
  version?: number;
  protocol?: string;
  path?: string;
  rawPath?: string;
  /** REQUEST_URI, when it is not the target. */
  uri?: string;
  query?: string;
  headers?: [string, string][];
  [fact: string]: unknown;
}

interface Case {
  rule: string;
  options?: Partial<H1ReaderOptions>;
  requests?: Expected[];
  requestsBefore?: number;
  error?: string;
}

const FACTS = [
  "method",
  "target",
  "version",
  "contentLength",
  "keepAlive",
  "expectContinue",
  "trailersOk",
  "upgrade",
  "dropped",
  "body",
  "trailers",
] as const;

function names(kind: string): string[] {
  const files = readdirSync(join(CORPUS, kind)).sort();
  const cases = files.filter((file) => file.endsWith(".http")).map((file) => file.slice(0, -5));
  expect(files).toEqual(cases.flatMap((name) => [`${name}.http`, `${name}.json`]).sort());
  return cases;
}

function load(kind: string, name: string): { bytes: Uint8Array; wanted: Case } {
  const at = join(CORPUS, kind, name);
  return {
    bytes: readFileSync(`${at}.http`),
    wanted: JSON.parse(readFileSync(`${at}.json`, "utf8")) as Case,
  };
}

/** The CGI fields for a header list, by the plain reading of docs/protocol.md. */
function cgiFields(headers: readonly [string, string][]): [string, string][] {
  const fields = new Map<string, string>();
  for (const [name, value] of headers) {
    const upper = name.toUpperCase().replaceAll("-", "_");
    const key = /^CONTENT_(TYPE|LENGTH)$/.test(upper) ? upper : `HTTP_${upper}`;
    const known = fields.get(key);
    const separator = name === "cookie" ? "; " : ", ";
    fields.set(key, known === undefined ? value : known + separator + value);
  }
  return [...fields];
}

function checkFacts(seen: SeenRequest, wanted: Expected): void {
  expect(seen.complete).toBe(true);
  for (const fact of FACTS) {
    if (fact in wanted) expect([fact, seen[fact]]).toEqual([fact, wanted[fact] as never]);
  }
}

function checkAsgi(seen: SeenRequest, wanted: Expected): void {
  checkFacts(seen, wanted);
  expect(seen.prefix.length).toBe(4);
  const [method, path, rawPath, query] = seen.prefix;
  expect(method).toBe(seen.method);
  if (wanted.path !== undefined) expect(path).toBe(wanted.path);
  if (wanted.rawPath !== undefined) expect(rawPath).toBe(wanted.rawPath);
  if (wanted.query !== undefined) expect(query).toBe(wanted.query);
  if (wanted.headers !== undefined) expect(seen.fields).toEqual(wanted.headers);
}

function checkCgi(seen: SeenRequest, wanted: Expected): void {
  checkFacts(seen, wanted);
  const [k1, method, k2, path, k3, query, k4, uri, k5, protocol, ...more] = seen.prefix;
  expect([k1, k2, k3, k4, k5, more]).toEqual([
    "REQUEST_METHOD",
    "PATH_INFO",
    "QUERY_STRING",
    "REQUEST_URI",
    "SERVER_PROTOCOL",
    [],
  ]);
  expect(method).toBe(seen.method);
  if (wanted.path !== undefined) expect(path).toBe(wanted.path);
  if (wanted.query !== undefined) expect(query).toBe(wanted.query);
  expect(protocol).toBe(seen.version === 10 ? "HTTP/1.0" : "HTTP/1.1");
  if (wanted.protocol !== undefined) expect(protocol).toBe(wanted.protocol);
  const wantedUri = wanted.uri ?? wanted.target;
  if (wantedUri !== undefined) expect(uri).toBe(wantedUri);
  if (wanted.headers !== undefined) expect(seen.fields).toEqual(cgiFields(wanted.headers));
}

describe("accepted", () => {
  for (const name of names("accept")) {
    test(name, () => {
      const { bytes, wanted } = load("accept", name);
      const requests = wanted.requests!;
      for (const form of ["asgi", "cgi"] as const) {
        const seen = readEveryWay(bytes, options(form, wanted.options));
        expect(seen.error).toBeNull();
        expect(seen.requests.length).toBe(requests.length);
        const check = form === "cgi" ? checkCgi : checkAsgi;
        seen.requests.forEach((request, i) => check(request, requests[i]!));
      }
    });
  }
});

describe("refused", () => {
  for (const name of names("reject")) {
    test(name, () => {
      const { bytes, wanted } = load("reject", name);
      for (const form of ["asgi", "cgi"] as const) {
        const seen = readEveryWay(bytes, options(form, wanted.options));
        expect(seen.error as string).toBe(wanted.error!);
        expect(seen.requests.length).toBe(wanted.requestsBefore!);
      }
    });
  }
});
