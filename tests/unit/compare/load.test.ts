import { describe, expect, test } from "bun:test";
import { parseAutocannon } from "../../../src/compare/load/autocannon.ts";
import { TOOLS, toolFor } from "../../../src/compare/load/closed.ts";
import { parseH2load } from "../../../src/compare/load/h2load.ts";
import { parseHey } from "../../../src/compare/load/hey.ts";
import { requestBytes } from "../../../src/compare/load/http-load.ts";
import { Latencies } from "../../../src/compare/load/latencies.ts";
import { parseOha } from "../../../src/compare/load/oha.ts";
import { Schedule } from "../../../src/compare/load/pace.ts";
import { ResponseReader } from "../../../src/compare/load/response-reader.ts";
import { patternOf } from "../../../src/compare/load/stream.ts";
import { luaOf, parseWrk } from "../../../src/compare/load/wrk.ts";
import { mergeHistograms, total } from "../../../src/compare/statistics.ts";

describe("a response", () => {
  const responses: readonly (readonly [string, string, boolean])[] = [
    ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", true],
    ["HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", false],
    ["HTTP/1.1 200 OK\r\ncontent-length: 5\r\nConnection: close\r\n\r\nhello", "hello", false],
    [
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nA: b\r\n\r\n",
      ...(["hello", true] as const),
    ],
    ["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", "", true],
  ];

  test("is read the same whole and byte by byte", () => {
    for (const [text, body, keepsAlive] of responses) {
      for (const step of [text.length, 1, 7]) {
        const reader = new ResponseReader();
        reader.begin(false);
        let progress = "more";
        for (let at = 0; at < text.length; at += step) {
          expect(progress).toBe("more");
          progress = reader.feed(Buffer.from(text.slice(at, at + step)));
        }
        expect(progress).toBe("done");
        expect(reader.body.toString()).toBe(body);
        expect(reader.keepsAlive).toBe(keepsAlive);
      }
    }
  });

  test("without a length it ends with the connection, and a cut one does not", () => {
    const open = new ResponseReader();
    open.begin(false);
    expect(open.feed(Buffer.from("HTTP/1.1 200 OK\r\n\r\nhel"))).toBe("more");
    expect(open.feed(Buffer.from("lo"))).toBe("more");
    expect(open.end()).toBe(true);
    expect(open.body.toString()).toBe("hello");
    const cut = new ResponseReader();
    cut.begin(false);
    expect(cut.feed(Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel"))).toBe("more");
    expect(cut.end()).toBe(false);
  });

  test("to HEAD has no body, and what is no HTTP is bad", () => {
    const reader = new ResponseReader();
    reader.begin(true);
    expect(reader.feed(Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"))).toBe("done");
    reader.begin(false);
    expect(reader.feed(Buffer.from("SSH-2.0-x\r\n\r\n"))).toBe("bad");
  });
});

describe("a request", () => {
  test("has its fields and its body's length", () => {
    const headers = { "Content-Type": "text/plain" };
    const request = { method: "POST", path: "/a", headers, body: "grüße" };
    expect(requestBytes(request, 80, true).toString()).toBe(
      "POST /a HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Type: text/plain\r\nContent-Length: 7\r\nConnection: close\r\n\r\ngrüße",
    );
    const coded = { method: "PUT", path: "/", headers: {}, body: "AAEC", bodyBase64: true };
    expect([...requestBytes(coded, 80, false).subarray(-3)]).toEqual([0, 1, 2]);
  });

  test("comes as often as its weight says, evenly mixed", () => {
    expect(patternOf([{ weight: 3 }, { weight: 1 }]).toSorted((a, b) => a - b)).toEqual([
      ...[0, 0, 0, 1],
    ]);
    expect(patternOf([{ weight: 2 }, { weight: 2 }])).toEqual([0, 1, 0, 1]);
  });

  test("of several kinds becomes a script for wrk", () => {
    const check = {};
    const lua = luaOf({
      fresh: false,
      requests: [
        { method: "GET", path: "/", headers: {}, weight: 1, check },
        { method: "POST", path: "/x", headers: { A: 'q"' }, body: "a\nb", weight: 1, check },
      ],
    });
    expect(lua).toContain('wrk.format("GET", "/", {}, nil)');
    expect(lua).toContain('["A"]="\\113\\034"}, "\\097\\010\\098")');
    expect(lua).toContain("local pattern = {1, 2}");
  });
});

describe("a schedule", () => {
  test.each([0, 0.1, 1234.567891, 98_765.4321])(
    "from %p on has what is due before its end",
    (start) => {
      for (const [rate, ms, count] of [
        [100, 300, 30],
        [3, 1000, 3],
        [7, 3000, 21],
        [2.5, 1000, 3],
        [0, 1000, 0],
      ] as const) {
        const at = (later: number): number[] => schedule.by(start + later);
        const schedule = new Schedule(rate, start, start + ms);
        const due = [
          ...at(-1),
          ...at(0),
          ...at(ms / 2),
          ...at(ms / 2),
          ...at(ms * 5),
          ...at(ms * 6),
        ];
        expect(due.length).toBe(count);
        expect(due.every((one) => one >= start && one < start + ms)).toBe(true);
      }
    },
  );
});

describe("latencies", () => {
  test("histograms of runs add up, and slices say how it went over time", () => {
    const [first, second] = [new Latencies(), new Latencies()];
    for (let at = 0; at < 1000; at += 1) first.add(at * 5, 1);
    for (let at = 0; at < 500; at += 1) second.add(at * 10, at < 250 ? 2 : 40);
    const merged = mergeHistograms([first.histogram(), second.histogram()]);
    expect(total(merged)).toBe(1500);
    expect(second.figures()).toMatchObject({ p50: 2, p99: 40, worst: 40 });
    const slices = second.timeline(5000);
    expect(slices.map(({ p50 }) => p50)).toEqual([2, 2, 2, 40, 40]);
    expect(new Latencies().figures()).toBeNull();
  });
});

describe("a number of requests", () => {
  const origin = "http://127.0.0.1:1";
  const requests = [{ method: "GET", path: "/", headers: {}, weight: 1, check: {} }];
  const spec = { origin, requests, connections: 50, seconds: 1, fresh: false, count: 2000 };

  test("is sent by a load generator that tells each answer's time: hey, else our own", () => {
    expect(toolFor(spec, TOOLS).name).toBe("hey");
    const others = TOOLS.filter(({ name }) => name !== "hey");
    expect(toolFor(spec, others).name).toBe("keelback");
    const { count: _, ...timed } = spec;
    expect(toolFor(timed, TOOLS).name).toBe("wrk");
  });
});

describe("the reports of load generators", () => {
  test("wrk's", () => {
    const said = `Running 2s test @ http://127.0.0.1:8000/
  1 threads and 64 connections
  Latency Distribution
     50%  836.00us
     99%    9.90ms
  218114 requests in 4.01s, 27.67MB read
  Socket errors: connect 1, read 2, write 3, timeout 4
  Non-2xx or 3xx responses: 7
Requests/sec:  54451.80
`;
    expect(parseWrk(said)).toEqual({
      ...{ requestsPerSecond: 54451.8, requests: 218114, p50Ms: 0.836, p99Ms: 9.9 },
      errors: { connection: 6, timeout: 4, status: 7, body: 0 },
    });
    expect(() => parseWrk("unable to connect")).toThrow("wrk said nothing usable");
  });

  test("h2load's, which says when it spoke another protocol than asked", () => {
    const said = `Application protocol: http/1.1
finished in 2.00s, 1000.50 req/s, 1.2MB/s
requests: 2001 total, 2001 started, 2001 done, 2000 succeeded, 1 failed, 0 errored, 0 timeout
status codes: 1990 2xx, 5 3xx, 5 4xx, 0 5xx
traffic: 1.0MB (1000000) total, 1KB (1000) headers (space savings 0.00%), 26KB (26000) data
time for request:      100us     10.00ms       2.00ms       1ms    70.00%
`;
    expect(parseH2load(said, { protocol: "http/1.1" })).toEqual({
      ...{ requestsPerSecond: 1000.5, requests: 2000, meanMs: 2 },
      errors: { connection: 1, timeout: 0, status: 5, body: 0 },
    });
    expect(() => parseH2load(said, { protocol: "h2" })).toThrow("did not speak h2");
  });

  test("hey's: each answer a line, none for what was not answered", () => {
    const said = `response-time,DNS+dialup,DNS,(and so on)
0.0010,0.0,0.0,0.0,0.0,0.0,200,0.0
0.0030,0.0,0.0,0.0,0.0,0.0,500,0.0020
`;
    const figures = parseHey(said, 3);
    expect(figures.requests).toBe(2);
    expect(figures.requestsPerSecond).toBeCloseTo(200);
    expect(figures.latency).toMatchObject({ p50: 1, worst: 3 });
    expect(figures.errors).toEqual({ connection: 1, timeout: 0, status: 1, body: 0 });
  });

  test("oha's: what its own end cut off is no error", () => {
    const said = JSON.stringify({
      summary: { successRate: 1, total: 2, requestsPerSec: 500 },
      statusCodeDistribution: { "200": 990, "503": 10 },
      errorDistribution: { "aborted due to deadline": 3, "Connection refused (os error 111)": 2 },
    });
    expect(parseOha(said)).toEqual({
      ...{ requestsPerSecond: 495, requests: 1000 },
      errors: { connection: 2, timeout: 0, status: 10, body: 0 },
    });
  });

  test("autocannon's", () => {
    const said = JSON.stringify({
      ...{ duration: 2, errors: 3, timeouts: 1, resets: 0, non2xx: 6, "3xx": 4 },
      requests: { total: 1002 },
    });
    expect(parseAutocannon(`Running\n${said}`)).toEqual({
      ...{ requestsPerSecond: 500, requests: 1002 },
      errors: { connection: 2, timeout: 1, status: 2, body: 0 },
    });
  });
});
