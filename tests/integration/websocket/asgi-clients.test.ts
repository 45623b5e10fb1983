/** Clients that people use, and frameworks that people use. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appsDirectory, serve } from "../../apps_life/serve.ts";
import { examplesPython, type TestServer } from "../../support/server.ts";
import { MIB, onEach } from "./asgi-site.ts";

const python = examplesPython();

/** What a WebSocket of the runtime is told, in order. */
class Events {
  readonly socket: WebSocket;
  #seen: (string | Buffer)[] = [];
  #changed = Promise.withResolvers<void>();

  constructor(url: string, protocols: string[] = []) {
    const options = { protocols, tls: { rejectUnauthorized: false } };
    this.socket = new WebSocket(url, options);
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("open", () => this.#add("open"));
    this.socket.addEventListener("message", ({ data }) => {
      this.#add(typeof data === "string" ? data : Buffer.from(data as ArrayBuffer));
    });
    this.socket.addEventListener("close", ({ code, reason, wasClean }) => {
      this.#add(`closed ${code} ${reason}${wasClean ? "" : " unclean"}`);
    });
  }

  async next(): Promise<string | Buffer> {
    while (this.#seen.length === 0) await this.#changed.promise;
    return this.#seen.shift()!;
  }

  #add(what: string | Buffer): void {
    this.#seen.push(what);
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    resolve();
  }
}

describe("Common WebSocket clients work", () => {
  onEach(
    [],
    (site) => {
      const origin = (): string => site.server.url.replace("http", "ws");

      test("Bun's", async () => {
        const name = site.name();
        const events = new Events(`${origin()}/echo/${name}`, ["one", "two"]);
        expect(await events.next()).toBe("open");
        expect(events.socket.protocol).toBe("two");
        events.socket.send("text");
        events.socket.send(Buffer.alloc(MIB, "b"));
        expect(await events.next()).toBe("text");
        expect(Buffer.alloc(MIB, "b").equals((await events.next()) as Buffer)).toBe(true);
        events.socket.close(3001, "done");
        expect(await events.next()).toBe("closed 3001 ");
        expect((await site.noted(name, 2))[1]).toBe("disconnect 3001 done");
      });

      test("Bun's, closed by the app", async () => {
        const events = new Events(`${origin()}/close/x?code=4000&reason=why`);
        expect(await events.next()).toBe("open");
        expect(await events.next()).toBe("closed 4000 why");
      });

      test.skipIf(python === undefined)("Python's websockets", async () => {
        const script = `${appsDirectory}/websocket_peer.py`;
        const child = Bun.spawn([python!, script, origin()], { stdout: "pipe", stderr: "pipe" });
        const [out, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
        expect(errors).toBe("");
        expect(JSON.parse(out)).toEqual({
          ...{ subprotocol: "second", extensions: ["permessage-deflate"] },
          ...{ text: true, fragments: true, pong: true, thousand: true, closed: 1000 },
          ...{ refused: 403, theirs: [4321, "enough"] },
        });
      });
    },
    ["h1", "h1 over TLS"],
  );
});

describe.skipIf(python === undefined)("WebSockets of real frameworks are served", () => {
  const started: TestServer[] = [];
  const origins: Record<string, string> = {};
  beforeAll(async () => {
    const apps = {
      starlette: ["starlette_app"],
      fastapi: ["fastapi_app"],
      channels: ["make_channels_app", "--factory"],
    };
    for (const [name, [app, ...args]] of Object.entries(apps)) {
      const options = { args: ["--workers", "1", "--interface", "asgi", ...args] };
      const server = await serve(`websocket_frameworks:${app}`, options);
      started.push(server);
      origins[name] = server.url.replace("http", "ws");
    }
  });
  afterAll(async () => {
    for (const server of started) expect(await server.stop()).toBe(0);
  });

  async function opened(url: string, protocols: string[] = []): Promise<Events> {
    const events = new Events(url, protocols);
    expect(await events.next()).toBe("open");
    return events;
  }

  /** Status and body of the answer to a handshake. */
  async function refusal(url: string): Promise<[number, string]> {
    const headers = {
      ...{ Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Version": "13" },
      "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    };
    const response = await fetch(url.replace("ws:", "http:"), { headers });
    return [response.status, await response.text()];
  }

  test("Starlette: an endpoint of JSON, its close", async () => {
    const events = await opened(`${origins.starlette}/echo`, ["json"]);
    events.socket.send(JSON.stringify([1, "ü"]));
    expect(JSON.parse((await events.next()) as string)).toEqual({ echo: [1, "ü"] });
    events.socket.send('"leave"');
    expect(await events.next()).toBe("closed 4001 as you wish");
    await started[0]!.waitForLine(/starlette saw 4001/);
  });

  test("Starlette: a denial response", async () => {
    expect(await refusal(`${origins.starlette}/denied`)).toEqual([418, "no tea"]);
  });

  test("FastAPI: a room with a dependency at its door", async () => {
    const all = [];
    for (let i = 0; i < 5; i++) all.push(await opened(`${origins.fastapi}/room?token=friend`));
    all[0]!.socket.send("hello all");
    for (const each of all) expect(await each.next()).toBe("hello all");
    for (const each of all) each.socket.close(1000);
    for (const each of all) expect(await each.next()).toBe("closed 1000 ");
    const stranger = await refusal(`${origins.fastapi}/room`);
    expect(stranger).toEqual([401, '{"detail":"who are you?"}']);
  });

  test("Django Channels: a consumer behind a router", async () => {
    const events = await opened(`${origins.channels}/as/friend`);
    events.socket.send("drawer");
    expect(await events.next()).toBe("reward");
    events.socket.send(Buffer.from([1, 2, 3]));
    expect(await events.next()).toEqual(Buffer.from([3, 2, 1]));
    events.socket.send("leave");
    expect(await events.next()).toBe("closed 4002 bye");
    expect(await refusal(`${origins.channels}/as/stranger`)).toEqual([403, ""]);
  });
});
