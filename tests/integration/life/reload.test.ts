import { describe, expect, test } from "bun:test";
import { descriptorCount, gone, processOf, treeOf } from "../../apps_life/processes.ts";
import {
  ask,
  begin,
  eventually,
  Load,
  Place,
  requestText,
  serve,
  text,
} from "../../apps_life/serve.ts";
import { runKeelback, type TestServer } from "../../support/server.ts";

const args = ["--workers", "2"];
const apps = [
  { kind: "WSGI", app: "wsgi_app:app" },
  { kind: "ASGI", app: "asgi_app:app" },
];

function version(number: number): string {
  return `
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "9")])
    return [b"version ${number}"]
`;
}

describe("SIGHUP reloads without losing a request", () => {
  test.each(apps)("under load there is no error ($kind)", async ({ app }) => {
    await using server = await serve(app, { args });
    await using load = new Load(server, "/pid", 8);
    await load.goesOn();
    for (let i = 0; i < 3; i++) {
      const { workers } = treeOf(server);
      server.kill("SIGHUP");
      await gone(workers);
      await load.goesOn();
    }
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(load.bodies.size).toBeGreaterThanOrEqual(4);
  });

  test("a changed app is served, on kept connections too", async () => {
    using place = new Place();
    place.write("changing.py", version(1));
    await using server = await serve("changing:app", { args, cwd: place.path });
    await using client = await begin(server, "/");
    expect((await client.readResponse()).body).toBe("version 1");
    place.write("changing.py", version(2));
    const { workers } = treeOf(server);
    server.kill("SIGHUP");
    await server.waitForLine(/the new workers serve/);
    await gone(workers);
    await client.send(requestText("/"));
    expect((await client.readResponse()).body).toBe("version 2");
    expect(await text(server, "/")).toBe("version 2");
  });

  test("a broken app leaves the old one serving, and its traceback is printed", async () => {
    using place = new Place();
    place.write("changing.py", version(1));
    await using server = await serve("changing:app", { args, cwd: place.path });
    await using load = new Load(server, "/", 4);
    await load.goesOn();
    const { workers } = treeOf(server);
    place.write("changing.py", `${version(2)}\nimport_this_does_not_work = undefined_name\n`);
    server.kill("SIGHUP");
    await server.waitForLine(/reload failed, the old workers stay/);
    await server.waitForLine(/NameError: name 'undefined_name' is not defined/);
    await load.goesOn();
    await load.stop();
    expect(load.failures).toEqual([]);
    expect([...load.bodies.keys()]).toEqual(["version 1"]);
    await eventually("the old workers alone", () => treeOf(server).workers.length === 2);
    expect(treeOf(server).workers.map(({ pid }) => pid)).toEqual(workers.map(({ pid }) => pid));
    place.write("changing.py", version(30).replace("9", "10"));
    server.kill("SIGHUP");
    await gone(workers);
    expect(await text(server, "/")).toBe("version 30");
  });

  test("an app whose startup fails leaves the old one serving", async () => {
    using place = new Place();
    place.write("starting.py", STARTING);
    await using server = await serve("starting:app", { args, place, cwd: place.path });
    expect(await text(server, "/")).toBe("served");
    place.open("refuse");
    server.kill("SIGHUP");
    await server.waitForLine(/reload failed, the old workers stay.*startup failed/);
    expect(await text(server, "/")).toBe("served");
  });

  test("running requests finish on the old workers", async () => {
    using place = new Place();
    await using server = await serve("wsgi_app:app", { place, args: ["--workers", "1"] });
    const { workers } = treeOf(server);
    await using client = await begin(server, "/count_and_wait/slow", { method: "POST", body: "x" });
    const [pid] = await place.noted("slow.begun");
    server.kill("SIGHUP");
    await server.waitForLine(/the new workers serve/);
    await eventually("an answer of the new worker", async () => {
      return (await text(server, "/pid")) !== pid;
    });
    place.open("slow");
    expect(await client.readResponse("POST")).toMatchObject({ status: 200, body: pid });
    expect(place.lines("slow.begun").length).toBe(1);
    await gone(workers);
  });

  test("a reload during a reload ends in the newest code", async () => {
    using place = new Place();
    place.write("changing.py", version(1));
    await using server = await serve("changing:app", { args, cwd: place.path });
    place.write("changing.py", version(2));
    server.kill("SIGHUP");
    place.write("changing.py", `${version(3)}\n`);
    server.kill("SIGHUP");
    await eventually("version 3", async () => (await ask(server, "/")).body === "version 3");
    await eventually("two workers", () => treeOf(server).workers.length === 2);
    expect(await text(server, "/")).toBe("version 3");
  });

  test("no descriptor is left over", async () => {
    await using server = await serve("wsgi_app:app", { args });
    const [edge] = treeOf(server).edges;
    const reload = async (): Promise<void> => {
      const { workers, zygotes } = treeOf(server);
      server.kill("SIGHUP");
      await gone([...workers, ...zygotes]);
      expect(await text(server, "/hello")).toBe("hello");
    };
    await reload();
    const before = [descriptorCount(server.pid), descriptorCount(edge!.pid)];
    for (let i = 0; i < 4; i++) await reload();
    await eventually(
      () => `descriptors as before: ${before.join(" ")}, ${descriptorCount(server.pid)}`,
      () => descriptorCount(server.pid) <= before[0]! && descriptorCount(edge!.pid) <= before[1]!,
    );
  });

  test("with --preload the app is imported anew", async () => {
    using place = new Place();
    place.write("changing.py", version(1));
    await using server = await serve("changing:app", {
      args: [...args, "--preload"],
      cwd: place.path,
    });
    expect(await text(server, "/")).toBe("version 1");
    const { workers } = treeOf(server);
    place.write("changing.py", version(2));
    server.kill("SIGHUP");
    await gone(workers);
    expect(await text(server, "/")).toBe("version 2");
    place.write("changing.py", "raise RuntimeError('broken while preloaded')\n");
    server.kill("SIGHUP");
    await server.waitForLine(/broken while preloaded/);
    expect(await text(server, "/")).toBe("version 2");
  });
});

const STARTING = `
import os


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        if os.path.exists(os.path.join(os.environ["PLACE"], "refuse")):
            await send({"type": "lifespan.startup.failed", "message": "not today"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})
`;

test("The log says when a reload is over", async () => {
  using place = new Place();
  await using server = await serve("wsgi_app:app", { place, args });
  await using client = await begin(server, "/wait/slow");
  await place.noted("slow.begun");
  server.kill("SIGHUP");
  await server.waitForLine(/the new workers serve .*generation=2/);
  const half = { generation: 2, serves: true, seconds: expect.any(Number), workersOld: 1 };
  const status = await eventually("one old worker", async () => {
    const found = await statusOf(server);
    return (found["reload"] as typeof half).workersOld === 1 && found;
  });
  expect(status).toMatchObject({ generation: 2, reload: half });
  server.kill("SIGHUP");
  await server.waitForLine(/reload given up: another reload took its place generation=2/);
  await server.waitForLine(/the new workers serve .*generation=3/);
  place.open("slow");
  expect((await client.readResponse()).body).toBe("waited for slow");
  await server.waitForLine(/reload finished: generation 3 serves, 2 workers, took \d+\.\d s$/);
  const after = { generation: 3, generationSeconds: expect.any(Number), reload: null };
  expect(await statusOf(server)).toMatchObject(after);
  expect(server.output()).not.toContain("reload finished: generation 2");
});

async function statusOf(server: TestServer): Promise<Readonly<Record<string, unknown>>> {
  const { stdout } = await runKeelback(["ctl", "status", "--json", "--pid", `${server.pid}`]);
  return JSON.parse(stdout) as Readonly<Record<string, unknown>>;
}

/** Says where it is, and is imported when the gate is open: until then it waits, or fails. */
function begins(otherwise: string): string {
  return `
import os, time
place = os.environ["PLACE"]
with open(os.path.join(place, "begun"), "a") as file:
    print(os.getppid(), file=file)
while not os.path.exists(os.path.join(place, "gate")):
    ${otherwise}
${version(1)}
`;
}

describe("A reload before the first worker is ready changes the edges' settings too", () => {
  test.each([
    { kind: "while it starts", otherwise: "time.sleep(0.005)", more: [] },
    { kind: "while a change is waited for", otherwise: "raise LookupError", more: ["--reload"] },
  ])("$kind", async ({ otherwise, more }) => {
    using place = new Place();
    place.write("beginning.py", begins(otherwise));
    place.write("keelback.toml", 'health-path = "/before"\n');
    const options = ["--workers", "1", "--reload-exclude", "begun", ...more];
    const starting = serve("beginning:app", { args: options, place, cwd: place.path });
    const [zygote] = await place.noted("begun");
    const supervisor = processOf(Number(zygote))!.parent;
    place.write("keelback.toml", 'health-path = "/after"\n');
    if (more.length > 0) place.open("gate");
    process.kill(supervisor, "SIGHUP");
    await place.noted("begun", 2);
    place.open("gate");
    await using server = await starting;
    expect(await text(server, "/after")).not.toBe("version 1");
    expect(await text(server, "/before")).toBe("version 1");
  });
});
