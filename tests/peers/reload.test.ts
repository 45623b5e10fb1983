/** Theme 1: a reload or a restart loses requests. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { gone, isAlive, processOf, treeOf } from "../apps_life/processes.ts";
import type { Process } from "../apps_life/processes.ts";
import { ask, begin, eventually, Place, requestText } from "../apps_life/serve.ts";
import { appsDirectory, serve, text } from "../apps_life/serve.ts";
import { RawClient } from "../support/raw-client.ts";
import { startPeer } from "./peer.ts";

setDefaultTimeout(60_000);
const LONG_MS = 30_000;

/** A release; while the gate `reloading` is open its import waits for the gate `go`. */
const RELEASE = `
import os
import place

if place.is_open("reloading"):
    place.note("import.begun", os.getpid())
    place.wait("go")


def app(environ, start_response):
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
`;

const BROKEN = "def app(environ, start_response:\n";

const gunicorn = ["gunicorn", "--workers", "1", "release:app"];
const granian = ["granian", "--interface", "wsgi", "--respawn-interval", "0.1", "release:app"];
const hypercorn = ["hypercorn", "--workers", "1", "wsgi:release:app"];
const keelback = ["--workers", "1", "--pythonpath", appsDirectory];

function named(...commands: string[][]): { name: string; words: string[] }[] {
  return commands.map((words) => ({ name: words[0]!, words }));
}

async function processNoted(place: Place, name: string): Promise<Process> {
  const [pid] = await place.noted(name);
  const found = processOf(Number(pid));
  if (found === undefined) throw new Error(`process ${pid} has ended before it was looked at`);
  return found;
}

/** The process that answers. */
async function answering(to: number | string | { port: number }): Promise<Process> {
  const pid = await text(to, "/");
  return processOf(Number(pid))!;
}

describe("A broken release takes the service down", () => {
  test.each(named(gunicorn, granian, hypercorn))("$name ends", async ({ words }) => {
    using place = new Place();
    place.write("release.py", RELEASE);
    await using peer = await startPeer(words, { place, cwd: place.path });
    place.write("release.py", BROKEN);
    peer.kill("SIGHUP");
    await peer.exited;
    expect(peer.output()).toContain("SyntaxError");
    expect(await RawClient.connect(peer.address).catch(() => null)).toBeNull();
  });

  test("uwsgi answers 500", async () => {
    using place = new Place();
    place.write("release.py", RELEASE);
    const words = ["uwsgi", "--workers", "1", "--module", "release:app"];
    await using peer = await startPeer(words, { place, cwd: place.path });
    place.write("release.py", BROKEN);
    peer.kill("SIGHUP");
    await eventually("status 500", async () => {
      const answer = await ask(peer.address, "/").catch(() => null);
      return answer?.status === 500;
    });
  });

  test("Keelback keeps the old release", async () => {
    using place = new Place();
    place.write("release.py", RELEASE);
    await using server = await serve("release:app", { place, cwd: place.path, args: keelback });
    const old = await answering(server);
    place.write("release.py", BROKEN);
    server.kill("SIGHUP");
    await server.waitForLine(/reload failed, the old workers stay/);
    await server.waitForLine(/SyntaxError/);
    expect(await text(server, "/")).toBe(`${old.pid}`);
  });
});

describe("The old worker leaves before the new one serves", () => {
  test.each(named(gunicorn, granian, hypercorn))("$name", async ({ words }) => {
    using place = new Place();
    place.write("release.py", RELEASE);
    await using peer = await startPeer(words, { place, cwd: place.path });
    const old = await answering(peer.address);
    place.open("reloading");
    peer.kill("SIGHUP");
    const fresh = await processNoted(place, "import.begun");
    await gone([old]);
    // From here on nobody can answer, whoever comes.
    expect(isAlive(fresh)).toBe(true);
    await using client = await begin(peer.address, "/");
    expect(client.received).toBe("");
    place.open("go");
    expect((await client.readResponse()).body).toBe(`${fresh.pid}`);
  });

  test("Keelback's old worker answers until the new one does", async () => {
    using place = new Place();
    place.write("release.py", RELEASE);
    await using server = await serve("release:app", { place, cwd: place.path, args: keelback });
    await using kept = await begin(server, "/");
    const old = await kept.readResponse();
    place.open("reloading");
    server.kill("SIGHUP");
    const fresh = await processNoted(place, "import.begun");
    for (let i = 0; i < 20; i++) expect(await text(server, "/")).toBe(old.body);
    await kept.send(requestText("/"));
    expect((await kept.readResponse()).body).toBe(old.body);
    place.open("go");
    await server.waitForLine(/the new workers serve/);
    // Both serve until the new one is linked everywhere.
    await gone([processOf(Number(old.body))].flatMap((process) => process ?? []));
    await kept.send(requestText("/"));
    expect((await kept.readResponse()).body).toBe(`${fresh.pid}`);
  });
});

/** Two connections with a request on its way, one of them used before, none of them told that it is to end. */
async function onTheWay(address: number | string): Promise<RawClient[]> {
  const kept = await begin(address, "/pid");
  const { headers } = await kept.readResponse();
  expect(headers["connection"]).not.toBe("close");
  const first = await RawClient.connect(address);
  for (const client of [kept, first]) await client.send(requestText("/pid").slice(0, -2));
  return [kept, first];
}

describe("A request that is on its way is lost", () => {
  const servers = named(
    // On a busy machine a new worker takes longer than the 5 s after which uvicorn gives up a reload.
    ["uvicorn", "--workers", "2", "--timeout-worker-healthcheck", "60", "asgi_app:app"],
    ["hypercorn", "--workers", "2", "asgi_app:app"],
  );
  const cases = servers.flatMap((server) =>
    (["SIGHUP", "SIGTERM"] as const).map((signal) => ({ ...server, signal })),
  );

  test.each(cases)("$name at $signal", async ({ words, signal }) => {
    using place = new Place();
    await using peer = await startPeer(words, { place });
    const clients = await onTheWay(peer.address);
    peer.kill(signal);
    for (const client of clients) {
      await eventually("the end of the connection", () => client.ended, LONG_MS);
      expect(client.received).toBe("");
      client.close();
    }
  });

  test("Keelback answers it (SIGHUP)", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args: ["--workers", "2"] });
    const clients = await onTheWay(server.port);
    const { workers } = treeOf(server);
    server.kill("SIGHUP");
    await gone(workers);
    for (const client of clients) {
      await client.send("\r\n");
      expect((await client.readResponse()).status).toBe(200);
      // And the connection lives on.
      await client.send(requestText("/pid"));
      expect((await client.readResponse()).status).toBe(200);
      client.close();
    }
  });

  test("Keelback answers it, and says that it was the last (SIGTERM)", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args: ["--workers", "2"] });
    const clients = await onTheWay(server.port);
    const stopped = server.stop();
    await server.waitForLine(/stopping/);
    await eventually("a refused connection", async () => {
      return (await RawClient.connect(server.port).catch(() => null)) === null;
    });
    for (const client of clients) await client.send("\r\n");
    for (const client of clients) {
      const { status, headers } = await client.readResponse();
      expect([status, headers["connection"]]).toEqual([200, "close"]);
      client.close();
    }
    expect(await stopped).toBe(0);
  });
});

describe("A stop cuts the request that runs", () => {
  test("uwsgi, which reloads then", async () => {
    using place = new Place();
    const words = ["uwsgi", "--workers", "1", "--module", "wsgi_app:app"];
    await using peer = await startPeer(words, { place });
    await using running = await begin(peer.address, "/wait/a");
    const worker = await processNoted(place, "a.begun");
    peer.kill("SIGTERM");
    expect(await running.readToEnd(LONG_MS, true)).toBe("");
    await gone([worker]);
    // It was asked to stop.
    expect((await ask(peer.address, "/pid")).status).toBe(200);
  });

  test("Keelback finishes it, and ends", async () => {
    using place = new Place();
    await using server = await serve("wsgi_app:app", { place, args: ["--workers", "1"] });
    await using running = await begin(server, "/wait/b");
    await place.noted("b.begun");
    const stopped = server.stop();
    await server.waitForLine(/stopping/);
    place.open("b");
    expect((await running.readResponse()).body).toBe("waited for b");
    running.close();
    expect(await stopped).toBe(0);
  });
});

describe("A worker that has had its requests takes kept connections with it", () => {
  test("uvicorn", async () => {
    using place = new Place();
    const words = ["uvicorn", "--workers", "2", "--limit-max-requests", "5", "asgi_app:app"];
    await using peer = await startPeer(words, { place });
    await using kept = await begin(peer.address, "/pid");
    const { body, headers } = await kept.readResponse();
    expect(headers["connection"]).not.toBe("close");
    // Others use up what the worker has left; it ends this connection, whose client may just be sending.
    await eventually("the end of the kept connection", async () => {
      await ask(peer.address, "/pid").catch(() => null);
      return kept.ended;
    });
    expect(kept.received).toBe("");
    await peer.waitForLine(/Maximum request limit of 5 exceeded/);
    await eventually("the end of its worker", () => processOf(Number(body)) === undefined);
  });

  test("Keelback's connections stay", async () => {
    using place = new Place();
    const args = ["--workers", "2", "--max-requests", "5"];
    await using server = await serve("asgi_app:app", { place, args });
    await using kept = await begin(server, "/pid");
    const pids = new Set([(await kept.readResponse()).body]);
    await eventually("the third worker", async () => {
      await kept.send(requestText("/pid"));
      const { status, headers, body } = await kept.readResponse();
      expect([status, headers["connection"]]).toEqual([200, undefined]);
      return pids.add(body).size > 2;
    });
  });
});

describe("A worker that dies ends the service", () => {
  test("granian", async () => {
    using place = new Place();
    const words = ["granian", "--interface", "wsgi", "--workers", "2", "wsgi_app:app"];
    await using peer = await startPeer(words, { place });
    // It waits for ever for one that it stops while that starts.
    const pids = new Set<string>();
    await eventually("an answer of each worker", async () => {
      pids.add(await text(peer.address, "/pid"));
      return pids.size === 2;
    });
    const [one] = pids;
    process.kill(Number(one), "SIGKILL");
    await peer.exited;
    expect(peer.output()).toContain("Unexpected exit from worker");
  });

  test("Keelback's is replaced", async () => {
    using place = new Place();
    await using server = await serve("wsgi_app:app", { place, args: ["--workers", "2"] });
    const { workers } = treeOf(server);
    for (const { pid } of workers) process.kill(pid, "SIGKILL");
    await gone(workers);
    expect(workers.map(({ pid }) => `${pid}`)).not.toContain(await text(server, "/pid"));
    await eventually("two workers", () => treeOf(server).workers.length === 2);
  });
});
