/** The FastAPI example on Keelback, end to end. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { RawClient } from "../support/raw-client.ts";
import type { TestServer } from "../support/server.ts";
import { eventually, payload, serveExample, sha256 } from "./support.ts";

const UPLOAD_BYTES = 5 * 1024 * 1024;
let server: TestServer;

beforeAll(async () => {
  server = await serveExample("fastapi_app", { app: "main:app", args: ["--workers", "1"] });
});
afterAll(async () => {
  expect(await server.stop()).toBe(0);
});

describe("FastAPI", () => {
  test("the page for people and /docs", async () => {
    const page = await fetch(`${server.url}/`);
    expect(page.headers.get("content-type")).toStartWith("text/html");
    expect(await page.text()).toContain("Keelback is serving this page");
    const docs = await fetch(`${server.url}/docs`);
    expect(await docs.text()).toContain("swagger-ui");
    const schema = (await (await fetch(`${server.url}/openapi.json`)).json()) as { paths: object };
    expect(schema.paths).toHaveProperty("/items/{number}");
  });

  test("what the scope says about the connection", async () => {
    const answer = await (await fetch(`${server.url}/api/where`)).json();
    expect(answer).toMatchObject({ client: "127.0.0.1", http: "1.1" });
  });

  test("JSON in and out, and 422 with the reasons when it does not fit", async () => {
    const post = async (item: unknown): Promise<Response> =>
      fetch(`${server.url}/items`, { method: "POST", body: JSON.stringify(item), headers });
    const headers = { "content-type": "application/json" };
    const good = await post({ name: "rope", price: 4.5, tags: ["sea"] });
    expect(good.status).toBe(201);
    expect(await good.json()).toEqual({ name: "rope", price: 4.5, tags: ["sea"], note: null });
    const bad = await post({ name: "", price: -1 });
    expect(bad.status).toBe(422);
    const { detail } = (await bad.json()) as { detail: { loc: string[] }[] };
    expect(detail.map((problem) => problem.loc.at(-1))).toEqual(["name", "price"]);
  });

  test("percent-encoded and non-ASCII query values", async () => {
    const answer = await fetch(`${server.url}/items/7?q=${encodeURIComponent("søster & +100%")}`);
    expect(await answer.json()).toEqual({ number: 7, q: "søster & +100%" });
  });

  test("a multipart upload of 5 MB arrives unchanged", async () => {
    const { bytes, sha256: expected } = payload(UPLOAD_BYTES);
    const body = new FormData();
    body.append("file", new File([bytes], "blob.bin"));
    const answer = await fetch(`${server.url}/upload`, { method: "POST", body });
    expect(await answer.json()).toEqual({
      name: "blob.bin",
      bytes: UPLOAD_BYTES,
      sha256: expected,
    });
  });

  test("a streamed echo of 5 MB comes back unchanged", async () => {
    const { bytes, sha256: expected } = payload(UPLOAD_BYTES);
    const answer = await fetch(`${server.url}/echo`, { method: "PUT", body: bytes });
    expect(sha256(await answer.bytes())).toBe(expected);
  });

  test("server-sent events arrive one by one", async () => {
    await using client = await RawClient.connect(server.port);
    await client.send("GET /events?count=3&every_ms=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    const head = await client.readUntil("\r\n\r\n");
    expect(head.toLowerCase()).toContain("content-type: text/event-stream");
    for (const id of [1, 2, 3]) {
      expect(await client.readUntil("\n\n")).toContain(`id: ${id}\nevent: tick\n`);
    }
    await client.readUntil("0\r\n\r\n");
  });

  test("the stream ends in the app when the client leaves", async () => {
    const client = await RawClient.connect(server.port);
    await client.send("GET /events?every_ms=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.readUntil("id: 2\n");
    client.close();
    const where = async (): Promise<number> => (await fetch(`${server.url}/api/where`)).status;
    expect(await where()).toBe(200);
  });

  test("a background task runs after the answer, and lifespan state is shared", async () => {
    const posted = await fetch(`${server.url}/journal?text=rope`, { method: "POST" });
    expect(posted.status).toBe(202);
    const read = async (): Promise<{ journal: string[] }> =>
      (await (await fetch(`${server.url}/journal`)).json()) as { journal: string[] };
    const { journal } = await eventually(read, (answer) => answer.journal.includes("rope"));
    expect(journal).toContain("rope");
  });

  test("a view that blocks its thread does not hold up another request", async () => {
    const answeredBeside = async (ms: number): Promise<boolean> => {
      let blocked = true;
      const slow = fetch(`${server.url}/slow?ms=${ms}`).then((answer) => {
        blocked = false;
        return answer.status;
      });
      expect((await fetch(`${server.url}/api/where`)).status).toBe(200);
      const beside = blocked;
      expect(await slow).toBe(200);
      return beside;
    };
    // A pause of the machine may be longer than a view blocks, not than each does.
    expect((await answeredBeside(1500)) || (await answeredBeside(10_000))).toBe(true);
  });

  test("HEAD answers without a body, and an unknown path is the app's 404", async () => {
    const missing = await fetch(`${server.url}/nowhere`);
    expect(missing.status).toBe(404);
    expect(await missing.json()).toEqual({ detail: "Not Found" });
    const refused = await fetch(`${server.url}/items`, { method: "HEAD" });
    expect(refused.status).toBe(405);
    expect(await refused.text()).toBe("");
  });
});
