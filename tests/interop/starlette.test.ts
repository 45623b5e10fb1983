/** The Starlette example on Keelback, end to end. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { RawClient } from "../support/raw-client.ts";
import { repository } from "../support/server.ts";
import type { TestServer } from "../support/server.ts";
import { eventually, payload, serveExample } from "./support.ts";

let server: TestServer;

beforeAll(async () => {
  server = await serveExample("starlette_app", { app: "main:app", args: ["--workers", "1"] });
});
afterAll(async () => {
  expect(await server.stop()).toBe(0);
});

async function json(path: string): Promise<unknown> {
  return (await fetch(server.url + path)).json();
}

describe("Starlette", () => {
  test("plain answers, redirects and errors", async () => {
    expect(await (await fetch(`${server.url}/text`)).text()).toBe("hello from starlette\n");
    const elsewhere = await fetch(`${server.url}/elsewhere`, { redirect: "manual" });
    expect(elsewhere.status).toBe(307);
    expect(elsewhere.headers.get("location")).toBe(`${server.url}/`);
    const teapot = await fetch(`${server.url}/teapot`);
    expect([teapot.status, await teapot.text()]).toEqual([418, "short and stout"]);
  });

  test("an exception is a 500, its traceback is in the log, and the worker lives on", async () => {
    const before = server.output().length;
    expect((await fetch(`${server.url}/broken`)).status).toBe(500);
    await server.waitForLine(/RuntimeError: broken on purpose/);
    expect(server.output().length).toBeGreaterThan(before);
    expect((await fetch(`${server.url}/text`)).status).toBe(200);
  });

  test("a chunked request body is streamed to the app", async () => {
    const { bytes } = payload(300_000);
    const body = new ReadableStream({
      start(controller) {
        for (let at = 0; at < bytes.length; at += 10_000) {
          controller.enqueue(bytes.subarray(at, at + 10_000));
        }
        controller.close();
      },
    });
    const answer = await fetch(`${server.url}/count`, { method: "POST", body });
    expect(await answer.json()).toEqual({ bytes: 300_000 });
  });

  test("a streamed answer without a length is chunked", async () => {
    await using client = await RawClient.connect(server.port);
    await client.send("GET /numbers?to=3 HTTP/1.1\r\nHost: a\r\n\r\n");
    const answer = await client.readResponse();
    expect(answer.headers["transfer-encoding"]).toBe("chunked");
    expect(answer.body).toBe("1\n2\n3\n");
  });

  test("the same over HTTP/1.0 ends with the connection", async () => {
    await using client = await RawClient.connect(server.port);
    await client.send("GET /numbers?to=3 HTTP/1.0\r\n\r\n");
    const answer = await client.readResponse();
    expect(answer.headers["transfer-encoding"]).toBeUndefined();
    expect(answer.body).toBe("1\n2\n3\n");
    expect(client.ended).toBe(true);
  });

  test("a file: length, ETag, a range, and 304 or 416 as the app says", async () => {
    const source = readFileSync(`${repository}/examples/starlette_app/main.py`);
    const whole = await fetch(`${server.url}/source`, {
      headers: { "accept-encoding": "identity" },
    });
    expect(whole.headers.get("content-length")).toBe(`${source.length}`);
    expect(await whole.bytes()).toEqual(new Uint8Array(source));
    const range = { range: "bytes=0-9", "accept-encoding": "identity" };
    const part = await fetch(`${server.url}/source`, { headers: range });
    expect([part.status, await part.text()]).toEqual([206, source.toString().slice(0, 10)]);
  });

  test("context variables are not seen by another request of the connection", async () => {
    const agent = { headers: { connection: "keep-alive" } };
    for (const name of ["one", "two", "three"]) {
      const answer = await fetch(`${server.url}/context?set=${name}`, agent);
      expect(await answer.json()).toEqual({ before: "none", after: name });
    }
  });

  test("the app learns that the client left", async () => {
    const client = await RawClient.connect(server.port);
    // The app asks for the body: it has begun before the client leaves.
    const head = "GET /wait?name=ada HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n";
    await client.send(`${head}Content-Length: 1\r\n\r\n`);
    await client.readUntil("HTTP/1.1 100 Continue\r\n\r\n");
    await client.send("x");
    expect(await json("/left")).toEqual([]);
    client.reset();
    const left = await eventually(
      async () => json("/left"),
      (names) => Bun.deepEquals(names, ["ada"]),
    );
    expect(left).toEqual(["ada"]);
  });

  test("a background task runs after the answer", async () => {
    const posted = await fetch(`${server.url}/later?name=rope`, { method: "POST" });
    expect(await posted.json()).toEqual({ queued: "rope" });
    const wanted = (seen: unknown): boolean => Bun.deepEquals(seen, ["rope"]);
    expect(await eventually(async () => json("/seen"), wanted)).toEqual(["rope"]);
  });

  test("GZip middleware's answers pass unchanged", async () => {
    const answer = await fetch(`${server.url}/numbers?to=2000`);
    expect(answer.headers.get("content-encoding")).toBe("gzip");
    expect((await answer.text()).split("\n").length).toBe(2001);
  });
});
