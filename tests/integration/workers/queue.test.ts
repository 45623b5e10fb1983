import { describe, expect, test } from "bun:test";
import { ask, begin, eventually, Place, serve, text } from "../../apps_life/serve.ts";

describe("A full queue answers 503", () => {
  test("with Retry-After, and what waited is served afterwards", async () => {
    using place = new Place();
    const args = ["--workers", "1", "--worker", "sync", "--queue", "2"];
    await using server = await serve("wsgi_app:app", { place, args });
    await using blocking = await begin(server, "/wait/gate");
    await place.noted("gate.begun");
    // More than worker and queue can hold: some are refused, at once.
    const clients = await Promise.all(Array.from({ length: 20 }, () => begin(server, "/hello")));
    const refused = await eventually("refusals", () => {
      const over = clients.filter((client) => client.received.includes("\r\n\r\n"));
      return over.length > 0 && over;
    });
    for (const client of refused) {
      const { status, headers, body } = await client.readResponse();
      expect(status).toBe(503);
      expect(Number(headers["retry-after"])).toBeGreaterThan(0);
      expect(body).toContain("queue");
    }
    await server.waitForLine(/queue-full/);
    place.open("gate");
    expect((await blocking.readResponse()).status).toBe(200);
    let served = 0;
    for (const client of clients) {
      if (!refused.includes(client)) served += (await client.readResponse()).status === 200 ? 1 : 0;
      client.close();
    }
    expect(served).toBeGreaterThanOrEqual(2);
    expect(await text(server, "/hello")).toBe("hello");
  });

  test("a request that waits too long in the queue is answered with 503", async () => {
    using place = new Place();
    const args = ["--workers", "1", "--worker", "sync", "--queue-timeout", "0.3"];
    await using server = await serve("wsgi_app:app", { place, args });
    await using blocking = await begin(server, "/wait/gate");
    await place.noted("gate.begun");
    const { status, headers } = await ask(server, "/count/never");
    expect(status).toBe(503);
    expect(headers["retry-after"]).toBeDefined();
    await server.waitForLine(/queue-timeout/);
    place.open("gate");
    expect((await blocking.readResponse()).status).toBe(200);
    expect(await text(server, "/hello")).toBe("hello");
    expect(place.lines("never")).toEqual([]);
  });
});
