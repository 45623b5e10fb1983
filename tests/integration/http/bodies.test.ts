/** How response bodies are framed (RFC 9112 section 6), and what becomes of apps that count wrongly. */
import { describe, expect, test } from "bun:test";
import { get, message, onBoth, rest } from "./support.ts";

function head(target: string): string {
  return message([`HEAD ${target} HTTP/1.1`, "Host: test"]);
}

function old(target: string, ...fields: string[]): string {
  return message([`GET ${target} HTTP/1.0`, ...fields]);
}

onBoth([], (probe) => {
  describe("HEAD, 204 and 304 have no body", () => {
    test.each([
      ["HEAD of a body with a length", head("/respond?part=hello&length=5"), 200, "5"],
      ["HEAD of a body in parts", head("/respond?part=a&part=b&length=2"), 200, "2"],
      ["204", get("/respond?status=204&part=hello"), 204, undefined],
      ["204 with a length", get("/respond?status=204&part=hello&length=5"), 204, undefined],
      ["204 in parts", get("/respond?status=204&part=a&part=b"), 204, undefined],
      ["304", get("/respond?status=304&part=hello"), 304, undefined],
      ["304 with a length", get("/respond?status=304&part=hello&length=5"), 304, "5"],
      ["304 in parts", get("/respond?status=304&part=a&part=b"), 304, undefined],
    ])("%s", async (_name, request, status, length) => {
      await using client = await probe.send(request + get("/"));
      const response = await client.readResponse("HEAD");
      expect(response.status).toBe(status);
      expect([response.headers["content-length"]]).toEqual([length]);
      if (status !== 200) expect(response.headers["transfer-encoding"]).toBeUndefined();
      expect(await client.readResponse()).toMatchObject({ status: 200, body: "ok\n" });
    });

    test.each([
      ["one part", "/respond?part=hello"],
      ["several parts", "/respond?part=a&part=b"],
      ["no part", "/respond"],
    ])("HEAD of a body without a length, %s", async (_name, target) => {
      await using client = await probe.send(head(target) + get("/"));
      expect((await client.readResponse("HEAD")).status).toBe(200);
      expect(await client.readResponse()).toMatchObject({ status: 200, body: "ok\n" });
    });

    test("errors to HEAD have none either", async () => {
      await using client = await probe.send(head("/fail") + get("/"));
      expect((await client.readResponse("HEAD")).status).toBe(500);
      expect((await client.readResponse()).body).toBe("ok\n");
    });

    test("a HEAD of a stream ends with its head", async () => {
      const key = probe.key();
      await using client = await probe.send(head(`/stream?key=${key}`) + get("/"));
      await probe.say(key);
      await client.readResponse("HEAD");
      expect((await client.readResponse()).body).toBe("ok\n");
    });

    test("curl agrees", async () => {
      const { code, out } = await probe.curl("/respond?part=hello&length=5", "--head");
      expect(code).toBe(0);
      expect(out).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      expect(out.toLowerCase()).toContain("content-length: 5\r\n");
    });
  });

  describe("Responses without a length are chunked", () => {
    test("to an HTTP/1.1 client, part by part", async () => {
      const key = probe.key();
      await using client = await probe.send(get(`/stream?key=${key}`) + get("/"));
      const begin = await client.readUntil("\r\n\r\n");
      expect(begin.toLowerCase()).toContain("\r\ntransfer-encoding: chunked\r\n");
      expect(begin.toLowerCase()).not.toContain("content-length");
      expect(await client.readUntil("first;\r\n")).toBe("6\r\nfirst;\r\n");
      await probe.say(key);
      expect(await client.readUntil("0\r\n\r\n")).toBe("5\r\nlast;\r\n0\r\n\r\n");
      expect((await client.readResponse()).body).toBe("ok\n");
    });

    test("an empty part ends nothing", async () => {
      const response = await probe.answer(get("/respond?part=a&part=&part=b"));
      expect(response.body).toBe("ab");
    });

    test("to an HTTP/1.0 client they end with the connection", async () => {
      for (const fields of [[], ["Connection: keep-alive"]]) {
        const key = probe.key();
        await using client = await probe.send(old(`/stream?key=${key}`, ...fields));
        await probe.say(key);
        const response = await client.readResponse();
        expect(response.body).toBe("first;last;");
        expect(response.headers["transfer-encoding"]).toBeUndefined();
        expect(response.headers["connection"]).toBe("close");
      }
    });

    test("with a length they are not, part by part either", async () => {
      const key = probe.key();
      await using client = await probe.send(get(`/stream?key=${key}&length=11`));
      await probe.say(key);
      const response = await client.readResponse();
      expect(response.headers["transfer-encoding"]).toBeUndefined();
      expect(response.headers["content-length"]).toBe("11");
      expect(response.body).toBe("first;last;");
    });

    test("a large one arrives whole", async () => {
      const size = 10_000_000;
      const { out } = await probe.curl(
        `/big?size=${size}`,
        "-w",
        "%{size_download}",
        "-o",
        "/dev/null",
      );
      expect(out).toBe(String(size));
    });

    test("a body that is known to be whole gets a length", async () => {
      const response = await probe.answer(get("/respond?part=hello"));
      expect(response.headers["content-length"]).toBe("5");
    });
  });

  describe("A Content-Length that is wrong is noticed", () => {
    const { kind } = probe;

    test("too much in one part is never written", async () => {
      await using client = await probe.send(get("/respond?part=hello&length=3"));
      const everything = await client.readUntil("\r\n\r\n");
      expect(everything + client.received).not.toContain("hello");
      await probe.server.waitForLine(/longer than its Content-Length|Content-Length of 3/);
    });

    test("too much in a later part is cut off", async () => {
      const key = probe.key();
      await using client = await probe.send(get(`/stream?key=${key}&length=8`) + get("/"));
      await client.readUntil("first;");
      await probe.say(key);
      // Either the connection goes on behind the eighth byte, or it is cut.
      const next = await client.readUntil("\r\n").catch(() => client.received);
      expect(next).toMatch(/^(la?|laHTTP\/1\.1 200 OK\r\n|)$/);
      await probe.server.waitForLine(/longer than its Content-Length of 8/);
    });

    test("too little closes the connection", async () => {
      const key = probe.key();
      await using client = await probe.send(get(`/stream?key=${key}&length=20`) + get("/"));
      await client.readUntil("first;");
      await probe.say(key);
      const left = await rest(client);
      expect("last;".startsWith(left)).toBe(true);
      await probe.server.waitForLine(/shorter than its Content-Length of 20/);
    });

    test(`too little in the only part is no success (${kind})`, async () => {
      const { code, out } = await probe.curl("/respond?part=hello&length=9", "-w", "%{http_code}");
      expect(code !== 0 || out.endsWith("500")).toBe(true);
      await probe.server.waitForLine(/shorter than its Content-Length of 9/);
    });

    test("nothing at all is no success either", async () => {
      const { code, out } = await probe.curl("/respond?length=7", "-w", "%{http_code}");
      expect(code !== 0 || out.endsWith("500")).toBe(true);
      await probe.server.waitForLine(/shorter than its Content-Length of 7/);
    });

    test("HEAD and 304 are not judged by it", async () => {
      await using client = await probe.send(
        head("/respond?length=5") + get("/respond?status=304&length=5"),
      );
      expect((await client.readResponse("HEAD")).headers["content-length"]).toBe("5");
      expect((await client.readResponse("HEAD")).headers["content-length"]).toBe("5");
    });
  });
});
