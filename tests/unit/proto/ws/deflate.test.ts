/** permessage-deflate beyond what other implementations do (peers.test.ts): limits, malformed data, final blocks, shared streams. */
import { describe, expect, test } from "bun:test";
import { constants, createDeflateRaw, deflateRawSync, inflateRawSync } from "node:zlib";
import { createStreamPools } from "../../../../src/edge/zlib.ts";
import { WsConnection, WsEvent } from "../../../../src/proto/ws/connection.ts";
import {
  MessageDeflater,
  MessageInflater,
  type RawStream,
  StreamPool,
} from "../../../../src/proto/ws/deflate.ts";
import { WsWriter } from "../../../../src/proto/ws/writer.ts";
import {
  binary,
  DEFLATE,
  frame,
  more,
  ping,
  pools,
  read,
  runChunks,
  text,
  Transcript,
  codec,
} from "../../../support/ws-frames.ts";

const RSV1 = 0x40;
const on = { deflate: DEFLATE };

/** A message's payload as a sender without context takeover makes it. */
function compress(bytes: string | Uint8Array): Buffer {
  const flushed = deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH });
  return flushed.subarray(0, -4);
}

const rsv1 = { rsv: RSV1 };
const rsv1Part = { rsv: RSV1, fin: false };

describe("reading", () => {
  test("the examples of RFC 7692 section 7.2.3", () => {
    const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(" ", ""), "hex");
    const hello = text(hex("f2 48 cd c9 c9 07 00"), rsv1);
    expect(read(hello, on)).toEqual(["text Hello"]);
    const fragments = [text(hex("f2 48 cd"), rsv1Part), more(hex("c9 c9 07 00"))];
    expect(read(Buffer.concat(fragments), on)).toEqual(["text Hello"]);
    const again = text(hex("f2 00 11 00 00"), rsv1);
    expect(read(Buffer.concat([hello, again]), on)).toEqual(["text Hello", "text Hello"]);
    const stored = text(hex("00 05 00 fa ff 48 65 6c 6c 6f 00"), rsv1);
    expect(read(stored, on)).toEqual(["text Hello"]);
    const twoBlocks = text(hex("f2 48 05 00 00 00 ff ff ca c9 c9 07 00"), rsv1);
    expect(read(twoBlocks, on)).toEqual(["text Hello"]);
    expect(read(text(hex("00"), rsv1), on)).toEqual(["text "]);
  });

  test("a final block ends neither the message nor the window", () => {
    const final = Buffer.from("f348cdc9c9070000", "hex");
    const again = Buffer.from("f200110000", "hex");
    const bytes = Buffer.concat([text(final, rsv1), text(again, rsv1), text(final, rsv1)]);
    expect(read(bytes, on)).toEqual(["text Hello", "text Hello", "text Hello"]);
    const twice = Buffer.concat([final.subarray(0, 7), final]);
    expect(read(text(twice, rsv1), on)).toEqual(["text HelloHello"]);
    const empty = (count: number): Buffer =>
      Buffer.concat([...Array<Buffer>(count).fill(Buffer.from("0300", "hex")), final]);
    expect(read(text(empty(20), rsv1), on)).toEqual(["text Hello"]);
    expect(read(text(empty(2000), rsv1), on)).toEqual(["error 1007"]);
  });

  test("messages that are not compressed between those that are", () => {
    const bytes = Buffer.concat([text("plain"), text(compress("a"), rsv1), ping("p"), binary("b")]);
    expect(read(bytes, on)).toEqual(["text plain", "text a", "ping p", "binary 62"]);
  });

  test("reserved bits are for the first frame of a message only", () => {
    const first = text(compress("hello").subarray(0, 2), rsv1Part);
    const bad = Buffer.concat([first, more(compress("hello").subarray(2), rsv1)]);
    expect(read(bad, on)).toEqual(["error 1002"]);
    expect(read(Buffer.concat([text("a", { fin: false }), more("b", rsv1)]), on)).toEqual([
      "error 1002",
    ]);
    for (const opcode of [8, 9, 10]) {
      expect(read(frame(opcode, "", rsv1), on)).toEqual(["error 1002"]);
    }
    for (const rsv of [0x10, 0x20, 0x50]) {
      expect(read(text(compress("a"), { rsv }), on)).toEqual(["error 1002"]);
    }
  });

  test("malformed data", () => {
    expect(read(text(Buffer.from("07ff", "hex"), rsv1), on)).toEqual(["error 1007"]);
    // A distance beyond all that there has been.
    expect(read(text(Buffer.from("f2001100", "hex"), rsv1), on)).toEqual(["error 1007"]);
  });

  test("text is checked after decompression, as it comes", () => {
    const bytes = Buffer.concat([Buffer.alloc(70_000, 0x61), Buffer.from("eda080", "hex")]);
    expect(read(text(compress(bytes), rsv1), on)).toEqual(["error 1007"]);
    expect(read(binary(compress(bytes), rsv1), on)).toEqual([`binary ${bytes.toString("hex")}`]);
    const cut = text(compress("é").subarray(0, 2), rsv1Part);
    expect(runChunks([cut, more(compress("é").subarray(2))], on)).toEqual(["text é"]);
    expect(read(text(compress(Buffer.from("c3", "hex")), rsv1), on)).toEqual(["error 1007"]);
  });

  test("without context takeover each message stands alone", () => {
    const params = { ...DEFLATE, clientNoContextTakeover: true };
    const hello = text(Buffer.from("f248cdc9c90700", "hex"), rsv1);
    const again = text(Buffer.from("f200110000", "hex"), rsv1);
    expect(read(Buffer.concat([hello, hello]), { deflate: params })).toEqual([
      "text Hello",
      "text Hello",
    ]);
    expect(read(Buffer.concat([hello, again]), { deflate: params })).toEqual([
      "text Hello",
      "error 1007",
    ]);
  });
});

describe("the limit holds for decompressed bytes", () => {
  const limited = (messageBytesMax: number): object => ({ ...on, messageBytesMax });

  test("exactly as large is allowed", () => {
    const payload = "a".repeat(100_000);
    expect(read(text(compress(payload), rsv1), limited(100_000))).toEqual([`text ${payload}`]);
    expect(read(text(compress(payload), rsv1), limited(99_999))).toEqual(["error 1009"]);
  });

  test("a bomb is not decompressed beyond it", () => {
    const bomb = compress(Buffer.alloc(64 * 1024 * 1024));
    const connection = new WsConnection({
      messageBytesMax: 1024 * 1024,
      deflate: DEFLATE,
      inflatePool: pools.inflate,
    });
    connection.feed(binary(bomb, rsv1));
    let given = 0;
    let largest = 0;
    let event = connection.next();
    for (; event === WsEvent.PART; event = connection.next()) {
      given += connection.end - connection.start;
      largest = Math.max(largest, connection.end - connection.start);
    }
    expect(event).toBe(WsEvent.ERROR);
    expect(connection.code).toBe(1009);
    expect(given).toBeLessThanOrEqual(1024 * 1024);
    expect(largest).toBeLessThanOrEqual(80 * 1024);
  });

  test("the next message begins at nothing", () => {
    const payload = "ab".repeat(400);
    const message = text(compress(payload), rsv1);
    expect(read(Buffer.concat([message, message, message]), limited(800))).toEqual(
      Array(3).fill(`text ${payload}`),
    );
  });
});

/** The frames that a writer makes of messages in parts. */
function written(messages: readonly (readonly Buffer[])[], params = DEFLATE): Buffer[] {
  const out: Buffer[] = [];
  const keep = (buf: Buffer, start: number, end: number): void => {
    out.push(Buffer.from(buf.subarray(start, end)));
  };
  const writer = new WsWriter({ write: keep, writeBorrowed: keep }, params, pools.deflate);
  for (const parts of messages) {
    for (const [index, part] of parts.entries()) {
      const roomy = Buffer.concat([Buffer.alloc(10), part]);
      const last = index === parts.length - 1;
      writer.message(2, roomy, 10, roomy.length, last, false);
    }
  }
  writer.dispose();
  return out;
}

describe("WebSocket messages are compressed when the client offers it", () => {
  test("messages below 64 bytes are not compressed", () => {
    const frames = written([[Buffer.alloc(63)], [Buffer.alloc(64)], [Buffer.alloc(0)]]);
    expect(frames.map((bytes) => bytes[0])).toEqual([0x82, 0xc2, 0x82]);
    expect(frames[0]!.length).toBe(2 + 63);
    expect(frames[1]!.length).toBeLessThan(20);
  });

  test("the window lives on, unless that was not agreed", () => {
    const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(300)));
    const [first, second] = written([[noise], [noise]]);
    expect(second!.length).toBeLessThan(first!.length / 4);
    const alone = written([[noise], [noise]], { ...DEFLATE, serverNoContextTakeover: true });
    expect(alone[1]!.equals(alone[0]!)).toBe(true);
  });

  test("parts are one message, and empty ones make no frame", () => {
    const parts = [Buffer.alloc(0), Buffer.alloc(10, 1), Buffer.alloc(0), Buffer.alloc(0)];
    const frames = written([parts]);
    expect(frames[0]![0]! & 0x4f).toBe(0x42);
    expect(frames.at(-1)![0]! & 0x80).toBe(0x80);
    const payload = Buffer.concat(frames.map((bytes) => bytes.subarray(2)));
    const tail = Buffer.from("0000ffff", "hex");
    const options = { finishFlush: constants.Z_SYNC_FLUSH };
    expect(inflateRawSync(Buffer.concat([payload, tail]), options)).toEqual(Buffer.alloc(10, 1));
  });

  test("what is larger than the output buffer comes in several frames", () => {
    const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(65_536)));
    const frames = written([[noise, noise, noise]]);
    expect(frames.length).toBeGreaterThan(3);
    expect(frames.map((bytes) => bytes[0]! & 0xc0)).toEqual([
      0x40,
      ...Array<number>(frames.length - 2).fill(0),
      0x80,
    ]);
    expect(Math.max(...frames.map((bytes) => bytes.length))).toBeLessThanOrEqual(64 * 1024);
  });

  test("with the smallest window no distance is beyond it", () => {
    const params = { ...DEFLATE, serverWindowBits: 8 };
    const pattern = Buffer.from(crypto.getRandomValues(new Uint8Array(257)));
    // Repeats after 257 bytes: out of reach of a window of 256, so nothing can be saved.
    const [bytes] = written([[Buffer.concat([pattern, pattern])]], params);
    expect(bytes!.length).toBeGreaterThan(2 * 257);
  });
});

class CountedStream implements RawStream {
  static live = 0;
  readonly inputLeft = 0;
  readonly outputLeft = 0;
  resets = 0;
  constructor() {
    CountedStream.live += 1;
  }
  write(): boolean {
    return true;
  }
  reset(): void {
    this.resets += 1;
  }
  close(): void {
    CountedStream.live -= 1;
  }
}

describe("shared streams", () => {
  test("an owner finds its window until others have used all streams", () => {
    const pool = new StreamPool(() => new CountedStream(), 2);
    const [a, b, c] = [{}, {}, {}];
    const first = pool.take(a, 15);
    pool.release(first, true);
    const second = pool.take(b, 15);
    pool.release(second, true);
    expect([first.owner, second.owner]).toEqual([a, b]);
    const third = pool.take(c, 15);
    expect(third).toBe(first);
    expect(first.owner).toBe(c);
    expect((first.raw as CountedStream).resets).toBe(1);
    pool.release(third, false);
    expect(pool.take(a, 15)).toBe(first);
    expect(second.owner).toBe(b);
  });

  test("no more are kept than wanted, and none is taken in the middle of a message", () => {
    CountedStream.live = 0;
    const pool = new StreamPool(() => new CountedStream(), 2);
    const busy = Array.from({ length: 5 }, () => pool.take({}, 15));
    expect(new Set(busy).size).toBe(5);
    for (const stream of busy) pool.release(stream, true);
    expect([pool.size, CountedStream.live]).toEqual([2, 2]);
  });

  test("another window takes the place of the one used least recently", () => {
    CountedStream.live = 0;
    const pool = new StreamPool(() => new CountedStream(), 2);
    const [a, b] = [pool.take({}, 9), pool.take({}, 9)];
    pool.release(a, true);
    pool.release(b, true);
    expect(pool.take({}, 12).windowBits).toBe(12);
    expect([a.owner, b.owner === null, CountedStream.live]).toEqual([null, false, 2]);
  });

  test("a connection takes none before its first compressed message, and none after its end", () => {
    const own = createStreamPools(4);
    const options = { messageBytesMax: 0, deflate: DEFLATE, inflatePool: own.inflate };
    const connections = Array.from({ length: 50 }, () => new WsConnection(options));
    for (const connection of connections) {
      connection.feed(text("plain"));
      expect(connection.next()).toBe(WsEvent.MESSAGE);
    }
    expect(own.inflate.size).toBe(0);
    for (const connection of connections) {
      connection.feed(text(compress("first part").subarray(0, 4), rsv1Part));
      expect(connection.next()).toBe(WsEvent.NEED_DATA);
    }
    expect(own.inflate.size).toBe(50);
    for (const connection of connections) connection.dispose();
    expect(own.inflate.size).toBe(4);
  });

  test("windows survive when many connections share one stream", () => {
    for (const clientWindowBits of [8, 9, 12, 15]) {
      const own = createStreamPools(1);
      const params = { ...DEFLATE, clientWindowBits };
      const options = { messageBytesMax: 0, deflate: params, inflatePool: own.inflate };
      const clients = Array.from({ length: 3 }, () => {
        const windowBits = Math.max(9, clientWindowBits);
        const stream = createDeflateRaw({ windowBits, level: 9 });
        return { stream, transcript: new Transcript(new WsConnection(options)) };
      });
      const expected: string[][] = [[], [], []];
      for (let round = 0; round < 60; round++) {
        const index = (round * 7) % 3;
        const word = `${index}:${Math.floor(round / 5)} `;
        const message = word.repeat(1 + ((round * 977) % 9000));
        expected[index]!.push(`text ${message}`);
        const { stream, transcript } = clients[index]!;
        transcript.feed(text(deflateWith(stream, Buffer.from(message)), rsv1));
      }
      for (const [index, { transcript }] of clients.entries()) {
        expect(transcript.events).toEqual(expected[index]!);
      }
    }
  });

  test("compressing goes on after its stream was taken away", () => {
    const own = createStreamPools(1);
    const inflate = new MessageInflater(createStreamPools(1).inflate, DEFLATE);
    const deflaters = [0, 1].map(() => new MessageDeflater(own.deflate, DEFLATE));
    for (let i = 0; i < 20; i++) {
      const bytes = Buffer.from("repeated ".repeat(20 + i));
      const deflater = deflaters[i % 3 === 0 ? 1 : 0]!;
      deflater.start(bytes, 0, bytes.length, true);
      expect(deflater.next()).toBe(true);
      expect(deflater.complete).toBe(true);
      const payload = Buffer.from(
        deflater.output.subarray(deflater.outputStart, deflater.outputEnd),
      );
      if (i % 3 === 0) continue;
      inflate.begin();
      inflate.feed(payload, 0, payload.length);
      const length = inflate.next(10_000);
      expect(inflate.output.toString("utf8", 0, length)).toBe(bytes.toString());
      inflate.feedTail();
      expect(inflate.next(10_000)).toBe(0);
      inflate.finish();
    }
    expect(own.deflate.size).toBe(1);
  });
});

/** One message of a sender whose window lives on. */
function deflateWith(stream: object, bytes: Buffer): Buffer {
  const { _handle: handle, _writeState: left } = stream as {
    _handle: { writeSync(...values: unknown[]): void };
    _writeState: Uint32Array;
  };
  const out = Buffer.alloc(bytes.length + 1000);
  handle.writeSync(constants.Z_SYNC_FLUSH, bytes, 0, bytes.length, out, 0, out.length);
  return out.subarray(0, out.length - left[0]! - 4);
}

test("a codec without the extension refuses compressed frames", () => {
  const transcript = new Transcript(codec());
  transcript.feed(text(compress("a"), rsv1));
  expect(transcript.events).toEqual(["error 1002"]);
});
