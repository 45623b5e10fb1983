import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { descendants, gone, isAlive, processOf, treeOf } from "../../apps_life/processes.ts";
import { ask, begin, eventually, Load, Place, serve, text } from "../../apps_life/serve.ts";
import type { TestServer } from "../../support/server.ts";

const TEST_TIMEOUT_MS = 60_000;
setDefaultTimeout(TEST_TIMEOUT_MS);

const appsDirectory = new URL("../../apps_life", import.meta.url).pathname;

/** The fewest workers that were ready and not leaving, once `count` had been; by the log at level debug. */
function fewestReady(server: TestServer, count: number): number {
  let ready = 0;
  let fewest = Infinity;
  for (const line of server.output().split("\n")) {
    if (/debug +worker-\d+ is ready/.test(line)) ready += 1;
    else if (/debug +worker-\d+ leaves/.test(line)) ready -= 1;
    else continue;
    if (ready >= count || fewest < Infinity) fewest = Math.min(fewest, ready);
  }
  return fewest;
}

describe("Workers are recycled without losing a request", () => {
  const apps = ["wsgi_app:app", "asgi_app:app"];
  test.each(apps)("after --max-requests, under load (%s)", async (app) => {
    const limits = ["--max-requests", "50", "--max-requests-jitter", "20"];
    const args = ["--workers", "2", ...limits, "--log-level", "debug"];
    await using server = await serve(app, { args });
    await using load = new Load(server, "/pid", 8);
    await eventually("eight workers, one after the other", () => load.bodies.size >= 8, 45_000);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(server.output()).toContain("has had its number of requests");
    expect(fewestReady(server, 2)).toBe(2);
    await eventually("two workers", () => treeOf(server).workers.length === 2);
  });

  test("by the --max-requests of the last reload", async () => {
    using place = new Place();
    place.write("keelback.toml", "workers = 1\n");
    const args = ["--config", place.of("keelback.toml")];
    await using server = await serve("wsgi_app:app", { place, args });
    place.write("keelback.toml", "workers = 1\nmax-requests = 2\n");
    server.kill("SIGHUP");
    await server.waitForLine(/reload finished/);
    for (let i = 0; i < 3; i += 1) await text(server, "/pid");
    await server.waitForLine(/worker-\d+ has had its number of requests/);
  });

  test("several edges count together", async () => {
    const args = ["--workers", "1", "--edges", "2", "--max-requests", "20"];
    await using server = await serve("wsgi_app:app", { args });
    await using load = new Load(server, "/pid", 8);
    await eventually("three workers", () => load.bodies.size >= 3);
    await load.stop();
    expect(load.failures).toEqual([]);
  });

  test("WebSockets count as requests, and an open one may end", async () => {
    const args = ["--workers", "1", "--max-requests", "3"];
    using place = new Place();
    await using server = await serve("websocket_app:app", { place, args });
    const { workers } = treeOf(server);
    const sockets = [1, 2, 3].map(() => new WebSocket(`ws://127.0.0.1:${server.port}/echo/a`));
    const replies = sockets.map(async (socket) => {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      socket.addEventListener("open", () => socket.send("hello"));
      socket.addEventListener("message", ({ data }) => resolve(String(data)));
      socket.addEventListener("close", ({ code }) => reject(new Error(`closed with ${code}`)));
      return promise;
    });
    await Promise.all(replies);
    await server.waitForLine(/worker-1 has had its number of requests; worker-2 is to take/);
    // The old worker keeps them until they close.
    const again = Promise.withResolvers<string>();
    sockets[0]?.addEventListener("message", ({ data }) => again.resolve(String(data)));
    sockets[0]?.send("again");
    expect(await again.promise).toBe("again");
    for (const socket of sockets) socket.close();
    await gone(workers);
  });

  test("after --max-worker-lifetime", async () => {
    const lifetime = ["--max-worker-lifetime", "1", "--max-worker-lifetime-jitter", "0.2"];
    const args = ["--workers", "2", ...lifetime, "--log-level", "debug"];
    await using server = await serve("wsgi_app:app", { args });
    const { workers } = treeOf(server);
    await using load = new Load(server, "/pid", 4);
    await gone(workers);
    await load.goesOn();
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(server.output()).toContain("has served its time");
    expect(fewestReady(server, 2)).toBe(2);
  });

  test("a worker beyond --max-worker-memory finishes its requests first", async () => {
    using place = new Place();
    const args = ["--workers", "1", "--max-worker-memory", "150m"];
    await using server = await serve("leaking:app", { place, args });
    await using running = await begin(server, "/wait/gate");
    const [pid = ""] = await place.noted("gate.begun");
    expect((await ask(server, "/leak/200")).body).toBe(pid);
    await server.waitForLine(/warning.*worker-1 takes \d+m, more than max-worker-memory = 150m/);
    await server.waitForLine(/worker-1 has outgrown its memory; worker-2 is to take its place/);
    await eventually("an answer of its successor", async () => (await text(server, "/")) !== pid);
    place.open("gate");
    expect(await running.readResponse()).toMatchObject({ status: 200, body: pid });
    const old = processOf(Number(pid));
    await eventually("its end", () => old === undefined || !isAlive(old));
  });

  test("the processes that a worker has started count, and end with it", async () => {
    using place = new Place();
    const args = ["--workers", "1", "--max-worker-memory", "150m"];
    await using server = await serve("leaking:app", { place, args });
    // It holds the worker until its child has been looked at.
    await using running = await begin(server, "/wait/gate");
    const [pid = ""] = await place.noted("gate.begun");
    await ask(server, "/child/200");
    const [child] = descendants(Number(pid));
    place.open("gate");
    expect((await running.readResponse()).status).toBe(200);
    await server.waitForLine(/warning.*worker-1 takes \d+m, more than max-worker-memory = 150m/);
    await eventually("an answer of its successor", async () => (await text(server, "/")) !== pid);
    await gone([child!]);
    expect(server.output()).not.toMatch(/worker-2 takes/);
  });

  test("one beyond --max-worker-memory-hard is killed", async () => {
    using place = new Place();
    const hard = ["--max-worker-memory", "150m", "--max-worker-memory-hard", "300m"];
    await using server = await serve("leaking:app", { place, args: ["--workers", "1", ...hard] });
    await using running = await begin(server, "/wait/gate", { method: "POST", body: "x" });
    await place.noted("gate.begun");
    await ask(server, "/leak/400");
    await server.waitForLine(/worker-1 takes \d+m, more than max-worker-memory-hard = 300m/);
    expect((await running.readResponse("POST")).status).toBe(502);
    await eventually("an answer of another worker", async () => {
      return (await ask(server, "/")).status === 200;
    });
  });

  test("an app that leaks at once is replaced ever more slowly", async () => {
    using place = new Place();
    place.write(
      "fat.py",
      `from leaking import app, kept\n\nkept.append(bytearray(b"x") * (200 << 20))\n`,
    );
    const args = ["--workers", "1", "--max-worker-memory", "100m", "--pythonpath", appsDirectory];
    await using server = await serve("fat:app", { place, args, cwd: place.path });
    await using load = new Load(server, "/", 2);
    await eventually("three workers", () => load.bodies.size >= 3);
    await load.stop();
    expect(load.failures).toEqual([]);
  });
});

test("An old worker serves until an edge has its successor", async () => {
  using place = new Place();
  place.write(
    "short.py",
    `
import resource
import place
from wsgi_app import app

def short_of_descriptors(worker):
    if place.is_open("shut"):
        kind = resource.RLIMIT_NOFILE
        resource.setrlimit(kind, (3, resource.getrlimit(kind)[1]))
`,
  );
  const hook = ["--on-worker-ready", "short:short_of_descriptors", "--boot-timeout", "4"];
  const args = ["--workers", "1", "--pythonpath", appsDirectory, ...hook];
  await using server = await serve("short:app", { place, args, cwd: place.path });
  const pid = await text(server, "/pid");
  await using load = new Load(server, "/pid", 2);
  place.open("shut");
  server.kill("SIGHUP");
  await server.waitForLine(/can't connect to the edge .*Too many open files/);
  const given = /worker-1 does not start, so it serves on: a worker reached no edge/;
  await server.waitForLine(given, 20_000);
  expect(await text(server, "/pid")).toBe(pid);
  place.shut("shut");
  await server.waitForLine(/reload finished/, 20_000);
  await load.stop();
  expect(load.failures).toEqual([]);
  expect(await text(server, "/pid")).not.toBe(pid);
});

describe("A crash loop is said once", () => {
  test("with its traceback, however often the worker is tried again", async () => {
    using place = new Place();
    place.write(
      "crashing.py",
      `
import os
import place
place.note("tries", "")
if place.is_open("broken"):
    raise RuntimeError(f"broken since then, at {id(object())} in process {os.getpid()}")
from wsgi_app import app
`,
    );
    const args = ["--workers", "2", "--pythonpath", appsDirectory];
    await using server = await serve("crashing:app", { place, args, cwd: place.path });
    const [first] = treeOf(server).workers;
    place.open("broken");
    process.kill(first!.pid, "SIGKILL");
    const tries = 2 + 5;
    await place.noted("tries", tries);
    const said = server
      .output()
      .split("\n")
      .filter((line) => /a worker is started anew: /.test(line));
    expect(said.length).toBe(1);
    expect(said[0]).toContain("broken since then");
    expect(await text(server, "/hello")).toBe("hello");
  });
});
