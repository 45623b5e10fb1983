import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { descendants, gone, processOf, treeOf } from "../../apps_life/processes.ts";
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

const args = ["--workers", "2"];

describe("Nothing survives the supervisor", () => {
  test("kill -9, with requests that run", async () => {
    for (const app of ["wsgi_app:app", "asgi_app:app"]) {
      using place = new Place();
      const server = await serve(app, { place, args });
      const running = await begin(server, "/wait/a");
      await place.noted("a.begun");
      const before = descendants(server.pid);
      expect(before.length).toBeGreaterThanOrEqual(4);
      server.kill("SIGKILL");
      await server.exited;
      await gone(before);
      running.close();
    }
  });

  test("a worker in C code that holds the interpreter lock", async () => {
    using place = new Place();
    const server = await serve("wsgi_app:app", { place, args });
    const running = await begin(server, "/match_long/b");
    await place.noted("b.begun");
    const before = descendants(server.pid);
    server.kill("SIGKILL");
    await gone(before);
    running.close();
  });

  test("workers whose zygote has died before", async () => {
    const server = await serve("wsgi_app:app", { args });
    const before = descendants(server.pid);
    const { zygotes } = treeOf(server);
    process.kill(zygotes[0]!.pid, "SIGKILL");
    await gone(zygotes);
    expect(await text(server, "/hello")).toBe("hello");
    server.kill("SIGKILL");
    await gone(before);
  });

  test("the private directory goes with an orderly end", async () => {
    using place = new Place();
    const env = { XDG_RUNTIME_DIR: place.path };
    const server = await serve("wsgi_app:app", { args, env });
    expect(readdirSync(place.path).length).toBe(1);
    expect(await server.stop()).toBe(0);
    expect(readdirSync(place.path)).toEqual([]);
  });
});

test("A hung edge is replaced", async () => {
  await using server = await serve("wsgi_app:app", { args: [...args, "--edge-timeout", "3s"] });
  const { edges, workers } = treeOf(server);
  expect(await text(server, "/hello")).toBe("hello");
  process.kill(edges[0]!.pid, "SIGSTOP");
  // It waits in the kernel, until the next edge accepts it.
  await using waiting = await begin(server, "/hello");
  await server.waitForLine(/edge-0 does not answer and is killed seconds=/);
  await gone(edges);
  expect((await waiting.readResponse()).body).toBe("hello");
  expect(treeOf(server).workers.map(({ pid }) => pid)).toEqual(workers.map(({ pid }) => pid));
});

describe("A killed edge is replaced", () => {
  test("new connections are served, and workers stay", async () => {
    await using server = await serve("wsgi_app:app", { args });
    const { edges, workers } = treeOf(server);
    await using load = new Load(server, "/pid", 4);
    await load.goesOn();
    process.kill(edges[0]!.pid, "SIGKILL");
    await gone(edges);
    await load.goesOn();
    await load.stop();
    // Connections of the dead edge broke; nothing was answered wrongly.
    expect(load.failures.filter((failure) => /^\d{3} /.test(failure))).toEqual([]);
    expect(treeOf(server).workers.map(({ pid }) => pid)).toEqual(workers.map(({ pid }) => pid));
    expect(server.output()).toMatch(/edge-0 was killed by signal/);
  });

  test("a connection that comes while there is no edge waits and is answered", async () => {
    await using server = await serve("asgi_app:app", { args });
    for (let i = 0; i < 3; i++) {
      const { edges } = treeOf(server);
      process.kill(edges[0]!.pid, "SIGKILL");
      await gone(edges);
      expect(await text(server, "/hello")).toBe("hello");
    }
  });

  test("of two edges the other serves on", async () => {
    await using server = await serve("wsgi_app:app", { args: [...args, "--edges", "2"] });
    const { edges } = treeOf(server);
    expect(edges.length).toBe(2);
    process.kill(edges[1]!.pid, "SIGKILL");
    await gone(edges.slice(1));
    await eventually("two edges", () => treeOf(server).edges.length === 2);
    for (let i = 0; i < 20; i++) expect(await text(server, "/hello")).toBe("hello");
  });

  test("one that is born anew gets no worker that leaves", async () => {
    using place = new Place();
    // No time is too long for an edge that the test has stopped.
    const options = ["--workers", "1", "--edges", "2", "--edge-timeout", "0"];
    await using server = await serve("asgi_app:app", { place, args: options });
    // While the others stand still, this one alone accepts.
    const alone = async <T>(edge: number, work: () => Promise<T>): Promise<T> => {
      const others = treeOf(server).edges.filter(({ pid }) => pid !== edge);
      for (const { pid } of others) process.kill(pid, "SIGSTOP");
      return work().finally(() => {
        for (const { pid } of others) process.kill(pid, "SIGCONT");
      });
    };
    const [kept, lost] = treeOf(server).edges.map(({ pid }) => pid);
    await using held = await alone(kept!, async () => {
      const client = await begin(server, "/count_and_wait/held");
      await place.noted("held.begun");
      return client;
    });
    const [old] = place.lines("held.begun");
    server.kill("SIGHUP");
    await server.waitForLine(/the new workers serve/);
    for (const edge of [kept!, lost!]) {
      const leaves = async (): Promise<boolean> => (await text(server, "/pid")) !== old;
      await alone(edge, () => eventually("the old worker to leave", leaves));
    }
    process.kill(lost!, "SIGKILL");
    await server.waitForLine(/edge-\d was killed/);
    const born = await eventually("another edge", () => {
      return treeOf(server).edges.find(({ pid }) => pid !== kept && pid !== lost)?.pid;
    });
    await alone(born, async () => {
      await text(server, "/hello");
      // So many that each worker of this edge would have some.
      const clients = [];
      for (let i = 0; i < 16; i++) clients.push(await begin(server, "/count_and_wait/new"));
      const pids = await place.noted("new.begun", clients.length);
      expect(pids).not.toContain(old);
      place.open("new");
      for (const client of clients) client.close();
    });
    place.open("held");
    expect((await held.readResponse()).body).toBe(old!);
  });

  test("apps learn that the clients of a dead edge are gone", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args });
    await using client = await begin(server, "/disconnect/c");
    await place.noted("c.begun");
    process.kill(treeOf(server).edges[0]!.pid, "SIGKILL");
    expect((await place.noted("c.told"))[0]).toContain("http.disconnect");
    await untilCut(client);
  });
});

describe("A killed zygote costs nothing", () => {
  test("workers live on, and the next one can be forked", async () => {
    using place = new Place();
    await using server = await serve("wsgi_app:app", { place, args });
    const { zygotes, workers } = treeOf(server);
    await using load = new Load(server, "/pid", 4);
    await load.goesOn();
    process.kill(zygotes[0]!.pid, "SIGKILL");
    await gone(zygotes);
    await load.goesOn();
    for (const worker of workers) {
      process.kill(worker.pid, "SIGKILL");
      await load.goesOn();
    }
    await eventually("two new workers", () => treeOf(server).workers.length === 2);
    await load.goesOn();
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(await server.stop()).toBe(0);
  });

  test("and a reload works", async () => {
    await using server = await serve("wsgi_app:app", { args });
    const { zygotes, workers } = treeOf(server);
    process.kill(zygotes[0]!.pid, "SIGKILL");
    await gone(zygotes);
    server.kill("SIGHUP");
    await gone(workers);
    expect(await text(server, "/hello")).toBe("hello");
    expect(await server.stop()).toBe(0);
  });
});

describe("Children of the app are none of our business", () => {
  test("neither their exit status nor orphans that end with 3", async () => {
    await using server = await serve("wsgi_app:app", { args });
    const pids = treeOf(server).workers.map(({ pid }) => pid);
    expect(await text(server, "/child/3")).toBe("3");
    expect(await text(server, "/orphan/3")).toBe("orphaned");
    expect(await text(server, "/hello")).toBe("hello");
    expect(treeOf(server).workers.map(({ pid }) => pid)).toEqual(pids);
  });

  test("what a worker started ends with it", async () => {
    await using server = await serve("wsgi_app:app", { args: ["--workers", "1"] });
    const child = processOf(Number(await text(server, "/linger")));
    process.kill(Number(await text(server, "/pid")), "SIGKILL");
    await gone([child!]);
    expect((await ask(server, "/hello")).status).toBe(200);
  });
});
