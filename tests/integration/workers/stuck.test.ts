import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { isAlive, processOf, treeOf } from "../../apps_life/processes.ts";
import type { Process } from "../../apps_life/processes.ts";
import { ask, begin, eventually, Load, Place, serve, text } from "../../apps_life/serve.ts";
import type { TestServer } from "../../support/server.ts";

const TEST_TIMEOUT_MS = 60_000;
setDefaultTimeout(TEST_TIMEOUT_MS);

/** Other requests have to be answered within the timeout too, on a machine that does other things as well. */
const timeout = ["--timeout", "1.5"];
const limits = [...timeout, "--interrupt", "0.4"];

/** A view that blocks for good, and where in its code the traceback must show it. */
const views = [
  { app: "wsgi_app:app", view: "sleep_long", where: /in sleep_long/ },
  { app: "wsgi_app:app", view: "hash_long", where: /in hash_long/ },
  { app: "wsgi_app:app", view: "match_long", where: /in match_long/ },
  { app: "wsgi_app:app", view: "swallow", where: /in swallow/ },
  { app: "asgi_app:app", view: "match_long", where: /in match_long/ },
];

async function processNoted(place: Place, name: string): Promise<Process> {
  const [pid] = await place.noted(name);
  const found = processOf(Number(pid));
  if (found === undefined) throw new Error(`process ${pid} has ended before it was looked at`);
  return found;
}

/** Each of so many workers has answered: an edge may come to have one of them later than another. */
async function allServe(server: TestServer, count: number): Promise<void> {
  const pids = new Set<string>();
  await eventually(`answers of ${count} workers`, async () => {
    pids.add(await text(server, "/pid"));
    return pids.size === count;
  });
}

describe("A response that does not begin in time is answered with 504", () => {
  test("a thread that computes gets RequestTimeout, and its worker lives on", async () => {
    using place = new Place();
    await using server = await serve("wsgi_app:app", {
      place,
      args: ["--workers", "1", ...timeout],
    });
    const pid = await text(server, "/pid");
    expect((await ask(server, "/spin/a")).status).toBe(504);
    expect(await place.noted("a.ended")).toEqual(["RequestTimeout"]);
    expect(await text(server, "/pid")).toBe(pid);
  });

  test("a task is cancelled, and its worker lives on", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", {
      place,
      args: ["--workers", "1", ...timeout],
    });
    const pid = await text(server, "/pid");
    expect((await ask(server, "/await_long/b")).status).toBe(504);
    expect(await place.noted("b.ended")).toEqual(["CancelledError"]);
    await server.waitForLine(/interrupted after its timeout: GET \/await_long\/b/);
    await server.waitForLine(/in await_long/);
    expect(await text(server, "/pid")).toBe(pid);
  });

  test("a response that has begun may take as long as it likes", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", {
      place,
      args: ["--workers", "1", ...timeout],
    });
    await using streaming = await begin(server, "/stream/c");
    await streaming.readUntil("first,");
    // A request that begins later and runs into the timeout shows that the time is over.
    expect((await ask(server, "/await_long/d")).status).toBe(504);
    place.open("c");
    await streaming.readUntil("last");
  });
});

describe("A worker that is held up gets requests after others", () => {
  test("a view that computes, and one elsewhere that waits", async () => {
    using place = new Place();
    const args = ["--workers", "2", "--graceful-timeout", "0.5"];
    await using server = await serve("wsgi_app:app", { place, args });
    await allServe(server, 2);
    await using computing = await begin(server, "/spin/h");
    const [hot] = await place.noted("h.begun");
    await using waiting = await begin(server, "/wait/i");
    const [calm] = await place.noted("i.begun");
    expect(calm).not.toBe(hot);
    await eventually("ten requests by the worker whose view waits", async () => {
      for (let i = 0; i < 10; i++) if ((await text(server, "/pid")) !== calm) return false;
      return true;
    });
    place.open("i");
    expect((await waiting.readResponse()).body).toBe("waited for i");
    computing.close();
  });
});

describe("A stuck worker is replaced", () => {
  test.each(views)("after its traceback is logged ($app $view)", async ({ app, view, where }) => {
    using place = new Place();
    await using server = await serve(app, { place, args: ["--workers", "2", ...limits] });
    await using stuck = await begin(server, `/${view}/e`);
    const worker = await processNoted(place, "e.begun");
    expect((await stuck.readResponse()).status).toBe(504);
    await eventually("the stuck worker's end", () => !isAlive(worker));
    const line = await server.waitForLine(/does not answer and is killed/);
    expect(line).toContain("error");
    await server.waitForLine(where);
    await eventually("two workers", () => treeOf(server).workers.length === 2);
    for (let i = 0; i < 10; i++) expect(await text(server, "/hello")).toBe("hello");
  });

  test("an event loop that a view never lets go on", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", {
      place,
      args: ["--workers", "2", ...limits],
    });
    await using stuck = await begin(server, "/spin/f");
    const worker = await processNoted(place, "f.begun");
    expect((await stuck.readResponse()).status).toBe(504);
    await eventually("the stuck worker's end", () => !isAlive(worker));
    await server.waitForLine(/in spin/);
    expect(await text(server, "/hello")).toBe("hello");
  });

  // Where C code keeps the interpreter lock (match_long) nothing else of that process can run, nor say so.
  test.each(["sleep_long", "hash_long", "match_long"])(
    "the others are unharmed (%s)",
    async (view) => {
      using place = new Place();
      await using server = await serve("wsgi_app:app", {
        place,
        args: ["--workers", "2", "--timeout", "3", "--interrupt", "0.4"],
      });
      await using load = new Load(server, "/pid", 4);
      await load.goesOn();
      await using stuck = await begin(server, `/${view}/g`);
      const worker = await processNoted(place, "g.begun");
      await eventually("the stuck worker's end", () => !isAlive(worker));
      expect((await stuck.readResponse()).status).toBe(504);
      await load.goesOn();
      await load.stop();
      expect(load.failures).toEqual([]);
    },
  );

  test("another worker serves before it is killed", async () => {
    using place = new Place();
    const args = ["--workers", "2", ...timeout, "--interrupt", "1h"];
    await using server = await serve("asgi_app:app", {
      place,
      args: [...args, "--graceful-timeout", "1"],
    });
    await using stuck = await begin(server, "/spin/j");
    const worker = await processNoted(place, "j.begun");
    expect((await stuck.readResponse()).status).toBe(504);
    await server.waitForLine(/does not end a request that took too long/);
    const pids = new Set<string>();
    await eventually("two workers that serve", async () => {
      pids.add(await text(server, "/pid"));
      return pids.size === 2;
    });
    expect(pids.has(String(worker.pid))).toBe(false);
    expect(isAlive(worker)).toBe(true);
  });

  test("the log names the request", async () => {
    using place = new Place();
    await using server = await serve("wsgi_app:app", {
      place,
      args: ["--workers", "1", ...limits],
    });
    expect((await ask(server, "/sleep_long/h?secret=1")).status).toBe(504);
    const line = await server.waitForLine(/does not answer and is killed/);
    expect(line).toContain("GET /sleep_long/h");
    expect(await text(server, "/hello")).toBe("hello");
  });

  test("what the app has started goes with it", async () => {
    using place = new Place();
    await using server = await serve("wsgi_app:app", {
      place,
      args: ["--workers", "1", ...limits],
    });
    const child = processOf(Number(await text(server, "/linger")));
    expect(child !== undefined && isAlive(child)).toBe(true);
    expect((await ask(server, "/match_long/i")).status).toBe(504);
    await eventually("the end of the worker's child", () => !isAlive(child!));
  });
});

describe("A zygote that hangs is replaced", () => {
  test("after the boot timeout, when a worker is to be forked", async () => {
    using place = new Place();
    const args = ["--workers", "2", "--boot-timeout", "5"];
    await using server = await serve("wsgi_app:app", { place, args });
    const { zygotes, workers } = treeOf(server);
    process.kill(zygotes[0]!.pid, "SIGSTOP");
    process.kill(workers[0]!.pid, "SIGKILL");
    await eventually("the end of the old zygote", () => !isAlive(zygotes[0]!));
    // The other worker has lived on, as a child of nobody here.
    expect(isAlive(workers[1]!)).toBe(true);
    await eventually("a new worker", () => treeOf(server).workers.length > 0);
    expect(await text(server, "/hello")).toBe("hello");
  });

  test("an import that hangs fails the start, with its traceback (--preload)", async () => {
    using place = new Place();
    place.write("slow.py", "import time\n\ntime.sleep(3600)\n");
    const args = ["--workers", "1", "--preload", "--boot-timeout", "4"];
    const start = serve("slow:app", { place, args, cwd: place.path });
    const message = await start.then(
      () => "it started",
      (error: unknown) => String(error),
    );
    expect(message).toContain("not ready within the boot timeout");
    expect(message).toMatch(/slow\.py.*line 3/);
  });
});

describe("A slow start is told from a stuck worker", () => {
  test("a worker that is not ready within --boot-timeout fails the start, with its traceback", async () => {
    using place = new Place();
    place.write("slow.py", "import time\n\ntime.sleep(3600)\n");
    const args = ["--workers", "1", "--boot-timeout", "4"];
    const start = serve("slow:app", { place, args, cwd: place.path });
    const message = await start.then(
      () => "it started",
      (error: unknown) => String(error),
    );
    expect(message).toContain("not ready within the boot timeout");
    expect(message).toMatch(/slow\.py.*line 3/);
  });

  test("one that takes longer than --timeout is not killed", async () => {
    using place = new Place();
    const args = ["--workers", "1", "--timeout", "1", "--interrupt", "0.5"];
    const starting = serve("lifespans:slow_start", { place, args });
    const [, pid] = (await place.noted("life"))[0]!.split(" ");
    const { promise, resolve } = Promise.withResolvers<void>();
    const open = (): void => {
      place.open("started");
      resolve();
    };
    setTimeout(open, 2500);
    await promise;
    await using server = await starting;
    expect(await text(server, "/")).toBe(pid!);
  });
});
