/** Which requests are the edge's own: told from the head block that the real engine writes, in both of its forms. */
import { describe, expect, test } from "bun:test";
import { Health } from "../../../src/edge/health.ts";
import { ReadEvent } from "../../../src/proto/events.ts";
import { H1Reader } from "../../../src/proto/h1/reader.ts";
import { FakeExchange } from "../../support/wire.ts";

const LIMITS = {
  requestLineBytesMax: 8192,
  headerBytesMax: 65_536,
  headerFieldBytesMax: 16_384,
  headerCountMax: 100,
  bodyBytesMax: 0,
  underscoreHeaders: "drop",
} as const;

let why: string | null = null;
const paths = { healthPath: "/healthz", readyPath: "/r" };
const health = Health.of(paths, () => why);

describe.each(["cgi", "asgi"] as const)("%s", (form) => {
  const reader = new H1Reader({ ...LIMITS, form });

  /** What the edge answers to a request; null: it is for the app. One connection: heads are recognised as they repeat. */
  function answer(method: string, target: string): string | null {
    reader.feed(Buffer.from(`${method} ${target} HTTP/1.1\r\nHost: a\r\n\r\n`));
    expect(reader.next()).toBe(ReadEvent.HEAD);
    const x = new FakeExchange("x", method);
    x.form = form;
    const own = health?.answer(x, reader.head) ?? false;
    reader.next();
    reader.resume();
    expect(x.quiet).toBe(own);
    return own ? (x.events[0] ?? "") : null;
  }

  test.each([
    ["GET", "/healthz"],
    ["GET", "/healthz?a=b"],
    ["GET", "/r"],
    ["GET", "http://a/healthz"],
    // The escape of a plain letter means the same.
    ["GET", "/health%7a"],
  ])("%s %s is its own", (method, target) => {
    expect(answer(method, target)).toBe("head 200 3 ok\n");
    expect(answer(method, target)).toBe("head 200 3 ok\n");
  });

  test("HEAD is answered without the text", () => {
    expect(answer("HEAD", "/healthz")).toBe("head 200 3 ");
  });

  test.each([
    ["GET", "/"],
    ["GET", "/health"],
    ["GET", "/healthy"],
    ["GET", "/healthz/"],
    ["GET", "/healthzz"],
    ["GET", "//healthz"],
    ["GET", "/x"],
    ["GET", "/?/healthz"],
    ["POST", "/healthz"],
    ["OPTIONS", "/healthz"],
    ["BREW", "/healthz"],
  ])("%s %s is the app's", (method, target) => {
    expect(answer("GET", "/healthz")).not.toBeNull();
    expect(answer(method, target)).toBeNull();
  });

  test("readiness is asked for each time", () => {
    why = "draining";
    expect(answer("GET", "/r")).toBe("head 503 3 draining\n");
    expect(answer("GET", "/healthz")).toBe("head 200 3 ok\n");
    why = null;
    expect(answer("GET", "/r")).toBe("head 200 3 ok\n");
  });
});

test("without paths there is nothing to look at", () => {
  expect(Health.of({ healthPath: "", readyPath: "" }, () => null)).toBeNull();
});
