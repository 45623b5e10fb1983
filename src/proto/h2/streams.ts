/**
 * The streams of a connection (RFC 9113 section 5.1). A stream is here from its HEADERS until both sides have ended it or one has reset it;
 * then its record is used again for another one, and only how it ended is remembered for a while.
 */
import { ReceiveWindow } from "./flow.ts";
import { CLOSED_REMEMBERED } from "./limits.ts";
import { PRIORITY_DEFAULT } from "./priority.ts";

/** The client's side of a stream. */
export const Reading = {
  /** More of the request may come. */
  OPEN: 0,
  /** The frame that ends it is being read. */
  ENDING: 1,
  /** It is complete: half-closed (remote). */
  ENDED: 2,
  /** What still comes of it is thrown away. */
  DROPPED: 3,
} as const;

/** Our side of a stream. */
export const Writing = {
  /** No final response head was sent. */
  HEAD: 0,
  /** The head was sent. */
  BODY: 1,
  /** The end is queued behind DATA. */
  ENDING: 2,
  /** The end was sent; only a tunnel's stream is still here then. */
  ENDED: 3,
} as const;

/** How a stream that is no longer here ended. */
export const Closed = {
  /** Too long ago, or the client passed over its number. */
  UNKNOWN: 0,
  /** Both sides sent END_STREAM. */
  ENDED: 1,
  /** RST_STREAM by the client. */
  BY_CLIENT: 2,
  /** RST_STREAM by us: what the client sent before it knew is ignored. */
  BY_US: 3,
} as const;
export type ClosedCode = (typeof Closed)[keyof typeof Closed];

/** DATA that waits: `buf[start..end)`. */
export interface Piece {
  readonly buf: Buffer;
  start: number;
  readonly end: number;
  next: Piece | null;
}

export class Stream {
  id = 0;
  reading: (typeof Reading)[keyof typeof Reading] = Reading.OPEN;
  writing: (typeof Writing)[keyof typeof Writing] = Writing.HEAD;
  /** What of the announced Content-Length has not come; -1 when none was announced. */
  bodyLeft = -1;
  /** Both sides send bytes of another protocol, each for as long as it likes (RFC 9113 section 8.5). */
  tunnel = false;
  /** Body bytes that came. */
  received = 0;
  readonly window: ReceiveWindow;
  /** Body bytes that came and that the app has not taken. */
  unread = 0;
  /** Of these, what has not left the edge: charged to the connection's window. At most `unread`. */
  held = 0;

  /** DATA bytes that may be sent; may be below 0 (RFC 9113 section 6.9.2). */
  sendWindow = 0;
  first: Piece | null = null;
  last: Piece | null = null;
  queued = 0;
  /** Trailer pairs that end it after what is queued. */
  trailers: Uint8Array | null = null;
  /** DATA bytes sent. */
  sent = 0;

  /** Twice the urgency, and 1 if incremental. */
  priority: number = PRIORITY_DEFAULT;
  /** The scheduler's: in one of its lists, between these. */
  listed = false;
  before: Stream | null = null;
  after: Stream | null = null;

  /** Progress when it was last looked at, and when it last changed (`Sender.stalled`). */
  stallMark = -1;
  stallSince = 0;

  constructor(windowBytes: number) {
    this.window = new ReceiveWindow(windowBytes);
  }

  begin(id: number, sendWindow: number): void {
    this.id = id;
    this.reading = Reading.OPEN;
    this.writing = Writing.HEAD;
    this.bodyLeft = -1;
    this.tunnel = false;
    this.received = 0;
    this.window.reset();
    this.unread = 0;
    this.held = 0;
    this.sendWindow = sendWindow;
    this.trailers = null;
    this.sent = 0;
    this.priority = PRIORITY_DEFAULT;
    this.stallMark = -1;
  }
}

export class StreamTable {
  /** The highest number that the client has used; 0 none. */
  lastId = 0;
  readonly #windowBytes: number;
  readonly #streams = new Map<number, Stream>();
  readonly #free: Stream[] = [];
  /** The last one asked for: calls for a stream come in rows. */
  #recent: Stream | null = null;
  /** A ring of those that ended. */
  readonly #closedIds = new Uint32Array(CLOSED_REMEMBERED);
  readonly #closedHow = new Uint8Array(CLOSED_REMEMBERED);
  #closedAt = 0;

  constructor(windowBytes: number) {
    this.#windowBytes = windowBytes;
  }

  get size(): number {
    return this.#streams.size;
  }

  get(id: number): Stream | null {
    const recent = this.#recent;
    if (recent !== null && recent.id === id) return recent;
    const found = this.#streams.get(id);
    if (found === undefined) return null;
    this.#recent = found;
    return found;
  }

  open(id: number, sendWindow: number): Stream {
    const stream = this.#free.pop() ?? new Stream(this.#windowBytes);
    stream.begin(id, sendWindow);
    this.#streams.set(id, stream);
    this.#recent = stream;
    return stream;
  }

  /** The caller has taken it from all lists; its record must not be used any more. */
  forget(stream: Stream, how: ClosedCode): void {
    this.#streams.delete(stream.id);
    this.remember(stream.id, how);
    this.#recent = null;
    stream.first = null;
    stream.last = null;
    stream.queued = 0;
    stream.trailers = null;
    this.#free.push(stream);
  }

  remember(id: number, how: ClosedCode): void {
    this.#closedIds[this.#closedAt] = id;
    this.#closedHow[this.#closedAt] = how;
    this.#closedAt = (this.#closedAt + 1) % CLOSED_REMEMBERED;
  }

  /** The same for a stream that may be remembered already. */
  amend(id: number, how: ClosedCode): void {
    const at = this.#closedIds.indexOf(id);
    if (at < 0) this.remember(id, how);
    else this.#closedHow[at] = how;
  }

  howClosed(id: number): ClosedCode {
    const at = this.#closedIds.indexOf(id);
    return at < 0 ? Closed.UNKNOWN : (this.#closedHow[at] as ClosedCode);
  }

  values(): IterableIterator<Stream> {
    return this.#streams.values();
  }
}
