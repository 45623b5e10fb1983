/** WebSockets on a link: accepted, messages and closes both ways, what is refused of a worker, and what they do to dispatch. */
import { beforeEach, describe, expect, test } from "bun:test";
import { WorkerPool } from "../../../src/dispatch/pool.ts";
import { SharedMemory } from "../../../src/dispatch/ring.ts";
import { WorkerLink } from "../../../src/dispatch/worker-link.ts";
import { Accepted, Stage } from "../../../src/exchange/exchange.ts";
import { frame } from "../../../src/wire/frames.ts";
import {
  ACCEPT_TUNNEL,
  BOARD_RESPONSE_READ,
  CancelReason,
  Flag,
  FrameType,
  REQUEST_WINDOW_BYTES,
  RING_BYTES,
  WS_MESSAGE_COST_BYTES,
  WS_WINDOW_BYTES,
  WsKind,
} from "../../../src/wire/spec.ts";
import { FakeExchange, FakeSocket, factsOf, fakeHead, type SeenFrame } from "../../support/wire.ts";

class Socket extends FakeExchange {
  constructor(name: string) {
    super(name);
    this.flags = Flag.END | Flag.UPGRADE;
    this.form = "asgi";
  }

  override onAccept(buf: Buffer, start: number, end: number, tunnel: boolean): void {
    this.events.push(`accept ${tunnel} ${buf.toString("latin1", start, end)}`);
  }

  override onMessage(
    kind: number,
    buf: Buffer,
    start: number,
    end: number,
    borrowed: boolean,
  ): void {
    const text = end - start > 100 ? `${end - start} bytes` : buf.toString("latin1", start, end);
    this.events.push(`message ${kind} ${text}${borrowed ? " borrowed" : ""}`);
  }

  override onWsClose(code: number, reason: string): void {
    this.events.push(`close ${code} ${reason}`);
  }
}

class Worker {
  readonly socket = new FakeSocket();
  readonly board = new Uint32Array(16);
  readonly link: WorkerLink;

  readonly rings = new Uint8Array(2 * RING_BYTES);

  constructor(id: number, concurrency = 2) {
    const shared = new SharedMemory(this.board, this.rings);
    this.link = new WorkerLink(pool, this.socket, factsOf(id, "asgi", concurrency), shared, now);
    pool.add(this.link);
  }

  sent(): SeenFrame[] {
    this.link.flush();
    return this.socket.takeFrames();
  }

  says(type: number, stream: number, aux = 0, payload: Uint8Array | string = "", flags = 0): void {
    pool.received(this.link, frame(type, stream, flags, aux, Buffer.from(payload)));
  }

  /** Begins what it was sent, and accepts all of it. */
  accept(tunnel = false): void {
    for (const { type, stream } of this.sent()) {
      if (type !== FrameType.REQUEST) continue;
      this.board[0] = stream;
      this.says(FrameType.ACCEPT, stream, tunnel ? ACCEPT_TUNNEL : 0);
    }
  }
}

let now = 1000;
let pool: WorkerPool;
let drained: number[];
let wrong: string[];

beforeEach(() => {
  now = 1000;
  drained = [];
  wrong = [];
  pool = new WorkerPool(
    { queueMax: 100, queueTimeoutMs: 0, interruptMs: 100, silentMs: 0 },
    {
      onLate: () => {},
      onStuck: () => {},
      onDrained: (link) => drained.push(link.facts.worker),
      onProtocolError: (_link, what) => wrong.push(what),
    },
    () => now,
  );
});

function open(name = "ws"): Socket {
  const x = new Socket(name);
  pool.submit(x, fakeHead("GET\0/\0"), Buffer.from("c"));
  return x;
}

function request(): FakeExchange {
  const x = new FakeExchange("plain");
  x.form = "asgi";
  pool.submit(x, fakeHead("GET\0/\0"), Buffer.from("c"));
  return x;
}

describe("a WebSocket on a link", () => {
  test("is accepted, exchanges messages, and ends with the worker's close", () => {
    const worker = new Worker(1);
    const x = open();
    expect(worker.sent()[0]).toMatchObject({ type: FrameType.REQUEST, flags: 17 });
    worker.says(FrameType.ACCEPT, 1, 0, "a: b\r\n");
    pool.sendMessage(x, WsKind.TEXT, Buffer.from("hi"), true);
    pool.sendMessage(x, WsKind.BINARY, Buffer.from("to"), false);
    pool.sendMessage(x, WsKind.BINARY, Buffer.from("gether"), true);
    worker.says(FrameType.WORKER_MESSAGE, 1, WsKind.TEXT, "hello");
    worker.says(FrameType.DATA, 1, 0, "two ", Flag.BINARY);
    worker.says(FrameType.WORKER_MESSAGE, 1, WsKind.BINARY, "parts");
    worker.says(FrameType.WORKER_WS_CLOSE, 1, 3000, "bye ü");
    expect(x.events).toEqual([
      "accept false a: b\r\n",
      "message 1 hello",
      "data 64 two ",
      "message 2 parts",
      "close 3000 bye ü",
    ]);
    const frames = worker.sent().map((f) => [f.type, f.flags, f.aux, f.payload.toString()]);
    expect(frames).toEqual([
      [FrameType.MESSAGE, 0, 1, "hi"],
      [FrameType.BODY, Flag.BINARY, 0, "to"],
      [FrameType.MESSAGE, 0, 2, "gether"],
    ]);
    expect([x.stage, worker.link.open, worker.link.running]).toEqual([Stage.OUT, 0, 0]);
    expect(wrong).toEqual([]);
  });

  test("each message costs its bytes and 64 of the credit, both ways", () => {
    const worker = new Worker(1);
    const x = open();
    worker.accept();
    pool.sendMessage(x, WsKind.TEXT, Buffer.from("12345"), true);
    expect(x.requestCredit).toBe(REQUEST_WINDOW_BYTES - 5 - WS_MESSAGE_COST_BYTES);
    worker.says(FrameType.WORKER_MESSAGE, 1, WsKind.TEXT, "123");
    expect(x.windowUsed).toBe(3 + WS_MESSAGE_COST_BYTES);
    worker.says(FrameType.WORKER_MESSAGE, 1, WsKind.BINARY, Buffer.alloc(WS_WINDOW_BYTES));
    expect(wrong).toHaveLength(1);
  });

  test("large messages go through the rings as one piece", () => {
    const worker = new Worker(1);
    const x = open();
    worker.accept();
    const piece = Buffer.alloc(200_000, "x");
    pool.sendMessage(x, WsKind.TEXT, piece, true);
    const [message] = worker.sent();
    expect(message).toMatchObject({ type: FrameType.MESSAGE, flags: Flag.SHARED, aux: 1 });
    const at = RING_BYTES + message!.payload.readUInt32LE(0);
    expect(worker.rings.subarray(at, at + piece.length)).toEqual(new Uint8Array(piece));
    const part = Buffer.alloc(12);
    part.writeUInt32LE(16, 0);
    part.writeUInt32LE(150_000, 4);
    part.writeUInt32LE(150_032, 8);
    worker.says(FrameType.WORKER_MESSAGE, 1, WsKind.BINARY, part, Flag.SHARED);
    expect(x.events.at(-1)).toBe("message 2 150000 bytes borrowed");
    expect(worker.board[BOARD_RESPONSE_READ]).toBe(150_032);
    part.writeUInt32LE(RING_BYTES, 4);
    worker.says(FrameType.WORKER_MESSAGE, 1, WsKind.BINARY, part, Flag.SHARED);
    expect(wrong).toHaveLength(1);
  });

  test("after the client's close nothing reaches the exchange, and the stream is open until the worker ends it", () => {
    const worker = new Worker(1);
    const x = open();
    worker.accept();
    pool.sendWsClose(x, 1001, "away");
    worker.says(FrameType.WORKER_MESSAGE, 1, WsKind.TEXT, "late");
    pool.cancel(x, CancelReason.CLIENT_GONE);
    const frames = worker.sent();
    expect(frames.map((f) => [f.type, f.aux, f.payload.toString()])).toEqual([
      [FrameType.WS_CLOSE, 1001, "away"],
    ]);
    expect([worker.link.open, worker.link.running]).toEqual([1, 0]);
    worker.says(FrameType.WORKER_WS_CLOSE, 1, 1001);
    expect([worker.link.open, worker.link.running]).toEqual([0, 0]);
    expect(x.events).toEqual(["accept false "]);
    expect(wrong).toEqual([]);
  });

  test("may be refused by an ordinary response", () => {
    const worker = new Worker(1);
    const x = open();
    worker.sent();
    worker.says(FrameType.RESPONSE, 1, 403, Buffer.alloc(4), Flag.END);
    expect(x.events).toEqual(["head 403 1 "]);
    expect(worker.link.open).toBe(0);
  });

  test("a tunnel carries raw bytes and ends with END", () => {
    const worker = new Worker(1);
    const x = open();
    worker.accept(true);
    worker.says(FrameType.DATA, 1, 0, "HTTP/1.1 101 ");
    pool.sendBody(x, Buffer.from("raw"), false);
    worker.says(FrameType.DATA, 1, 0, "", Flag.END);
    expect(x.events).toEqual(["accept true ", "data 0 HTTP/1.1 101 ", "data 1 "]);
    expect(worker.sent()[0]).toMatchObject({ type: FrameType.BODY, flags: 0 });
    expect([worker.link.open, worker.link.running]).toEqual([0, 0]);
  });

  const misplaced: [string, boolean, (worker: Worker) => void][] = [
    ["a message before ACCEPT", false, (w) => w.says(FrameType.WORKER_MESSAGE, 1, 1)],
    ["a close before ACCEPT", false, (w) => w.says(FrameType.WORKER_WS_CLOSE, 1, 1000)],
    ["a second ACCEPT", true, (w) => w.says(FrameType.ACCEPT, 1)],
    ["a response after ACCEPT", true, (w) => w.says(FrameType.RESPONSE, 1, 200, Buffer.alloc(4))],
    ["trailers after ACCEPT", true, (w) => w.says(FrameType.RESPONSE_TRAILERS, 1)],
    ["a file after ACCEPT", true, (w) => w.says(FrameType.FILE, 1, 0, Buffer.alloc(20))],
    ["data with END", true, (w) => w.says(FrameType.DATA, 1, 0, "x", Flag.END)],
    ["a message with END", true, (w) => w.says(FrameType.WORKER_MESSAGE, 1, 1, "x", Flag.END)],
  ];
  test.each(misplaced)("%s is a protocol error", (_what, accepted, says) => {
    const worker = new Worker(1);
    open();
    if (accepted) worker.accept();
    worker.sent();
    says(worker);
    expect(wrong).toHaveLength(1);
  });

  test("ACCEPT of a request that asked for no upgrade is a protocol error", () => {
    const worker = new Worker(1);
    request();
    worker.says(FrameType.ACCEPT, 1);
    expect(wrong).toHaveLength(1);
  });
});

describe("dispatch with WebSockets", () => {
  test("open WebSockets keep no request waiting; those that were left neither", () => {
    const worker = new Worker(1, 2);
    const all: Socket[] = [];
    for (let i = 0; i < 50; i++) {
      all.push(open());
      worker.accept();
    }
    for (const x of all.slice(0, 25)) pool.sendWsClose(x, 1006, "");
    expect([worker.link.open, worker.link.running]).toEqual([50, 0]);
    request();
    expect(worker.sent().at(-1)).toMatchObject({ type: FrameType.REQUEST, stream: 51 });
    expect(pool.queueSize).toBe(0);
  });

  test("a tunnel holds a thread: it counts as a running request", () => {
    const worker = new Worker(1, 1);
    for (let i = 0; i < 2; i++) {
      open();
      worker.accept(true);
    }
    request();
    expect(pool.queueSize).toBe(1);
  });

  test("they go to the worker with the fewest of them, requests to the one with the fewest requests", () => {
    const [one, two] = [new Worker(1), new Worker(2)];
    for (let i = 0; i < 6; i++) {
      open();
      one.accept();
      two.accept();
    }
    expect([one.link.open, two.link.open]).toEqual([3, 3]);
    open();
    one.accept();
    two.accept();
    for (let i = 0; i < 4; i++) request();
    expect([one.link.running, two.link.running]).toEqual([2, 2]);
  });

  test("a handshake that was not begun goes to another worker, a begun or accepted one never", () => {
    const [one, two] = [new Worker(1), new Worker(2)];
    const xs = [open("accepted"), open("begun"), open("not")];
    two.link.depth.limit = one.link.depth.limit;
    const at = (x: Socket): Worker => (x.carrier === one.link ? one : two);
    const first = at(xs[0]!);
    const onFirst = xs.filter((x) => at(x) === first);
    expect(onFirst).toHaveLength(2);
    first.board[0] = 1;
    first.says(FrameType.ACCEPT, 1);
    pool.remove(first.link);
    expect(onFirst[0]!.events).toEqual(["accept false ", "refused worker-lost"]);
    expect(onFirst[1]!.events).toEqual(["credit"]);
    const other = first === one ? two : one;
    other.board[0] = 2;
    pool.remove(other.link);
    expect(onFirst[1]!.events).toEqual(["credit", "refused worker-lost"]);
  });

  test("WebSockets stay with their worker at a reload until they close, or they are closed with 1012", () => {
    const worker = new Worker(1);
    const [x, tunnel] = [open(), open()];
    for (const { stream } of worker.sent()) {
      worker.says(FrameType.ACCEPT, stream, stream === tunnel.stream ? ACCEPT_TUNNEL : 0);
    }
    pool.drain(worker.link);
    expect(drained).toEqual([]);
    expect(x.accepted).toBe(Accepted.WEBSOCKET);
    pool.closeSockets(worker.link);
    expect(x.events.at(-1)).toBe("close 1012 ");
    expect(tunnel.events.at(-1)).toBe("reset 3");
    const frames = worker.sent().map((f) => [f.type, f.stream, f.aux]);
    expect(frames).toEqual([
      [FrameType.WS_CLOSE, x.stream, 1012],
      [FrameType.CANCEL, tunnel.stream, CancelReason.SHUTDOWN],
    ]);
    worker.says(FrameType.WORKER_WS_CLOSE, x.stream, 1012);
    expect(drained).toEqual([]);
    worker.says(FrameType.RESET, tunnel.stream, 3);
    expect(drained).toEqual([1]);
  });
});
