import { describe, expect, test } from "bun:test";
import { ask, begin, Place, serve, text } from "../../apps_life/serve.ts";

describe("A blocking view does not hold up others", () => {
  test("threads appear when the app blocks, up to --threads", async () => {
    using place = new Place();
    const args = ["--workers", "1", "--threads", "4"];
    await using server = await serve("wsgi_app:app", { place, args });
    const alone = Number(await text(server, "/threads"));
    const blocked = [];
    for (const name of ["a", "b", "c"]) {
      blocked.push(await begin(server, `/wait/${name}`));
      await place.noted(`${name}.begun`);
      // With three of four blocked the last one still serves.
      expect(await text(server, "/hello")).toBe("hello");
    }
    expect(Number(await text(server, "/threads"))).toBeGreaterThan(alone);
    for (const name of ["a", "b", "c"]) place.open(name);
    for (const client of blocked) {
      expect((await client.readResponse()).status).toBe(200);
      client.close();
    }
  });

  test("never more than --threads run the app", async () => {
    using place = new Place();
    const args = ["--workers", "1", "--threads", "2"];
    await using server = await serve("wsgi_app:app", { place, args });
    const first = await begin(server, "/wait/a");
    const second = await begin(server, "/wait/b");
    await place.noted("a.begun");
    await place.noted("b.begun");
    const third = await begin(server, "/count_and_wait/c", { method: "POST", body: "" });
    // Nothing says that it does not begin but that it has not when the first are through.
    place.open("a");
    expect((await first.readResponse()).body).toBe("waited for a");
    await place.noted("c.begun");
    place.open("b");
    place.open("c");
    expect((await second.readResponse()).status).toBe(200);
    expect((await third.readResponse()).status).toBe(200);
    for (const client of [first, second, third]) client.close();
  });

  test("requests behind a blocking one on the same worker are served while it blocks", async () => {
    using place = new Place();
    await using server = await serve("wsgi_app:app", { place, args: ["--workers", "1"] });
    await using blocked = await begin(server, "/wait/d");
    await place.noted("d.begun");
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => ask(server, "/hello").then(({ body }) => body)),
    );
    expect(answers).toEqual(Array.from({ length: 40 }, () => "hello"));
    expect(place.lines("d")).toEqual([]);
    place.open("d");
    expect((await blocked.readResponse()).body).toBe("waited for d");
  });

  test("a fast app is served by one thread", async () => {
    await using server = await serve("wsgi_app:app", { args: ["--workers", "1"] });
    const before = await text(server, "/threads");
    for (let i = 0; i < 200; i++) await text(server, "/hello");
    expect(await text(server, "/threads")).toBe(before);
  });

  test("other workers take what a sync worker cannot", async () => {
    using place = new Place();
    const args = ["--workers", "2", "--worker", "sync"];
    await using server = await serve("wsgi_app:app", { place, args });
    await using blocked = await begin(server, "/wait/e");
    await place.noted("e.begun");
    for (let i = 0; i < 20; i++) expect(await text(server, "/hello")).toBe("hello");
    place.open("e");
    expect((await blocked.readResponse()).status).toBe(200);
  });
});
