import { describe, expect, test } from "bun:test";
import { readFileSync, renameSync } from "node:fs";
import { descendants, gone, treeOf } from "../../apps_life/processes.ts";
import {
  ask,
  begin,
  eventually,
  Place,
  requestText,
  serve,
  text,
  untilCut,
} from "../../apps_life/serve.ts";
import { RawClient } from "../../support/raw-client.ts";

const args = ["--workers", "2"];
const apps = [
  { kind: "WSGI", app: "wsgi_app:app" },
  { kind: "ASGI", app: "asgi_app:app" },
];

describe("SIGTERM finishes what runs", () => {
  test.each(apps)(
    "requests that run are answered, and the exit code is 0 ($kind)",
    async ({ app }) => {
      using place = new Place();
      const server = await serve(app, { place, args });
      const before = descendants(server.pid);
      const running = [];
      for (const name of ["a", "b", "c"]) {
        running.push(await begin(server, `/wait/${name}`));
        await place.noted(`${name}.begun`);
      }
      const stopped = server.stop();
      await server.waitForLine(/stopping/);
      // From here on the edge knows; before, it may still promise to keep a connection.
      await refused(server.port);
      for (const name of ["a", "b", "c"]) place.open(name);
      for (const client of running) {
        const { status, headers, body } = await client.readResponse();
        expect({ status, close: headers["connection"], body }).toEqual({
          status: 200,
          close: "close",
          body: expect.stringMatching(/^waited for [abc]$/),
        });
        client.close();
      }
      expect(await stopped).toBe(0);
      await gone(before);
    },
  );

  test("new connections are refused meanwhile, so that a balancer goes elsewhere", async () => {
    using place = new Place();
    const server = await serve("wsgi_app:app", { place, args });
    await using client = await begin(server, "/wait/refusing");
    await place.noted("refusing.begun");
    const stopped = server.stop();
    await server.waitForLine(/stopping/);
    await refused(server.port);
    place.open("refusing");
    expect((await client.readResponse()).body).toBe("waited for refusing");
    client.close();
    expect(await stopped).toBe(0);
  });

  test("a streaming response that runs is completed", async () => {
    using place = new Place();
    const server = await serve("asgi_app:app", { place, args });
    await using client = await begin(server, "/stream/d");
    await client.readUntil("first,");
    const stopped = server.stop();
    await server.waitForLine(/stopping/);
    place.open("d");
    await client.readUntil("last\r\n0\r\n\r\n");
    client.close();
    expect(await stopped).toBe(0);
  });

  test("a request that waits in the queue is answered too", async () => {
    using place = new Place();
    const sync = ["--workers", "1", "--worker", "sync"];
    const server = await serve("wsgi_app:app", { place, args: sync });
    await using running = await begin(server, "/wait/e");
    await place.noted("e.begun");
    await using waiting = await begin(server, "/hello");
    await eventually("the request to be read", () => readByServer(server.port));
    const stopped = server.stop();
    await server.waitForLine(/stopping/);
    place.open("e");
    expect((await running.readResponse()).body).toBe("waited for e");
    expect((await waiting.readResponse()).body).toBe("hello");
    running.close();
    waiting.close();
    expect(await stopped).toBe(0);
  });

  test("a worker that is just being started does not hold up the end", async () => {
    for (const app of ["wsgi_app:app", "lifespans:good"]) {
      using place = new Place();
      const server = await serve(app, { place, args });
      for (const { pid } of treeOf(server).workers) process.kill(pid, "SIGKILL");
      await server.waitForLine(/a worker is started anew/);
      expect(await server.stop()).toBe(0);
    }
  });

  test("idle connections are closed", async () => {
    const server = await serve("wsgi_app:app", { args });
    await using idle = await begin(server, "/hello");
    expect((await idle.readResponse()).body).toBe("hello");
    const stopped = server.stop();
    expect(await idle.readToEnd()).toBe("");
    idle.close();
    expect(await stopped).toBe(0);
  });

  test("what runs longer than --graceful-timeout is cut", async () => {
    using place = new Place();
    const server = await serve("wsgi_app:app", {
      place,
      args: [...args, "--graceful-timeout", "0.5"],
    });
    const before = descendants(server.pid);
    await using client = await begin(server, "/sleep_long/f");
    await place.noted("f.begun");
    const stopped = server.stop();
    await untilCut(client);
    await stopped;
    await gone(before);
  });

  test.each([
    { kind: "WSGI", app: "wsgi_app:app", view: "sleep_long" },
    { kind: "ASGI", app: "asgi_app:app", view: "spin" },
  ])("a view that was given up holds it no longer than --interrupt ($kind)", async (which) => {
    using place = new Place();
    const limits = ["--timeout", "0.4", "--interrupt", "2"];
    const server = await serve(which.app, { place, args: [...args, ...limits] });
    const before = descendants(server.pid);
    expect((await ask(server, `/${which.view}/z`)).status).toBe(504);
    expect(await server.stop()).toBe(0);
    expect(server.output()).toContain("does not answer and is killed");
    expect(server.output()).not.toContain("the graceful timeout is over");
    await gone(before);
  });

  test("a second signal ends it now", async () => {
    for (const second of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) {
      using place = new Place();
      const server = await serve("wsgi_app:app", { place, args });
      const before = descendants(server.pid);
      await using client = await begin(server, "/wait/g");
      await place.noted("g.begun");
      server.kill("SIGTERM");
      await server.waitForLine(/stopping/);
      server.kill(second);
      await server.exited;
      await untilCut(client);
      await gone(before);
    }
  });

  test("SIGINT does the same as SIGTERM", async () => {
    using place = new Place();
    const server = await serve("wsgi_app:app", { place, args });
    await using client = await begin(server, "/wait/h");
    await place.noted("h.begun");
    server.kill("SIGINT");
    await server.waitForLine(/stopping/);
    place.open("h");
    expect((await client.readResponse()).body).toBe("waited for h");
    client.close();
    expect(await server.exited).toBe(0);
  });

  test("SIGQUIT ends it now", async () => {
    using place = new Place();
    const server = await serve("wsgi_app:app", { place, args });
    const before = descendants(server.pid);
    await using client = await begin(server, "/wait/i");
    await place.noted("i.begun");
    server.kill("SIGQUIT");
    await server.exited;
    await gone(before);
    await untilCut(client);
  });

  test("signals that other servers know do no harm", async () => {
    const server = await serve("wsgi_app:app", { args });
    const { workers } = treeOf(server);
    for (const signal of ["SIGWINCH", "SIGPIPE"] as const) {
      server.kill(signal);
      expect(await text(server, "/hello")).toBe("hello");
    }
    expect(treeOf(server).workers.map(({ pid }) => pid)).toEqual(workers.map(({ pid }) => pid));
    expect(await server.stop()).toBe(0);
  });

  test("SIGUSR1 opens the access log again", async () => {
    using place = new Place();
    const log = place.of("access.log");
    await using server = await serve("wsgi_app:app", { args: [...args, "--access-log", log] });
    await text(server, "/hello?before");
    await eventually("a line", () => place.lines("access.log").length === 1);
    renameSync(log, place.of("access.log.1"));
    server.kill("SIGUSR1");
    await eventually("the log to be opened again", async () => {
      await ask(server, "/hello?after");
      return place.lines("access.log").length > 0;
    });
    expect(place.lines("access.log.1")[0]).toContain("before");
    expect(place.lines("access.log").join()).not.toContain("before");
  });

  test("a request on a kept connection that crosses the stop is answered or not begun", async () => {
    using place = new Place();
    const server = await serve("wsgi_app:app", { place, args });
    await using client = await begin(server, "/count/crossing");
    expect((await client.readResponse()).body).toBe("counted");
    server.kill("SIGTERM");
    await client.send(requestText("/count/crossing"));
    const rest = await untilCut(client);
    const answers = rest.match(/HTTP\/1\.1 200 OK/g)?.length ?? 0;
    client.close();
    expect(await server.exited).toBe(0);
    expect(place.lines("crossing").length).toBe(1 + answers);
  });
});

/** Waits until nobody listens any more: from then on the edge knows that the server stops. */
async function refused(port: number): Promise<void> {
  await eventually("no new connections", () =>
    RawClient.connect(port).then(
      (connected) => {
        connected.close();
        return false;
      },
      () => true,
    ),
  );
}

/** Nothing that a client has sent lies unread in a socket of this port, or is on its way there. */
function readByServer(port: number): boolean {
  const end = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, remote, state]) => {
      return (local?.endsWith(end) === true || remote?.endsWith(end) === true) && state === "01";
    })
    .every(([, , , , queues]) => queues === "00000000:00000000");
}
