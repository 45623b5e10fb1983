/** The load generator against servers that misbehave in known ways: what it counts, and that a stall counts for all it delays. */
import { afterEach, describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { bodyHash } from "../../../src/compare/load/http-load.ts";
import type { LoadRequest, StreamResult, StreamSpec } from "../../../src/compare/load/http-load.ts";
import { runOpenLoop } from "../../../src/compare/load/open-loop.ts";
import { httpLoad } from "../../../src/compare/load/order.ts";

const TIMEOUT_MS = 60_000;
const open: Server[] = [];

afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

/** Answers each request by its number, from 1: the bytes of the response, or null to hang up. */
async function serve(answer: (number: number) => string | null): Promise<number> {
  let count = 0;
  const server = createServer((socket) => {
    let rest = "";
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      rest += bytes.toString("latin1");
      for (let end = rest.indexOf("\r\n\r\n"); end >= 0; end = rest.indexOf("\r\n\r\n")) {
        rest = rest.slice(end + 4);
        const text = answer(++count);
        if (text === null) socket.destroy();
        else socket.write(text);
      }
    });
  });
  open.push(server);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  // listen() with a host and a port gives an AddressInfo
  return (server.address() as AddressInfo).port;
}

/** Holds the whole process up, as a blocking view does its worker. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function response(body: string, status = "200 OK"): string {
  return `HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

const hello: LoadRequest = {
  ...{ method: "GET", path: "/", headers: {}, weight: 1 },
  check: { status: 200, body: { how: "exact", hash: bodyHash(Buffer.from("hello"), "exact") } },
};

async function load(
  port: number,
  stream: Partial<StreamSpec>,
  durationMs: number,
): Promise<StreamResult> {
  const measured = { name: "measured", path: "/", requests: [hello], connections: 4, rate: 0 };
  const streams = [{ ...measured, ...stream }];
  const spec = { port, warmupMs: 0, durationMs, streams, spin: false };
  const { measured: result } = await httpLoad(spec, { pin: [] });
  if (result === undefined) throw new Error("no result");
  return result;
}

describe("the load generator", () => {
  test(
    "counts a stall for every request that was due meanwhile",
    async () => {
      const stallMs = 600;
      const port = await serve((number) => {
        if (number === 50) block(stallMs);
        return response("hello");
      });
      const result = await load(port, { rate: 100, connections: 1 }, 2000);
      expect(result.errors).toBe(0);
      // 60 were due while it stood still: a closed loop would have seen one of them.
      const { bounds, counts } = result.histogram;
      const late = counts.reduce(
        (sum, count, bucket) => sum + ((bounds[bucket] ?? 0) > 100 ? count : 0),
        0,
      );
      expect(late).toBeGreaterThan(40);
      expect(result.latency?.worst).toBeGreaterThan(stallMs - 50);
    },
    TIMEOUT_MS,
  );

  test(
    "counts what was due while it stood still itself, also at the end",
    async () => {
      // Server and generator share this process: one stalls with the other, beyond the end.
      const port = await serve((number) => {
        if (number === 5) block(400);
        return response("hello");
      });
      const measured = { name: "measured", path: "/", requests: [hello], connections: 2 };
      const streams = [{ ...measured, rate: 100 }];
      const spec = { port, warmupMs: 0, durationMs: 300, streams, spin: false };
      const { measured: result } = await runOpenLoop(spec);
      expect(result).toMatchObject({ answered: 30, unsent: 0, errors: 0 });
    },
    TIMEOUT_MS,
  );

  test(
    "tells wrong bodies, wrong statuses and lost connections apart",
    async () => {
      const port = await serve((number) => {
        if (number % 10 === 3) return response("hullo");
        if (number % 10 === 5) return response("sorry", "503 Service Unavailable");
        return number % 10 === 7 ? null : response("hello");
      });
      const { kinds, answered, latency } = await load(port, { count: 200 }, 30_000);
      expect(kinds).toEqual({ connection: 20, timeout: 0, status: 20, body: 20 });
      expect(answered).toBe(180);
      expect(latency?.worst).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );

  test(
    "goes on with servers that close each connection, and with a new connection for each request",
    async () => {
      const closing = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello";
      let open_ = 0;
      const server = createServer((socket) => {
        open_ += 1;
        socket.on("error", () => undefined);
        socket.once("data", () => socket.end(closing));
      });
      open.push(server);
      const { promise, resolve } = Promise.withResolvers<void>();
      server.listen(0, "127.0.0.1", resolve);
      await promise;
      const { port } = server.address() as AddressInfo;
      for (const fresh of [false, true]) {
        open_ = 0;
        const result = await load(port, { count: 100, fresh }, 30_000);
        expect(result.errors).toBe(0);
        expect(result.answered).toBe(100);
        expect(open_).toBeGreaterThanOrEqual(100);
      }
      const steady = await load(port, { rate: 100, fresh: true }, 1000);
      expect(steady.errors).toBe(0);
      expect(steady.answered).toBeGreaterThan(90);
    },
    TIMEOUT_MS,
  );

  test(
    "says that a server cannot keep up, and lets what waits count with its wait",
    async () => {
      const port = await serve(() => {
        block(50);
        return response("hello");
      });
      const result = await load(port, { rate: 200, connections: 2 }, 1000);
      expect(result.unsent).toBeGreaterThan(0);
      expect(result.kinds.timeout).toBe(0);
      expect(result.latency?.p50).toBeGreaterThan(500);
    },
    TIMEOUT_MS,
  );
});
