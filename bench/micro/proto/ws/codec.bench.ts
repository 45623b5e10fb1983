/**
 * Nanoseconds that the WebSocket codec takes to echo a message, frames of the client in, frames of the server out, without any socket:
 * texts of 64 bytes, binary messages of 1 MiB in chunks of 64 KiB, and with permessage-deflate JSON texts of 64 bytes and 4 KiB: for one
 * connection, whose streams keep their windows, and for 1000 in turn, which take the streams from one another. Then the heap that idle
 * connections hold. Run: bun bench/micro/proto/ws/codec.bench.ts
 */
import { heapStats } from "bun:jsc";
import { createStreamPools } from "../../../../src/edge/zlib.ts";
import { WsConnection, WsEvent } from "../../../../src/proto/ws/connection.ts";
import type { DeflateParams } from "../../../../src/proto/ws/extensions.ts";
import { MASKED, Opcode, RSV1, writeServerHeader } from "../../../../src/proto/ws/frame.ts";
import { WsWriter } from "../../../../src/proto/ws/writer.ts";

const ROUNDS = 7;
const CHUNK_BYTES = 64 * 1024;
const WIRE_HEADER_BYTES = 12;
const KEY = 0x3d21fa37;
const IDLE = 10_000;
const VARIANTS = 64;

const DEFLATE: DeflateParams = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverWindowBits: 12,
  clientWindowBits: 12,
  answer: "",
};

const pools = createStreamPools();
let written = 0;
const sink = {
  write: (_buf: Buffer, start: number, end: number): void => void (written += end - start),
  writeBorrowed: (_buf: Buffer, start: number, end: number): void => void (written += end - start),
};

class Echo {
  readonly codec: WsConnection;
  readonly writer: WsWriter;
  #parts: Buffer[] = [];

  constructor(deflate: DeflateParams | null) {
    this.codec = new WsConnection({
      messageBytesMax: 16 * 1024 * 1024,
      deflate,
      inflatePool: pools.inflate,
    });
    this.writer = new WsWriter(sink, deflate, pools.deflate);
  }

  /** As the session and the wire do it: what goes back lies behind a frame's header of the wire, a copy that is not the codec's. */
  take(chunk: Buffer): void {
    const codec = this.codec;
    codec.feed(chunk);
    for (let event = codec.next(); event !== WsEvent.NEED_DATA; event = codec.next()) {
      const piece = codec.data.subarray(codec.start, codec.end);
      if (event === WsEvent.PART) this.#parts.push(piece);
      else if (event === WsEvent.MESSAGE) this.#reply(piece);
      else throw new Error(`${codec.code} ${codec.reason}`);
    }
  }

  #reply(last: Buffer): void {
    for (const part of this.#parts) this.#write(part, false);
    this.#parts = [];
    this.#write(last, true);
  }

  #write(piece: Buffer, last: boolean): void {
    piece.copy(back, WIRE_HEADER_BYTES);
    const end = WIRE_HEADER_BYTES + piece.length;
    this.writer.message(this.codec.kind, back, WIRE_HEADER_BYTES, end, last, false);
  }
}

const back: Buffer = Buffer.alloc(WIRE_HEADER_BYTES + CHUNK_BYTES);

/** A client's frame; what is fed is written to, so it is masked anew before each use by unmasking it once more. */
function frame(first: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(14);
  const at = writeServerHeader(head, 0, first, payload.length);
  head[1]! |= MASKED;
  head.writeInt32LE(KEY, at);
  const mask = head.subarray(at, at + 4);
  return Buffer.concat([head.subarray(0, at + 4), payload.map((byte, i) => byte ^ mask[i & 3]!)]);
}

function json(bytes: number, seed: number): Buffer<ArrayBuffer> {
  let text = "";
  for (let i = seed; text.length < bytes; i++) {
    text += JSON.stringify({ id: (i * 7919) % 10_007, name: `user${i % 97}`, active: i % 3 === 0 });
  }
  return Buffer.from(text.slice(0, bytes));
}

/** Frames of a client, each compressed on its own, as one whose window has been emptied sends them. */
function compressed(bytes: number): Buffer[] {
  return Array.from({ length: VARIANTS }, (_, i) => {
    const deflated = Bun.deflateSync(json(bytes, i * 31), { windowBits: -12 });
    // A final block, and the empty one that makes the message end as others do.
    return frame(0x80 | RSV1 | Opcode.TEXT, Buffer.concat([deflated, Buffer.from([0])]));
  });
}

function plain(opcode: number, payload: Buffer): Buffer[] {
  return Array.from({ length: VARIANTS }, () => frame(0x80 | opcode, payload));
}

function report(
  name: string,
  frames: readonly Buffer[],
  echoes: readonly Echo[],
  count: number,
): void {
  const copies = frames.map((bytes) => Buffer.allocUnsafeSlow(bytes.length));
  const round = (messages: number): number => {
    let spent = 0;
    for (let i = 0; i < messages; i++) {
      const from = frames[i % frames.length]!;
      const chunk = copies[i % frames.length]!;
      from.copy(chunk);
      const echo = echoes[i % echoes.length]!;
      const start = Bun.nanoseconds();
      for (let at = 0; at < chunk.length; at += CHUNK_BYTES) {
        echo.take(chunk.length <= CHUNK_BYTES ? chunk : chunk.subarray(at, at + CHUNK_BYTES));
      }
      spent += Bun.nanoseconds() - start;
    }
    return spent / messages;
  };
  round(count);
  const times = Array.from({ length: ROUNDS }, () => round(count)).sort((a, b) => a - b);
  const [best, median] = [times[0]!, times[ROUNDS >> 1]!];
  process.stdout.write(
    `${name.padEnd(44)} ${median.toFixed(0).padStart(8)} ns a message (best ${best.toFixed(0)})\n`,
  );
}

const one = (deflate: DeflateParams | null): Echo[] => [new Echo(deflate)];
const many = (): Echo[] => Array.from({ length: 1000 }, () => new Echo(DEFLATE));

report("text, 64 bytes", plain(Opcode.TEXT, json(64, 1)), one(null), 200_000);
report(
  "text, 64 bytes, not ASCII",
  plain(Opcode.TEXT, Buffer.from("é".repeat(32))),
  one(null),
  200_000,
);
report("binary, 1 MiB", plain(Opcode.BINARY, Buffer.alloc(1 << 20, 7)).slice(0, 4), one(null), 200);
report("deflate, 64 bytes, 1 connection", compressed(64), one(DEFLATE), 50_000);
report("deflate, 64 bytes, 1000 connections", compressed(64), many(), 50_000);
report("deflate, 4 KiB, 1 connection", compressed(4096), one(DEFLATE), 5000);
report("deflate, 4 KiB, 1000 connections", compressed(4096), many(), 5000);

function heap(): number {
  Bun.gc(true);
  return heapStats().heapSize;
}

const before = heap();
const idle = Array.from({ length: IDLE }, () => new Echo(DEFLATE));
const each = (heap() - before) / idle.length;
process.stdout.write(`codec of an idle connection: ${each.toFixed(0)} bytes of heap\n`);
