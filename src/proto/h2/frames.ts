/** HTTP/2 frames (RFC 9113 section 4 and 6): their constants, and the writing of those that have a fixed form. */
import type { OutputBuffer } from "./output-buffer.ts";

/** Length (24 bits), type, flags, stream (31 bits). */
export const FRAME_HEADER_BYTES = 9;
/** What SETTINGS_MAX_FRAME_SIZE is at least, and while nothing else was said; we say nothing else. */
export const FRAME_BYTES_MIN = 16_384;
export const FRAME_BYTES_MAX = 2 ** 24 - 1;
export const STREAM_MAX = 2 ** 31 - 1;

/** What a client sends first (RFC 9113 section 3.4). */
export const CLIENT_PREFACE: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export const FrameType = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
  /** RFC 9218 section 7.1. */
  PRIORITY_UPDATE: 16,
} as const;

export const FrameFlag = {
  END_STREAM: 1,
  ACK: 1,
  END_HEADERS: 4,
  PADDED: 8,
  PRIORITY: 32,
} as const;

/** Error codes of RST_STREAM and GOAWAY (RFC 9113 section 7). */
export const H2Code = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  CONNECT_ERROR: 10,
  ENHANCE_YOUR_CALM: 11,
  INADEQUATE_SECURITY: 12,
  HTTP_1_1_REQUIRED: 13,
} as const;

export const Setting = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
  /** RFC 8441. */
  ENABLE_CONNECT_PROTOCOL: 8,
  /** RFC 9218 section 2.1. */
  NO_RFC7540_PRIORITIES: 9,
} as const;

export function readU31(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at) % 2 ** 31;
}

export function readU32(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 2 ** 24 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
}

function writeU32(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
}

/** Writes a frame's header at `at`, where there is room. */
export function writeFrameHeader(
  target: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  stream: number,
): void {
  target[at] = length >>> 16;
  target[at + 1] = length >>> 8;
  target[at + 2] = length;
  target[at + 3] = type;
  target[at + 4] = flags;
  writeU32(target, at + 5, stream);
}

/** Appends a frame's header and reserves room for its payload; `out.at` is then where the payload begins. */
function begin(
  out: OutputBuffer,
  length: number,
  type: number,
  flags: number,
  stream: number,
): void {
  out.reserve(FRAME_HEADER_BYTES + length);
  writeFrameHeader(out.chunk, out.at, length, type, flags, stream);
  out.at += FRAME_HEADER_BYTES;
}

/** RST_STREAM and WINDOW_UPDATE: their payload is one number. */
function appendNumber(out: OutputBuffer, type: number, stream: number, value: number): void {
  begin(out, 4, type, 0, stream);
  writeU32(out.chunk, out.at, value);
  out.at += 4;
}

export function appendReset(out: OutputBuffer, stream: number, code: number): void {
  appendNumber(out, FrameType.RST_STREAM, stream, code);
}

/** `stream` 0 is the connection. */
export function appendWindowUpdate(out: OutputBuffer, stream: number, increment: number): void {
  appendNumber(out, FrameType.WINDOW_UPDATE, stream, increment);
}

export function appendSettingsAck(out: OutputBuffer): void {
  begin(out, 0, FrameType.SETTINGS, FrameFlag.ACK, 0);
}

/** `pairs`: identifier, value, identifier, value ... */
export function appendSettings(out: OutputBuffer, pairs: readonly number[]): void {
  begin(out, pairs.length * 3, FrameType.SETTINGS, 0, 0);
  for (let i = 0; i < pairs.length; i += 2) {
    out.chunk[out.at] = 0;
    out.chunk[out.at + 1] = pairs[i]!;
    writeU32(out.chunk, out.at + 2, pairs[i + 1]!);
    out.at += 6;
  }
}

/** Eight bytes of `bytes` at `from` are the payload. */
export function appendPing(
  out: OutputBuffer,
  flags: number,
  bytes: Uint8Array,
  from: number,
): void {
  begin(out, 8, FrameType.PING, flags, 0);
  for (let i = 0; i < 8; i++) out.chunk[out.at + i] = bytes[from + i]!;
  out.at += 8;
}

export function appendGoaway(
  out: OutputBuffer,
  lastStream: number,
  code: number,
  detail: string,
): void {
  const debug = Buffer.from(detail, "latin1");
  begin(out, 8 + debug.length, FrameType.GOAWAY, 0, 0);
  writeU32(out.chunk, out.at, lastStream);
  writeU32(out.chunk, out.at + 4, code);
  out.chunk.set(debug, out.at + 8);
  out.at += 8 + debug.length;
}
