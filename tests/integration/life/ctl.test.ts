/** `keelback ctl` with real servers. */
import { describe, expect, test } from "bun:test";
import { lstatSync, readlinkSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { gone, processOf, treeOf } from "../../apps_life/processes.ts";
import { ask, begin, eventually, Load, Place, serve, text } from "../../apps_life/serve.ts";
import { RawClient } from "../../support/raw-client.ts";
import { runKeelback, type TestServer } from "../../support/server.ts";

const args = ["--workers", "2"];

interface WorkerFacts {
  worker: number;
  pid: number;
  generation: number;
  state: string;
  requests: number;
  memoryBytes: number;
}

async function ctl(
  server: TestServer,
  ...words: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  return runKeelback(["ctl", ...words, "--pid", `${server.pid}`]);
}

/** The answer for programs to a command that must succeed. */
async function facts(
  server: TestServer,
  ...words: string[]
): Promise<Readonly<Record<string, unknown>>> {
  const { code, stdout, stderr } = await ctl(server, ...words, "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout) as Readonly<Record<string, unknown>>;
}

/** Where the name of --control leads: made when the server serves. */
async function linkOf(control: string): Promise<string> {
  const isThere = (): boolean => lstatSync(control, { throwIfNoEntry: false }) !== undefined;
  await eventually("the link", isThere);
  return readlinkSync(control);
}

async function workersOf(server: TestServer): Promise<WorkerFacts[]> {
  return (await facts(server, "workers"))["workers"] as WorkerFacts[];
}

async function ready(server: TestServer, count: number): Promise<WorkerFacts[]> {
  return eventually(`${count} ready workers`, async () => {
    const workers = await workersOf(server);
    const all = workers.length === count && workers.every(({ state }) => state === "ready");
    return all && workers;
  });
}

describe("keelback ctl speaks with a running server", () => {
  test("status and workers, for people and for programs", async () => {
    await using server = await serve("wsgi_app:app", { args });
    // An edge that says nothing for a second is left out.
    const status = await eventually("the edge's figures", async () => {
      const now = await facts(server, "status");
      return now["edges"] === 1 && now;
    });
    expect(status).toMatchObject({
      ok: true,
      pid: server.pid,
      state: "serving",
      app: expect.stringContaining("wsgi_app:app"),
      interface: "wsgi",
      addresses: [server.url],
      generation: 1,
      workersTarget: 2,
      workersReady: 2,
      edges: 1,
      queued: 0,
    });
    const shown = await ctl(server, "status");
    expect(shown.stdout).toMatch(/state +serving, up .*, pid \d+\n/);
    expect(shown.stdout).toContain("2 of 2 ready");
    const pids = (await workersOf(server)).map(({ pid }) => pid);
    expect(new Set(pids)).toEqual(new Set(treeOf(server).workers.map(({ pid }) => pid)));
    const table = (await ctl(server, "workers")).stdout.split("\n");
    expect(table[0]).toMatch(/^worker +pid +generation +state +age +requests +memory$/);
    expect(table[1]).toMatch(/^\d+ +\d+ +1 +ready +.* MiB$/);
  });

  test("requests that run are counted", async () => {
    using place = new Place();
    await using server = await serve("wsgi_app:app", { place, args });
    await using client = await begin(server, "/wait/counted");
    const [begun] = await place.noted("counted.begun");
    const busy = await eventually("the edge's figures", async () => {
      const found = (await workersOf(server)).filter(({ requests }) => requests === 1);
      return found.length > 0 && found;
    });
    expect(busy.map(({ pid }) => `${pid}`)).toEqual([begun ?? ""]);
    place.open("counted");
    await client.readResponse();
  });

  test("by process id, by file, by socket, by directory and by variable", async () => {
    using place = new Place();
    const control = place.of("ctl.sock");
    const server = await serve("asgi_app:app", { args: [...args, "--control", control] });
    const socket = await linkOf(control);
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(socket)).mode & 0o777).toBe(0o700);
    const file = place.write("pid", `${server.pid}\n`);
    const ways = [
      ["--pid", `${server.pid}`],
      ["--pid", file],
      ["--control", control],
      ["--control", socket],
      [`--control=${dirname(socket)}`],
    ];
    for (const way of ways) {
      const { code, stdout } = await runKeelback(["ctl", "status", "--json", ...way]);
      expect({ way, code, pid: (JSON.parse(stdout) as { pid: number }).pid }).toEqual({
        way,
        code: 0,
        pid: server.pid,
      });
    }
    const env = { KEELBACK_CONTROL: control };
    expect((await runKeelback(["ctl", "workers"], { env })).code).toBe(0);
    await server.stop();
    expect(lstatSync(control, { throwIfNoEntry: false })).toBeUndefined();
  });

  test("what is in the way of --control stays, and is complained about", async () => {
    using place = new Place();
    const control = place.write("ctl.sock", "mine");
    await using server = await serve("asgi_app:app", { args: [...args, "--control", control] });
    await server.waitForLine(/no control socket at .*ctl\.sock: .* exists and is no link of ours/);
    const other = place.of("other.sock");
    await using first = await serve("asgi_app:app", { args: [...args, "--control", other] });
    await linkOf(other);
    await using second = await serve("asgi_app:app", { args: [...args, "--control", other] });
    await second.waitForLine(/belongs to another server that runs/);
    const { stdout } = await runKeelback(["ctl", "status", "--json", "--control", other]);
    expect((JSON.parse(stdout) as { pid: number }).pid).toBe(first.pid);
  });

  test("a successor takes the name over", async () => {
    using place = new Place();
    const control = place.of("ctl.sock");
    const server = await serve("wsgi_app:app", { args: [...args, "--control", control] });
    const before = await linkOf(control);
    server.kill("SIGUSR2");
    await eventually("another socket", async () => (await linkOf(control)) !== before);
    const status = await runKeelback(["ctl", "status", "--json", "--control", control]);
    const successor = JSON.parse(status.stdout) as { pid: number; state: string };
    expect(successor.state).toBe("serving");
    expect(successor.pid).not.toBe(server.pid);
    expect(await text(server, "/hello")).toBe("hello");
    expect((await runKeelback(["ctl", "stop", "--control", control])).code).toBe(0);
    // Both have the same output: it ends with the second.
    expect(await server.exited).toBe(0);
    expect(lstatSync(control, { throwIfNoEntry: false })).toBeUndefined();
  });

  test("several servers: says which there are", async () => {
    await using one = await serve("wsgi_app:app", { args });
    await using two = await serve("wsgi_app:app", { args });
    const { code, stderr } = await runKeelback(["ctl", "status"]);
    expect(code).toBe(1);
    expect(stderr).toContain("several servers run; say which:");
    for (const server of [one, two]) {
      expect(stderr).toMatch(new RegExp(`--pid ${server.pid}  wsgi_app:app .*${server.url}`));
    }
  });

  test("reload answers when the new workers serve, or with the reason why not", async () => {
    using place = new Place();
    const app = (body: string): string =>
      `def app(environ, start_response):\n    start_response("200 OK", [])\n    return [b"${body}"]\n`;
    place.write("changing.py", app("old"));
    await using server = await serve("changing:app", { args, cwd: place.path });
    const { workers } = treeOf(server);
    place.write("changing.py", app("new"));
    const done = await ctl(server, "reload");
    expect(done).toEqual({
      code: 0,
      stdout: "the new workers serve (generation 2)\n",
      stderr: "",
    });
    await gone(workers);
    expect(await text(server, "/")).toBe("new");
    place.write("changing.py", "import no_such_module_anywhere\n");
    const failed = await ctl(server, "reload");
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("the reload failed");
    expect(failed.stderr).toContain("No module named 'no_such_module_anywhere'");
    const answer = await ctl(server, "reload", "--json");
    expect(answer.code).toBe(1);
    expect(JSON.parse(answer.stdout)).toMatchObject({ ok: false });
    expect(await text(server, "/")).toBe("new");
  });

  test("scale and recycle lose no request", async () => {
    await using server = await serve("wsgi_app:app", { args });
    await using load = new Load(server, "/pid", 4);
    await load.goesOn();
    expect((await ctl(server, "scale", "3")).stdout).toBe("3 workers from now on, before: 2\n");
    const [first] = await ready(server, 3);
    await load.goesOn();
    const worker = `${first?.worker}`;
    expect((await ctl(server, "worker", worker, "recycle")).code).toBe(0);
    await eventually("another worker", async () => {
      const now = await workersOf(server);
      return now.every(({ pid }) => pid !== first?.pid);
    });
    await ready(server, 3);
    await load.goesOn();
    expect(await facts(server, "scale", "1")).toEqual({ ok: true, before: 3, workers: 1 });
    await ready(server, 1);
    await load.goesOn();
    await load.stop();
    expect(load.failures).toEqual([]);
  });

  test("drain takes the server out of its balancers, and undrain back", async () => {
    const paths = ["--ready-path", "/readyz"];
    await using server = await serve("wsgi_app:app", { args: [...args, ...paths] });
    const status = async (): Promise<number> => (await ask(server, "/readyz")).status;
    expect((await ctl(server, "drain")).stdout).toBe(
      "the server is not ready any more, and serves on\n",
    );
    await eventually("not ready", async () => (await status()) === 503);
    expect(await text(server, "/hello")).toBe("hello");
    expect((await facts(server, "status"))["state"]).toBe("drained");
    expect((await ctl(server, "undrain")).code).toBe(0);
    await eventually("ready", async () => (await status()) === 200);
  });

  test("log-level changes what is logged", async () => {
    await using server = await serve("wsgi_app:app", { args });
    const debug = (): boolean => server.output().includes("SIGPIPE is ignored");
    server.kill("SIGPIPE");
    expect((await ctl(server, "log-level", "debug")).code).toBe(0);
    expect(debug()).toBe(false);
    server.kill("SIGPIPE");
    await server.waitForLine(/SIGPIPE is ignored/);
    const wrong = await ctl(server, "log-level", "loud");
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('"loud" is no log') });
  });

  test("stop returns when the server has ended", async () => {
    const server = await serve("wsgi_app:app", { args });
    const stopped = await ctl(server, "stop");
    expect(stopped.stdout).toBe(`the server (pid ${server.pid}) has ended\n`);
    expect(processOf(server.pid)?.state ?? "Z").toBe("Z");
    expect(await server.exited).toBe(0);
  });

  test("what cannot be done is said", async () => {
    using place = new Place();
    await using server = await serve("wsgi_app:app", { args });
    const cases = [
      { words: ["dump", "99"], code: 1, text: "there is no worker 99" },
      { words: ["worker", "99", "recycle"], code: 1, text: "there is no worker 99" },
      { words: ["scale", "0"], code: 1, text: "0 is no number of workers" },
      { words: ["bogus"], code: 2, text: 'there is no command "bogus"' },
    ];
    for (const { words, code, text: part } of cases) {
      const answer = await ctl(server, ...words);
      expect({ words, code: answer.code }).toEqual({ words, code });
      expect(answer.stderr).toContain(part);
    }
    const nowhere = await runKeelback(["ctl", "status", "--control", place.of("none")]);
    expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringContaining("is no socket") });
    const nobody = await runKeelback(["ctl", "status", "--pid", "1999999999"]);
    expect(nobody).toMatchObject({ code: 1, stderr: expect.stringContaining("1999999999") });
    const noFile = await runKeelback(["ctl", "status", "--pid", place.of("pid")]);
    expect(noFile).toMatchObject({ code: 1, stderr: expect.stringContaining("cannot be read") });
  });

  test("who says anything else to the socket is told so", async () => {
    using place = new Place();
    const control = place.of("ctl.sock");
    await using server = await serve("asgi_app:app", { args: [...args, "--control", control] });
    const socket = await linkOf(control);
    await using garbage = await RawClient.connect(socket);
    await garbage.send("GET / HTTP/1.1\r\n");
    expect(JSON.parse(await garbage.readToEnd())).toMatchObject({ ok: false });
    await using strange = await RawClient.connect(socket);
    await strange.send('{"do":"toString"}\n{"do":"scale","count":"many"}\n{"do":"status"}\n');
    const answers = await strange.readUntil('"queued"');
    const [unknown, wrong, status] = answers.split("\n");
    expect(unknown).toContain("does not know the command");
    expect(wrong).toContain("is no number of workers");
    expect(status).toContain('"state":"serving"');
    expect(await text(server, "/hello")).toBe("hello");
  });
});

describe("keelback ctl dump shows where a worker is", () => {
  test.each([
    { app: "wsgi_app:app", view: "match_long" },
    { app: "asgi_app:app", view: "match_long" },
    { app: "wsgi_app:app", view: "sleep_long" },
  ])("$view of $app, which is not harmed", async ({ app, view }) => {
    using place = new Place();
    const server = await serve(app, { place, args });
    await using _client = await begin(server, `/${view}/stuck`);
    const [pid] = await place.noted("stuck.begun");
    const stuck = (await workersOf(server)).find((worker) => `${worker.pid}` === pid);
    const { traceback } = await facts(server, "dump", `${stuck?.worker}`);
    expect(traceback).toMatch(/Current thread|Thread 0x/);
    expect(traceback).toContain(`in ${view}`);
    await server.waitForLine(new RegExp(`worker-${stuck?.worker} \\| .* in ${view}`));
    expect(processOf(Number(pid))?.state).not.toBe("Z");
    expect((await workersOf(server)).map((worker) => `${worker.pid}`)).toContain(pid ?? "");
    // Twice: it is no signal that is spent.
    expect(String((await facts(server, "dump", `${stuck?.worker}`))["traceback"])).toContain(view);
    server.kill("SIGQUIT");
    await server.exited;
  });
});
