/** Connections that are to close while a client's bytes wait in the kernel: the event loop is kept from reading them. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { ClientSocket } from "../../../src/edge/client-socket.ts";
import type { ClientConnection } from "../../../src/edge/connection.ts";
import { H2ClientConnection } from "../../../src/edge/drivers/h2.ts";
import { ProxyConnection } from "../../../src/edge/drivers/proxy.ts";
import { RedirectConnection } from "../../../src/edge/drivers/redirect.ts";
import { Edge } from "../../../src/edge/edge.ts";
import { type RuntimeTlsSocket, TlsSocket } from "../../../src/edge/tls-socket.ts";
import type { Backend, Exchange } from "../../../src/exchange/exchange.ts";
import { isReadable } from "../../../src/net/libc.ts";
import { Flag } from "../../../src/wire/spec.ts";
import { eventually, requestText } from "../../apps_life/serve.ts";
import { testCertificate } from "../../support/certificate.ts";
import { EDGE_SETTINGS } from "../../support/edge-settings.ts";
import { HELLO, settings } from "../../support/h2-connection.ts";

/** On the loopback interface it is there at once. */
const ARRIVAL_MS_MAX = 10_000;
const HTTPS_PORT = 443;
const GET = requestText("/");
const ANSWER = Buffer.from("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
const HEAD_BYTES = ANSWER.length - "hello".length;

/** What the edge's own side of a connection is made of. */
type Make = (edge: Edge, socket: ClientSocket) => ClientConnection;

const plain: Make = (edge, socket) => edge.accept(socket, "");

/** One client of an edge whose app answers when the test says so. */
class Scene implements AsyncDisposable {
  readonly edge: Edge;
  readonly requests: Exchange[] = [];
  connection!: ClientConnection;
  received = "";
  ended = false;
  readonly #listener: { port: number; stop(force: boolean): void };
  #socket!: ClientSocket;
  #client!: Bun.Socket;

  private constructor(make: Make, tls: boolean) {
    const backend = {
      form: "cgi",
      submit: (x: Exchange) => void this.requests.push(x),
    } as unknown as Backend;
    this.edge = new Edge({
      settings: EDGE_SETTINGS,
      backend,
      accessLog: null,
      tls: null,
      onTick: () => false,
      log() {},
    });
    const begin = (socket: Bun.Socket): void => {
      const raw = socket as unknown as ClientSocket;
      const secured = (): ClientSocket =>
        new TlsSocket(raw as RuntimeTlsSocket, { certificate: null, error: null }, () => "", null);
      this.#socket = raw;
      this.connection = make(this.edge, tls ? secured() : raw);
    };
    this.#listener = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      allowHalfOpen: true,
      ...(tls ? { tls: serverTls() } : {}),
      socket: {
        open: (socket) => (tls ? undefined : begin(socket)),
        handshake: (socket) => begin(socket),
        data: (_, chunk) => this.connection.data(chunk),
        drain: () => this.connection.drain(),
        end: () => this.connection.ended(),
        close: () => this.connection.closed(),
      },
    });
  }

  static async open(make: Make, tls: boolean = false): Promise<Scene> {
    const scene = new Scene(make, tls);
    scene.#client = await Bun.connect({
      hostname: "127.0.0.1",
      port: scene.#listener.port,
      ...(tls ? { tls: { rejectUnauthorized: false } } : {}),
      socket: {
        data: (_, chunk) => void (scene.received += chunk.toString("latin1")),
        end: () => void (scene.ended = true),
        close: () => void (scene.ended = true),
      },
    });
    await eventually("the connection", () => scene.edge.counts.connections === 1);
    return scene;
  }

  /** Returns when it waits at the server's descriptor. */
  send(bytes: string | Buffer): void {
    this.#client.write(bytes);
    const deadline = performance.now() + ARRIVAL_MS_MAX;
    while (!isReadable(this.#socket.fd ?? -1)) {
      if (performance.now() > deadline) throw new Error("what was sent has not come");
    }
  }

  /** The app answers the request of this number, when it is there. */
  async answer(number: number): Promise<void> {
    await eventually(`request ${number}`, () => this.requests.length > number);
    const flags = Flag.END | Flag.LENGTH;
    this.requests[number]!.onHead(200, flags, ANSWER, 0, HEAD_BYTES, ANSWER.length);
  }

  /** Reads what comes up to the end of the body that the app sends. */
  async answered(): Promise<string> {
    await eventually("an answer", () => this.ended || this.received.endsWith("hello"));
    const { received } = this;
    this.received = "";
    return received;
  }

  /** Everything until the server's FIN. */
  async toEnd(): Promise<string> {
    await eventually("the end", () => this.ended);
    return this.received;
  }

  /** As an edge does when what lingers is to go. */
  lastCall(): void {
    this.edge.stopping = true;
    this.connection.shutdown(true);
  }

  /** One client more than there may be: what it is told before anything is read. */
  newcomer(): string {
    this.edge.settings = { ...EDGE_SETTINGS, connectionsMax: 1 };
    let told = "";
    const socket = {
      write(data: Buffer, start: number, length: number): number {
        told += data.toString("latin1", start, start + length);
        return length;
      },
      ...{ end() {}, shutdown() {}, terminate() {}, pause() {}, resume() {} },
      ...{ remoteAddress: "192.0.2.1", remotePort: 50_000 },
      ...{ localAddress: "192.0.2.2", localPort: 80 },
    };
    this.edge.accept(socket, "").closed();
    return told;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.terminate();
    this.#listener.stop(true);
    await eventually("the end of the connection", () => this.edge.counts.connections === 0);
  }
}

function serverTls(): { cert: string; key: string } {
  const { certificate, key } = testCertificate();
  return { cert: readFileSync(certificate, "utf8"), key: readFileSync(key, "utf8") };
}

const LAST = /^HTTP\/1\.1 200 OK\r\n(.*\r\n)*connection: close\r\n(.*\r\n)*\r\nhello$/;

describe.each([false, true])("a kept connection (TLS: %p)", (tls) => {
  async function kept(): Promise<Scene> {
    const scene = await Scene.open(plain, tls);
    scene.send(GET);
    await scene.answer(0);
    expect(await scene.answered()).toContain("200 OK");
    return scene;
  }

  test("is closed by the last call", async () => {
    await using scene = await kept();
    scene.lastCall();
    expect(await scene.toEnd()).toBe("");
  });

  test("whose next request waits to be read is answered first", async () => {
    await using scene = await kept();
    scene.send(GET);
    scene.lastCall();
    await scene.answer(1);
    expect(await scene.toEnd()).toMatch(LAST);
  });

  test("is not closed for idleness when its next request waits to be read", async () => {
    await using scene = await kept();
    scene.send(GET);
    scene.connection.onDeadline(scene.edge.sweeper.now);
    await scene.answer(1);
    expect(await scene.answered()).toEndWith("hello");
    scene.connection.onDeadline(scene.edge.sweeper.now);
    expect(await scene.toEnd()).toBe("");
  });

  test("makes room for a newcomer", async () => {
    await using scene = await kept();
    expect(scene.newcomer()).toBe("");
    expect(await scene.toEnd()).toBe("");
  });

  test("whose next request waits to be read makes no room", async () => {
    await using scene = await kept();
    scene.send(GET);
    expect(scene.newcomer()).toStartWith("HTTP/1.1 503 ");
    await scene.answer(1);
    expect(await scene.answered()).toEndWith("hello");
    expect(scene.newcomer()).toBe("");
  });

  test("that has something but a request is closed when it is asked again", async () => {
    await using scene = await kept();
    scene.send("\r\n");
    scene.lastCall();
    await eventually("it to be read", () => {
      scene.lastCall();
      return scene.ended;
    });
    expect(scene.received).toBe("");
  });
});

test("a new connection whose request waits to be read is answered", async () => {
  await using scene = await Scene.open(plain);
  scene.send(GET);
  scene.lastCall();
  await scene.answer(0);
  expect(await scene.toEnd()).toMatch(LAST);
});

test("a request that follows an answer which promised to keep the connection is answered", async () => {
  await using scene = await Scene.open(plain);
  scene.send(GET);
  await eventually("the request", () => scene.requests.length === 1);
  const [request] = scene.requests;
  request!.onHead(200, Flag.LENGTH, ANSWER, 0, HEAD_BYTES, HEAD_BYTES);
  scene.lastCall();
  const before = scene.edge.counts.bytesIn;
  scene.send(GET);
  await eventually("the next request", () => scene.edge.counts.bytesIn > before);
  request!.onData(Flag.END, ANSWER, HEAD_BYTES, ANSWER.length);
  await scene.answer(1);
  const answers = await scene.toEnd();
  const [first = "", second = ""] = answers.split(/(?<=hello)/);
  expect(first).not.toContain("connection: close");
  expect(second).toMatch(LAST);
});

test("a refusal says that it is the last, too", async () => {
  await using scene = await Scene.open(plain);
  scene.send(GET);
  await eventually("the request", () => scene.requests.length === 1);
  scene.connection.shutdown(false);
  scene.requests[0]!.onRefused("queue-timeout");
  expect(await scene.toEnd()).toContain("connection: close");
});

test("a client that is sent to HTTPS is told so", async () => {
  await using scene = await Scene.open((edge, socket) => {
    return new RedirectConnection(edge, socket, HTTPS_PORT);
  });
  scene.send(GET);
  scene.lastCall();
  expect(await scene.toEnd()).toStartWith("HTTP/1.1 308 ");
});

test("a client behind a balancer is answered", async () => {
  await using scene = await Scene.open((edge, socket) => {
    return new ProxyConnection(edge, socket, "auto", (proxied, rest) => {
      scene.connection = plain(edge, proxied);
      scene.connection.data(rest);
    });
  });
  scene.send(`PROXY TCP4 192.0.2.1 192.0.2.2 50000 80\r\n${GET}`);
  scene.lastCall();
  await scene.answer(0);
  expect(await scene.toEnd()).toMatch(LAST);
});

test("an HTTP/2 connection makes room unless something of it waits to be read", async () => {
  await using scene = await Scene.open((edge, socket) => new H2ClientConnection(edge, socket, ""));
  scene.send(HELLO);
  await eventually("the preface", () => scene.connection.idle);
  scene.send(settings());
  expect(scene.newcomer()).toStartWith("HTTP/1.1 503 ");
  await eventually("it to be read", () => scene.connection.idle);
  expect(scene.newcomer()).toBe("");
});
