import { describe, expect, test } from "bun:test";
import { parseLogLine, peakPerSecond } from "../../../src/audit/log-lines.ts";

const AT = Date.UTC(2026, 9, 10, 13, 55, 36);

describe("access log lines", () => {
  test.each([
    [
      "combined",
      '203.0.113.9 - ann [10/Oct/2026:13:55:36 +0000] "GET /a?b=1 HTTP/1.1" 200 2326 "-" "curl/8"',
    ],
    ["common", '203.0.113.9 - - [10/Oct/2026:13:55:36 +0000] "GET /a?b=1 HTTP/1.1" 200 -'],
    ["another time zone", '::1 - - [10/Oct/2026:15:55:36 +0200] "GET /a?b=1 HTTP/2" 200 5 "-" "-"'],
    [
      "with a virtual host before it",
      'shop.example:443 ::1 - - [10/Oct/2026:13:55:36 +0000] "GET /a?b=1 HTTP/1.1" 200 5',
    ],
    ["JSON", '{"time":"2026-10-10T13:55:36.000Z","method":"GET","target":"/a?b=1","status":200}'],
    [
      "absolute target",
      '::1 - - [10/Oct/2026:13:55:36 +0000] "GET http://shop.example/a?b=1 HTTP/1.1" 200 5',
    ],
  ])("%s", (_, line) => {
    expect(parseLogLine(line)).toEqual({ method: "GET", target: "/a?b=1", time: AT });
  });

  test("escapes of the log become escapes of the path", () => {
    const line = String.raw`::1 - - [x] "GET /a\x22b\xc3\xa9 HTTP/1.1" 404 0`;
    expect(parseLogLine(line)).toEqual({ method: "GET", target: "/a%22b%C3%A9", time: null });
  });

  test.each([
    "",
    "keelback 0.1.0",
    "{not json",
    '{"method":"GET"}',
    '{"method":"GET","target":"no path"}',
    '::1 - - [x] "\\x16\\x03\\x01" 400 0',
    '::1 - - [x] "OPTIONS * HTTP/1.1" 200 0',
    "[1, 2]",
  ])("%p tells no request", (line) => {
    expect(parseLogLine(line)).toBeNull();
  });

  test("the busiest minute counts", () => {
    const at = (second: number): { method: string; target: string; time: number } => ({
      ...{ method: "GET", target: "/", time: second * 1000 },
    });
    const quiet = Array.from({ length: 6 }, (_, index) => at(index * 10));
    const busy = Array.from({ length: 120 }, (_, index) => at(60 + index / 2));
    expect(peakPerSecond([...quiet, ...busy])).toBe(2);
    expect(peakPerSecond(quiet)).toBeNull();
    expect(peakPerSecond([{ method: "GET", target: "/", time: null }])).toBeNull();
  });
});
