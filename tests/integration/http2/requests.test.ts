/** Requests and responses over HTTP/2: they reach the apps, and come back, as over HTTP/1.1. */
import { describe, expect, test } from "bun:test";
import { data, headers } from "../../support/h2-connection.ts";
import { H2Code } from "../../support/h2-client.ts";
import type { Seen } from "../http/support.ts";
import { onBoth, onSite } from "./support.ts";

onBoth([], (site) => {
  const scheme = site.secure ? "https" : "http";

  describe("HTTP/2 is served beside HTTP/1.1", () => {
    test("the app sees the request", async () => {
      await using client = await site.connect();
      const extra = [
        ["x-one", "1"],
        ["cookie", "a=1"],
        ["cookie", "b=2"],
      ] as const;
      const { status, body } = await client.answer(client.post("/a%20b?q=1", "hello", true, extra));
      expect(status).toBe(200);
      const seen = JSON.parse(body) as Seen;
      expect(seen).toMatchObject({
        method: "POST",
        path: "/a b",
        raw_path: "/a%20b",
        query: "q=1",
      });
      expect(seen).toMatchObject({ scheme, body: "hello", client: "127.0.0.1" });
      expect(seen.version).toBe(site.kind === "wsgi" ? "2.0" : "2");
      const fields = new Map(seen.headers);
      expect(fields.get("host")).toBe("test");
      expect(fields.get("x-one")).toBe("1");
      expect(fields.get("cookie")).toBe("a=1; b=2");
    });

    test("many requests of one connection run at once", async () => {
      const keys = Array.from({ length: 3 }, () => site.key());
      await using client = await site.connect();
      const calls = keys.map((key) => client.get(`/wait?key=${key}`));
      for (const key of keys) await site.heard(key, "begun");
      for (const key of keys.toReversed()) await site.say(key);
      for (const call of calls) expect((await client.answer(call)).body).toBe("waited\n");
    });

    test("a thousand requests one after the other", async () => {
      await using client = await site.connect();
      for (let i = 0; i < 10; i += 1) {
        const calls = Array.from({ length: 100 }, () => client.get("/respond?part=a&part=b"));
        for (const call of calls) expect((await client.answer(call)).body).toBe("ab");
      }
    });
  });

  describe("HEAD, 204 and 304 have no body", () => {
    test.each([
      ["HEAD", "/respond?part=hello&length=5", 200, "5"],
      ["GET", "/respond?status=204", 204, undefined],
      ["GET", "/respond?status=304&length=7", 304, "7"],
    ])("%s %s", async (method, path, status, length) => {
      await using client = await site.connect();
      const answer = await client.answerOf(path, [], method);
      expect({ status: answer.status, bytes: answer.bytes }).toEqual({ status, bytes: 0 });
      expect(answer.headers["content-length"]).toBe(length as string);
    });
  });

  describe("One bad request resets its stream, not the connection", () => {
    test("the client's reset reaches the app, others go on", async () => {
      const [left, kept] = [site.key(), site.key()];
      await using client = await site.connect();
      const gone = client.get(`/big?key=${left}&size=400000000`);
      const other = client.get(`/stream?key=${kept}`);
      await client.until("the first bytes", () => gone.bytes > 0 && other.body === "first;");
      await client.cancel(gone);
      await site.heard(left, "closed");
      await site.say(kept);
      expect((await client.answer(other)).body).toBe("first;last;");
      expect(await site.words(left)).not.toContain("sent");
    });

    test("an upload that the client gives up", async () => {
      const key = site.key();
      await using client = await site.connect();
      const call = client.post(`/read?key=${key}`, "half", false);
      await site.heard(key, "before");
      await client.cancel(call);
      await site.say(key);
      expect((await client.answerOf("/")).body).toBe("ok\n");
      if (site.kind === "asgi") await site.heard(key, "disconnected");
      expect(await site.words(key)).not.toContain("read");
    });

    test("an app that fails before its response: 500", async () => {
      await using client = await site.connect();
      const { status, body } = await client.answerOf("/fail");
      expect(status).toBe(500);
      expect(body).not.toContain("secret");
      expect((await client.answerOf("/")).status).toBe(200);
    });

    test("an app that fails after it has begun: RST_STREAM", async () => {
      const key = site.key();
      await using client = await site.connect();
      const call = client.get(`/fail-late?key=${key}`);
      await client.until("the beginning", () => call.body === "first;");
      await site.say(key);
      expect(await client.resetOf(call)).toBe(H2Code.INTERNAL_ERROR);
      expect(call.ended).toBe(false);
      expect((await client.answerOf("/")).status).toBe(200);
      await site.server.waitForLine(
        new RegExp(`cut 127\\.0\\.0\\.1 GET /fail-late\\?key=${key}: `),
      );
    });

    test("a body shorter than its Content-Length: RST_STREAM", async () => {
      const key = site.key();
      await using client = await site.connect();
      const call = client.get(`/stream?key=${key}&length=99`);
      await site.say(key);
      expect(await client.resetOf(call)).toBe(H2Code.INTERNAL_ERROR);
      expect((await client.answerOf("/")).status).toBe(200);
    });
  });

  describe("Interim responses and trailers travel on their stream", () => {
    test("100 Continue is sent when the app reads", async () => {
      const key = site.key();
      await using client = await site.connect();
      const call = client.open();
      const extra = [["expect", "100-continue"]] as const;
      const target = `/read?key=${key}`;
      await client.send(headers(call.id, client.fields("POST", target, extra), 0));
      await site.heard(key, "before");
      expect(call.interim).toEqual([]);
      await site.say(key);
      await client.until("100", () => call.interim.length > 0);
      expect(call.interim).toEqual([{ status: 100, headers: {} }]);
      await client.send(data(call.id, "hello", 1));
      expect((await client.answer(call)).body).toBe("hello");
      expect(call.interim.length).toBe(1);
    });

    test("an answer before the body: the rest is not wanted", async () => {
      await using client = await site.connect();
      const extra = [["expect", "100-continue"]] as const;
      const call = client.open();
      await client.send(headers(call.id, client.fields("POST", "/", extra), 0));
      expect(await client.resetOf(call)).toBe(H2Code.NO_ERROR);
      expect(call).toMatchObject({ status: 200, body: "ok\n", ended: true, interim: [] });
      expect((await client.answerOf("/")).status).toBe(200);
    });

    test("trailers of a request end it", async () => {
      await using client = await site.connect();
      const call = client.post("/echo", "hello", false);
      await client.send(headers(call.id, [["x-sum", "42"]]));
      expect((await client.answer(call)).body).toBe("hello");
    });
  });
});

onSite({ kind: "asgi" }, (site) => {
  describe("Interim responses and trailers travel on their stream", () => {
    test("early hints", async () => {
      await using client = await site.connect();
      const call = await client.answerOf("/hint?link=%3C/a.css%3E;rel=preload");
      expect(call.interim).toEqual([{ status: 103, headers: { link: "</a.css>;rel=preload" } }]);
      expect(call).toMatchObject({ status: 200, body: "hinted;too late" });
    });

    test("trailers of a response", async () => {
      await using client = await site.connect();
      const call = await client.answerOf("/respond?part=a&part=b&trailer=x-sum:42");
      expect(call).toMatchObject({ body: "ab", trailers: { "x-sum": "42" } });
    });

    test("trailers behind a body that waits for the window", async () => {
      await using client = await site.connect({ window: 1 });
      const call = await client.answerOf("/respond?part=abc&part=def&trailer=x-sum:42");
      expect(call).toMatchObject({ body: "abcdef", trailers: { "x-sum": "42" } });
    });

    test("both sides stream at once, and without a deadline", async () => {
      const key = site.key();
      await using client = await site.connect();
      const call = client.post(`/answer-then-read?key=${key}`, "he", false);
      await client.until("the answer", () => call.body === "answer;");
      await client.upload(call, Buffer.from("llo"));
      await site.say(key);
      expect((await client.answer(call)).body).toBe("answer;hello");
    });
  });
});

onSite({ kind: "asgi", args: ["--http2-streams", "3"] }, (site) => {
  test("More requests at once than --http2-streams are refused, each for itself", async () => {
    const key = site.key();
    await using client = await site.connect();
    const calls = Array.from({ length: 4 }, () => client.get(`/wait?key=${key}`));
    expect(await client.resetOf(calls[3]!)).toBe(H2Code.REFUSED_STREAM);
    await site.say(key);
    for (const call of calls.slice(0, 3)) expect((await client.answer(call)).status).toBe(200);
    expect((await client.answerOf("/")).status).toBe(200);
  });
});
