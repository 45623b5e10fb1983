/** The load generator against servers that misbehave in known ways: what it counts, and that a stall counts for all it delays. */
import { afterEach, describe, expect, test } from "bun:test";
import { createSecureServer } from "node:http2";
import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { bodyHash } from "../../../src/compare/load/http-load.ts";
import type { LoadRequest, StreamResult, StreamSpec } from "../../../src/compare/load/http-load.ts";
import { runHttp2Load } from "../../../src/compare/load/http2.ts";
import { runOpenLoop } from "../../../src/compare/load/open-loop.ts";
import { httpLoad } from "../../../src/compare/load/order.ts";
import { runWebSocketLoad } from "../../../src/compare/load/websocket.ts";
import { total } from "../../../src/compare/statistics.ts";
import { selfSigned } from "../../../src/net/self-signed.ts";

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
  return listen(server);
}

async function listen(server: Server): Promise<number> {
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
      const port = await listen(server);
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

describe("a load generator counts what was due while it stood still itself, also at the end", () => {
  const spec = { connections: 2, rate: 100, warmupMs: 0, durationMs: 300 };

  /** Server and generator share this process: one stalls with the other, beyond the end. */
  function stall(number: number): void {
    if (number === 5) block(400);
  }

  test(
    "of HTTP/1.1",
    async () => {
      const port = await serve((number) => {
        stall(number);
        return response("hello");
      });
      const { connections, rate, ...times } = spec;
      const stream = { name: "measured", path: "/", requests: [hello], connections, rate };
      const { measured } = await runOpenLoop({ port, ...times, streams: [stream], spin: false });
      expect(measured).toMatchObject({ answered: 30, unsent: 0, errors: 0 });
    },
    TIMEOUT_MS,
  );

  test(
    "of HTTP/2",
    async () => {
      const { certificate: cert, key } = selfSigned(["localhost"], new Date());
      let number = 0;
      const server = createSecureServer({ cert, key }, (_, answer) => {
        stall(++number);
        answer.end("hello");
      });
      const port = await listen(server);
      const result = await runHttp2Load({ ...spec, port, requests: [hello], streams: 1 });
      expect(result.answered).toBe(30);
      expect(result.kinds).toEqual({ connection: 0, timeout: 0, status: 0, body: 0 });
      expect(result.latency?.worst).toBeGreaterThan(300);
    },
    TIMEOUT_MS,
  );

  test(
    "of WebSockets",
    async () => {
      let number = 0;
      using server = Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        fetch: (request, bun) => (bun.upgrade(request) ? undefined : new Response("no upgrade")),
        websocket: {
          message(socket, message) {
            stall(++number);
            socket.send(message);
          },
        },
      });
      const url = `ws://127.0.0.1:${server.port}/`;
      const result = await runWebSocketLoad({ ...spec, url, bytes: 10 });
      expect(total(result.histogram)).toBe(30);
      expect(result.kinds).toEqual({ connection: 0, timeout: 0, status: 0, body: 0 });
      expect(result.latency?.worst).toBeGreaterThan(300);
    },
    TIMEOUT_MS,
  );
});
