/** Connections of web servers that take a response in small pieces. */
import { describe, expect, test } from "bun:test";
import type { ClientSocket } from "../../../src/edge/client-socket.ts";
import { GatewayConnection } from "../../../src/edge/drivers/gateway.ts";
import { Edge } from "../../../src/edge/edge.ts";
import type { Backend, Exchange } from "../../../src/exchange/exchange.ts";
import { Flag } from "../../../src/wire/spec.ts";
import { EDGE_SETTINGS } from "../../support/edge-settings.ts";
import { fastcgiPairs, record, scgi } from "../../support/gateway.ts";

const HEAD = Buffer.from("HTTP/1.1 200 OK\r\ncontent-length: 150000\r\n\r\n");
const BODY = Buffer.alloc(150_000, "0123456789abcdefghijklmnopqrstuvwxyz");
const [BEGIN, PARAMS, STDIN, GET_VALUES] = [1, 4, 5, 9];
const [END_REQUEST, STDOUT, GET_VALUES_RESULT] = [3, 6, 10];

/** A request of this number; `keep`: the connection stays for the next one. */
function request(number: number, keep: boolean): Buffer {
  const variables = { REQUEST_METHOD: "GET", REQUEST_URI: "/", HTTP_HOST: "x" };
  return Buffer.concat([
    record(BEGIN, number, Buffer.from([0, 1, keep ? 1 : 0, 0, 0, 0, 0, 0])),
    record(PARAMS, number, fastcgiPairs(variables)),
    record(PARAMS, number, Buffer.alloc(0)),
    record(STDIN, number, Buffer.alloc(0)),
  ]);
}

/** A web server that takes some bytes and then none until it is asked to go on. */
class Scene {
  readonly taken: Buffer[] = [];
  /** What was taken when our side was closed. */
  closedAt: number | null = null;
  readonly requests: Exchange[] = [];
  readonly connection: GatewayConnection;
  readonly edge: Edge;
  readonly #atOnce: number;
  #room: number;

  /** `atOnce`: bytes. */
  constructor(atOnce: number, protocol: "fastcgi" | "scgi" = "fastcgi") {
    this.#atOnce = atOnce;
    this.#room = atOnce;
    const submit = (exchange: Exchange): void => void this.requests.push(exchange);
    const edge = (this.edge = new Edge({
      settings: EDGE_SETTINGS,
      backend: { form: "cgi", submit, halfClosed() {} } as unknown as Backend,
      ...{ accessLog: null, tls: null },
      ...{ onTick: () => false, log() {} },
    }));
    const close = (): void => void (this.closedAt ??= this.length);
    const socket = {
      write: (data: Buffer, start = 0, length = data.length - start) => {
        const taken = Math.min(length, this.#room);
        this.taken.push(Buffer.from(data.subarray(start, start + taken)));
        this.#room -= taken;
        return taken;
      },
      ...{ end: close, shutdown: close, terminate: close, pause() {}, resume() {} },
      ...{ unread: () => false, remoteAddress: "", remotePort: 0, localAddress: "", localPort: 0 },
    } as ClientSocket;
    this.connection = new GatewayConnection(edge, socket, { protocol, unixPath: "" });
  }

  [Symbol.dispose](): void {
    this.connection.closed();
  }

  get length(): number {
    return this.taken.reduce((sum, piece) => sum + piece.length, 0);
  }

  answer(number: number): void {
    const whole = Buffer.concat([HEAD, BODY]);
    const flags = Flag.END | Flag.LENGTH;
    this.requests[number]!.onHead(200, flags, whole, 0, HEAD.length, whole.length);
  }

  /** So much time passes. */
  pass(ms: number): void {
    const { sweeper } = this.edge;
    sweeper.tick(sweeper.now + ms + sweeper.tickMs);
  }

  /** Takes until nothing more comes, so many bytes at a time. */
  async takeAll(atOnce: number = this.#atOnce): Promise<void> {
    for (let before = -1; before !== this.length;) {
      before = this.length;
      this.#room = atOnce;
      this.connection.drain();
      await Promise.resolve();
    }
  }

  /** Of the records so far: what each response says, and the types of others. Throws when they are no records. */
  read(): { responses: string[]; others: number[] } {
    const bytes = Buffer.concat(this.taken);
    const responses = [""];
    const others: number[] = [];
    let at = 0;
    while (at < bytes.length) {
      const [version, type] = [bytes[at], bytes[at + 1]!];
      const length = bytes.readUInt16BE(at + 4);
      const content = bytes.subarray(at + 8, at + 8 + length);
      if (version !== 1 || content.length < length) throw new Error(`no record at ${at}`);
      if (type === STDOUT) responses[responses.length - 1] += content.toString("latin1");
      else if (type === END_REQUEST) responses.push("");
      else others.push(type);
      at += 8 + length + bytes[at + 6]!;
    }
    return { responses, others };
  }
}

const RESPONSE = `Status:  200 OK\r\ncontent-length: 150000\r\n`;

test.each([1000, 1001, 65_536, 150_100, 1_000_000])(
  "a response is whole before its connection is closed, taken %d bytes at a time",
  async (atOnce) => {
    using scene = new Scene(atOnce);
    scene.connection.data(request(1, false));
    scene.answer(0);
    await scene.takeAll();
    expect(scene.closedAt).toBe(scene.length);
    const { responses } = scene.read();
    expect(responses).toHaveLength(2);
    expect(responses[0]).toStartWith(RESPONSE);
    expect(responses[0]).toEndWith(`\r\n\r\n${BODY.toString("latin1")}`);
  },
);

// All sizes at which the end of the response does not fit, or fits just so.
test("a response's end may be taken in pieces, too", async () => {
  using whole = new Scene(1_000_000);
  whole.connection.data(request(1, false));
  whole.answer(0);
  for (let left = 1; left < 40; left += 1) {
    using scene = new Scene(whole.length - left);
    scene.connection.data(request(1, false));
    scene.answer(0);
    expect(scene.closedAt).toBeNull();
    await scene.takeAll();
    expect(scene.closedAt).toBe(scene.length);
    expect(scene.read().responses[0]).toHaveLength(whole.read().responses[0]!.length);
  }
});

test.each([1000, 150_100, 1_000_000])(
  "a response is whole on a connection that stays, taken %d bytes at a time",
  async (atOnce) => {
    using scene = new Scene(atOnce);
    for (const number of [1, 2]) {
      scene.connection.data(request(number, true));
      scene.answer(number - 1);
      await scene.takeAll();
    }
    const { responses } = scene.read();
    expect(responses).toHaveLength(3);
    expect(responses[0]).toEndWith(BODY.toString("latin1"));
    expect(responses[1]).toBe(responses[0]);
    expect(scene.closedAt).toBeNull();
  },
);

test.each([1, 4, 8, 9, 10, 1_000_000])(
  "SCGI has the status as CGI writes it, %d bytes of it taken first",
  async (first) => {
    using scene = new Scene(first, "scgi");
    scene.connection.data(scgi({ SCGI: "1", REQUEST_METHOD: "GET", REQUEST_URI: "/" }));
    scene.answer(0);
    await scene.takeAll(100_000);
    const response = Buffer.concat(scene.taken).toString("latin1");
    expect(response).toStartWith(RESPONSE);
    expect(response).toEndWith(`\r\n\r\n${BODY.toString("latin1")}`);
    expect(response.match(/Status:/g)).toHaveLength(1);
  },
);

describe("a connection that stays", () => {
  const { headerTimeoutMs, keepAliveMs } = EDGE_SETTINGS;
  const DAY_MS = 86_400_000;

  async function kept(): Promise<Scene> {
    const scene = new Scene(1_000_000);
    scene.connection.data(request(1, true));
    scene.answer(0);
    await scene.takeAll();
    return scene;
  }

  test.each([headerTimeoutMs, keepAliveMs, DAY_MS])(
    "is not closed in the web server's face after %d ms",
    async (ms) => {
      using scene = await kept();
      scene.pass(ms);
      expect(scene.closedAt).toBeNull();
      scene.connection.data(request(2, true));
      scene.answer(1);
      await scene.takeAll();
      expect(scene.read().responses).toHaveLength(3);
    },
  );

  test("is idle, but not when a request has begun to come", async () => {
    using scene = await kept();
    expect(scene.connection.member.idle).toBe(true);
    scene.connection.data(record(STDIN, 1, Buffer.alloc(0)));
    expect(scene.connection.member.idle).toBe(true);
    scene.connection.data(request(2, true).subarray(0, 20));
    expect(scene.connection.member.idle).toBe(false);
  });

  test("is one connection, however many requests it had", async () => {
    using scene = await kept();
    expect(scene.edge.counts).toMatchObject({ accepted: 1, connections: 1 });
  });

  test("waits no longer than any other for the rest of a head", async () => {
    using scene = await kept();
    scene.connection.data(request(2, true).subarray(0, 20));
    scene.pass(headerTimeoutMs);
    await scene.takeAll();
    expect(scene.read().responses[1]).toStartWith("Status:  408 Request Timeout\r\n");
  });
});

// Of a head that comes in pieces, the web server hears what went wrong.
test("a first head that is late is answered with 408", async () => {
  using scene = new Scene(1_000_000);
  scene.connection.data(request(1, false).subarray(0, 20));
  scene.pass(EDGE_SETTINGS.headerTimeoutMs);
  await scene.takeAll();
  expect(scene.read().responses[0]).toStartWith("Status:  408 Request Timeout\r\n");
  expect(scene.closedAt).toBe(scene.length);
});

test("a question about the server is answered between records", async () => {
  using scene = new Scene(1000);
  scene.connection.data(request(1, false));
  scene.answer(0);
  scene.connection.data(record(GET_VALUES, 0, fastcgiPairs({ FCGI_MPXS_CONNS: "" })));
  await scene.takeAll();
  const { responses, others } = scene.read();
  expect(others).toEqual([GET_VALUES_RESULT]);
  expect(responses[0]).toEndWith(BODY.toString("latin1"));
});
