/** HTTP/2 connections through what happens to a server: the end, reloads, dead workers, too many clients, and how they begin. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { connect as connectTls } from "node:tls";
import { gone, isAlive, treeOf } from "../../apps_life/processes.ts";
import { eventually, Place, serve } from "../../apps_life/serve.ts";
import { frame, headers, HELLO } from "../../support/h2-connection.ts";
import { H2Client, H2Code } from "../../support/h2-client.ts";
import { RawClient } from "../../support/raw-client.ts";
import type { TestServer } from "../../support/server.ts";
import { get } from "../http/support.ts";
import { onBoth, onSite, Site } from "./support.ts";

setDefaultTimeout(60_000);

const LOAD_STREAMS = 4;

/** Clients that ask for one path over and over, several requests at once, and obey GOAWAY. */
class Load implements AsyncDisposable {
  answered = 0;
  readonly failures: string[] = [];
  readonly #server: TestServer;
  readonly #path: string;
  readonly #runs: Promise<void>[];
  #stopping = false;

  constructor(server: TestServer, path: string, connections: number = 2) {
    this.#server = server;
    this.#path = path;
    this.#runs = Array.from({ length: connections }, () => this.#run());
  }

  async goesOn(count: number = 200): Promise<void> {
    const wanted = this.answered + count;
    const seen = (): string => `${wanted} answers; ${this.answered} came; ${this.failures.join()}`;
    await eventually(seen, () => this.answered >= wanted);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#runs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      await using client = await H2Client.connect(this.#server.port);
      try {
        await this.#connection(client);
      } catch (error) {
        this.failures.push(String(error));
        return;
      }
    }
  }

  async #connection(client: H2Client): Promise<void> {
    while (!this.#stopping && client.goaway === null) {
      const calls = Array.from({ length: LOAD_STREAMS }, () => client.get(this.#path));
      for (const call of calls) {
        // What the final GOAWAY does not name was not begun: it may be sent again elsewhere.
        const dropped = (): boolean => call.id > (client.goaway?.last ?? call.id);
        await client.until("an answer", () => call.over || dropped());
        if (call.status === 200 && call.ended) this.answered += 1;
        else if (!dropped()) this.failures.push(`${call.status} ${call.resetCode} ${call.body}`);
      }
    }
  }
}

onSite({ kind: "wsgi" }, (site) => {
  describe("A client may begin with HTTP/2", () => {
    test("whatever pieces its preface comes in", async () => {
      const bytes = Buffer.concat([HELLO, headers(1)]);
      for (let cut = 1; cut < HELLO.length; cut += 1) {
        await using client = await RawClient.connect(site.server.port);
        await client.send(bytes.subarray(0, cut));
        if (cut % 7 === 0) await site.ask("/");
        await client.send(bytes.subarray(cut));
        await client.readUntil("ok\n");
      }
    });

    test("but not after a request of HTTP/1.1", async () => {
      await using client = await RawClient.connect(site.server.port);
      await client.send(get("/"));
      expect((await client.readResponse()).status).toBe(200);
      await client.send(HELLO);
      expect((await client.readResponse()).status).toBe(505);
    });

    test("bytes that only resemble its preface are HTTP/1.1", async () => {
      await using client = await RawClient.connect(site.server.port);
      await client.send("PRI * HTTP/2.0\r\n\r\nXM\r\n\r\n");
      expect(await client.readToEnd()).not.toContain("200 OK");
    });
  });
});

onSite({ kind: "asgi", transport: "tls" }, (site) => {
  test("A client may begin with HTTP/2 by ALPN, and then with nothing else", async () => {
    await using client = await site.connect({ silent: true });
    await client.send(Buffer.from(get("/")));
    await client.closed();
    expect(client.goaway).toMatchObject({ code: H2Code.PROTOCOL_ERROR });
  });
});

onBoth([], (site) => {
  test("A half-closed client gets its answer", async () => {
    const key = site.key();
    await using client = await site.connect();
    const [whole, half] = [client.get(`/wait?key=${key}`), client.post("/echo", "he", false)];
    await site.heard(key, "begun");
    client.halfClose();
    await site.say(key);
    expect((await client.answer(whole)).body).toBe("waited\n");
    await client.closed();
    expect(half.over).toBe(false);
  });
});

describe("--no-http2 speaks HTTP/1.1 only", () => {
  test("the preface is answered with 505", async () => {
    await using site = await Site.start({ kind: "wsgi", args: ["--no-http2"] });
    await using client = await RawClient.connect(site.server.port);
    await client.send(HELLO);
    expect((await client.readResponse()).status).toBe(505);
    await site.server.waitForLine(/refused \[h2-preface-unsupported\] 505/);
  });

  test("TLS does not offer it", async () => {
    await using site = await Site.start({ kind: "wsgi", transport: "tls", args: ["--no-http2"] });
    const { promise, resolve } = Promise.withResolvers<void>();
    const { port } = site.server;
    const to = { port, host: "127.0.0.1", rejectUnauthorized: false };
    const socket = connectTls({ ...to, ALPNProtocols: ["h2", "http/1.1"] }, resolve);
    await promise;
    expect(socket.alpnProtocol).toBe("http/1.1");
    socket.destroy();
  });
});

describe("GOAWAY ends a connection without losing a request", () => {
  test.each(["h2c", "tls"] as const)("on SIGTERM, over %s", async (transport) => {
    const site = await Site.start({ kind: "asgi", transport });
    const { server } = site;
    await using client = await site.connect();
    await using idle = await site.connect();
    // It learns late that the server ends: until then it opens streams.
    client.answersPing = false;
    const begun = client.get("/stream?key=a");
    await client.until("the beginning", () => begun.body === "first;");
    server.kill("SIGTERM");
    await client.until("GOAWAY", () => client.goaway !== null);
    expect(client.goaway).toEqual({ last: 2 ** 31 - 1, code: H2Code.NO_ERROR, text: "" });
    const late = client.get("/say?key=a&word=go");
    await idle.closed();
    expect((await client.answer(begun)).body).toBe("first;last;");
    expect((await client.answer(late)).body).toBe("said\n");
    await client.closed();
    expect(client.goaway).toMatchObject({ last: late.id, code: H2Code.NO_ERROR });
    expect(await server.exited).toBe(0);
  });

  test("a client that does not answer the drain is told the end all the same", async () => {
    await using site = await Site.start({ kind: "wsgi" });
    await using client = await site.connect({ silent: true });
    await client.send(HELLO, headers(1), frame(4, 1, 0));
    await client.until("SETTINGS", () => client.frames.includes("SETTINGS ACK"));
    site.server.kill("SIGTERM");
    await client.closed();
    expect(await site.server.exited).toBe(0);
  });

  test.each(["wsgi_app:app", "asgi_app:app"])("nor does a reload (%s)", async (app) => {
    await using server = await serve(app, { args: ["--workers", "2"] });
    await using load = new Load(server, "/pid");
    await load.goesOn();
    for (let i = 0; i < 2; i += 1) {
      const { workers } = treeOf(server);
      server.kill("SIGHUP");
      await gone(workers);
      await load.goesOn();
    }
    await load.stop();
    expect(load.failures).toEqual([]);
  });

  test("an app of another interface: 503, and GOAWAY", async () => {
    using place = new Place();
    place.write("changing.py", WSGI);
    await using server = await serve("changing:app", { cwd: place.path, args: ["--workers", "1"] });
    await using client = await H2Client.connect(server.port);
    expect((await client.answerOf("/")).body).toBe("wsgi");
    place.write("changing.py", ASGI);
    const { workers } = treeOf(server);
    server.kill("SIGHUP");
    await gone(workers);
    expect((await client.answerOf("/")).status).toBe(503);
    await client.closed();
    expect(client.goaway).toMatchObject({ code: H2Code.NO_ERROR });
    await server.waitForLine(/refused \[interface-changed\] 503/);
    await using again = await H2Client.connect(server.port);
    expect((await again.answerOf("/")).body).toBe("asgi");
  });
});

const WSGI = `
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return [b"wsgi"]
`;
const ASGI = `
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("http only")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"asgi"})
`;

describe("A worker that dies costs no connection", () => {
  test("under load over HTTP/2", async () => {
    await using server = await serve("asgi_app:app", { args: ["--workers", "2"] });
    await using load = new Load(server, "/pid");
    await load.goesOn();
    const [victim] = treeOf(server).workers;
    process.kill(victim!.pid, "SIGKILL");
    await eventually("the worker's end", () => !isAlive(victim!));
    await load.goesOn();
    await load.stop();
    expect(load.failures).toEqual([]);
  });

  test("a GET is tried again, a POST gets 502, a begun response RST_STREAM", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args: ["--workers", "1"] });
    await using client = await H2Client.connect(server.port);
    const safe = client.get("/count_and_wait/get");
    const unsafe = client.post("/count_and_wait/post", "x");
    const streaming = client.get("/stream/cut");
    await client.until("the beginning", () => streaming.body === "first,");
    const [pid] = await place.noted("get.begun");
    await place.noted("post.begun");
    process.kill(Number(pid), "SIGKILL");
    expect(await client.resetOf(streaming)).toBe(H2Code.INTERNAL_ERROR);
    expect((await client.answer(unsafe)).status).toBe(502);
    await place.noted("get.begun", 2);
    place.open("get");
    expect((await client.answer(safe)).status).toBe(200);
    expect(client.goaway).toBeNull();
  });
});

describe("Idle connections make room", () => {
  test("with GOAWAY; when none is idle, the newcomer gets 503", async () => {
    await using site = await Site.start({ kind: "asgi", args: ["--connections", "2"] });
    await using idle = await site.connect();
    await idle.answerOf("/");
    const busy = [await site.connect()];
    const first = busy[0]!.get("/wait?key=a");
    await busy[0]!.answerOf("/await?of=a&word=begun");
    busy.push(await site.connect());
    await idle.closed();
    expect(idle.goaway).toMatchObject({ last: 1, code: H2Code.NO_ERROR });
    const second = busy[1]!.get("/wait?key=b");
    await busy[1]!.answerOf("/await?of=b&word=begun");
    await using refused = await RawClient.connect(site.server.port);
    expect((await refused.readResponse()).status).toBe(503);
    await site.server.waitForLine(/refused \[connections-full\] 503/);
    for (const word of ["a", "b"]) busy[0]!.get(`/say?key=${word}&word=go`);
    expect((await busy[0]!.answer(first)).body).toBe("waited\n");
    expect((await busy[1]!.answer(second)).body).toBe("waited\n");
    for (const client of busy) client.destroy();
  });
});

test("The access log tells HTTP/2 requests with their status and bytes", async () => {
  await using site = await Site.start({ kind: "asgi", args: ["--access-log", "-"] });
  await using client = await site.connect();
  await client.answerOf("/respond?part=hello&part=you", [["user-agent", "probe"]]);
  const call = client.get("/stream?key=a");
  await client.until("the beginning", () => call.body === "first;");
  await client.cancel(call);
  await site.say("a");
  const line = '127\\.0\\.0\\.1 .*"GET /respond\\?part=hello&part=you HTTP/2" 200 8 .*"probe"';
  await site.server.waitForLine(new RegExp(line));
  await site.server.waitForLine(/"GET \/stream\?key=a HTTP\/2" 200 6 /);
});
