/**
 * Decoder of the chunked transfer coding (RFC 9112 section 7.1), up to its trailer section (trailers.ts).
 *
 * Chunk lines are read byte by byte through a table of transitions, so nothing is buffered or looked at twice. Bounds: a
 * chunk line, the extensions of a whole body (each tiny chunk could carry a large one), sizes up to 2^53-1, the body.
 */
import type { ErrorCode } from "../../core/errors.ts";
import { FIELD_VALUE, HEX, NOT_HEX, TOKEN } from "../grammar.ts";

/** A chunk line, CR LF not counted: a size and a signature-like extension fit many times over. */
export const CHUNK_LINE_BYTES_MAX = 1024;
/** Bytes of chunk lines beyond 16 each, over one body. */
export const CHUNK_OVERHEAD_BYTES_MAX = 16 * 1024;
const CHUNK_LINE_BYTES_FREE = 16;

// States. BAD must be 0: it is what an empty cell of the table means.
const BAD = 0;
const SIZE_FIRST = 1;
const SIZE = 2;
const EXT_START = 3;
const EXT_NAME = 4;
const NAME_BLANK = 5;
const VALUE_START = 6;
const VALUE_TOKEN = 7;
const QUOTED = 8;
const QUOTED_PAIR = 9;
const VALUE_BLANK = 10;
const LINE_LF = 11;
const SIZE_BLANK = 12;
const DATA = 13;
const DATA_CR = 14;
const DATA_LF = 15;
const LINE_DONE = 16;

// Classes of bytes in a chunk line.
const C_OTHER = 0;
const C_HEX = 1;
const C_TOKEN = 2;
const C_BLANK = 3;
const C_SEMICOLON = 4;
const C_EQUALS = 5;
const C_QUOTE = 6;
const C_BACKSLASH = 7;
const C_CR = 8;
const C_LF = 9;
const C_TEXT = 10;
const CLASSES = 16;

const CLASS_OF: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  switch (byte) {
    case 9:
    case 32:
      return C_BLANK;
    case 10:
      return C_LF;
    case 13:
      return C_CR;
    case 34:
      return C_QUOTE;
    case 59:
      return C_SEMICOLON;
    case 61:
      return C_EQUALS;
    case 92:
      return C_BACKSLASH;
    default:
      if (HEX[byte] !== NOT_HEX) return C_HEX;
      if (TOKEN[byte] === 1) return C_TOKEN;
      return FIELD_VALUE[byte] === 1 ? C_TEXT : C_OTHER;
  }
});

type Row = readonly (readonly [number, number])[];
const TOKEN_TO = (state: number): Row => [
  [C_HEX, state],
  [C_TOKEN, state],
];
/** Anything inside quotes but the quote, the backslash and controls. */
const QUOTED_TEXT: Row = [C_HEX, C_TOKEN, C_BLANK, C_SEMICOLON, C_EQUALS, C_TEXT].map(
  (kind) => [kind, QUOTED] as const,
);

/**
 * chunk-size *( BWS ";" BWS ext-name [ BWS "=" BWS ( token / quoted-string ) ] ) CRLF. Blank space is allowed where the
 * grammar has BWS, so only before a semicolon after the size, never at the line's end.
 */
const TRANSITIONS: Readonly<Record<number, Row>> = {
  [SIZE_FIRST]: [[C_HEX, SIZE]],
  [SIZE]: [
    [C_HEX, SIZE],
    [C_BLANK, SIZE_BLANK],
    [C_SEMICOLON, EXT_START],
    [C_CR, LINE_LF],
  ],
  [SIZE_BLANK]: [
    [C_BLANK, SIZE_BLANK],
    [C_SEMICOLON, EXT_START],
  ],
  [EXT_START]: [...TOKEN_TO(EXT_NAME), [C_BLANK, EXT_START]],
  [EXT_NAME]: [
    ...TOKEN_TO(EXT_NAME),
    [C_BLANK, NAME_BLANK],
    [C_EQUALS, VALUE_START],
    [C_SEMICOLON, EXT_START],
    [C_CR, LINE_LF],
  ],
  [NAME_BLANK]: [
    [C_BLANK, NAME_BLANK],
    [C_EQUALS, VALUE_START],
    [C_SEMICOLON, EXT_START],
  ],
  [VALUE_START]: [...TOKEN_TO(VALUE_TOKEN), [C_BLANK, VALUE_START], [C_QUOTE, QUOTED]],
  [VALUE_TOKEN]: [
    ...TOKEN_TO(VALUE_TOKEN),
    [C_BLANK, VALUE_BLANK],
    [C_SEMICOLON, EXT_START],
    [C_CR, LINE_LF],
  ],
  [QUOTED]: [...QUOTED_TEXT, [C_QUOTE, VALUE_BLANK], [C_BACKSLASH, QUOTED_PAIR]],
  [QUOTED_PAIR]: [...QUOTED_TEXT, [C_QUOTE, QUOTED], [C_BACKSLASH, QUOTED]],
  [VALUE_BLANK]: [
    [C_BLANK, VALUE_BLANK],
    [C_SEMICOLON, EXT_START],
    [C_CR, LINE_LF],
  ],
  [LINE_LF]: [[C_LF, LINE_DONE]],
};

const NEXT = new Uint8Array(CLASSES * (LINE_DONE + 1));
for (const [state, row] of Object.entries(TRANSITIONS)) {
  for (const [kind, to] of row) NEXT[Number(state) * CLASSES + kind] = to;
}

export const Chunk = { INCOMPLETE: 0, DATA: 1, LAST: 2, REFUSED: 3 } as const;
export type ChunkCode = (typeof Chunk)[keyof typeof Chunk];

export class ChunkedDecoder {
  /** After DATA: `[dataStart, at)` are body bytes. After any: everything before `at` is used up. */
  dataStart = 0;
  at = 0;
  error: ErrorCode | null = null;

  #state = SIZE_FIRST;
  /** Size of the chunk at hand, then what is left of it. */
  #left = 0;
  #lineBytes = 0;
  #overhead = 0;
  #body = 0;

  begin(): void {
    this.#state = SIZE_FIRST;
    this.#left = 0;
    this.#lineBytes = 0;
    this.#overhead = 0;
    this.#body = 0;
  }

  /** Reads on at `from`. `bodyMax` bounds the whole body (Infinity: no bound). */
  read(bytes: Uint8Array, from: number, end: number, bodyMax: number): ChunkCode {
    let at = from;
    while (at < end) {
      switch (this.#state) {
        case DATA: {
          const size = Math.min(this.#left, end - at);
          this.dataStart = at;
          this.at = at + size;
          this.#left -= size;
          if (this.#left === 0) this.#state = DATA_CR;
          return Chunk.DATA;
        }
        case DATA_CR:
          if (bytes[at] !== 13)
            return this.#refuse(bytes[at] === 10 ? "line-ending-invalid" : "chunk-invalid");
          this.#state = DATA_LF;
          at++;
          break;
        case DATA_LF:
          if (bytes[at] !== 10) return this.#refuse("line-ending-invalid");
          this.#state = SIZE_FIRST;
          at++;
          break;
        default:
          at = this.#readLine(bytes, at, end);
          if (at < 0) return Chunk.REFUSED;
          if (this.#state !== LINE_DONE) break;
          this.at = at;
          if (this.#left === 0) return Chunk.LAST;
          if (this.#left > bodyMax - this.#body) return this.#refuse("body-too-large");
          this.#body += this.#left;
          this.#state = DATA;
      }
    }
    this.at = at;
    return Chunk.INCOMPLETE;
  }

  /** Bytes of a chunk line: the position after what was read, or -1. LINE_DONE when the line is complete. */
  #readLine(bytes: Uint8Array, from: number, end: number): number {
    let state = this.#state;
    if (state === SIZE_FIRST) {
      this.#left = 0;
      this.#lineBytes = 0;
    }
    let left = this.#left;
    let at = from;
    const stop = Math.min(end, from + CHUNK_LINE_BYTES_MAX + 2 - this.#lineBytes);
    while (at < stop && state !== LINE_DONE) {
      const byte = bytes[at++]!;
      const kind = CLASS_OF[byte]!;
      const next = NEXT[state * CLASSES + kind]!;
      if (next === SIZE) {
        left = left * 16 + HEX[byte]!;
        if (left > Number.MAX_SAFE_INTEGER) return this.#refuseLine("chunk-invalid");
      } else if (next === BAD) {
        const ending = kind === C_LF || state === LINE_LF;
        return this.#refuseLine(ending ? "line-ending-invalid" : "chunk-invalid");
      }
      state = next;
    }
    this.#lineBytes += at - from;
    this.#state = state;
    this.#left = left;
    if (state === LINE_DONE) {
      this.#overhead += Math.max(0, this.#lineBytes - CHUNK_LINE_BYTES_FREE);
      if (this.#overhead > CHUNK_OVERHEAD_BYTES_MAX) return this.#refuseLine("chunk-invalid");
    } else if (this.#lineBytes >= CHUNK_LINE_BYTES_MAX + 2) {
      return this.#refuseLine("chunk-invalid");
    }
    return at;
  }

  #refuseLine(error: ErrorCode): number {
    this.error = error;
    return -1;
  }

  #refuse(error: ErrorCode): ChunkCode {
    this.error = error;
    return Chunk.REFUSED;
  }
}
