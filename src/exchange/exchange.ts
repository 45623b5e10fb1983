/**
 * One request and its response, the same for every HTTP version. A driver in edge/ makes it and owns the client's side; a
 * Backend answers it through the methods below. Contract:
 *
 * - `Backend.submit` is called once for each request. After it the backend calls, in order: `onInformational`*, `onHead`, `onData`*,
 *   then exactly one of: END in the last of these, `onTrailers`, `onFile` with END, `onReset`; or instead of all of it `onRefused`.
 * - A request with Flag.UPGRADE (a WebSocket's handshake) may be answered by `onAccept` instead of `onHead`. Then come `onData`* and
 *   `onMessage`*, and one of `onWsClose`, `onReset`, `onRefused`; for a tunnel `onData`*, the last one with END, or `onReset`, `onRefused`.
 * - Payloads are offsets into a buffer that the receiver may keep.
 * - A driver that has lost interest calls `Backend.cancel`; nothing is called on the exchange after that.
 */
import type { ErrorCode } from "../core/errors.ts";
import type { HeadForm, RequestHead } from "../proto/events.ts";

/** Where the exchange is, seen from the backend. */
export const Stage = {
  /** Not with the backend: never submitted, or over. */
  OUT: 0,
  /** In the backend's queue. */
  QUEUED: 1,
  /** With a worker. */
  SENT: 2,
} as const;
export type StageCode = (typeof Stage)[keyof typeof Stage];

/** What a worker has accepted instead of answering. */
export const Accepted = {
  NONE: 0,
  /** A WebSocket: messages. */
  WEBSOCKET: 1,
  /** Raw bytes: the app speaks WebSocket itself. */
  TUNNEL: 2,
} as const;
export type AcceptedCode = (typeof Accepted)[keyof typeof Accepted];

/** What became of bytes that were handed to the backend. */
export const Handed = {
  /** They are the caller's again. */
  COPIED: 0,
  /** They are the backend's. */
  KEPT: 1,
  /** There is no room now, nothing was taken: `onCredit` will be called. */
  WAITS: 2,
} as const;
export type HandedCode = (typeof Handed)[keyof typeof Handed];

/** Looks at a part of a WebSocket's message where it lies, in memory shared with the worker, and may change its bytes. */
export interface PartReader {
  /** Its kind (WsKind), with PART_LAST for the last one; 0: nothing is to be sent. */
  readPart(bytes: Buffer): number;
}
export const PART_LAST = 4;

export abstract class Exchange {
  // Set by the driver before submit.
  method = "";
  /** 10, 11, 20, 30. */
  version = 11;
  /** Flags of the REQUEST frame (wire/spec.ts). */
  flags = 0;
  form: HeadForm = "cgi";
  /** The client that a trusted proxy has named, for logs; null: the one at the socket. */
  clientNamed: string | null = null;
  /** The access log leaves it out: a prober's, which the edge itself answers. */
  quiet = false;

  // Kept by the backend.
  stage: StageCode = Stage.OUT;
  stream = 0;
  accepted: AcceptedCode = Accepted.NONE;
  /** The link that carries it; its type is the backend's own business. */
  carrier: object | null = null;
  /** The encoded head, kept until the response starts so that it can be sent again. */
  headBuf: Buffer | null = null;
  headStart = 0;
  headEnd = 0;
  /** Body pieces sent and not yet acknowledged by credit, for sending again; null when that has become impossible. */
  replay: Buffer[] | null = null;
  /** The driver has handed over the whole request body. */
  bodyEnded = false;
  /** Trailer pairs that ended it, or null. */
  trailers: Uint8Array | null = null;
  /** Times it was sent to a worker. */
  attempts = 0;
  /** When it was submitted, milliseconds of performance.now: coarse from the driver, exact once it is queued. */
  submittedAt = 0;
  /** The process that answers it; 0 unknown. */
  workerPid = 0;
  /** Milliseconds spent in the backend's queue. */
  queuedMs = 0;
  /** Response body bytes received and not yet credited (RESPONSE_WINDOW_BYTES at most). */
  windowUsed = 0;
  /** Request body bytes the driver may hand over now. */
  requestCredit = 0;

  /** The response head: its field lines are `buf[start..headEnd)`, body bytes of the same frame `buf[headEnd..end)`. */
  abstract onHead(
    status: number,
    flags: number,
    buf: Buffer,
    start: number,
    headEnd: number,
    end: number,
  ): void;
  abstract onData(flags: number, buf: Buffer, start: number, end: number): void;
  /** Like `onData`, with bytes that are lent until `onLentBack`; 16 bytes on either side of them may be overwritten. */
  abstract onLent(flags: number, buf: Buffer, start: number, end: number): void;
  /** The bytes of the last calls of `onLent` will be overwritten. Called also when the exchange is over. */
  abstract onLentBack(): void;
  /** Trailer pairs (`name NUL value NUL ...`); ends the response. */
  abstract onTrailers(buf: Buffer, start: number, end: number): void;
  /** An interim response: 100 without, 103 with field lines. */
  abstract onInformational(status: number, buf: Buffer, start: number, end: number): void;
  /** Sends a file's bytes as body; calls `opened(errno)` once it has the file open, or could not. */
  abstract onFile(flags: number, file: FileSpan, opened: (errno: number) => void): void;
  /** The response ended incomplete; reason as in ResetReason. */
  abstract onReset(reason: number): void;
  /** The backend answers with an error of its own. */
  abstract onRefused(code: ErrorCode): void;
  /** The request target as received, for logs. */
  abstract target(): string;
  /** `requestCredit` has grown, or the worker has changed: body bytes may be handed over. */
  abstract onCredit(): void;

  // A WebSocket's; only called on a request with Flag.UPGRADE.

  /** The handshake is accepted, with these field lines. `tunnel`: there are none, the app's own answer follows as data. */
  onAccept(_buf: Buffer, _start: number, _end: number, _tunnel: boolean): void {
    unasked();
  }
  /**
   * The last part of a message of this kind (WsKind), mostly all of it; earlier ones came as data, with Flag.BINARY if it is binary.
   * `borrowed`: lent as by `onLent`.
   */
  onMessage(_kind: number, _buf: Buffer, _start: number, _end: number, _borrowed: boolean): void {
    unasked();
  }
  /** The app has closed, or the server does (1012); 1005: without a code. Ends the exchange. */
  onWsClose(_code: number, _reason: string): void {
    unasked();
  }
}

function unasked(): never {
  throw new Error("a WebSocket that nobody has asked for");
}

export interface FileSpan {
  path: string;
  offset: number;
  count: number;
}

export interface Backend {
  /** The form in which heads are to be encoded now; null while there has never been a worker. */
  readonly form: HeadForm | null;
  /**
   * Takes the request: encodes `head` around `constant`. May answer at once (`onRefused`). The driver has set method, version, flags,
   * form, bodyEnded, trailers and replay (an array: empty, and of its own if a body will come).
   */
  submit(x: Exchange, head: RequestHead, constant: Buffer): void;
  /** Hands over body bytes, at most `x.requestCredit`; says whether `piece` is kept. An empty piece with `end` ends the body. */
  sendBody(x: Exchange, piece: Buffer, end: boolean): HandedCode;
  /**
   * Reads body bytes from a socket, at most `max` and as credit allows, without waiting and without a copy in this process.
   * Returns how many; less
   * than asked, also 0: read them in another way. `reader`: they are a part of a WebSocket's message, and it says what they are.
   */
  receiveBody(x: Exchange, fd: number, max: number, reader?: PartReader): number;
  /** Ends the request body with trailers. */
  sendTrailers(x: Exchange, pairs: Uint8Array): void;
  /** Body bytes have left for the client: the worker may send as many more. */
  credit(x: Exchange, bytes: number): void;
  /** A part of a WebSocket's message: costs its bytes, the last one also WS_MESSAGE_COST_BYTES, of `x.requestCredit`. */
  sendMessage(x: Exchange, kind: number, piece: Buffer, last: boolean): HandedCode;
  /** The client has closed (1005: without a code) or is lost (1006). Ends the exchange: nothing is called on it after that. */
  sendWsClose(x: Exchange, code: number, reason: string): void;
  /** Tells the worker; the exchange goes on. */
  halfClosed(x: Exchange): void;
  /**
   * The app's time is over. True: the request is in the queue and the app has not had any; or in a worker that has fallen silent because
   * of another one, and will go to the next.
   */
  waits(x: Exchange): boolean;
  /** The driver wants no more of it. */
  cancel(x: Exchange, reason: number): void;
}
