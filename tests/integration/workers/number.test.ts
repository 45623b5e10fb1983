import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { gone, treeOf } from "../../apps_life/processes.ts";
import { begin, eventually, Load, Place, serve, text } from "../../apps_life/serve.ts";
import type { TestServer } from "../../support/server.ts";

const TEST_TIMEOUT_MS = 60_000;
setDefaultTimeout(TEST_TIMEOUT_MS);

function workersOf(server: TestServer): number {
  return treeOf(server).workers.length;
}

async function workersBecome(server: TestServer, count: number): Promise<void> {
  await eventually(
    () => `${count} workers; there are ${workersOf(server)}`,
    () => workersOf(server) === count,
  );
}

describe("SIGTTIN and SIGTTOU change the number of workers", () => {
  test("by one, under load, down to one", async () => {
    await using server = await serve("wsgi_app:app", { args: ["--workers", "2"] });
    await using load = new Load(server, "/pid", 4);
    server.kill("SIGTTIN");
    await server.waitForLine(/3 workers instead of 2: SIGTTIN/);
    await workersBecome(server, 3);
    for (const left of [2, 1]) {
      server.kill("SIGTTOU");
      await server.waitForLine(new RegExp(`${left} workers? instead of ${left + 1}: SIGTTOU`));
      await workersBecome(server, left);
    }
    server.kill("SIGTTOU");
    server.kill("SIGTTIN");
    await server.waitForLine(/2 workers instead of 1: SIGTTIN/);
    await workersBecome(server, 2);
    await load.goesOn();
    await load.stop();
    expect(load.failures).toEqual([]);
  });

  test("and a reload keeps the number", async () => {
    await using server = await serve("wsgi_app:app", { args: ["--workers", "1"] });
    server.kill("SIGTTIN");
    await workersBecome(server, 2);
    const { workers } = treeOf(server);
    server.kill("SIGHUP");
    await gone(workers);
    await workersBecome(server, 2);
  });
});

describe("The number of workers follows the load", () => {
  test("up when requests wait for a worker, down when there are too many", async () => {
    using place = new Place();
    const bounds = ["--min-workers", "1", "--max-workers", "3", "--worker-idle", "1"];
    const args = ["--workers", "1", "--worker", "sync", ...bounds];
    await using server = await serve("wsgi_app:app", { place, args });
    expect(workersOf(server)).toBe(1);
    const waiting = await Promise.all([1, 2, 3].map(() => begin(server, "/wait/gate")));
    // Each of them holds a worker: all three have begun only when there are three.
    await place.noted("gate.begun", 3);
    await server.waitForLine(/2 workers instead of 1: requests wait/);
    await server.waitForLine(/3 workers instead of 2: requests wait/);
    place.open("gate");
    for (const client of waiting) {
      expect((await client.readResponse()).status).toBe(200);
      client.close();
    }
    await server.waitForLine(/1 worker instead of 2: so many are enough/);
    await workersBecome(server, 1);
    expect(await text(server, "/hello")).toBe("hello");
  });
});

function version(number: number): string {
  return `
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "9")])
    return [b"version ${number}"]
`;
}

describe("A reload with --reload-overlap replaces a few workers at a time", () => {
  const args = ["--workers", "4", "--reload-overlap", "25%"];

  test("with never more processes than that, and no lost request", async () => {
    using place = new Place();
    place.write("changing.py", version(1));
    await using server = await serve("changing:app", { args, cwd: place.path });
    await using load = new Load(server, "/", 4);
    const { workers } = treeOf(server);
    place.write("changing.py", version(2));
    server.kill("SIGHUP");
    let most = 0;
    await eventually("the end of the old workers", () => {
      const now = treeOf(server).workers;
      most = Math.max(most, now.length);
      return !now.some(({ pid }) => workers.some((old) => old.pid === pid));
    });
    expect(most).toBeLessThanOrEqual(5);
    await load.goesOn();
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(await text(server, "/")).toBe("version 2");
    await workersBecome(server, 4);
  });

  test("a broken app never serves", async () => {
    using place = new Place();
    place.write("changing.py", version(1));
    await using server = await serve("changing:app", { args, cwd: place.path });
    await using load = new Load(server, "/", 4);
    const before = treeOf(server).workers.map(({ pid }) => pid);
    place.write("changing.py", "raise RuntimeError('no app')\n");
    server.kill("SIGHUP");
    await server.waitForLine(/reload failed, the old workers stay/);
    await load.goesOn();
    await load.stop();
    expect([...load.bodies.keys()]).toEqual(["version 1"]);
    expect(load.failures).toEqual([]);
    await workersBecome(server, 4);
    expect(treeOf(server).workers.map(({ pid }) => pid)).toEqual(before);
  });
});
