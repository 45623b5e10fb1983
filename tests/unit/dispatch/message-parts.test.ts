/** Large parts of WebSocket messages on a link: through the request ring, which may be full, and straight from a socket. */
import { describe, expect, test } from "bun:test";
import { WorkerPool } from "../../../src/dispatch/pool.ts";
import { SharedMemory } from "../../../src/dispatch/ring.ts";
import { WorkerLink } from "../../../src/dispatch/worker-link.ts";
import { Handed, PART_LAST } from "../../../src/exchange/exchange.ts";
import { frame } from "../../../src/wire/frames.ts";
import {
  BOARD_REQUEST_READ,
  Flag,
  FrameType,
  REQUEST_WINDOW_BYTES,
  RING_BYTES,
  WS_MESSAGE_COST_BYTES,
  WS_WINDOW_BYTES,
  WsKind,
} from "../../../src/wire/spec.ts";
import { socketPair } from "../../support/socket-pair.ts";
import { FakeExchange, FakeSocket, fakeHead, type SeenFrame } from "../../support/wire.ts";

class Socket extends FakeExchange {
  /** How often it was told that it may go on. */
  asked = 0;

  constructor() {
    super("ws");
    this.flags = Flag.END | Flag.UPGRADE;
    this.form = "asgi";
  }

  override onAccept(): void {
    this.requestCredit += WS_WINDOW_BYTES - REQUEST_WINDOW_BYTES;
  }

  override onCredit(): void {
    this.asked += 1;
  }
}

class Worker {
  readonly socket = new FakeSocket();
  readonly board = new Uint32Array(16);
  readonly rings: Uint8Array | null;
  readonly wrong: string[] = [];
  readonly pool: WorkerPool;
  readonly link: WorkerLink;

  constructor(rings: Uint8Array | null = new Uint8Array(2 * RING_BYTES)) {
    this.rings = rings;
    this.pool = new WorkerPool(
      { queueMax: 100, queueTimeoutMs: 0, interruptMs: 100, silentMs: 0 },
      {
        onLate: () => {},
        onStuck: () => {},
        onDrained: () => {},
        onProtocolError: (_link, what) => this.wrong.push(what),
      },
      () => 1000,
    );
    const shared = new SharedMemory(this.board, rings);
    const facts = {
      ...{ worker: 1, generation: 1, pid: 1, form: "asgi" as const, concurrency: 9 },
      ...{ boardPath: "", ringPath: "" },
    };
    this.link = new WorkerLink(this.pool, this.socket, facts, shared, 1000);
    this.pool.add(this.link);
  }

  open(): Socket {
    const x = new Socket();
    this.pool.submit(x, fakeHead("GET\0/\0"), Buffer.from("c"));
    return x;
  }

  sent(): SeenFrame[] {
    this.link.flush();
    return this.socket.takeFrames();
  }

  says(type: number, stream: number): void {
    this.pool.received(this.link, frame(type, stream, 0, 0, Buffer.alloc(0)));
  }

  /** Begins what it was sent, and accepts all of it. */
  accept(): void {
    for (const { stream } of this.sent()) {
      this.board[0] = stream;
      this.says(FrameType.ACCEPT, stream);
    }
  }
}

describe("a full request ring", () => {
  const piece = Buffer.alloc(1024 * 1024, "x");

  test("a large part waits until the worker has read on, a small one does not", () => {
    const worker = new Worker();
    const sockets = [worker.open(), worker.open(), worker.open(), worker.open()];
    worker.accept();
    const handed = sockets.map((x) => worker.pool.sendMessage(x, WsKind.BINARY, piece, true));
    expect(handed).toEqual([Handed.COPIED, Handed.COPIED, Handed.COPIED, Handed.WAITS]);
    expect(sockets[3]!.requestCredit).toBe(WS_WINDOW_BYTES);
    expect(worker.pool.sendMessage(sockets[3]!, WsKind.TEXT, Buffer.from("small"), true)).toBe(
      Handed.COPIED,
    );
    const frames = worker.sent();
    expect(frames.map(({ type }) => type)).toEqual([
      FrameType.MESSAGE,
      FrameType.MESSAGE,
      FrameType.MESSAGE,
      FrameType.PING,
      FrameType.MESSAGE,
    ]);
    worker.board[BOARD_REQUEST_READ] = frames[2]!.payload.readUInt32LE(8);
    worker.says(FrameType.WORKER_PONG, 0);
    expect(sockets.map(({ asked }) => asked)).toEqual([0, 0, 0, 1]);
    expect(worker.pool.sendMessage(sockets[3]!, WsKind.BINARY, piece, true)).toBe(Handed.COPIED);
    expect(worker.wrong).toEqual([]);
  });

  test("without rings a large part goes through the socket", () => {
    const worker = new Worker(null);
    const x = worker.open();
    worker.accept();
    expect(worker.pool.sendMessage(x, WsKind.BINARY, piece, false)).toBe(Handed.KEPT);
    const [part] = worker.sent();
    expect(part).toMatchObject({ type: FrameType.BODY, flags: Flag.BINARY });
    expect(part!.payload.equals(piece)).toBe(true);
  });
});

test("what follows of a message in its socket becomes one with the part before it", async () => {
  await using pair = await socketPair();
  const worker = new Worker();
  const x = worker.open();
  worker.accept();
  const bytes = Buffer.alloc(300_000, "0123456789");
  await pair.send(bytes.subarray(100_000));
  worker.pool.sendMessage(x, WsKind.TEXT, bytes.subarray(0, 100_000), false);
  let left = 200_000;
  const kinds: number[] = [];
  while (left > 0) {
    left -= worker.pool.receiveBody(x, pair.fd, left, {
      readPart: (part) => {
        kinds.push(part.length);
        return part.length === left ? WsKind.TEXT | PART_LAST : WsKind.TEXT;
      },
    });
  }
  const frames = worker.sent();
  expect(frames.map(({ type, flags, aux }) => [type, flags, aux]).at(-1)).toEqual([
    FrameType.MESSAGE,
    Flag.SHARED,
    WsKind.TEXT,
  ]);
  const parts = frames.map(({ payload }) => {
    const at = RING_BYTES + payload.readUInt32LE(0);
    return Buffer.from(worker.rings!.subarray(at, at + payload.readUInt32LE(4)));
  });
  expect(frames).toHaveLength(1);
  expect(Buffer.concat(parts).equals(bytes)).toBe(true);
  expect(x.requestCredit).toBe(WS_WINDOW_BYTES - bytes.length - WS_MESSAGE_COST_BYTES);
});
