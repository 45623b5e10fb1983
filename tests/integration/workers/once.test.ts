import { describe, expect, test } from "bun:test";
import { begin, Place, requestText, serve } from "../../apps_life/serve.ts";

const apps = [
  { kind: "WSGI", app: "wsgi_app:app" },
  { kind: "ASGI", app: "asgi_app:app" },
];
const post = { method: "POST", body: "order" };

describe("Requests are never run twice when that is unsafe", () => {
  test.each(apps)(
    "a POST that a dead worker had begun is 502 and ran once ($kind)",
    async ({ app }) => {
      using place = new Place();
      await using server = await serve(app, { place, args: ["--workers", "2"] });
      await using client = await begin(server, "/count_and_wait/post", post);
      const [pid] = await place.noted("post.begun");
      process.kill(Number(pid), "SIGKILL");
      expect((await client.readResponse("POST")).status).toBe(502);
      // The connection is kept: the next request on it is served.
      await client.send(requestText("/hello"));
      expect((await client.readResponse()).body).toBe("hello");
      expect(place.lines("post.begun")).toEqual([pid!]);
    },
  );

  test("a POST whose body has not come whole runs once too", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args: ["--workers", "2"] });
    const headers = ["Content-Length: 10"];
    await using client = await begin(server, "/slow_reader/half", { method: "POST", headers });
    const [pid] = await place.noted("half.begun");
    process.kill(Number(pid), "SIGKILL");
    expect((await client.readResponse("POST")).status).toBe(502);
    expect(place.lines("half.begun").length).toBe(1);
  });

  test("POSTs that a dead worker had not begun all run, each once", async () => {
    using place = new Place();
    // One worker, whose loop is blocked: what comes now is with it, given back, or queued.
    await using server = await serve("asgi_app:app", { place, args: ["--workers", "1"] });
    await using blocking = await begin(server, "/block/gate", post);
    const [pid] = await place.noted("gate.begun");
    const names = Array.from({ length: 30 }, (_, i) => `order-${i}`);
    const orders = await Promise.all(
      names.map((name) => begin(server, `/count/orders?${name}`, post)),
    );
    process.kill(Number(pid), "SIGKILL");
    expect((await blocking.readResponse("POST")).status).toBe(502);
    for (const client of orders) {
      expect((await client.readResponse("POST")).body).toBe("counted");
      client.close();
    }
    expect(place.lines("orders").sort()).toEqual(names.sort());
  });

  test("under POST load a kill -9 runs nothing twice", async () => {
    using place = new Place();
    await using server = await serve("wsgi_app:app", { place, args: ["--workers", "2"] });
    const answered = new Map<string, number>();
    const run = async (client: number): Promise<void> => {
      await using connection = await begin(server, `/count/load?${client}-0`, post);
      for (let i = 0; i < 100; i++) {
        answered.set(`${client}-${i}`, (await connection.readResponse("POST")).status);
        if (client === 0 && i === 50) await kill();
        if (i < 99) await connection.send(requestText(`/count/load?${client}-${i + 1}`, post));
      }
    };
    const kill = async (): Promise<void> => {
      await using asking = await begin(server, "/pid");
      process.kill(Number((await asking.readResponse()).body), "SIGKILL");
    };
    await Promise.all(Array.from({ length: 8 }, (_, client) => run(client)));
    const ran = place.lines("load");
    expect(new Set(ran).size).toBe(ran.length);
    // 502 says that it may have run; 200 that it has.
    const statuses = [...answered.values()];
    expect(statuses.filter((status) => status !== 200 && status !== 502)).toEqual([]);
    for (const [name, status] of answered) if (status === 200) expect(ran).toContain(name);
    expect(statuses.filter((status) => status === 502).length).toBeLessThanOrEqual(8);
  });
});
