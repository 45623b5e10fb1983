/**
 * HTTP/1.1 request reader: bytes in by `feed`, events out by `next` (contract in ../events.ts).
 *
 * Bytes are parsed where they arrive; only what is left over when more is needed is copied, and from then on the buffer
 * is ours until it is used up. While a head is read `#pos` stays at its first byte, and progress is kept relative to it.
 * Invariants: after ERROR nothing is parsed; after the END of a request that closes the connection its successors are
 * discarded; what `head` shows is this reader's own and stays until the next request begins to be read.
 */
import type { ErrorCode } from "../../core/errors.ts";
import { type HeadForm, ReadEvent, type ReadEventCode, type RequestReader } from "../events.ts";
import { CR, LF } from "../grammar.ts";
import { HeadBlock } from "./block.ts";
import { Chunk, ChunkedDecoder } from "./body.ts";
import { allocate, copyBytes } from "../../core/bytes.ts";
import type { ForwardingOptions } from "../forwarded.ts";
import type { HeadLimits } from "../limits.ts";
import { HEAD_INCOMPLETE, HeadParser } from "./head.ts";
import { HeadMemo } from "./memo.ts";
import { type NameSet, sharedNameSet } from "../names.ts";
import { Head } from "./request-head.ts";
import { TrailerReader } from "./trailers.ts";

export interface H1ReaderOptions extends HeadLimits, ForwardingOptions {
  readonly form: HeadForm;
  /** Bytes of a request body; 0 is no bound. */
  readonly bodyBytesMax: number;
}

// States of the reader.
const START = 0;
const LINE = 1;
const FIELDS = 2;
const LENGTH = 3;
const CHUNKED = 4;
const TRAILERS = 5;
const ENDING = 6;
const WAITING = 7;
const CLOSED = 8;
const FAILED = 9;

const EMPTY = new Uint8Array(0);
const TLS_HANDSHAKE = 0x16;
/** Line endings around the sections, so that a head beyond the limits is seen to be. */
const HEAD_SLACK_BYTES = 8;

export class H1Reader implements RequestReader {
  readonly head: Head;
  data: Uint8Array = EMPTY;
  dataStart = 0;
  dataEnd = 0;
  trailers: Uint8Array | null = null;
  errorCode: ErrorCode | null = null;

  readonly #options: H1ReaderOptions;
  readonly #parser: HeadParser;
  readonly #names: NameSet;
  readonly #memo = new HeadMemo();
  readonly #block: HeadBlock;
  #chunked: ChunkedDecoder | null = null;
  #trailerReader: TrailerReader | null = null;

  #bytes: Uint8Array = EMPTY;
  #pos = 0;
  #end = 0;
  /** `#bytes` is a copy of ours, not the caller's chunk. */
  #owned = false;
  #state = START;
  /** An empty line came before the request line. */
  #emptyLine = false;
  /** In FIELDS: where to read on, relative to `#pos`. */
  #progress = 0;
  /** Body bytes still to come (LENGTH). */
  #left = 0;
  /** What has come, when it is the beginning of another protocol. */
  #rest: Buffer | null = null;
  /** `resume` came before END. */
  #released = false;

  constructor(options: H1ReaderOptions) {
    this.#options = options;
    this.#names = sharedNameSet(options.headerCountMax);
    this.#parser = new HeadParser(options.form, options, this.#names);
    this.head = new Head(this.#memo, this.#parser);
    this.#block = new HeadBlock(this.head, this.#parser, this.#headMax());
  }

  feed(chunk: Uint8Array): void {
    if (this.#state >= CLOSED) return;
    const left = this.#end - this.#pos;
    if (left === 0) {
      this.#bytes = chunk;
      this.#pos = 0;
      this.#end = chunk.length;
      this.#owned = false;
      return;
    }
    if (!this.#owned || this.#bytes.length - this.#end < chunk.length) {
      this.#own(Math.max(2 * left, left + chunk.length));
    }
    copyBytes(chunk, 0, chunk.length, this.#bytes, this.#end);
    this.#end += chunk.length;
  }

  next(): ReadEventCode {
    for (;;) {
      switch (this.#state) {
        case START:
          if (this.#pos >= this.#end) return this.#need();
          return this.#readStart();
        case LINE:
        case FIELDS:
          return this.#readHead();
        case LENGTH:
          return this.#readLength();
        case CHUNKED: {
          const event = this.#readChunked();
          if (event !== null) return event;
          break;
        }
        case TRAILERS:
          return this.#readTrailers();
        case ENDING:
          this.#state = !this.head.keepAlive ? CLOSED : this.#released ? START : WAITING;
          return ReadEvent.END;
        case WAITING:
          if (this.#pos >= this.#end) return this.#need();
          this.#need();
          return ReadEvent.PAUSED;
        case CLOSED:
          this.#discard();
          return ReadEvent.NEED_DATA;
        default:
          return ReadEvent.ERROR;
      }
    }
  }

  resume(): void {
    if (this.#state === WAITING) this.#state = START;
    else this.#released = true;
  }

  buffered(): number {
    return this.#end - this.#pos;
  }

  /** Bytes of a body of known length that have not been fed, when all that was fed has been read; else 0. */
  bodyLeft(): number {
    return this.#state === LENGTH && this.#pos === this.#end ? this.#left : 0;
  }

  /** Body bytes, at most `bodyLeft()`, have gone another way. */
  skipBody(bytes: number): void {
    this.#left -= bytes;
    if (this.#left === 0) this.#state = ENDING;
  }

  headPending(): boolean {
    return this.#state <= FIELDS && this.#end > this.#pos;
  }

  #headMax(): number {
    return this.#options.requestLineBytesMax + this.#options.headerBytesMax + HEAD_SLACK_BYTES;
  }

  /** The first byte of a request is there. */
  #readStart(): ReadEventCode {
    const bytes = this.#bytes;
    const first = bytes[this.#pos]!;
    if (first === CR || first === LF) {
      if (first === LF) return this.#fail("line-ending-invalid");
      // RFC 9112 section 2.2: at least one empty line is to be ignored; more serve nobody.
      if (this.#emptyLine) return this.#fail("request-line-invalid");
      if (this.#pos + 1 >= this.#end) return this.#need();
      if (bytes[this.#pos + 1] !== LF) return this.#fail("line-ending-invalid");
      this.#emptyLine = true;
      this.#pos += 2;
      return this.next();
    }
    if (first === TLS_HANDSHAKE) return this.#fail("tls-on-plain-port");
    this.trailers = null;
    this.#released = false;
    this.#emptyLine = false;

    const base = this.#pos;
    const end = Math.min(this.#end, base + this.#headMax());
    const parser = this.#parser;
    const known = this.#memo.matchLine(bytes, base, end);
    const section = known > 0 ? known : parser.scanLine(bytes, base, end);
    if (section > 0 && this.#memo.reusable && this.#reusesFields(bytes, base, section, end)) {
      if (known === 0) {
        this.#block.replaceLine(bytes, base);
        this.#memo.keepLine(bytes, base, base + section);
      }
      this.#state = this.#bodyState();
      return ReadEvent.HEAD;
    }
    parser.begin();
    this.#memo.forget();
    this.#block.place(end - base);
    this.#state = LINE;
    if (section > 0) this.#lineDone(bytes, base, section);
    return this.#readHead();
  }

  /** Is the section after the request line the last one again? Then it is skipped, and all it said still holds. */
  #reusesFields(bytes: Uint8Array, base: number, section: number, end: number): boolean {
    const line = this.#parser.line;
    if (line.version !== this.head.version || line.authorityTo > 0) return false;
    const length = this.#memo.matchSection(bytes, base + section, end);
    if (length > 0) this.#pos = base + section + length;
    return length > 0;
  }

  #lineDone(bytes: Uint8Array, base: number, section: number): void {
    const parser = this.#parser;
    parser.line.write(bytes, base, parser.out, "");
    parser.o = parser.line.size;
    parser.sectionAt = section;
    parser.names = this.#names;
    this.#names.clear();
    this.head.method = parser.line.method;
    this.#memo.keepLine(bytes, base, base + section);
    this.#progress = section;
    this.#state = FIELDS;
  }

  #readHead(): ReadEventCode {
    const parser = this.#parser;
    const bytes = this.#bytes;
    const base = this.#pos;
    const end = Math.min(this.#end, base + this.#headMax());
    this.#block.grow(end - base);
    if (this.#state === LINE) {
      const section = parser.readLine(bytes, base, end);
      if (section < 0) return this.#headStopped(section);
      this.#lineDone(bytes, base, section);
    }
    const after = parser.readFields(bytes, base, this.#progress, end);
    if (after < 0) return this.#headStopped(after);
    const refused = this.head.conclude(this.#options.bodyBytesMax);
    if (refused !== null) return this.#fail(refused);
    this.#memo.keepSection(bytes, base + parser.sectionAt, base + after);
    this.#memo.reusable = parser.line.authorityTo === 0;
    this.#pos = base + after;
    this.#block.settle();
    this.#state = this.#bodyState();
    return ReadEvent.HEAD;
  }

  /** The head waits for bytes, or is refused. A waiting head must not hold what other readers share. */
  #headStopped(code: number): ReadEventCode {
    const parser = this.#parser;
    if (code !== HEAD_INCOMPLETE) return this.#fail(parser.error ?? "request-line-invalid");
    if (this.#state === FIELDS) {
      this.#progress = parser.resumeAt;
      if (parser.names === this.#names) parser.names = this.#names.copy();
    }
    this.#block.detach();
    return this.#need();
  }

  #bodyState(): number {
    const length = this.head.contentLength;
    if (length === 0) return ENDING;
    if (length > 0) {
      this.#left = length;
      return LENGTH;
    }
    this.#chunked ??= new ChunkedDecoder();
    this.#chunked.begin();
    return CHUNKED;
  }

  #readLength(): ReadEventCode {
    const size = Math.min(this.#left, this.#end - this.#pos);
    if (size === 0) return this.#need();
    this.#left -= size;
    if (this.#left === 0) this.#state = ENDING;
    return this.#body(this.#pos, this.#pos + size);
  }

  #readChunked(): ReadEventCode | null {
    const decoder = this.#chunked!;
    const bodyMax = this.#options.bodyBytesMax === 0 ? Infinity : this.#options.bodyBytesMax;
    switch (decoder.read(this.#bytes, this.#pos, this.#end, bodyMax)) {
      case Chunk.DATA:
        return this.#body(decoder.dataStart, decoder.at);
      case Chunk.INCOMPLETE:
        this.#pos = decoder.at;
        return this.#need();
      case Chunk.LAST:
        this.#pos = decoder.at;
        this.#trailerReader ??= new TrailerReader(this.#options);
        // A reused head has the counts of the one before: the sections are the same.
        this.#trailerReader.begin(this.#parser.count, this.#memo.sectionBytes());
        this.#state = TRAILERS;
        return null;
      default:
        return this.#fail(decoder.error ?? "chunk-invalid");
    }
  }

  #readTrailers(): ReadEventCode {
    const trailers = this.#trailerReader!;
    const complete = trailers.read(this.#bytes, this.#pos, this.#end);
    this.#pos = trailers.at;
    if (trailers.error !== null) return this.#fail(trailers.error);
    if (!complete) return this.#need();
    this.trailers = trailers.take();
    this.#state = ENDING;
    return this.next();
  }

  #body(from: number, to: number): ReadEventCode {
    this.data = this.#bytes;
    this.dataStart = from;
    this.dataEnd = to;
    this.#pos = to;
    return ReadEvent.BODY;
  }

  /** Takes what is left of the caller's chunk before it may be reused. */
  #need(): ReadEventCode {
    const left = this.#end - this.#pos;
    if (left === 0) this.#discard();
    else if (!this.#owned) this.#own(left);
    return ReadEvent.NEED_DATA;
  }

  /** Moves what is left to a new buffer of ours; data given out before stay where they are. */
  #own(size: number): void {
    const bytes = allocate(size);
    this.#end = copyBytes(this.#bytes, this.#pos, this.#end, bytes, 0);
    this.#bytes = bytes;
    this.#pos = 0;
    this.#owned = true;
  }

  #discard(): void {
    this.#bytes = EMPTY;
    this.#pos = 0;
    this.#end = 0;
    this.#owned = false;
  }

  /**
   * The bytes that have come and are not read, which no longer are this reader's: behind the head of an upgraded request, or with the head
   * that was not HTTP/1 (`h2-preface-unsupported`).
   */
  takeRest(): Buffer {
    const rest = this.#rest ?? Buffer.from(this.#bytes.subarray(this.#pos, this.#end));
    this.#state = CLOSED;
    this.#discard();
    return rest;
  }

  #fail(error: ErrorCode): ReadEventCode {
    if (error === "h2-preface-unsupported") {
      this.#rest = Buffer.from(this.#bytes.subarray(this.#pos, this.#end));
    }
    // Of a head whose request line was not read nothing is known; the last one's must not stand in for it.
    if (this.#state <= LINE) {
      this.#memo.forget();
      this.head.method = "";
    }
    this.#state = FAILED;
    this.errorCode = error;
    this.#discard();
    return ReadEvent.ERROR;
  }
}
