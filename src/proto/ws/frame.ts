/** What WebSocket frames are made of (RFC 6455 section 5): header bits, opcodes, close codes, masking. Pure functions. */

export const Opcode = {
  CONTINUATION: 0,
  TEXT: 1,
  BINARY: 2,
  CLOSE: 8,
  PING: 9,
  PONG: 10,
} as const;
export type OpcodeValue = (typeof Opcode)[keyof typeof Opcode];
export type MessageKind = typeof Opcode.TEXT | typeof Opcode.BINARY;

/** Close codes (RFC 6455 section 7.4.1 and the registry that it opens). */
export const CloseCode = {
  NORMAL: 1000,
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  /** Never on the wire: the Close frame held no code. */
  NONE: 1005,
  /** Never on the wire: the connection was lost without a Close frame. */
  LOST: 1006,
  INVALID_DATA: 1007,
  TOO_BIG: 1009,
  INTERNAL_ERROR: 1011,
  SERVICE_RESTART: 1012,
} as const;

/** Bits of a frame's first byte, and of the second one. */
export const FIN = 0x80;
export const RSV1 = 0x40;
export const RSV_OTHERS = 0x30;
export const OPCODE_BITS = 0x0f;
export const MASKED = 0x80;
export const LENGTH_BITS = 0x7f;

/** Values of the length bits that say where the length is. */
export const LENGTH_16 = 126;
export const LENGTH_64 = 127;

/** Payload of a control frame at most (section 5.5). */
export const CONTROL_BYTES_MAX = 125;
/** A header with a 64-bit length and a mask. */
export const FRAME_HEADER_BYTES_MAX = 14;
/** The longest header of a server's frame: those are not masked. */
export const SERVER_HEADER_BYTES_MAX = 10;

/** May this code stand in a Close frame? */
export function isWireCloseCode(code: number): boolean {
  if (code >= 3000) return code <= 4999;
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}

/** Bytes of the header of a server's frame. */
export function serverHeaderBytes(length: number): number {
  if (length < LENGTH_16) return 2;
  return length < 0x10000 ? 4 : SERVER_HEADER_BYTES_MAX;
}

/** Writes the header of a server's frame at `at`; `first` is its first byte. Returns where the payload goes. */
export function writeServerHeader(
  out: Uint8Array,
  at: number,
  first: number,
  length: number,
): number {
  out[at] = first;
  if (length < LENGTH_16) {
    out[at + 1] = length;
    return at + 2;
  }
  if (length < 0x10000) {
    out[at + 1] = LENGTH_16;
    out[at + 2] = length >>> 8;
    out[at + 3] = length & 0xff;
    return at + 4;
  }
  out[at + 1] = LENGTH_64;
  let rest = length;
  for (let i = at + 9; i > at + 1; i--) {
    out[i] = rest & 0xff;
    rest = Math.floor(rest / 256);
  }
  return at + SERVER_HEADER_BYTES_MAX;
}

/** Shorter payloads are unmasked byte by byte: the view for words costs more. */
const WORDS_BYTES_MIN = 128;

/**
 * Unmasks `bytes[from..to)` in place. `key` is the masking key as the little-endian number whose lowest byte belongs to `bytes[from]`.
 * Returns true when all unmasked bytes are known to be ASCII, which is looked for in short payloads only.
 */
export function unmask(bytes: Uint8Array, from: number, to: number, key: number): boolean {
  const long = to - from >= WORDS_BYTES_MIN;
  let seen = 0;
  let turning = key;
  let at = from;
  if (long) {
    for (; ((bytes.byteOffset + at) & 3) !== 0; at++) {
      bytes[at]! ^= turning & 0xff;
      turning = rotate(turning, 1);
    }
    const count = (to - at) >>> 2;
    unmaskWords(new Int32Array(bytes.buffer, bytes.byteOffset + at, count), turning);
    at += count * 4;
  }
  for (; at < to; at++) {
    seen |= bytes[at]! ^= turning & 0xff;
    turning = rotate(turning, 1);
  }
  return !long && (seen & 0x80) === 0;
}

/** A function of its own, four words in a step: three times as fast as a loop within the function above. */
function unmaskWords(words: Int32Array, key: number): void {
  const count = words.length;
  let i = 0;
  for (; i < count - 3; i += 4) {
    words[i]! ^= key;
    words[i + 1]! ^= key;
    words[i + 2]! ^= key;
    words[i + 3]! ^= key;
  }
  for (; i < count; i++) words[i]! ^= key;
}

/** The key for the bytes that follow `bytes` others. */
export function rotate(key: number, bytes: number): number {
  const bits = (bytes & 3) << 3;
  return bits === 0 ? key : (key >>> bits) | (key << (32 - bits));
}
