import { describe, expect, test } from "bun:test";
import { ask, begin, Place, serve, text } from "../../apps_life/serve.ts";
import { findPythons } from "../../../tools/pythons.ts";

const MINORS = ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"];
const found = new Map(findPythons().map(({ minor, path }) => [minor, path]));

describe.each(MINORS)("CPython %s", (minor) => {
  const path = found.get(minor);
  const args = ["--workers", "2", "--python", path ?? "", "--timeout", "1.5"];

  test.skipIf(path === undefined)(`WSGI apps run on ${minor}`, async () => {
    using place = new Place();
    const server = await serve("wsgi_app:app", { place, args });
    expect(await text(server, "/version")).toBe(minor);
    expect((await ask(server, "/echo", { method: "POST", body: "some body" })).body).toBe(
      "some body",
    );
    await using streaming = await begin(server, "/stream/gate");
    expect(await streaming.readUntil("first,")).toContain("200 OK");
    place.open("gate");
    await streaming.readUntil("last");
    expect((await ask(server, "/spin/late")).status).toBe(504);
    expect(await place.noted("late.ended")).toEqual(["RequestTimeout"]);
    expect((await ask(server, "/fail")).status).toBe(500);
    expect(await server.stop()).toBe(0);
  });

  test.skipIf(path === undefined)(`ASGI apps run on ${minor}`, async () => {
    using place = new Place();
    const server = await serve("asgi_app:app", { place, args });
    expect(await text(server, "/version")).toBe(minor);
    expect((await ask(server, "/echo", { method: "POST", body: "some body" })).body).toBe(
      "some body",
    );
    await using streaming = await begin(server, "/stream/gate");
    expect(await streaming.readUntil("first,")).toContain("200 OK");
    place.open("gate");
    await streaming.readUntil("last");
    expect((await ask(server, "/await_long/late")).status).toBe(504);
    expect(await place.noted("late.ended")).toEqual(["CancelledError"]);
    expect((await ask(server, "/fail")).status).toBe(500);
    expect(await server.stop()).toBe(0);
  });

  test.skipIf(path === undefined)(`lifespan, contexts and ASGI 2 work on ${minor}`, async () => {
    using place = new Place();
    const server = await serve("lifespans:good", {
      place,
      args: ["--workers", "1", ...args.slice(2)],
    });
    const untouched = ['["set at startup", "unset"]', true];
    expect(JSON.parse(await text(server, "/context?a"))).toEqual(untouched);
    expect(JSON.parse(await text(server, "/context?b"))).toEqual(untouched);
    expect(JSON.parse(await text(server, "/state"))).toEqual(["from startup", 1]);
    expect(await server.stop()).toBe(0);
    expect(place.lines("life").map((line) => line.split(" ")[0])).toEqual([
      "lifespan.startup",
      "lifespan.shutdown",
    ]);
  });
});
