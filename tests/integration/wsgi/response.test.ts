import { describe, expect, test } from "bun:test";
import { ask, begin, Place, serve, untilCut } from "../../apps_life/serve.ts";

const args = ["--workers", "1"];

describe("Iterables are closed", () => {
  test("when they are through", async () => {
    using place = new Place();
    await using server = await serve("wsgi_gateway:app", { place, args });
    expect((await ask(server, "/close_normal/a")).body).toBe("one,two");
    await place.noted("a.closed");
    await ask(server, "/close_not_iterated/b", { method: "HEAD" });
    await place.noted("b.closed");
    expect(place.lines("a.closed").length).toBe(1);
    expect(place.lines("b.closed").length).toBe(1);
  });

  test("when the app failed", async () => {
    using place = new Place();
    await using server = await serve("wsgi_gateway:app", { place, args });
    expect((await ask(server, "/close_failing_first/c")).status).toBe(500);
    await place.noted("c.closed");
    await using client = await begin(server, "/close_failing/d");
    await untilCut(client);
    await place.noted("d.closed");
    await server.waitForLine(/RuntimeError: in the middle/);
  });

  test("when the client has gone", async () => {
    using place = new Place();
    await using server = await serve("wsgi_gateway:app", { place, args });
    const client = await begin(server, "/close_endless/e");
    await place.noted("e.begun");
    await client.readBytes(100_000);
    client.reset();
    await place.noted("e.closed");
    expect((await ask(server, "/pid")).status).toBe(200);
  });

  test("a close() that raises is logged and harms nobody", async () => {
    using place = new Place();
    await using server = await serve("wsgi_gateway:app", { place, args });
    expect((await ask(server, "/close_raises/f")).body).toBe("ok");
    await server.waitForLine(/close\(\) failed/);
    expect((await ask(server, "/pid")).status).toBe(200);
  });
});

describe("start_response may be called again with exc_info", () => {
  test("before the first byte it replaces the head", async () => {
    await using server = await serve("wsgi_gateway:app", { args });
    const answer = await ask(server, "/restart_before");
    expect(answer).toMatchObject({ status: 503, reason: "Replaced", body: "replaced" });
    expect(answer.headers["x-second"]).toBe("2");
    expect(answer.headers["x-first"]).toBeUndefined();
  });

  test("after it the exception goes on and the connection is cut", async () => {
    using place = new Place();
    await using server = await serve("wsgi_gateway:app", { place, args });
    await using client = await begin(server, "/restart_after/g");
    await client.readUntil("begun");
    place.open("g");
    const bytes = await untilCut(client);
    expect(bytes).not.toContain("0\r\n\r\n");
    expect(bytes).not.toContain("500");
    expect(await place.noted("g.raised")).toEqual(["same"]);
  });

  test("without exc_info a second call is an error", async () => {
    await using server = await serve("wsgi_gateway:app", { args });
    expect((await ask(server, "/restart_without")).body).not.toBe("accepted");
  });

  test("a generator may call it with its first part; without any call it is 500", async () => {
    await using server = await serve("wsgi_gateway:app", { args });
    expect(await ask(server, "/late_start")).toMatchObject({ status: 201, body: "late" });
    expect((await ask(server, "/never_start")).status).toBe(500);
  });
});

test("write() sends at once", async () => {
  using place = new Place();
  await using server = await serve("wsgi_gateway:app", { place, args });
  await using client = await begin(server, "/write_parts/h");
  const head = await client.readUntil("written,");
  expect(head).toStartWith("HTTP/1.1 200 OK\r\n");
  expect(head).not.toContain("again");
  place.open("h");
  expect(await client.readUntil("0\r\n\r\n")).toMatch(/again,[\s\S]*returned/);
});
