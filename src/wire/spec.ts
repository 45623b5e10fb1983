/**
 * The wire between edge and worker: every constant once. docs/protocol.md explains them; `tools/gen.ts` writes
 * python/keelback/_wire.py from this table.
 */

export const WIRE_VERSION = 1;
/** Header: u32 length, u32 stream, u8 type, u8 flags, u16 aux; little-endian. */
export const FRAME_HEADER_BYTES = 12;
/** A longer payload is a protocol error: no honest frame comes near it. */
export const FRAME_BYTES_MAX = 16 * 1024 * 1024;
/** Response body bytes a worker may send on a stream before the edge gives credit. */
export const RESPONSE_WINDOW_BYTES = 1024 * 1024;
/** Request body bytes the edge may send on a stream before the worker gives credit. */
export const REQUEST_WINDOW_BYTES = 256 * 1024;
/** One board file a link: u32[0] = newest begun stream. */
export const BOARD_BYTES = 64;

export const FrameType = {
  REQUEST: 1,
  BODY: 2,
  TRAILERS: 3,
  CREDIT: 4,
  CANCEL: 5,
  PING: 6,
  PONG: 7,
  DRAIN: 8,
  FILE_OPENED: 9,
  HELLO: 16,
  RESPONSE: 17,
  DATA: 18,
  RESPONSE_TRAILERS: 19,
  INFORMATIONAL: 20,
  FILE: 21,
  RESET: 22,
  GIVE_BACK: 23,
  WORKER_CREDIT: 24,
  WORKER_PING: 25,
  WORKER_PONG: 26,
} as const;

export const Flag = {
  END: 1,
  LENGTH: 2,
  EXPECT: 4,
  TRAILERS_OK: 8,
  UPGRADE: 16,
  CLOSE: 32,
} as const;

export const CancelReason = { CLIENT_GONE: 1, TIMEOUT: 2, SHUTDOWN: 3, HALF_CLOSED: 4 } as const;

export const ResetReason = {
  APP_ERROR: 1,
  BODY_SHORT: 2,
  CANCELLED: 3,
  TIMEOUT: 4,
  BODY_LONG: 5,
} as const;
