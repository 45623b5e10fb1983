import { describe, expect, test } from "bun:test";
import { AccessLog, type AccessRecord } from "../../../src/observe/access-log.ts";
import type { LineSink } from "../../../src/observe/line-sink.ts";

function record(
  over: Partial<AccessRecord> & { fields?: Record<string, string> } = {},
): AccessRecord {
  const fields = over.fields ?? {};
  return {
    method: "GET",
    version: 11,
    status: 200,
    bytesOut: 42,
    startedAt: performance.now(),
    queuedMs: 1.5,
    workerPid: 77,
    client: () => "192.0.2.1",
    target: () => "/a%20b?q=1",
    requestField: (name) => fields[name] ?? null,
    responseField: (name) => (name === "x-out" ? "yes" : null),
    ...over,
  };
}

function line(format: string, r: AccessRecord): string {
  const lines: string[] = [];
  const sink = { write: (text: string) => lines.push(text) } as unknown as LineSink;
  new AccessLog(format, sink).write(r);
  expect(lines).toHaveLength(1);
  return lines[0]!;
}

describe("The access log cannot be forged", () => {
  const hostile = '"\n1.2.3.4 - - "GET /\\ \x1b[31m\x00\x7f\xe9';

  test("combined: what a client sent is escaped", () => {
    const text = line("combined", record({ fields: { referer: hostile, "user-agent": hostile } }));
    expect(text).not.toMatch(/[^\x20-\x7e]/);
    expect(text.match(/"/g)).toHaveLength(6);
    expect(text).toContain("\\x22\\x0a1.2.3.4");
    expect(text).toContain("\\xe9");
  });

  test("json: one object a line, whatever is inside", () => {
    const text = line("json", record({ fields: { "user-agent": hostile } }));
    expect(text).not.toContain("\n");
    expect(JSON.parse(text).user_agent).toBe(hostile);
  });

  test("a user name from Basic authentication", () => {
    const authorization = `Basic ${Buffer.from('me"\n:secret').toString("base64")}`;
    const text = line("%(u)s", record({ fields: { authorization } }));
    expect(text).toBe("me\\x22\\x0a");
  });
});

test("combined is the format that everybody reads", () => {
  const text = line("combined", record({ fields: { "user-agent": "curl/8" } }));
  expect(text).toMatch(
    /^192\.0\.2\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET \/a%20b\?q=1 HTTP\/1\.1" 200 42 "-" "curl\/8"$/,
  );
});

test("gunicorn's atoms", () => {
  const r = record({ fields: { "x-in": "in" }, bytesOut: 0 });
  expect(line("%(m)s %(U)s %(q)s %(H)s %(s)s %(B)s %(b)s %(p)s %%", r)).toBe(
    "GET /a%20b q=1 HTTP/1.1 200 0 - <77> %",
  );
  expect(line("%({x-in}i)s %({X-Out}o)s %({none}i)s", r)).toBe("in yes -");
  expect(line("%(T)s %(M)s %(D)s %(L)s", r)).toMatch(/^\d+ \d+ \d+ \d+\.\d{6}$/);
});

test("a client that left before there was a status", () => {
  expect(line("%(s)s", record({ status: 0 }))).toBe("499");
});
