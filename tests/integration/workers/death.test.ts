import { describe, expect, test } from "bun:test";
import { unlinkSync } from "node:fs";
import { isAlive, treeOf } from "../../apps_life/processes.ts";
import {
  ask,
  begin,
  eventually,
  Load,
  Place,
  serve,
  text,
  untilCut,
} from "../../apps_life/serve.ts";

const apps = [
  { kind: "WSGI", app: "wsgi_app:app" },
  { kind: "ASGI", app: "asgi_app:app" },
];

describe("A worker that dies costs no connection", () => {
  test.each(apps)("kill -9 under concurrent GET load gives no error ($kind)", async ({ app }) => {
    await using server = await serve(app, { args: ["--workers", "2"] });
    await using load = new Load(server, "/pid", 8);
    await load.goesOn();
    for (let i = 0; i < 3; i++) {
      await eventually("two workers", () => treeOf(server).workers.length === 2);
      const [victim] = treeOf(server).workers;
      process.kill(victim!.pid, "SIGKILL");
      await eventually("the worker's end", () => !isAlive(victim!));
      await load.goesOn();
    }
    await eventually("two workers", () => treeOf(server).workers.length === 2);
    await load.goesOn();
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(server.output()).toContain("was killed by SIGKILL unexpectedly");
  });

  test.each(apps)("the only worker's death is survived too ($kind)", async ({ app }) => {
    await using server = await serve(app, { args: ["--workers", "1"] });
    await using load = new Load(server, "/pid", 4);
    await load.goesOn();
    const [victim] = treeOf(server).workers;
    process.kill(victim!.pid, "SIGKILL");
    await load.goesOn();
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(load.bodies.size).toBe(2);
  });

  test.each(apps)("a begun GET goes to another worker ($kind)", async ({ app }) => {
    using place = new Place();
    await using server = await serve(app, { place, args: ["--workers", "2"] });
    await using client = await begin(server, "/count_and_wait/get");
    const [first] = await place.noted("get.begun");
    process.kill(Number(first), "SIGKILL");
    const [, second] = await place.noted("get.begun", 2);
    expect(second).not.toBe(first);
    place.open("get");
    expect(await client.readResponse()).toMatchObject({ status: 200, body: second });
  });

  test("a response that has begun is cut, and its connection only", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args: ["--workers", "2"] });
    await using client = await begin(server, "/stream/cut");
    await client.readUntil("first,");
    const [pid] = await place.noted("cut.begun");
    process.kill(Number(pid), "SIGKILL");
    expect(await untilCut(client)).not.toContain("0\r\n\r\n");
    expect(await text(server, "/hello")).toBe("hello");
  });

  test("a request that kills every worker is given up", async () => {
    using place = new Place();
    await using server = await serve("wsgi_app:app", { place, args: ["--workers", "2"] });
    expect((await ask(server, "/die/victims")).status).toBe(502);
    const victims = place.lines("victims");
    expect(victims.length).toBeGreaterThan(1);
    expect(victims.length).toBeLessThanOrEqual(3);
    expect(await text(server, "/hello")).toBe("hello");
    expect(server.output()).toMatch(/worker-\d+ exited with status 7 unexpectedly/);
  });

  test("a worker that cannot be replaced is tried again with a pause", async () => {
    using place = new Place();
    place.write("fragile.py", FRAGILE);
    const args = ["--workers", "2"];
    await using server = await serve("fragile:app", { place, args, cwd: place.path });
    place.open("broken");
    const [victim] = treeOf(server).workers;
    process.kill(victim!.pid, "SIGKILL");
    await server.waitForLine(/broken on purpose/);
    await server.waitForLine(/delay_ms=[1-9]\d*/);
    expect(await text(server, "/")).toBe("fine");
    unlinkSync(place.of("broken"));
    await eventually("two workers", () => treeOf(server).workers.length === 2);
    expect(await text(server, "/")).toBe("fine");
  });
});

const FRAGILE = `
import os

if os.path.exists(os.path.join(os.environ["PLACE"], "broken")):
    raise RuntimeError("broken on purpose")


def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return [b"fine"]
`;
