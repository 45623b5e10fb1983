/**
 * A WebSocket client's frames, and what the server's codec says about them when they come whole, byte by byte and split at random. The
 * caller's rights are not tested here: what is fed belongs to the codec, so each run gets a copy.
 */
import { expect } from "bun:test";
import { createStreamPools } from "../../src/edge/zlib.ts";
import { WsConnection, WsEvent } from "../../src/proto/ws/connection.ts";
import type { DeflateParams } from "../../src/proto/ws/extensions.ts";
import { randomOf, splitAtRandom } from "./h1-reader.ts";

export const pools: ReturnType<typeof createStreamPools> = createStreamPools(8);

export const DEFLATE: DeflateParams = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverWindowBits: 12,
  clientWindowBits: 15,
  answer: "",
};

export interface FrameOptions {
  fin?: boolean;
  /** RSV bits as they stand in the first byte. */
  rsv?: number;
  mask?: readonly [number, number, number, number] | null;
  /** How the length is written: 7, 16 or 64 bits; by default the shortest. */
  lengthBits?: 7 | 16 | 64;
  /** Another length than the payload's. */
  length?: bigint;
}

function lengthBytes(length: bigint, bits: 7 | 16 | 64): [number, Buffer] {
  if (bits === 7) return [Number(length), Buffer.alloc(0)];
  const field = Buffer.alloc(bits / 8);
  if (bits === 16) field.writeUInt16BE(Number(length));
  else field.writeBigUInt64BE(length);
  return [bits === 16 ? 126 : 127, field];
}

/** A client's frame. */
export function frame(
  opcode: number,
  payload: string | Uint8Array = "",
  options: FrameOptions = {},
): Buffer {
  const { fin = true, rsv = 0, mask = [0x37, 0xfa, 0x21, 0x3d] } = options;
  const bytes = Buffer.from(payload as Uint8Array);
  const length = options.length ?? BigInt(bytes.length);
  const bits = options.lengthBits ?? (length < 126n ? 7 : length < 65_536n ? 16 : 64);
  const [short, field] = lengthBytes(length, bits);
  const head = Buffer.from([(fin ? 0x80 : 0) | rsv | opcode, (mask === null ? 0 : 0x80) | short]);
  if (mask === null) return Buffer.concat([head, field, bytes]);
  const masked = bytes.map((byte, index) => byte ^ mask[index & 3]!);
  return Buffer.concat([head, field, Buffer.from(mask), masked]);
}

export const text = (payload: string | Uint8Array, options?: FrameOptions): Buffer =>
  frame(1, payload, options);
export const binary = (payload: string | Uint8Array, options?: FrameOptions): Buffer =>
  frame(2, payload, options);
export const more = (payload: string | Uint8Array, options?: FrameOptions): Buffer =>
  frame(0, payload, options);
export const ping = (payload: string | Uint8Array = ""): Buffer => frame(9, payload);
export const pong = (payload: string | Uint8Array = ""): Buffer => frame(10, payload);

export function close(code: number | null = null, reason: string | Uint8Array = ""): Buffer {
  if (code === null) return frame(8);
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return frame(8, Buffer.concat([head, Buffer.from(reason as Uint8Array)]));
}

export interface CodecOptions {
  deflate?: DeflateParams | null;
  messageBytesMax?: number;
}

export function codec(options: CodecOptions = {}): WsConnection {
  return new WsConnection({
    messageBytesMax: options.messageBytesMax ?? 0,
    deflate: options.deflate ?? null,
    inflatePool: pools.inflate,
  });
}

/** Takes what has come of a connection: `text abc`, `binary 00ff`, `ping x`, `pong x`, `close 1000 bye`, `error 1002`. */
export class Transcript {
  readonly events: string[] = [];
  readonly connection: WsConnection;
  #parts: Buffer[] = [];

  constructor(connection: WsConnection) {
    this.connection = connection;
  }

  feed(chunk: Uint8Array): void {
    this.connection.feed(Buffer.from(chunk));
    this.take();
  }

  take(): void {
    const connection = this.connection;
    for (;;) {
      const event = connection.next();
      const { data, start, end } = connection;
      switch (event) {
        case WsEvent.NEED_DATA:
          return;
        case WsEvent.PART:
        case WsEvent.MESSAGE:
          this.#parts.push(data.subarray(start, end));
          if (event === WsEvent.MESSAGE) this.#message();
          break;
        case WsEvent.PING:
        case WsEvent.PONG:
          this.events.push(
            `${event === WsEvent.PING ? "ping" : "pong"} ${data.toString("latin1", start, end)}`,
          );
          break;
        case WsEvent.CLOSE:
          this.events.push(`close ${connection.code} ${connection.reason}`);
          break;
        default:
          this.events.push(`error ${connection.code}`);
      }
    }
  }

  #message(): void {
    const whole = Buffer.concat(this.#parts);
    this.#parts = [];
    const isText = this.connection.kind === 1;
    this.events.push(`${isText ? "text" : "binary"} ${whole.toString(isText ? "utf8" : "hex")}`);
  }
}

export function runChunks(chunks: readonly Uint8Array[], options: CodecOptions = {}): string[] {
  const transcript = new Transcript(codec(options));
  for (const chunk of chunks) transcript.feed(chunk);
  transcript.connection.dispose();
  return transcript.events;
}

/** What the codec says of the bytes, however they are split. */
export function read(bytes: Uint8Array, options: CodecOptions = {}): string[] {
  const whole = runChunks([bytes], options);
  const single = Array.from(bytes, (byte) => Uint8Array.of(byte));
  if (bytes.length < 200_000) expect(runChunks(single, options)).toEqual(whole);
  const random = randomOf(bytes.length + 1);
  for (let i = 0; i < 4; i++) {
    expect(runChunks(splitAtRandom(bytes, random), options)).toEqual(whole);
  }
  return whole;
}
