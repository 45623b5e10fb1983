/** What an HTTP/2 connection tells the driver, and what it is told at its beginning. */
import type { HeadForm } from "../events.ts";
import type { ForwardingOptions } from "../forwarded.ts";
import type { HeadLimits } from "../limits.ts";

export const H2Event = {
  /** Nothing more can be read from what was fed. */
  NEED_DATA: 0,
  /** A request head on `stream`: `head`; `ends` tells whether END is its next event. */
  HEAD: 1,
  /** Request body bytes of `stream`: `data[dataStart..dataEnd)`, to be reported by `handedOver` and `consumed`. */
  BODY: 2,
  /** The request on `stream` is complete: `trailers` (pairs) or null. */
  END: 3,
  /** `stream` is over: by the client's RST_STREAM, or because of an error of its that we have reset it for. `code`, `detail`. */
  RESET: 4,
  /** The connection is over: `errorCode`, `code`, `detail`. GOAWAY is in the output; nothing after it is read. */
  ERROR: 5,
  /**
   * The request on `stream` is to be answered with `errorCode`, and nothing more of it will be reported. It may have had its HEAD
   * (a body that grows too large); if not, `head` holds what could be read.
   */
  REFUSED: 6,
  /** The client sent GOAWAY with `code`: it opens no more streams. What runs goes on. */
  GOAWAY: 7,
} as const;
export type H2EventCode = (typeof H2Event)[keyof typeof H2Event];

export interface H2Options extends HeadLimits, ForwardingOptions {
  readonly form: HeadForm;
  /** Bytes of a request body; 0 is no bound. */
  readonly bodyBytesMax: number;
  /** Extended CONNECT (RFC 8441) is offered. */
  readonly connectProtocol: boolean;
  /** Streams that may be open at once. */
  readonly streamsMax: number;
  /** Receive window of a stream, bytes, at least 65,535: what may lie unconsumed of one request body. */
  readonly streamWindowBytes: number;
  /** Receive window of the connection, bytes, at least 65,535: what may lie in the edge, not handed over, of all its streams. */
  readonly connectionWindowBytes: number;
  /** Milliseconds that never go back; read only when a count comes near its bound. */
  readonly now: () => number;
}
