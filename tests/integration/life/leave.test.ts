/** What a stop must not lose: connections that wait in the kernel, and requests that are on their way. */
import { describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { treeOf } from "../../apps_life/processes.ts";
import { begin, eventually, Place, requestText, serve } from "../../apps_life/serve.ts";
import { testCertificate } from "../../support/certificate.ts";
import { RawClient } from "../../support/raw-client.ts";
import type { TestServer } from "../../support/server.ts";

const args = ["--workers", "1"];
const WAITING = 40;

/** Runs `then` while no edge of the server moves, so that what it connects waits in the kernel. */
async function whileEdgesSleep<T>(server: TestServer, then: () => Promise<T>): Promise<T> {
  const { edges } = treeOf(server);
  for (const { pid } of edges) process.kill(pid, "SIGSTOP");
  try {
    return await then();
  } finally {
    for (const { pid } of edges) process.kill(pid, "SIGCONT");
  }
}

async function stopping(server: TestServer): Promise<void> {
  server.kill("SIGTERM");
  await server.waitForLine(/stopping: what runs may finish/);
}

describe("A connection that waits to be accepted is served at a stop", () => {
  test.each([1, 2])("over TCP, with %d edges", async (edges) => {
    const server = await serve("wsgi_app:app", { args: [...args, "--edges", `${edges}`] });
    const clients = await whileEdgesSleep(server, async () => {
      const waiting = Array.from({ length: WAITING }, () => begin(server, "/hello"));
      const connected = await Promise.all(waiting);
      await stopping(server);
      return connected;
    });
    for (const client of clients) {
      const { status, body } = await client.readResponse();
      expect({ status, body }).toEqual({ status: 200, body: "hello" });
      client.close();
    }
    expect(await server.exited).toBe(0);
  });

  test("over a unix socket", async () => {
    using place = new Place();
    const path = place.of("web.sock");
    const server = await serve("asgi_app:app", { args, bind: `unix:${path}` });
    const clients = await whileEdgesSleep(server, async () => {
      const connected = await Promise.all(Array.from({ length: 8 }, () => begin(path, "/hello")));
      await stopping(server);
      return connected;
    });
    for (const client of clients) {
      expect((await client.readResponse()).body).toBe("hello");
      client.close();
    }
    expect(await server.exited).toBe(0);
  });

  test("over TLS, with HTTP/2 and HTTP/1.1", async () => {
    const { certificate, key } = testCertificate();
    const tls = ["--certfile", certificate, "--keyfile", key];
    const server = await serve("asgi_app:app", { args: [...args, ...tls] });
    const answers = await whileEdgesSleep(server, async () => {
      const curls = ["--http2", "--http1.1", "--http2", "--http1.1"].map((version) =>
        Bun.spawn(["curl", "-sk", version, "--max-time", "15", `${server.url}/hello`], {
          stdout: "pipe",
        }),
      );
      await eventually("four connections", () => establishedTo(server.port) >= curls.length);
      await stopping(server);
      return curls;
    });
    for (const curl of answers) expect(await new Response(curl.stdout).text()).toBe("hello");
    expect(await server.exited).toBe(0);
  });

  test("whoever is let in is answered, whoever is not is refused", async () => {
    const server = await serve("wsgi_app:app", { args });
    const fates = { answered: 0, refused: 0, other: [] as string[] };
    let over = false;
    const client = async (): Promise<void> => {
      while (!over) {
        const fate = await oneRequest(server.port);
        if (fate === "answered") fates.answered += 1;
        else if (fate === "ECONNREFUSED") fates.refused += 1;
        else fates.other.push(fate);
        if (fate !== "answered") over = true;
      }
    };
    const clients = Array.from({ length: 8 }, client);
    await eventually("some answers", () => fates.answered > 100);
    await stopping(server);
    await Promise.all(clients);
    expect(fates.other).toEqual([]);
    expect(fates.refused).toBeGreaterThan(0);
    expect(await server.exited).toBe(0);
  });
});

describe("Requests on kept connections are answered until the server says close", () => {
  test("those that were on their way when it was told to stop", async () => {
    const server = await serve("wsgi_app:app", { args });
    const clients = await Promise.all(
      Array.from({ length: WAITING }, () => begin(server, "/hello")),
    );
    for (const client of clients) expect((await client.readResponse()).body).toBe("hello");
    await whileEdgesSleep(server, async () => {
      await stopping(server);
      for (const client of clients) await client.send(requestText("/hello"));
    });
    for (const client of clients) {
      expect((await client.readResponse()).body).toBe("hello");
      client.close();
    }
    expect(await server.exited).toBe(0);
  });

  test.each(["wsgi_app:app", "asgi_app:app"])("none is lost (%s)", async (app) => {
    const server = await serve(app, { args });
    const clients = await Promise.all(
      Array.from({ length: 8 }, () => RawClient.connect(server.port)),
    );
    const stopped = stopping(server);
    const goOn = async (client: RawClient): Promise<void> => {
      for (;;) {
        await client.send(requestText("/hello"));
        const { status, headers } = await client.readResponse();
        expect(status).toBe(200);
        if (headers["connection"] === "close") return client.close();
      }
    };
    await Promise.all(clients.map(goOn));
    await stopped;
    expect(await server.exited).toBe(0);
  });
});

/** How a request on a connection of its own ended: answered, or the error. */
function oneRequest(port: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let received = "";
  const socket = connect({ port, host: "127.0.0.1" }, () => socket.write(requestText("/hello")));
  socket.on("data", (chunk: Buffer) => {
    received += chunk.toString("latin1");
    if (received.endsWith("\r\n\r\nhello")) {
      resolve("answered");
      socket.destroy();
    }
  });
  socket.on("error", (error) => resolve("code" in error ? String(error.code) : String(error)));
  socket.on("close", () => resolve(`closed after ${received.length} bytes`));
  return promise;
}

/** Connections from a client's side that the kernel has agreed to. */
function establishedTo(port: number): number {
  const { stdout } = Bun.spawnSync(["cat", "/proc/net/tcp"]);
  const remote = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return stdout
    .toString()
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , address, state]) => address?.endsWith(remote) === true && state === "01").length;
}
