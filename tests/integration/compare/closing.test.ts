/** A server that closes each connection, as those for development do: the load generator that comes with Keelback would not notice. */
import { expect, test } from "bun:test";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { autocannon } from "../../../src/compare/load/autocannon.ts";
import { get } from "../../../src/compare/scenarios.ts";

const CONNECTIONS = 4;

test("it is loaded by our own closed loop, which gets an answer to every request", async () => {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () =>
      socket.end("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
    );
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  // listen() with a host and a port gives an AddressInfo
  const { port } = server.address() as AddressInfo;
  try {
    const spec = {
      ...{ origin: `http://127.0.0.1:${port}`, connections: CONNECTIONS, seconds: 1, fresh: false },
      requests: [{ ...get("/"), check: { status: 200 } }],
    };
    expect(autocannon.can({ ...spec, fresh: true })).toBe(false);
    const done = await autocannon.run(spec, { pin: [] });
    expect(done.load).toStartWith("keelback's own closed loop");
    expect(done.requests).toBeGreaterThan(CONNECTIONS);
    expect(done.errors).toEqual({ connection: 0, timeout: 0, status: 0, body: 0 });
  } finally {
    server.close();
  }
}, 60_000);
