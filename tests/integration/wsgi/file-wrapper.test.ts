import { describe, expect, test } from "bun:test";
import { truncateSync, writeFileSync } from "node:fs";
import { ask, begin, Place, serve, text, untilCut } from "../../apps_life/serve.ts";

const MIB = 1024 * 1024;
const args = ["--workers", "1", "--worker", "sync"];

describe("wsgi.file_wrapper is sent by the edge", () => {
  test("the worker is free while a client takes a file", async () => {
    using place = new Place();
    const size = 64 * MIB;
    writeFileSync(place.of("large"), "begin");
    truncateSync(place.of("large"), size);
    await using server = await serve("wsgi_gateway:app", { place, args });
    await using slow = await begin(server, "/wrapped_file/large?length");
    const head = await slow.readUntil("\r\n\r\nbegin");
    slow.pause();
    expect(head).toContain(String(size));
    for (let i = 0; i < 20; i++) expect(await text(server, "/pid")).toMatch(/^\d+$/);
    slow.resume();
    const rest = await slow.readBytes(size - 5, 30_000);
    expect(rest.length).toBe(size - 5);
  });

  test("from where the file stands, with a length that fits", async () => {
    using place = new Place();
    place.write("small", "0123456789");
    await using server = await serve("wsgi_gateway:app", { place, args });
    const part = await ask(server, "/wrapped_file/small?from=4");
    expect(part.body).toBe("456789");
    const whole = await ask(server, "/wrapped_file/small");
    expect(whole.body).toBe("0123456789");
    const head = await ask(server, "/wrapped_file/small?length", { method: "HEAD" });
    expect(head).toMatchObject({ status: 200, body: "" });
    expect(head.headers["content-length"]).toBe("10");
    place.write("empty", "");
    expect(await ask(server, "/wrapped_file/empty")).toMatchObject({ status: 200, body: "" });
  });

  test("an object that is no file is iterated and closed", async () => {
    using place = new Place();
    await using server = await serve("wsgi_gateway:app", { place, args });
    expect((await ask(server, "/wrapped_object")).body).toBe("from memory");
    await place.noted("object.closed");
  });

  test("a file that shrinks while it is sent cuts the connection", async () => {
    using place = new Place();
    const size = 64 * MIB;
    writeFileSync(place.of("shrinking"), "x");
    truncateSync(place.of("shrinking"), size);
    await using server = await serve("wsgi_gateway:app", { place, args });
    await using client = await begin(server, "/wrapped_file/shrinking?length");
    await client.readUntil("\r\n\r\n");
    client.pause();
    expect(await text(server, "/pid")).toMatch(/^\d+$/);
    truncateSync(place.of("shrinking"), 1);
    client.resume();
    const came = await untilCut(client);
    expect(came.length).toBeLessThan(size);
    expect(await text(server, "/pid")).toMatch(/^\d+$/);
  });
});
