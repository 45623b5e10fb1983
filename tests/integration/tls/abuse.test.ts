/** Clients that do not finish, or do not begin, a handshake. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { RawClient } from "../../support/raw-client.ts";
import type { TestServer } from "../../support/server.ts";
import { Authority, curl, secure, startTls, tlsArgs } from "./support.ts";

setDefaultTimeout(60_000);

const authority = new Authority();
let server: TestServer;

beforeAll(async () => {
  server = await startTls("wsgi", tlsArgs(authority.server()));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  authority[Symbol.dispose]();
});

/** The beginning of a ClientHello of 512 bytes. */
const HALF = Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, 1, 2, 3]);

describe("A handshake that stalls is cut", () => {
  test.each([
    ["nothing", Buffer.alloc(0)],
    ["half of a hello", HALF],
  ])("%s", async (_, bytes) => {
    const short = [...tlsArgs(authority.server()), "--header-timeout", "500ms"];
    await using impatient = await startTls("wsgi", short);
    // Its time begins with the connection, before we hear of that.
    const began = performance.now();
    await using client = await RawClient.connect(impatient.port);
    await client.send(bytes);
    expect(await client.readToEnd(10_000, true)).toBe("");
    expect(performance.now() - began).toBeGreaterThan(450);
  });

  test("they count as connections: beyond the limit the server still answers others", async () => {
    // Short for those who say nothing; others have to be through with their handshake by then.
    const limits = ["--header-timeout", "2s", "--connections", "40"];
    const args = [...tlsArgs(authority.server()), ...limits];
    await using narrow = await startTls("wsgi", args);
    const established = await secure(narrow, authority);
    const connecting = Array.from({ length: 60 }, () => RawClient.connect(narrow.port));
    // One that is too many may be reset before its connect() is through.
    for (const result of await Promise.allSettled(connecting)) {
      if (result.status === "fulfilled") await result.value.readToEnd(10_000, true);
    }
    expect((await curl(narrow, authority, "/")).code).toBe(0);
    established.destroy();
  });
});

describe("Garbage instead of a handshake ends the connection", () => {
  test.each([
    ["zeros", Buffer.alloc(1000)],
    ["a record of an unknown kind", Buffer.from([99, 3, 1, 0, 5, 1, 2, 3, 4, 5])],
    ["a record that is too long", Buffer.from([22, 3, 1, 255, 255, ...Buffer.alloc(300)])],
    ["SSL 2", Buffer.from([128, 46, 1, 0, 2, 0, 21, 0, 0, 0, 16])],
    ["an alert", Buffer.from([21, 3, 1, 0, 2, 2, 40])],
  ])("%s", async (_, bytes) => {
    await using client = await RawClient.connect(server.port);
    await client.send(bytes);
    await client.readToEnd(10_000, true);
    expect((await curl(server, authority, "/")).code).toBe(0);
  });

  test("half a hello, then the client is gone", async () => {
    for (const leave of ["close", "reset", "halfClose"] as const) {
      const client = await RawClient.connect(server.port);
      await client.send(HALF);
      client[leave]();
    }
    expect((await curl(server, authority, "/")).code).toBe(0);
  });

  test("garbage after the handshake", async () => {
    const socket = await secure(server, authority);
    const closed = Promise.withResolvers<void>();
    socket.on("close", () => closed.resolve());
    socket.write("\0\0\0\0 no HTTP at all\r\n\r\n");
    socket.resume();
    await closed.promise;
    expect((await curl(server, authority, "/")).code).toBe(0);
  });
});

describe("Plain HTTP on the port of TLS gets a clear answer", () => {
  test.each(["GET", "POST", "HEAD", "PUT"])("%s", async (method) => {
    await using client = await RawClient.connect(server.port);
    await client.send(`${method} / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n`);
    const response = await client.readResponse();
    expect(response).toMatchObject({ status: 400, headers: { connection: "close" } });
    expect(response.body).toContain("A plain HTTP request came to an HTTPS port.");
    await server.waitForLine(/refused \[http-on-tls-port\] 400/);
  });
});

describe("A flood of handshakes does not starve established connections", () => {
  /** Handshakes without pause, so many at once, until told to stop; how many there were. */
  function flood(atOnce: number): () => Promise<number> {
    let stopping = false;
    let done = 0;
    const one = async (): Promise<void> => {
      while (!stopping) {
        (await secure(server, authority)).destroy();
        done += 1;
      }
    };
    const all = Promise.all(Array.from({ length: atOnce }, one));
    return async () => {
      stopping = true;
      await all;
      return done;
    };
  }

  test("they are served in between, and every handshake succeeds", async () => {
    const socket = await secure(server, authority);
    const stop = flood(25);
    for (let i = 0; i < 100; i += 1) {
      const { promise, resolve } = Promise.withResolvers<string>();
      socket.once("data", (chunk: Buffer) => resolve(chunk.toString("latin1")));
      socket.write("GET /large?1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
      expect(await promise).toStartWith("HTTP/1.1 200 OK");
    }
    expect(await stop()).toBeGreaterThan(25);
    socket.destroy();
  });
});
