/** How long a connection lives and how its end is said (RFC 9112 section 9). */
import { describe, expect, test } from "bun:test";
import { runKeelback } from "../../support/server.ts";
import { get, message, onBoth, post, Probe, postChunks } from "./support.ts";

function old(target: string, ...fields: string[]): string {
  return message([`GET ${target} HTTP/1.0`, ...fields]);
}

onBoth([], (probe) => {
  describe("Connections are kept alive", () => {
    test("HTTP/1.1 by default", async () => {
      await using client = await probe.connect();
      for (let i = 0; i < 3; i += 1) {
        await client.send(get("/"));
        const response = await client.readResponse();
        expect(response).toMatchObject({ status: 200, body: "ok\n", version: "HTTP/1.1" });
        expect(response.headers["connection"]).toBeUndefined();
      }
    });

    test("HTTP/1.0 when asked", async () => {
      await using client = await probe.connect();
      for (let i = 0; i < 2; i += 1) {
        await client.send(old("/", "Connection: keep-alive"));
        const response = await client.readResponse();
        expect(response).toMatchObject({ status: 200, body: "ok\n" });
        expect(response.headers["connection"]).toBe("keep-alive");
      }
    });

    test("HTTP/1.0 is closed otherwise", async () => {
      await using client = await probe.send(old("/") + old("/"));
      const response = await client.readResponse();
      expect(response.headers["connection"]).toBe("close");
      expect(await client.readToEnd()).toBe("");
    });

    test("after errors of the app", async () => {
      await using client = await probe.send(get("/fail") + get("/"));
      expect((await client.readResponse()).status).toBe(500);
      expect((await client.readResponse()).status).toBe(200);
    });

    test("curl uses one connection for many requests", async () => {
      const { url } = probe.server;
      const format = "%{http_code} %{num_connects}\\n";
      const more = [`${url}/`, `${url}/echo`, "-d", "hello", "-o", "/dev/null", "-o", "/dev/null"];
      const { out } = await probe.curl("/", "-w", format, "-o", "/dev/null", ...more);
      expect(out.trim().split("\n")).toEqual(["200 1", "200 0", "200 0"]);
    });
  });

  describe("Connection close is announced", () => {
    test.each(["close", "Close", "x, close", "close, x", "close,keep-alive"])(
      "after Connection: %s, and nothing that follows is answered",
      async (value) => {
        const key = probe.key();
        const next = get(`/say?key=${key}&word=answered`);
        await using client = await probe.send(get("/", `Connection: ${value}`) + next);
        expect((await client.readResponse()).headers["connection"]).toBe("close");
        await client.send(next);
        expect(await client.readToEnd()).toBe("");
        expect(await probe.words(key)).toEqual([]);
      },
    );

    test("for a body that is streamed", async () => {
      const target = "/respond?part=a&part=b";
      await using client = await probe.send(get(target, "Connection: close"));
      const response = await client.readResponse();
      expect(response.headers["connection"]).toBe("close");
      expect(response.body).toBe("ab");
      expect(await client.readToEnd()).toBe("");
    });

    test("for an answer without a body", async () => {
      await using client = await probe.send(get("/respond?status=204", "Connection: close"));
      expect((await client.readResponse()).headers["connection"]).toBe("close");
      expect(await client.readToEnd()).toBe("");
    });

    test("not for a word that only begins like it", async () => {
      await using client = await probe.send(get("/", "Connection: closed, x-close") + get("/"));
      expect((await client.readResponse()).headers["connection"]).toBeUndefined();
      expect((await client.readResponse()).status).toBe(200);
    });

    test("when the app asks for it", async () => {
      await using client = await probe.send(get("/respond?h=Connection:close&length=0") + get("/"));
      expect((await client.readResponse()).headers["connection"]).toBe("close");
      expect(await client.readToEnd()).toBe("");
    });
  });

  test("A HEAD request with a body has that body consumed", async () => {
    const key = probe.key();
    const body = get(`/say?key=${key}&word=smuggled`);
    const head = ["HEAD / HTTP/1.1", "Host: test", `Content-Length: ${body.length}`];
    await using client = await probe.send(message(head, body) + get("/"));
    expect((await client.readResponse("HEAD")).headers["content-length"]).toBe("3");
    expect((await client.readResponse()).body).toBe("ok\n");
    expect(await probe.words(key)).toEqual([]);
  });

  test("A GET request may have a body", async () => {
    const lines = ["GET /echo HTTP/1.1", "Host: test", "Content-Length: 5"];
    expect((await probe.answer(message(lines, "hello"))).body).toBe("hello");
  });

  test("A large body arrives whole in both framings", async () => {
    const body = "0123456789".repeat(200_000);
    expect((await probe.answer(post("/echo", body))).body).toBe(body);
    const half = body.length / 2;
    const size = half.toString(16);
    const chunks = `${size}\r\n${body.slice(0, half)}\r\n${size}\r\n${body.slice(half)}\r\n0\r\n\r\n`;
    expect((await probe.answer(postChunks("/echo", chunks))).body).toBe(body);
  });
});

onBoth(["--keep-alive", "0.3"], (probe) => {
  test("An idle connection closes after --keep-alive", async () => {
    await using client = await probe.send(get("/"));
    expect((await client.readResponse()).headers["connection"]).toBeUndefined();
    expect(await client.readToEnd()).toBe("");
  });

  test("The time of an idle connection does not run during a request", async () => {
    const key = probe.key();
    const next = get(`/wait?key=${key}`);
    // A second request that has begun: between the two, the connection was idle for less than its time.
    await using client = await probe.send(get("/") + next.slice(0, 10));
    await client.readResponse();
    await client.send(next.slice(10));
    await probe.heard(key, "begun");
    await using idle = await probe.send(get("/"));
    await idle.readResponse();
    await idle.readToEnd();
    await probe.say(key);
    expect(await client.readResponse()).toMatchObject({ status: 200, body: "waited\n" });
  });
});

onBoth(["--keep-alive", "0"], (probe) => {
  test("With --keep-alive 0 every response closes its connection", async () => {
    await using client = await probe.send(get("/") + get("/"));
    expect((await client.readResponse()).headers["connection"]).toBe("close");
    expect(await client.readToEnd()).toBe("");
  });
});

test("By default connections outlive the 60 seconds of a load balancer", async () => {
  const { code, stdout } = await runKeelback(["--print-config", "--json"]);
  expect(code).toBe(0);
  expect(/"keep-?alive[^}]*?(\d+)/i.exec(stdout)?.[1]).toMatch(/^75/);
});

test.each(["wsgi", "asgi"] as const)(
  "A server that stops says Connection: close in what it still answers (%s)",
  async (kind) => {
    await using probe = new Probe(kind);
    await probe.start();
    const key = probe.key();
    await using idle = await probe.send(get("/"));
    await idle.readResponse();
    await using client = await probe.send(get(`/stream?key=${key}&length=11`));
    await using waiting = await probe.send(get(`/wait?key=${key}`));
    await using helper = await probe.send(
      `POST /say?key=${key}&word=go HTTP/1.1\r\nHost: test\r\n`,
    );
    await client.readUntil("first;");
    await probe.heard(key, "first");
    const stopped = probe.server.stop();
    expect(await idle.readToEnd()).toBe("");
    await helper.send("\r\n");
    expect((await helper.readResponse()).headers["connection"]).toBe("close");
    expect((await waiting.readResponse()).headers["connection"]).toBe("close");
    expect(await client.readToEnd()).toBe("last;");
    expect(await stopped).toBe(0);
  },
);
