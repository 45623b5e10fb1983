/**
 * What an HTTP engine tells the one above it. Engines are sans-IO: bytes go in by `feed`, and `next` is called until it
 * says NEED_DATA or PAUSED. Events are small numbers and their data are fields of the reader, valid until the next call:
 * the hot path allocates nothing.
 */
import type { ErrorCode } from "../core/errors.ts";
import type { Forwarded } from "./forwarded.ts";

export const ReadEvent = {
  /** Nothing more can be read from what was fed. */
  NEED_DATA: 0,
  /** A request head is complete: `head` is valid. */
  HEAD: 1,
  /** Body bytes: `data`, `dataStart`, `dataEnd`. */
  BODY: 2,
  /** The request is complete. `trailers` holds its trailer pairs (`name NUL value NUL ...`), or null. */
  END: 3,
  /** The input is refused: `errorCode`. Nothing after it is ever parsed. */
  ERROR: 4,
  /** The request is complete, its successor must wait for `resume()` (the answer to the current one is not done). */
  PAUSED: 5,
} as const;
export type ReadEventCode = (typeof ReadEvent)[keyof typeof ReadEvent];

/** Which form the header block takes for the worker (docs/protocol.md, "Head block"). */
export type HeadForm = "cgi" | "asgi";

/** A parsed request head. One mutable object for each reader; valid until the next head. */
export interface RequestHead {
  method: string;
  /** 10 or 11 (20, 30 for later engines). */
  version: number;
  /**
   * The head block without what is constant for the connection, in the form asked for (docs/protocol.md): `block[0..splitAt)`,
   * strings each followed by NUL, goes before the connection's constant part (strings joined by NUL, none at its ends);
   * `block[splitAt..blockEnd)`, the fields, each string preceded by NUL, goes after it.
   */
  block: Uint8Array;
  splitAt: number;
  blockEnd: number;
  /** Body bytes announced; 0 none; -1 chunked. */
  contentLength: number;
  /** The client allows this connection to be used again. */
  keepAlive: boolean;
  /** `Expect: 100-continue` of an HTTP/1.1 request that has a body. */
  expectContinue: boolean;
  /** `TE: trailers`. */
  trailersOk: boolean;
  /** An Upgrade header that is named in Connection. */
  upgrade: boolean;
  /** Header lines dropped by policy (underscores, Proxy, what only a trusted proxy may say). */
  dropped: number;
  /** What a trusted proxy says about the request, or null. */
  forwarded: Forwarded | null;
  /** The request target as received, latin-1 (for logs); made on demand. */
  target(): string;
  /** The value of a field by lower-case name as received, or null; slow, for logs. */
  field(name: string): string | null;
}

export interface RequestReader {
  readonly head: RequestHead;
  data: Uint8Array;
  dataStart: number;
  dataEnd: number;
  trailers: Uint8Array | null;
  errorCode: ErrorCode | null;
  feed(chunk: Uint8Array): void;
  next(): ReadEventCode;
  /** The current exchange is over: the next request may be read. */
  resume(): void;
  /** Bytes received and not yet consumed. */
  buffered(): number;
  /** True when a request has begun to arrive (its first byte) and its head is not complete. */
  headPending(): boolean;
}
