/** Request bodies on a link: small pieces travel as few parts in the ring, and whoever hands them over is told what is kept. */
import { beforeEach, describe, expect, test } from "bun:test";
import { LinkWriter } from "../../../src/dispatch/link-writer.ts";
import { SharedMemory } from "../../../src/dispatch/ring.ts";
import { Handed } from "../../../src/exchange/exchange.ts";
import {
  BOARD_REQUEST_READ,
  Flag,
  FrameType,
  REQUEST_WINDOW_BYTES,
  RING_BYTES,
} from "../../../src/wire/spec.ts";
import { FakeExchange, FakeSocket } from "../../support/wire.ts";

const KIB = 1024;
const FRAME_BYTES = 16 * KIB;

interface Part {
  stream: number;
  shared: boolean;
  bytes: Buffer;
  end: boolean;
}

let board: Uint32Array;
let rings: Uint8Array;
let socket: FakeSocket;
let writer: LinkWriter;

beforeEach(() => {
  board = new Uint32Array(16);
  rings = new Uint8Array(2 * RING_BYTES);
  socket = new FakeSocket();
  writer = new LinkWriter(socket, new SharedMemory(board, rings), () => {});
});

function exchange(stream: number): FakeExchange {
  const x = new FakeExchange(`${stream}`, "PUT");
  x.stream = stream;
  x.requestCredit = REQUEST_WINDOW_BYTES;
  return x;
}

/** What the worker gets; it reads the ring as it goes. */
function parts(): Part[] {
  writer.flush();
  return socket.takeFrames().map(({ type, stream, flags, payload }) => {
    const end = (flags & Flag.END) !== 0;
    if (type !== FrameType.SHARED_BODY) return { stream, shared: false, bytes: payload, end };
    const [offset, size] = [payload.readUInt32LE(0), payload.readUInt32LE(4)];
    const bytes = Buffer.from(rings.slice(RING_BYTES + offset, RING_BYTES + offset + size));
    board[BOARD_REQUEST_READ] = payload.readUInt32LE(8);
    return { stream, shared: true, bytes, end };
  });
}

function sizes(): string[] {
  return parts().map(({ stream, shared, bytes, end }) =>
    [stream, shared ? "ring" : "frame", bytes.length, ...(end ? ["end"] : [])].join(" "),
  );
}

describe("small pieces of a body", () => {
  test("become parts of up to 64 KiB, in order and whole", () => {
    const x = exchange(1);
    const pieces = [...Array(9).keys()].map((i) => Buffer.alloc(FRAME_BYTES, i + 1));
    for (const piece of pieces) writer.body(x, piece, false);
    writer.body(x, Buffer.alloc(100, 99), true);
    expect(x.requestCredit).toBe(REQUEST_WINDOW_BYTES - 9 * FRAME_BYTES - 100);
    const seen = parts();
    expect(seen.map(({ bytes }) => bytes.length)).toEqual([65_536, 65_536, 16_484]);
    expect(seen.map(({ end }) => end)).toEqual([false, false, true]);
    const whole = Buffer.concat([...pieces, Buffer.alloc(100, 99)]);
    expect(Buffer.concat(seen.map(({ bytes }) => bytes)).equals(whole)).toBe(true);
  });

  test("have their end in the last part", () => {
    const x = exchange(1);
    writer.body(x, Buffer.alloc(FRAME_BYTES), false);
    writer.body(x, Buffer.alloc(0), true);
    expect(sizes()).toEqual(["1 ring 16384 end"]);
  });

  test("are joined only with what has not left, and not across a frame of anyone else", () => {
    const [one, two] = [exchange(1), exchange(3)];
    writer.body(one, Buffer.alloc(FRAME_BYTES), false);
    writer.body(two, Buffer.alloc(FRAME_BYTES), false);
    writer.body(one, Buffer.alloc(FRAME_BYTES), false);
    writer.credit(1, 5);
    writer.body(one, Buffer.alloc(FRAME_BYTES), false);
    writer.flush();
    writer.body(one, Buffer.alloc(FRAME_BYTES), false);
    writer.body(one, Buffer.alloc(7), false);
    expect(sizes()).toEqual([
      "1 ring 16384",
      "3 ring 16384",
      "1 ring 16384",
      "1 frame 4",
      "1 ring 16384",
      "1 ring 16391",
    ]);
  });

  test("stay frames before a part has begun, and where the ring has no more room", () => {
    const x = exchange(1);
    writer.body(x, Buffer.alloc(100), false);
    writer.body(x, Buffer.alloc(100), false);
    expect(sizes()).toEqual(["1 frame 100", "1 frame 100"]);
    for (let left = RING_BYTES; left > 0; left -= FRAME_BYTES)
      writer.body(x, Buffer.alloc(FRAME_BYTES, 7), false);
    const seen = parts();
    const bytes = Buffer.concat(seen.map((part) => part.bytes));
    expect(bytes.equals(Buffer.alloc(RING_BYTES, 7))).toBe(true);
    expect(seen.at(-1)!.shared).toBe(false);
  });
});

describe("a piece is the caller's again", () => {
  test("when it was copied into the ring, joined to a part or put into a frame", () => {
    const x = exchange(1);
    expect(writer.body(x, Buffer.alloc(100), false)).toBe(Handed.COPIED);
    expect(writer.body(x, Buffer.alloc(200 * KIB), false)).toBe(Handed.COPIED);
    expect(writer.body(x, Buffer.alloc(FRAME_BYTES), false)).toBe(Handed.COPIED);
  });

  test("but not when it waits for the socket as it is", () => {
    writer = new LinkWriter(socket, new SharedMemory(board, null), () => {});
    const x = exchange(1);
    expect(writer.body(x, Buffer.alloc(FRAME_BYTES), false)).toBe(Handed.COPIED);
    expect(writer.body(x, Buffer.alloc(FRAME_BYTES + 1), false)).toBe(Handed.KEPT);
  });
});
