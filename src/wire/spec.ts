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
export const REQUEST_WINDOW_BYTES = 512 * 1024;
/** Either of the two once a WebSocket is accepted: a message of a MiB fits, with what it costs. */
export const WS_WINDOW_BYTES = 1088 * 1024;
/** Credit that each WebSocket message costs besides its bytes, so that empty ones are bounded too. */
export const WS_MESSAGE_COST_BYTES = 64;
/** The counters that both sides of a link map (docs/protocol.md, "The board"). */
export const BOARD_BYTES = 64;
/** u32 on the board: the newest begun stream. */
export const BOARD_BEGUN = 0;
/** u32 on the board: where the edge has read to in the response ring. */
export const BOARD_RESPONSE_READ = 1;
/** u32 on the board: where the worker has read to in the request ring. */
export const BOARD_REQUEST_READ = 2;
/** u32 on the board: 1 when the edge has mapped the rings. */
export const BOARD_RINGS_MAPPED = 3;
/** u32 on the board: not 0 while a view of a threads worker computes, so that its other threads get the interpreter late. */
export const BOARD_COMPUTING = 4;
/** Each of the two rings, for responses and for requests; a power of two. */
export const RING_BYTES = 4 * 1024 * 1024;
/** Free bytes around what is put into a ring: room for a chunk's line and end. */
export const RING_MARGIN_BYTES = 16;
/** Body parts from this size on go through a ring: below, a copy into the frame costs less. */
export const RING_PART_BYTES_MIN = 16 * 1024;

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
  SHARED_BODY: 10,
  MESSAGE: 11,
  WS_CLOSE: 12,
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
  SHARED_DATA: 27,
  ACCEPT: 28,
  WORKER_MESSAGE: 29,
  WORKER_WS_CLOSE: 30,
} as const;

export const Flag = {
  END: 1,
  LENGTH: 2,
  EXPECT: 4,
  TRAILERS_OK: 8,
  UPGRADE: 16,
  CLOSE: 32,
  /** On a part of a WebSocket message (BODY, SHARED_BODY, DATA, SHARED_DATA): the message is binary, else it is text. */
  BINARY: 64,
  /** On a message: its bytes lie in the ring, as those of SHARED_BODY and SHARED_DATA. */
  SHARED: 128,
} as const;

/** `aux` of a message: the opcodes of RFC 6455 section 11.8. */
export const WsKind = { TEXT: 1, BINARY: 2 } as const;
/** `aux` of ACCEPT: the app speaks WebSocket itself, raw bytes follow. */
export const ACCEPT_TUNNEL = 1;

export const CancelReason = { CLIENT_GONE: 1, TIMEOUT: 2, SHUTDOWN: 3, HALF_CLOSED: 4 } as const;

export const ResetReason = {
  APP_ERROR: 1,
  BODY_SHORT: 2,
  CANCELLED: 3,
  TIMEOUT: 4,
  BODY_LONG: 5,
} as const;
