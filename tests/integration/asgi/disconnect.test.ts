import { describe, expect, test } from "bun:test";
import { ask, begin, Place, serve, text } from "../../apps_life/serve.ts";

const args = ["--workers", "1"];

describe("receive() blocks until the client leaves", () => {
  test("after the body it neither returns nor spins while the client is there", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args });
    await using client = await begin(server, "/receive_again/a", { method: "POST", body: "body" });
    // Other requests pass meanwhile: had receive() returned, it would show.
    for (let i = 0; i < 20; i++) await text(server, "/hello");
    place.open("a");
    const seen = JSON.parse((await client.readResponse()).body) as { done: boolean; cpu: number };
    expect(seen.done).toBe(false);
    expect(seen.cpu).toBeLessThan(1);
    // The response is complete: now it says so.
    expect(await place.noted("a.after")).toEqual(["http.disconnect"]);
  });

  test("then it says http.disconnect, and again, never http.request", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args });
    const client = await begin(server, "/disconnect/b", { method: "POST", body: "body" });
    await place.noted("b.begun");
    expect(place.lines("b.told")).toEqual([]);
    client.reset();
    const disconnect = '{"type": "http.disconnect"}';
    expect(await place.noted("b.told", 2)).toEqual([disconnect, disconnect]);
  });

  test("also while the app is computing", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args });
    const client = await begin(server, "/compute/c");
    await place.noted("c.begun");
    client.close();
    expect(await place.noted("c.told")).toEqual(["http.disconnect"]);
    expect(await text(server, "/hello")).toBe("hello");
  });

  test("in the middle of the body too", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args });
    const headers = ["Content-Length: 100"];
    const client = await begin(server, "/slow_reader/d", { method: "POST", headers });
    await client.send("part");
    await place.noted("d.begun");
    client.reset();
    place.open("d");
    expect(await text(server, "/hello")).toBe("hello");
  });

  test("background work after the response is not cancelled by a disconnect", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args });
    expect((await ask(server, "/background/e")).body).toBe("answered");
    place.open("e");
    expect(await place.noted("e.ran")).toEqual(["http.disconnect"]);
  });

  test("requests behind background work that blocks the loop are served when it ends", async () => {
    await using server = await serve("asgi_app:app", { args });
    for (let i = 0; i < 5; i++) {
      expect(await text(server, "/block_after/100")).toBe("answered");
      const { status } = await ask(server, "/hello", { timeoutMs: 5000 });
      expect(status).toBe(200);
    }
  });

  test("a cancelled receive() lets the cancellation through", async () => {
    await using server = await serve("asgi_app:app", { args });
    const question = { method: "POST", body: "x" };
    expect((await ask(server, "/cancelled_receive", question)).body).toBe("cancelled");
  });

  test("a half-closed client is not gone for what the app sends", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args });
    await using client = await begin(server, "/stream/f");
    client.halfClose();
    await client.readUntil("first,");
    place.open("f");
    expect(await client.readToEnd()).toContain("last");
  });
});

describe("send() after a disconnect raises OSError", () => {
  test("and the server does not log it", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args });
    const client = await begin(server, "/send_until_error/g");
    await place.noted("g.begun");
    client.reset();
    expect(await place.noted("g.raised")).toEqual(["OSError"]);
    // What is logged later comes later: this line ends the search.
    await ask(server, "/fail/marker");
    await server.waitForLine(/on purpose marker/);
    expect(server.output()).not.toContain("send_until_error");
    expect(server.output()).not.toContain("ClientDisconnected");
  });
});
