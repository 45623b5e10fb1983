import { describe, expect, test } from "bun:test";
import { ask, begin, eventually, Place, serve, text, untilCut } from "../../apps_life/serve.ts";

const args = ["--workers", "1"];
const PARTS = 64;
const PART_BYTES = 256 * 1024;

/** Waits until the app has not got on between two looks with a request of another client between them. */
async function settled(place: Place, name: string, port: { port: number }): Promise<number> {
  let before = -1;
  return eventually(`${name} to stand still`, async () => {
    const now = place.lines(name).length;
    for (let i = 0; i < 20; i++) await text(port, "/hello");
    const still = now === before && place.lines(name).length === now;
    before = now;
    return still && now;
  });
}

describe("Streaming responses wait for slow clients", () => {
  test("await send() returns when there is room", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args });
    await using client = await begin(server, "/flood/a");
    client.pause();
    await place.noted("a.sent");
    const sent = await settled(place, "a.sent", server);
    expect(sent).toBeLessThan(PARTS);
    client.resume();
    const { body } = await client.readResponse("GET", 30_000);
    expect(body.length).toBe(PARTS * PART_BYTES);
    await place.noted("a.complete");
  });

  test("one that waits is let go when the client leaves", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args });
    const client = await begin(server, "/flood/b");
    client.pause();
    await place.noted("b.sent");
    expect(await settled(place, "b.sent", server)).toBeLessThan(PARTS);
    client.reset();
    expect(await place.noted("b.released")).toEqual(["OSError"]);
  });

  test("each part leaves at once when the client reads", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args });
    await using client = await begin(server, "/stream/c");
    expect(await client.readUntil("first,")).not.toContain("last");
    place.open("c");
    await client.readUntil("last");
  });

  test("a request body waits until the app reads it", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args });
    const total = 32 * 1024 * 1024;
    const headers = [`Content-Length: ${total}`];
    await using client = await begin(server, "/slow_reader/d", { method: "POST", headers });
    let taken = 0;
    const piece = new Uint8Array(1024 * 1024);
    const sending = (async (): Promise<void> => {
      for (let i = 0; i < 32; i++) {
        await client.send(piece);
        taken += 1;
      }
    })();
    await place.noted("d.begun");
    let before = -1;
    await eventually("the body to be held back", async () => {
      for (let i = 0; i < 20; i++) await text(server, "/hello");
      const still = taken === before;
      before = taken;
      return still;
    });
    expect(taken).toBeLessThan(32);
    place.open("d");
    await sending;
    expect((await client.readResponse()).body).toBe(String(total));
  });

  test("an app that fails in the middle is cut, so that the client can tell", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args });
    await using client = await begin(server, "/fail_late/e");
    await client.readUntil("begun");
    place.open("e");
    const bytes = await untilCut(client);
    expect(bytes).not.toContain("0\r\n\r\n");
    expect((await ask(server, "/hello")).body).toBe("hello");
  });
});
