/** Bytes that are no HTTP, heads that never end, and uploads that hardly begin. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { RawClient } from "../../support/raw-client.ts";
import { repository, startServer } from "../../support/server.ts";
import type { TestServer } from "../../support/server.ts";
import { familyOf } from "../supervisor/support.ts";
import { connectAll, randomFrom, residentBytes } from "./support.ts";

const SEED = 7;
const GARBAGE_BYTES_MAX = 4000;
const GARBAGE_CLIENTS = 300;
const SLOWLORIS_CLIENTS = 500;
const HEAD_BYTES = 100 * 1024 * 1024;
const PIECE_BYTES = 1024 * 1024;
const GROWTH_BYTES_MAX = 48 * 1024 * 1024;
const HEADER_TIMEOUT_MS = 4000;
/** For the answers to all of them, which never come when a byte extends the time. */
const CUT_OFF_MS = 30_000;

const args = [
  "--workers",
  "1",
  "--chdir",
  `${repository}/tests/apps`,
  "--header-timeout",
  `${HEADER_TIMEOUT_MS}ms`,
  "--body-idle-timeout",
  "2s",
];

describe("Hostile clients harm nobody else", () => {
  let server: TestServer;
  let edge: number;

  beforeAll(async () => {
    server = await startServer({ app: "probe_asgi:app", args });
    edge = familyOf(server.pid).edge;
  });
  afterAll(async () => {
    expect(familyOf(server.pid).edge).toBe(edge);
    expect(await server.stop()).toBe(0);
  });

  async function served(): Promise<string> {
    const answer = await fetch(`${server.url}/`, { headers: { connection: "close" } });
    return answer.text();
  }

  test("garbage is answered with an error or not at all", async () => {
    const random = randomFrom(SEED);
    const statuses = new Set<string>();
    for (let i = 0; i < GARBAGE_CLIENTS; i += 1) {
      const bytes = Uint8Array.from({ length: 1 + random(GARBAGE_BYTES_MAX) }, () => random(256));
      await using client = await RawClient.connect(server.port);
      void client.send(bytes);
      client.halfClose();
      statuses.add((await client.readToEnd(5000, true)).slice(0, 12));
    }
    expect([...statuses].filter((line) => !/^(HTTP\/1.1 (4|505).*)?$/.test(line))).toEqual([]);
    expect(await served()).toBe("ok\n");
  });

  test("500 heads that never end are cut off in time, others do not feel them", async () => {
    const from = performance.now();
    const clients = await connectAll(server.port, SLOWLORIS_CLIENTS);
    for (const client of clients) await client.send("GET / HTTP/1.1\r\nHost: test\r\n");
    let over = false;
    const trickle = async (): Promise<void> => {
      while (!over) {
        for (const client of clients) if (!client.ended) void client.send("x");
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const trickling = trickle();
    /** The times that its requests took, in order of length. */
    const neighbour = async (): Promise<number[]> => {
      const times: number[] = [];
      while (!over) {
        const asked = performance.now();
        expect(await served()).toBe("ok\n");
        times.push(performance.now() - asked);
      }
      return times.sort((a, b) => a - b);
    };
    const neighbours = neighbour();
    const answers = await Promise.all(
      clients.map((client) => client.readUntil("\r\n", CUT_OFF_MS)),
    );
    over = true;
    await trickling;
    const spent = performance.now() - from;
    expect(new Set(answers)).toEqual(new Set(["HTTP/1.1 408 Request Timeout\r\n"]));
    expect(spent).toBeGreaterThan(HEADER_TIMEOUT_MS);
    // Not the longest: that is long when the machine stands still for a moment.
    const times = await neighbours;
    expect(times[Math.floor((times.length - 1) / 2)]).toBeLessThan(HEADER_TIMEOUT_MS / 4);
    for (const client of clients) client.close();
  });

  const heads = [
    { name: "one line", start: "GET / HTTP/1.1\r\nx: ", unit: "a", status: 431 },
    { name: "many lines", start: "GET / HTTP/1.1\r\n", unit: "name: value\r\n", status: 431 },
    { name: "a request line", start: "GET /", unit: "a", status: 414 },
  ];
  test.each(heads)("100 MB of head are refused early: $name", async ({ start, unit, status }) => {
    const before = residentBytes(edge);
    await using client = await RawClient.connect(server.port);
    const piece = Buffer.from(unit.repeat(Math.ceil(PIECE_BYTES / unit.length)));
    await client.send(start);
    let sent = 0;
    while (sent < HEAD_BYTES && client.received === "" && !client.ended) {
      await client.send(piece);
      await new Promise((resolve) => setImmediate(resolve));
      sent += piece.length;
      expect(residentBytes(edge) - before).toBeLessThan(GROWTH_BYTES_MAX);
    }
    expect(sent).toBeLessThan(HEAD_BYTES / 2);
    expect(await client.readUntil("\r\n")).toStartWith(`HTTP/1.1 ${status} `);
  });

  test("an upload that stops is cut off, and holds nobody up meanwhile", async () => {
    await using client = await RawClient.connect(server.port);
    await client.send("POST /count HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\na");
    expect(await served()).toBe("ok\n");
    expect(await client.readUntil("\r\n")).toBe("HTTP/1.1 408 Request Timeout\r\n");
  });
});
