/**
 * The client's side of an HTTP/2 connection for tests: frames are made by hand, header blocks without Huffman codes or tables, so that a
 * test says each byte. `H2Probe` feeds them to an H2Connection and writes down events and what comes out.
 */
import { expect } from "bun:test";
import { H2Connection, H2Event, type H2Options } from "../../src/proto/h2/connection.ts";
import {
  CLIENT_PREFACE,
  FrameFlag,
  FrameType,
  H2Code,
  Setting,
} from "../../src/proto/h2/frames.ts";

export const KIB = 1024;
export const STREAM_WINDOW: number = 128 * KIB;
export const CONNECTION_WINDOW: number = 256 * KIB;

export const OPTIONS: H2Options = {
  form: "asgi",
  requestLineBytesMax: 8190,
  headerBytesMax: 65536,
  headerFieldBytesMax: 16384,
  headerCountMax: 100,
  underscoreHeaders: "drop",
  bodyBytesMax: 0,
  connectProtocol: true,
  streamsMax: 16,
  streamWindowBytes: STREAM_WINDOW,
  connectionWindowBytes: CONNECTION_WINDOW,
  now: () => 0,
};

// Frames of the client

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = new Uint8Array(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index);
  return bytes;
}

function text(value: string): Buffer {
  expect(value.length).toBeLessThan(16_384);
  const bytes = Buffer.from(value, "latin1");
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const over = bytes.length - 127;
  const length = over < 128 ? [127, over] : [127, (over & 127) | 128, over >> 7];
  return Buffer.concat([Buffer.from(length), bytes]);
}

export type Field = readonly [string, string];

/** Literals that are never indexed (RFC 7541 section 6.2.3). */
export function headerBlock(fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.flatMap(([name, value]) => [Buffer.from([0x10]), text(name), text(value)]),
  );
}

export const GET: readonly Field[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":authority", "example.com"],
  [":path", "/"],
];
export const POST: readonly Field[] = [[":method", "POST"], ...GET.slice(1)];

export const END = FrameFlag.END_STREAM;

export function headers(
  stream: number,
  fields: readonly Field[] = GET,
  flags: number = END,
): Buffer {
  return frame(FrameType.HEADERS, flags | FrameFlag.END_HEADERS, stream, headerBlock(fields));
}

export function data(stream: number, payload: string | Uint8Array, flags = 0): Buffer {
  const bytes = typeof payload === "string" ? Buffer.from(payload, "latin1") : payload;
  return frame(FrameType.DATA, flags, stream, bytes);
}

/** DATA with so many bytes of padding behind it. */
export function paddedData(stream: number, payload: string, padding: number, flags = 0): Buffer {
  const bytes = [Buffer.from([padding]), Buffer.from(payload), Buffer.alloc(padding)];
  return frame(FrameType.DATA, flags | FrameFlag.PADDED, stream, Buffer.concat(bytes));
}

export function settings(...pairs: (readonly [number, number])[]): Buffer {
  const entries = pairs.map(([name, value]) => Buffer.concat([Buffer.from([0, name]), u32(value)]));
  return frame(FrameType.SETTINGS, 0, 0, Buffer.concat(entries));
}

export function windowUpdate(stream: number, increment: number): Buffer {
  return frame(FrameType.WINDOW_UPDATE, 0, stream, u32(increment));
}

export function reset(stream: number, code: number = H2Code.CANCEL): Buffer {
  return frame(FrameType.RST_STREAM, 0, stream, u32(code));
}

export function ping(flags = 0, payload = "12345678"): Buffer {
  return frame(FrameType.PING, flags, 0, Buffer.from(payload));
}

export function priorityUpdate(stream: number, value: string): Buffer {
  return frame(
    FrameType.PRIORITY_UPDATE,
    0,
    0,
    Buffer.concat([u32(stream), Buffer.from(value, "latin1")]),
  );
}

/** The client preface with SETTINGS that say nothing. */
export const HELLO: Buffer = Buffer.concat([CLIENT_PREFACE, settings()]);

// Frames of the server

export interface Sent {
  type: string;
  flags: number;
  stream: number;
  payload: Buffer;
}

const TYPE_NAMES = new Map<number, string>(
  Object.entries(FrameType).map(([name, value]) => [value, name]),
);

/** The whole frames of these bytes, and what is left of an unfinished one. */
export function splitFrames(bytes: Buffer): { frames: Sent[]; left: Buffer } {
  const frames: Sent[] = [];
  let at = 0;
  while (bytes.length - at >= 9) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    frames.push({
      type: TYPE_NAMES.get(bytes.readUInt8(at + 3)) ?? "unknown",
      flags: bytes.readUInt8(at + 4),
      stream: bytes.readUInt32BE(at + 5),
      payload: bytes.subarray(at + 9, end),
    });
    at = end;
  }
  return { frames, left: bytes.subarray(at) };
}

export function parseFrames(bytes: Buffer): Sent[] {
  const { frames, left } = splitFrames(bytes);
  expect(left.length).toBe(0);
  return frames;
}

/** A frame in a few words: what tests compare. */
export function summary({ type, flags, stream, payload }: Sent): string {
  const end = type === "DATA" || type === "HEADERS" ? flags & END : 0;
  const words = [type, ...(stream === 0 ? [] : [stream]), ...(end === 0 ? [] : ["END"])];
  if (type === "DATA") words.push(payload.length);
  if (type === "RST_STREAM" || type === "WINDOW_UPDATE") words.push(payload.readUInt32BE(0));
  if (type === "GOAWAY") words.push(payload.readUInt32BE(0), payload.readUInt32BE(4));
  if ((type === "SETTINGS" || type === "PING") && (flags & FrameFlag.ACK) !== 0) words.push("ACK");
  return words.join(" ");
}

// Events

const EVENT_NAMES = new Map<number, string>(
  Object.entries(H2Event).map(([name, value]) => [value, name]),
);

export class H2Probe {
  readonly h2: H2Connection;
  readonly events: string[] = [];
  /** Bytes of request bodies by stream. */
  readonly bodies = new Map<number, string>();
  /** What `onSent` was told. */
  readonly told: string[] = [];
  /** Body bytes are consumed as they come. */
  consumes = true;

  constructor(changes: Partial<H2Options> = {}) {
    this.h2 = new H2Connection({ ...OPTIONS, ...changes });
    this.h2.onSent = (stream, bytes, ended) => {
      this.told.push(`${stream} ${bytes}${ended ? " END" : ""}`);
    };
  }

  /** One that has exchanged prefaces. */
  static greeted(changes: Partial<H2Options> = {}): H2Probe {
    const probe = new H2Probe(changes);
    probe.feed(HELLO, frame(FrameType.SETTINGS, FrameFlag.ACK, 0));
    probe.sent();
    return probe;
  }

  /** One whose client allows much on the connection and `window` bytes on each stream. */
  static roomy(window: number = 1024 * KIB): H2Probe {
    const probe = H2Probe.greeted();
    probe.feed(settings([Setting.INITIAL_WINDOW_SIZE, window]), windowUpdate(0, 2 ** 30));
    probe.sent();
    return probe;
  }

  /** Feeds chunks; the events they caused. A chunk is overwritten when the engine has asked for more: nothing of it may be kept. */
  feed(...chunks: Uint8Array[]): string[] {
    const before = this.events.length;
    for (const chunk of chunks) {
      const lent = Buffer.from(chunk);
      this.h2.feed(lent);
      this.#pump();
      lent.fill(0xee);
    }
    return this.events.slice(before);
  }

  #pump(): void {
    const { h2 } = this;
    for (;;) {
      const event = h2.next();
      if (event === H2Event.NEED_DATA) return;
      if (event === H2Event.BODY) {
        const piece = Buffer.from(h2.data.subarray(h2.dataStart, h2.dataEnd)).toString("latin1");
        this.bodies.set(h2.stream, (this.bodies.get(h2.stream) ?? "") + piece);
        if (this.consumes) h2.consumed(h2.stream, piece.length);
        continue;
      }
      this.events.push(this.#describe(event));
      if (event === H2Event.ERROR) return;
    }
  }

  #describe(event: number): string {
    const { h2 } = this;
    const words: (string | number)[] = [EVENT_NAMES.get(event) ?? "unknown"];
    if (event === H2Event.ERROR || event === H2Event.GOAWAY) return [...words, h2.code].join(" ");
    words.push(h2.stream);
    if (event === H2Event.HEAD) words.push(h2.head.method, h2.head.target());
    if (event === H2Event.RESET) words.push(h2.code);
    if (event === H2Event.REFUSED) words.push(h2.errorCode ?? "");
    if (event === H2Event.END && h2.trailers !== null) {
      words.push(Buffer.from(h2.trailers).toString("latin1").replaceAll("\0", " "));
    }
    return words.join(" ");
  }

  /** The frames that can leave now. */
  frames(max: number = 1024 * KIB): Sent[] {
    const pieces: Buffer[] = [];
    for (;;) {
      const piece = this.h2.pull(max);
      if (piece === null) break;
      pieces.push(piece);
    }
    expect(this.h2.hasOutput).toBe(false);
    return parseFrames(Buffer.concat(pieces));
  }

  sent(max?: number): string[] {
    return this.frames(max).map(summary);
  }

  head(stream: number, endStream = false, lines = ""): void {
    const head = Buffer.from(`HTTP/1.1 200 OK\r\n${lines}\r\n`, "latin1");
    this.h2.sendHead(stream, 200, head, 0, head.length, endStream);
  }

  body(stream: number, bytes: number, endStream = false): boolean {
    return this.h2.sendData(stream, Buffer.alloc(bytes, stream), 0, bytes, endStream);
  }

  /** A whole small answer. */
  answer(stream: number): void {
    this.head(stream);
    this.body(stream, 2, true);
  }
}

// Ways to split

export function bytewise(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
}

/** A small generator of numbers below 2^32, the same for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state;
  };
}

export function splitAtRandom(bytes: Buffer, random: () => number): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = 1 + ((random() >>> 8) % 40);
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

export interface Outcome {
  events: string[];
  bodies: [number, string][];
  sent: string[];
}

function outcome(chunks: readonly Buffer[], changes: Partial<H2Options>): Outcome {
  const probe = new H2Probe(changes);
  for (const chunk of chunks) {
    if (probe.events.at(-1)?.startsWith("ERROR") !== true) probe.feed(chunk);
  }
  return { events: probe.events, bodies: [...probe.bodies], sent: probe.sent() };
}

/** What a client's bytes lead to, fed whole, byte by byte and split at random, which must all be the same. */
export function threeWays(bytes: Buffer, changes: Partial<H2Options> = {}): Outcome {
  const whole = outcome([bytes], changes);
  expect(outcome(bytewise(bytes), changes)).toEqual(whole);
  for (let seed = 1; seed <= 3; seed++) {
    expect(outcome(splitAtRandom(bytes, randomOf(seed)), changes)).toEqual(whole);
  }
  return whole;
}

/** The same after the prefaces; what is sent only because of those is left out. */
export function afterHello(frames: readonly Buffer[], changes: Partial<H2Options> = {}): Outcome {
  const { sent, ...rest } = threeWays(Buffer.concat([HELLO, ...frames]), changes);
  expect(sent.slice(0, 3)).toEqual([
    "SETTINGS",
    `WINDOW_UPDATE ${CONNECTION_WINDOW - 65_535}`,
    "SETTINGS ACK",
  ]);
  return { ...rest, sent: sent.slice(3) };
}
