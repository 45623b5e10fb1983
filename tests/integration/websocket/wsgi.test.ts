/**
 * WebSockets of WSGI apps, for real: Flask-Sock and Flask-SocketIO on the raw socket of the environ, with the runtime's own client, one
 * that sends single bytes, and clients in Python.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { gone, treeOf } from "../../apps_life/processes.ts";
import { ask, begin, Place, serve, text } from "../../apps_life/serve.ts";
import { repository, type TestServer } from "../../support/server.ts";
import { close, text as textFrame } from "../../support/ws-frames.ts";
import { MIB } from "./asgi-site.ts";
import { WsClient } from "./client.ts";

const TEST_TIMEOUT_MS = 60_000;
setDefaultTimeout(TEST_TIMEOUT_MS);

const python = `${repository}/.cache/interop-venv/bin/python`;
const clients = `${repository}/tests/integration/websocket/python_clients.py`;

function start(
  place: Place,
  args: readonly string[] = [],
  app: string = "flask_sock_app:app",
): Promise<TestServer> {
  const common = ["--workers", "1", "--python", python];
  return serve(app, { place, args: [...common, ...args] });
}

/** The runtime's client, with what it got in a queue. */
class Peer implements Disposable {
  readonly socket: WebSocket;
  readonly closed: Promise<CloseEvent>;
  readonly #messages: (string | Buffer)[] = [];
  #changed = Promise.withResolvers<void>();

  private constructor(url: string) {
    this.socket = new WebSocket(url);
    this.socket.binaryType = "nodebuffer";
    this.socket.addEventListener("message", ({ data }) => {
      this.#messages.push(data as string | Buffer);
      this.#changed.resolve();
    });
    this.closed = new Promise((resolve) => this.socket.addEventListener("close", resolve));
    void this.closed.then(() => this.#changed.resolve());
  }

  static async open(server: TestServer, path: string): Promise<Peer> {
    const peer = new Peer(`ws://127.0.0.1:${server.port}${path}`);
    const opened = new Promise<boolean>((resolve) => {
      peer.socket.addEventListener("open", () => resolve(true));
      void peer.closed.then(() => resolve(false));
    });
    if (!(await opened)) throw new Error(`no WebSocket at ${path}`);
    return peer;
  }

  async next(): Promise<string | Buffer> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error("closed");
      this.#changed = Promise.withResolvers<void>();
      await this.#changed.promise;
    }
  }

  async echo(message: string | Buffer): Promise<string | Buffer> {
    this.socket.send(message);
    return this.next();
  }

  [Symbol.dispose](): void {
    this.socket.close();
  }
}

async function runClient(...args: string[]): Promise<unknown> {
  const child = Bun.spawn([python, clients, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: TEST_TIMEOUT_MS,
  });
  const said = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(`the client failed: ${said}`);
  return JSON.parse(said);
}

const quiet = (server: TestServer): void =>
  expect(server.output()).not.toMatch(/Traceback|\berror\b|protocol/i);

test("the environment of the clients is there", () => {
  expect(existsSync(python)).toBe(true);
});

describe("WSGI apps get WebSockets as a socket", () => {
  test.each(["threads", "sync"])("text, binary, large and many messages (%s)", async (kind) => {
    using place = new Place();
    await using server = await start(place, ["--worker", kind]);
    const peer = await Peer.open(server, "/echo/a");
    expect(await peer.echo("grün")).toBe("grün");
    expect(await peer.echo(Buffer.from([0, 1, 255]))).toEqual(Buffer.from([0, 1, 255]));
    for (const large of ["x".repeat(MIB), Buffer.alloc(MIB, 7)]) {
      expect(large.length === (await peer.echo(large)).length).toBe(true);
    }
    for (let i = 0; i < 500; i++) peer.socket.send(`${i}`);
    for (let i = 0; i < 500; i++) expect(await peer.next()).toBe(`${i}`);
    peer.socket.close(4000, "enough");
    expect(await peer.closed).toMatchObject({ code: 4000, reason: "enough", wasClean: true });
    expect(await place.noted("a", 2)).toEqual(["open", "closed 4000 enough"]);
    expect(await text(server, "/hello")).toBe("hello");
    quiet(server);
  });

  test("a client in Python, with compression and fragments", async () => {
    using place = new Place();
    await using server = await start(place);
    expect(await runClient("websockets", `ws://127.0.0.1:${server.port}/echo/p`)).toEqual({
      ...{ compressed: true, text: true, binary: true, "large text": true, "large binary": true },
      ...{ fragmented: true, pong: true, close: [4321, "bye"] },
    });
    expect(await place.noted("p", 2)).toEqual(["open", "closed 4321 bye"]);
    quiet(server);
  });

  test("frames byte by byte, and with the handshake", async () => {
    using place = new Place();
    await using server = await start(place);
    const early = textFrame("early");
    await using client = await WsClient.open(server.port, "/echo/b", { early });
    expect(await client.message()).toBe("early");
    for (const byte of textFrame("slowly")) await client.send(Buffer.of(byte));
    expect(await client.message()).toBe("slowly");
    await client.send(close(1001, "going"));
    expect(await client.ending()).toEqual({ code: 1001, reason: "going", cut: false });
    expect(await place.noted("b", 2)).toEqual(["open", "closed 1001 going"]);
  });

  test("the app closes", async () => {
    using place = new Place();
    await using server = await start(place);
    const peer = await Peer.open(server, "/close/4001");
    peer.socket.send("go");
    expect(await peer.closed).toMatchObject({ code: 4001, reason: "so it is", wasClean: true });
    await using client = await WsClient.open(server.port, "/close/1000");
    await client.send(textFrame("go"));
    expect(await client.ending()).toEqual({ code: 1000, reason: "so it is", cut: false });
    quiet(server);
  });

  test("the app fails: its traceback is logged and the connection ends", async () => {
    using place = new Place();
    await using server = await start(place);
    const peer = await Peer.open(server, "/fail");
    peer.socket.send("this");
    expect(await peer.closed).toMatchObject({ code: 1006 });
    await server.waitForLine(/LookupError: after this/);
    expect(await text(server, "/hello")).toBe("hello");
  });

  test("a client that is gone, or has only finished sending", async () => {
    using place = new Place();
    await using server = await start(place);
    for (const end of ["abort", "finish"] as const) {
      await using client = await WsClient.open(server.port, `/echo/${end}`);
      await place.noted(end);
      client[end]();
      expect(await place.noted(end, 2)).toEqual(["open", "closed 1005"]);
    }
    quiet(server);
  });

  test("a handshake that the app refuses is an ordinary request", async () => {
    using place = new Place();
    await using server = await start(place);
    await using client = await WsClient.ask(server.port, "/nowhere");
    expect(client.status).toBe(404);
    // And without a handshake there is no WebSocket.
    expect((await ask(server, "/echo/x")).status).toBe(400);
    quiet(server);
  });

  test("a slow app makes its client wait", async () => {
    using place = new Place();
    await using server = await start(place);
    await using client = await WsClient.open(server.port, "/count/slow");
    const count = 64;
    let sent = 0;
    const sending = (async () => {
      for (; sent < count; sent++) await client.send(Buffer.alloc(MIB));
      client.finish();
    })();
    // More than the buffers between them take, and long enough for all of it.
    for (let i = 0; i < 500; i++) expect(await text(server, "/hello")).toBe("hello");
    expect(sent).toBeLessThan(count);
    place.open("slow.read");
    await sending;
    expect((await client.body()).length).toBe(count * MIB);
  });

  test("all that the app has written arrives, also when it closes at once", async () => {
    using place = new Place();
    await using server = await start(place);
    for (let i = 0; i < 20; i++) {
      await using client = await WsClient.open(server.port, "/burst");
      expect((await client.body()).length).toBe(500_000);
    }
    quiet(server);
  });

  test("no timeout of a request applies to it", async () => {
    using place = new Place();
    await using server = await start(place, ["--timeout", "2s"]);
    using peer = await Peer.open(server, "/echo/t");
    const until = performance.now() + 3000;
    for (let i = 0; performance.now() < until; i++) expect(await peer.echo(`${i}`)).toBe(`${i}`);
    quiet(server);
  });

  test("a stop ends it at once", async () => {
    using place = new Place();
    await using server = await start(place);
    const peer = await Peer.open(server, "/echo/s");
    await place.noted("s");
    expect(await server.stop()).toBe(0);
    expect(await peer.closed).toMatchObject({ code: 1006 });
    expect(place.lines("s")).toEqual(["open", "closed 1005"]);
  });

  test("a reload leaves it with the old worker until the graceful timeout", async () => {
    using place = new Place();
    await using server = await start(place, ["--graceful-timeout", "6s"]);
    const peer = await Peer.open(server, "/echo/r");
    const { workers } = treeOf(server);
    server.kill("SIGHUP");
    await server.waitForLine(/the new workers serve/);
    expect(await peer.echo("still here")).toBe("still here");
    await gone(workers);
    expect(await peer.closed).toMatchObject({ code: 1006 });
    expect(await place.noted("r", 2)).toEqual(["open", "closed 1005"]);
    using next = await Peer.open(server, "/echo/n");
    expect(await next.echo("new")).toBe("new");
  });

  test("a worker that dies takes its own with it, the next one serves", async () => {
    using place = new Place();
    await using server = await start(place);
    const peer = await Peer.open(server, "/echo/d");
    process.kill(treeOf(server).workers[0]!.pid, "SIGKILL");
    expect(await peer.closed).toMatchObject({ code: 1006 });
    using next = await Peer.open(server, "/echo/n");
    expect(await next.echo("new")).toBe("new");
  });
});

describe("Each WebSocket of a WSGI app holds a thread", () => {
  test("20 of 32, with ordinary requests beside them", async () => {
    using place = new Place();
    await using server = await start(place, ["--threads", "32"]);
    const names = Array.from({ length: 20 }, (_, index) => `many-${index}`);
    const peers = await Promise.all(names.map((name) => Peer.open(server, `/echo/${name}`)));
    for (let round = 0; round < 20; round++) {
      const echoes = peers.map((peer, index) => peer.echo(`${round} ${index}`));
      expect(await text(server, "/hello")).toBe("hello");
      expect(await Promise.all(echoes)).toEqual(names.map((_, index) => `${round} ${index}`));
    }
    const threads: string[] = JSON.parse(await text(server, "/threads"));
    expect(threads.filter((name) => name === "keelback-sockets").length).toBe(1);
    for (const peer of peers) peer.socket.close();
    for (const name of names) expect((await place.noted(name, 2)).length).toBe(2);
    quiet(server);
  });

  test("beyond --threads a request waits in the queue", async () => {
    using place = new Place();
    await using server = await start(place, ["--threads", "2"]);
    const first = await Peer.open(server, "/echo/one");
    using second = await Peer.open(server, "/echo/two");
    await using request = await begin(server, "/hello");
    for (let i = 0; i < 50; i++) expect(await second.echo(`${i}`)).toBe(`${i}`);
    expect(request.received).toBe("");
    first.socket.close();
    expect((await request.readResponse()).body).toBe("hello");
    expect(await second.echo("still")).toBe("still");
  });

  test("beyond --threads a handshake waits in the queue", async () => {
    using place = new Place();
    await using server = await start(place, ["--threads", "2"]);
    const first = await Peer.open(server, "/echo/one");
    using second = await Peer.open(server, "/echo/two");
    const third = Peer.open(server, "/echo/three");
    for (let i = 0; i < 50; i++) expect(await second.echo(`${i}`)).toBe(`${i}`);
    expect(place.lines("three")).toEqual([]);
    first.socket.close();
    using opened = await third;
    expect(await opened.echo("at last")).toBe("at last");
    expect(await second.echo("still")).toBe("still");
  });
});

describe("Flask-SocketIO", () => {
  test.each([[["websocket"]], [["polling", "websocket"]]])("over %p", async (transports) => {
    using place = new Place();
    const args = ["--threads", "32"];
    await using server = await start(place, args, "flask_socketio_app:app");
    expect(await runClient("socketio", server.url, ...transports)).toEqual({
      ...{ transport: "websocket", text: true, binary: true, large: true, many: true },
      broadcast: ["all", "all"],
    });
    const first = `connect ${transports[0]}`;
    const wanted = [first, first, "disconnect", "disconnect"];
    expect(await place.noted("log", 4)).toEqual(wanted);
    expect(await text(server, "/hello")).toBe("hello");
    quiet(server);
  });
});
