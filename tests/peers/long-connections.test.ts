/** Theme 2: long connections hold up a stop or a reload for as long as their clients like. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { OPTIONS } from "../../src/config/options.ts";
import { descendants, gone, isAlive, processOf, treeOf } from "../apps_life/processes.ts";
import type { Process } from "../apps_life/processes.ts";
import { begin, eventually, Place, serve, text } from "../apps_life/serve.ts";
import { WsClient } from "../integration/websocket/client.ts";
import type { RawClient } from "../support/raw-client.ts";
import { text as frame } from "../support/ws-frames.ts";
import { startPeer } from "./peer.ts";

setDefaultTimeout(60_000);

/** On a busy machine a new worker takes longer than the 5 s after which uvicorn gives up a reload. */
const uvicorn = ["uvicorn", "--workers", "2", "--timeout-worker-healthcheck", "60"];
const LONG_MS = 30_000;
const granian = ["granian", "--interface", "asgi", "--respawn-interval", "0.1"];

/** A response that never ends by itself, as of server-sent events, and the process that sends it. */
async function openStream(
  to: number | string,
  place: Place,
): Promise<{ client: RawClient; worker: Process }> {
  const client = await begin(to, "/stream/events");
  await client.readUntil("first,");
  const [pid] = await place.noted("events.begun");
  return { client, worker: processOf(Number(pid))! };
}

describe("A stop takes as long as a client likes", () => {
  const servers = [
    { name: "uvicorn", words: uvicorn, says: /Waiting for connections to close/ },
    { name: "granian", words: granian, says: /Stopping worker/ },
  ];

  test.each(servers)("$name waits for the end of a stream", async ({ words, says }) => {
    using place = new Place();
    await using peer = await startPeer([...words, "asgi_app:app"], { place });
    const { client, worker } = await openStream(peer.address, place);
    peer.kill("SIGTERM");
    await peer.waitForLine(says, LONG_MS);
    expect([isAlive(worker), client.ended]).toEqual([true, false]);
    client.close();
    place.open("events");
    await peer.exited;
  });

  test("uvicorn waits for the app of a WebSocket that is gone", async () => {
    using place = new Place();
    await using peer = await startPeer([...uvicorn, "websocket_app:app"], { place });
    await using client = await WsClient.open(Number(peer.address), "/hold/app");
    await place.noted("app");
    peer.kill("SIGTERM");
    expect(await client.ending()).toMatchObject({ code: 1012 });
    await peer.waitForLine(/Waiting for background tasks to complete/, LONG_MS);
    place.open("app.read");
    await peer.exited;
  });

  test("Keelback waits for --graceful-timeout, which is never for ever", async () => {
    expect(OPTIONS.gracefulTimeoutMs.default).toBe(30_000);
    using place = new Place();
    const args = ["--graceful-timeout", "1"];
    await using server = await serve("websocket_app:app", { place, args });
    await using client = await WsClient.open(server.port, "/hold/app");
    await place.noted("app");
    await using streams = await serve("asgi_app:app", { place, args });
    const { client: stream } = await openStream(streams.port, place);
    const stopped = [server.stop(), streams.stop()];
    expect(await client.ending()).toEqual({ code: 1012, reason: "", cut: false });
    expect(await stream.readToEnd(undefined, true)).not.toContain("last");
    expect(await Promise.all(stopped)).toEqual([0, 0]);
  });
});

describe("A reload takes as long as a client likes", () => {
  test("uvicorn looks after nothing else meanwhile", async () => {
    using place = new Place();
    await using peer = await startPeer([...uvicorn, "asgi_app:app"], { place });
    const { client, worker } = await openStream(peer.address, place);
    peer.kill("SIGHUP");
    await peer.waitForLine(new RegExp(`Waiting for child process \\[${worker.pid}\\]`), LONG_MS);
    // The other workers die. Nobody replaces them, so that nobody is there to answer.
    const others = descendants(peer.pid).filter(({ pid }) => pid !== worker.pid);
    for (const { pid } of others) process.kill(pid, "SIGKILL");
    await gone(others);
    await using waiting = await begin(peer.address, "/pid");
    expect([isAlive(worker), client.ended, waiting.received]).toEqual([true, false, ""]);
    client.close();
    place.open("events");
    expect((await waiting.readResponse("GET", LONG_MS)).status).toBe(200);
  });

  test("Keelback's new workers serve meanwhile, and are replaced when they die", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args: ["--workers", "2"] });
    const { client, worker } = await openStream(server.port, place);
    server.kill("SIGHUP");
    await server.waitForLine(/the new workers serve/);
    const others = treeOf(server).workers.filter(({ pid }) => pid !== worker.pid);
    for (const { pid } of others) process.kill(pid, "SIGKILL");
    await gone(others);
    await eventually("a new worker", async () => (await text(server, "/pid")) !== `${worker.pid}`);
    // What began before the reload ends as it would have.
    place.open("events");
    await client.readUntil("last");
    client.close();
    await gone([worker]);
  });

  test("Keelback's old workers have left after --graceful-timeout", async () => {
    using place = new Place();
    const args = ["--workers", "2", "--graceful-timeout", "1"];
    await using server = await serve("asgi_app:app", { place, args });
    const { client, worker } = await openStream(server.port, place);
    server.kill("SIGHUP");
    await gone([worker]);
    expect(await client.readToEnd(undefined, true)).not.toContain("last");
    expect(await text(server, "/hello")).toBe("hello");
  });
});

describe("A reload cuts WebSockets", () => {
  test("uvicorn", async () => {
    using place = new Place();
    await using peer = await startPeer([...uvicorn, "websocket_app:app"], { place });
    await using client = await WsClient.open(Number(peer.address), "/echo");
    peer.kill("SIGHUP");
    expect(await client.ending()).toMatchObject({ code: 1012 });
  });

  test("Keelback's go on", async () => {
    using place = new Place();
    await using server = await serve("websocket_app:app", { place, args: ["--workers", "2"] });
    await using client = await WsClient.open(server.port, "/echo");
    server.kill("SIGHUP");
    await server.waitForLine(/the new workers serve/);
    await client.send(frame("still here"));
    expect(await client.message()).toBe("still here");
  });
});
