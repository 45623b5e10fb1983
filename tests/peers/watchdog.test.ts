/** Theme 3: a worker is killed by the watchdog, and the log says something else, or not why. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { gone, isAlive, processOf } from "../apps_life/processes.ts";
import { appsDirectory, ask, begin, eventually, Place, serve, text } from "../apps_life/serve.ts";
import { RawClient } from "../support/raw-client.ts";
import { startPeer } from "./peer.ts";

setDefaultTimeout(60_000);

/** What does not hang, and the start of gunicorn's workers, must be quicker than this on a busy machine too. */
const SECONDS = "3";
const gunicorn = ["gunicorn", "--workers", "1", "--timeout", SECONDS, "--access-logfile", "-"];
const keelback = ["--workers", "1", "--timeout", SECONDS, "--interrupt", "0.4", "--access-log"];

describe("A hung request is nowhere in the log, which blames the memory", () => {
  test("gunicorn", async () => {
    using place = new Place();
    await using peer = await startPeer([...gunicorn, "wsgi_app:app"], { place });
    await using client = await begin(peer.address, "/hash_long/a");
    const [pid] = await place.noted("a.begun");
    await peer.waitForLine(new RegExp(`WORKER TIMEOUT \\(pid:${pid}\\)`), 30_000);
    // gunicorn itself has sent it.
    const killed = new RegExp(`Worker \\(pid:${pid}\\) was sent SIGKILL! Perhaps out of memory`);
    await peer.waitForLine(killed, 30_000);
    // The client is cut, and neither the log nor the access log knows what it had asked for, or where the worker was.
    expect(await client.readToEnd(30_000, true)).toBe("");
    await ask(peer.address, "/pid");
    expect(peer.output()).toContain('"GET /pid HTTP/1.1" 200');
    expect(peer.output()).not.toContain("hash_long");
  });

  test("Keelback names the request and shows where it was, in both logs", async () => {
    using place = new Place();
    await using server = await serve("wsgi_app:app", { place, args: keelback });
    expect((await ask(server, "/hash_long/b")).status).toBe(504);
    const line = await server.waitForLine(/worker-1 does not answer and is killed/);
    expect(line).toContain("GET /hash_long/b");
    await server.waitForLine(/in hash_long/);
    await server.waitForLine(/"GET \/hash_long\/b HTTP\/1.1" 504/);
    expect(await text(server, "/hello")).toBe("hello");
    expect(server.output()).not.toContain("memory");
  });
});

describe("A watchdog that looks at the main thread does not see a hung request", () => {
  test("gunicorn with threads", async () => {
    using place = new Place();
    const words = ["gunicorn", "--worker-class", "gthread", "--threads", "2", "--timeout", "6"];
    words.push("--keep-alive", "8", "wsgi_app:app");
    await using peer = await startPeer(words, { place });
    await using hung = await begin(peer.address, "/hash_long/c");
    const worker = processOf(Number((await place.noted("c.begun"))[0]))!;
    // Its keep-alive timeout is longer than the watchdog's: its end shows that both are over.
    await using kept = await begin(peer.address, "/pid");
    await kept.readResponse();
    await kept.readToEnd(30_000);
    expect([isAlive(worker), hung.received, hung.ended]).toEqual([true, "", false]);
    expect(peer.output()).not.toContain("WORKER TIMEOUT");
  });

  test("Keelback with threads sees it", async () => {
    using place = new Place();
    const args = [...keelback, "--threads", "2"];
    await using server = await serve("wsgi_app:app", { place, args });
    await using hung = await begin(server, "/hash_long/d");
    const worker = processOf(Number((await place.noted("d.begun"))[0]))!;
    expect((await hung.readResponse()).status).toBe(504);
    await server.waitForLine(/does not answer and is killed.*GET \/hash_long\/d/);
    await gone([worker]);
  });
});

describe("What a killed worker has started is left behind", () => {
  test("gunicorn", async () => {
    using place = new Place();
    await using peer = await startPeer([...gunicorn, "wsgi_app:app"], { place });
    const child = processOf(Number(await text(peer.address, "/linger")))!;
    await using client = await begin(peer.address, "/hash_long/e");
    const worker = processOf(Number((await place.noted("e.begun"))[0]))!;
    await gone([worker], 30_000);
    await client.readToEnd(30_000, true);
    const left = isAlive(child);
    process.kill(child.pid, "SIGKILL");
    expect(left).toBe(true);
  });

  test("Keelback ends it", async () => {
    using place = new Place();
    await using server = await serve("wsgi_app:app", { place, args: keelback });
    const child = processOf(Number(await text(server, "/linger")))!;
    expect((await ask(server, "/hash_long/f")).status).toBe(504);
    await gone([child]);
  });
});

/** An import that is in C code with the interpreter lock for so long, as where a model is loaded. */
function heavy(milliseconds: number): string {
  return `
import ctypes
import os
import place

place.note("import.begun", os.getpid())
ctypes.PyDLL(None).usleep(${milliseconds}_000)


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("http only")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})
`;
}

describe("A start that computes is taken for a hung worker", () => {
  test("uvicorn never serves", async () => {
    using place = new Place();
    place.write("heavy.py", heavy(20_000));
    // By default it is 5 s.
    const words = ["uvicorn", "--workers", "2", "--timeout-worker-healthcheck", "1", "heavy:app"];
    await using peer = await startPeer(words, { place, cwd: place.path, ready: false });
    const pids = (): Set<string> => new Set(place.lines("import.begun"));
    await eventually("two more workers", () => pids().size >= 4, 45_000);
    // As if it had died by itself.
    await peer.waitForLine(/Child process \[\d+\] died/);
    expect(await RawClient.connect(peer.address).catch(() => null)).toBeNull();
  });

  test("Keelback waits for --boot-timeout", async () => {
    using place = new Place();
    place.write("heavy.py", heavy(4_000));
    const args = ["--workers", "2", "--timeout", SECONDS, "--pythonpath", appsDirectory];
    await using server = await serve("heavy:app", { place, cwd: place.path, args });
    expect(await text(server, "/")).toBe("served");
    expect(new Set(place.lines("import.begun")).size).toBe(2);
    expect(server.output()).not.toContain("killed");
  });
});

describe("A killed worker is told from one that its server killed", () => {
  test("Keelback says that somebody else killed, and whether memory was short", async () => {
    using place = new Place();
    await using server = await serve("wsgi_app:app", { place, args: keelback });
    process.kill(Number(await text(server, "/pid")), "SIGKILL");
    await server.waitForLine(
      /worker-1 was killed by SIGKILL unexpectedly; (somebody sent it|perhaps)/,
    );
    expect(server.output()).not.toContain("does not answer");
    expect(await text(server, "/hello")).toBe("hello");
  });
});
