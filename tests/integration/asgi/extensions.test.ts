import { describe, expect, test } from "bun:test";
import { truncateSync, writeFileSync } from "node:fs";
import { ask, begin, Place, serve, text } from "../../apps_life/serve.ts";

const args = ["--workers", "1"];

describe("Path send and trailers work", () => {
  test("a file by its path", async () => {
    using place = new Place();
    place.write("page", "the page's text");
    place.write("empty", "");
    await using server = await serve("asgi_app:app", { place, args });
    const { status, body, headers } = await ask(server, "/pathsend/page");
    expect({ status, body }).toEqual({ status: 200, body: "the page's text" });
    expect(headers["content-length"]).toBe("15");
    const head = await ask(server, "/pathsend/page", { method: "HEAD" });
    expect(head.headers["content-length"]).toBe("15");
    expect(await ask(server, "/pathsend/empty")).toMatchObject({ status: 200, body: "" });
    expect((await ask(server, "/pathsend/missing")).status).toBe(500);
  });

  test("a large file does not keep the worker", async () => {
    using place = new Place();
    const size = 32 * 1024 * 1024;
    writeFileSync(place.of("large"), "begin");
    truncateSync(place.of("large"), size);
    await using server = await serve("asgi_app:app", { place, args });
    await using client = await begin(server, "/pathsend/large");
    await client.readUntil("\r\n\r\nbegin");
    client.pause();
    expect(await text(server, "/hello")).toBe("hello");
    client.resume();
    expect((await client.readBytes(size - 5, 30_000)).length).toBe(size - 5);
  });

  test("trailers reach a client that asked for them", async () => {
    await using server = await serve("asgi_app:app", { args });
    const { body, trailers } = await ask(server, "/trailers", { headers: ["TE: trailers"] });
    expect(body).toBe("body");
    expect(trailers).toEqual({ checksum: "42", second: "2" });
    const plain = await ask(server, "/trailers");
    expect({ body: plain.body, trailers: plain.trailers }).toEqual({ body: "body", trailers: {} });
  });

  test("early hints come before the response, in whichever order the app sends them", async () => {
    await using server = await serve("asgi_app:app", { args });
    for (const order of ["before", "after"]) {
      await using client = await begin(server, `/hints/${order}`);
      const interim = await client.readResponse();
      expect(interim.status).toBe(103);
      expect(interim.headers["link"]).toBe("</style.css>; rel=preload");
      expect(await client.readResponse()).toMatchObject({ status: 200, body: "hinted" });
    }
  });
});

describe("ASGI 2 apps are served", () => {
  test("double callables, their lifespan included", async () => {
    using place = new Place();
    const server = await serve("lifespans:Double", { place, args });
    const { body } = await ask(server, "/x", { method: "POST", body: "data" });
    expect(body).toBe("POST data");
    expect(server.output()).toContain("ASGI");
    expect(await server.stop()).toBe(0);
    const events = place.lines("life").map((line) => line.split(" ")[0]);
    expect(events).toEqual(["lifespan.startup", "lifespan.shutdown"]);
  });
});
