/** The Flask example on Keelback, end to end, with both WSGI worker kinds. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { TestServer } from "../support/server.ts";
import { payload, serveExample, sha256, Visitor } from "./support.ts";

const UPLOAD_BYTES = 5 * 1024 * 1024;

describe.each(["threads", "sync"])("Flask on %s workers", (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    const env = { FLASK_SECRET_KEY: "only-for-this-test" };
    const args = ["--workers", "2", "--worker", kind];
    server = await serveExample("flask_app", { app: "app:app", args, env });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
  });

  test("the environment tells the truth", async () => {
    const answer = await (await fetch(`${server.url}/api/where?x=1`)).json();
    expect(answer).toMatchObject({
      client: "127.0.0.1",
      url: `${server.url}/api/where?x=1`,
      multithread: kind === "threads",
      multiprocess: true,
    });
  });

  test("a page from a template and a session that survives", async () => {
    const visitor = new Visitor(server.url);
    expect(await (await visitor.get("/")).text()).toContain("Visit 1,");
    expect(await (await visitor.get("/")).text()).toContain("Visit 2,");
  });

  test("JSON in and out, and Flask's own refusals", async () => {
    const post = async (body: string, type: string): Promise<Response> =>
      fetch(`${server.url}/api/sum`, { method: "POST", body, headers: { "content-type": type } });
    const good = await post('{"numbers": [1, 2, 3.5]}', "application/json");
    expect(await good.json()).toEqual({ sum: 6.5 });
    expect((await post("{", "application/json")).status).toBe(400);
    expect((await post("{}", "text/plain")).status).toBe(415);
  });

  test("rows are streamed", async () => {
    const answer = await fetch(`${server.url}/table.csv?rows=5000`);
    expect(answer.headers.get("content-length")).toBeNull();
    const lines = (await answer.text()).trimEnd().split("\n");
    expect([lines.length, lines.at(-1)]).toEqual([5001, "4999,24990001"]);
  });

  test("a form upload of 5 MB arrives unchanged", async () => {
    const { bytes, sha256: expected } = payload(UPLOAD_BYTES);
    const body = new FormData();
    body.append("file", new File([bytes], "blob.bin"));
    const answer = await fetch(`${server.url}/upload`, { method: "POST", body });
    expect(await answer.json()).toEqual({ bytes: UPLOAD_BYTES, sha256: expected });
  });

  test("an echo reads wsgi.input while it answers", async () => {
    const { bytes, sha256: expected } = payload(UPLOAD_BYTES);
    const answer = await fetch(`${server.url}/echo`, { method: "PUT", body: bytes });
    expect(sha256(await answer.bytes())).toBe(expected);
  });

  test("an exception is a 500 with its traceback in the log", async () => {
    expect((await fetch(`${server.url}/broken`)).status).toBe(500);
    await server.waitForLine(/RuntimeError: broken on purpose/);
  });
});
