/** Several requests on one connection, and clients that close their sending side. */
import { describe, expect, test } from "bun:test";
import { get, message, onBoth, post, postChunks, rest } from "./support.ts";

onBoth([], (probe) => {
  describe("Pipelined requests are answered in order", () => {
    test("a quick one waits for a slow one", async () => {
      const key = probe.key();
      const requests = get(`/wait?key=${key}`) + post("/echo", "second") + get("/");
      await using client = await probe.send(requests);
      await probe.heard(key, "begun");
      expect(client.received).toBe("");
      await probe.say(key);
      expect((await client.readResponse()).body).toBe("waited\n");
      expect((await client.readResponse()).body).toBe("second");
      expect((await client.readResponse()).body).toBe("ok\n");
    });

    test("the next one does not begin before", async () => {
      const [slow, next] = [probe.key(), probe.key()];
      await using client = await probe.send(get(`/wait?key=${slow}`) + get(`/?key=${next}`));
      await probe.heard(slow, "begun");
      expect(await probe.words(next)).toEqual([]);
      await probe.say(slow);
      await client.readResponse();
      await client.readResponse();
      expect(await probe.words(next)).toEqual(["begun"]);
    });

    test("the next one begins when the response is complete, not when the app's task is", async () => {
      const key = probe.key();
      await using client = await probe.send(get(`/after?key=${key}`) + get("/"));
      expect((await client.readResponse()).body).toBe("after\n");
      expect((await client.readResponse()).body).toBe("ok\n");
      expect(await probe.words(key)).not.toContain("ended");
      await probe.say(key);
      await probe.heard(key, "ended");
    });

    test("wherever the bytes are cut", async () => {
      const bytes =
        get("/") + post("/echo", "hello") + postChunks("/echo", "3\r\nfoo\r\n0\r\n\r\n");
      await using client = await probe.connect();
      for (let cut = 1; cut < bytes.length; cut += 1) {
        await client.send(bytes.slice(0, cut));
        await client.send(bytes.slice(cut));
        expect((await client.readResponse()).body).toBe("ok\n");
        expect((await client.readResponse()).body).toBe("hello");
        expect((await client.readResponse()).body).toBe("foo");
      }
    });

    test("what is sent ahead without end waits in the client, and nothing is lost", async () => {
      const key = probe.key();
      const count = 4000;
      const filler = `X-Filler: ${"y".repeat(8000)}`;
      await using client = await probe.send(get(`/wait?key=${key}`));
      await probe.heard(key, "begun");
      let taken = false;
      const sent = client.send(get("/", filler).repeat(count)).then(() => (taken = true));
      for (let i = 0; i < 50; i += 1) await probe.ask("/");
      expect(taken).toBe(false);
      await probe.say(key);
      expect((await client.readResponse()).body).toBe("waited\n");
      for (let i = 0; i < count; i += 1) {
        expect((await client.readResponse()).body).toBe("ok\n");
      }
      await sent;
    });

    test("many small ones at once", async () => {
      const count = 500;
      await using client = await probe.send(get("/respond?part=a&part=b").repeat(count));
      for (let i = 0; i < count; i += 1) expect((await client.readResponse()).body).toBe("ab");
    });
  });

  describe("A half-closed client gets its answer", () => {
    test("a whole one, and then the end", async () => {
      await using client = await probe.send(get("/"));
      client.halfClose();
      expect((await client.readResponse()).body).toBe("ok\n");
      expect(await client.readToEnd()).toBe("");
    });

    test("also when the app takes its time", async () => {
      const key = probe.key();
      await using client = await probe.send(get(`/stream?key=${key}`));
      client.halfClose();
      expect(await client.readUntil("first;\r\n")).toStartWith("HTTP/1.1 200");
      await probe.say(key);
      expect(await client.readToEnd()).toBe("5\r\nlast;\r\n0\r\n\r\n");
    });

    test("also to a request with a body that the app reads late", async () => {
      const key = probe.key();
      const body = "0123456789".repeat(100_000);
      await using client = await probe.connect();
      const sent = client.send(post(`/read?key=${key}`, body));
      client.halfClose();
      await probe.heard(key, "before");
      await probe.say(key);
      expect((await client.readResponse()).body).toBe(body);
      expect(await client.readToEnd()).toBe("");
      await sent;
    });

    test("to each of several requests", async () => {
      const key = probe.key();
      await using client = await probe.send(
        get(`/wait?key=${key}`) + get("/") + post("/echo", "x"),
      );
      client.halfClose();
      await probe.heard(key, "begun");
      await probe.say(key);
      expect((await client.readResponse()).body).toBe("waited\n");
      expect((await client.readResponse()).body).toBe("ok\n");
      expect((await client.readResponse()).body).toBe("x");
      expect(await client.readToEnd()).toBe("");
    });

    test.each([
      ["nothing", ""],
      ["half a request line", "GET /"],
      ["half a head", "GET / HTTP/1.1\r\nHost: te"],
    ])("%s ends the connection", async (_name, bytes) => {
      await using client = await probe.send(bytes);
      client.halfClose();
      expect(await rest(client)).toBe("");
    });

    test("half a body ends the connection, and the app is told", async () => {
      const key = probe.key();
      const lines = [`POST /read?key=${key} HTTP/1.1`, "Host: test", "Content-Length: 10"];
      await using client = await probe.send(message(lines, "hello"));
      await probe.heard(key, "before");
      client.halfClose();
      expect(await rest(client)).toBe("");
      await probe.say(key);
      await probe.ask("/");
      expect(await probe.words(key)).not.toContain("read");
    });

    test("an idle connection is closed in turn", async () => {
      await using client = await probe.send(get("/"));
      await client.readResponse();
      client.halfClose();
      expect(await client.readToEnd()).toBe("");
    });
  });
});
