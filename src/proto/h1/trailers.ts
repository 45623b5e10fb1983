/**
 * The trailer section of a chunked body (RFC 9112 section 7.1.2): read line by line, bounded together with the header
 * section, never merged into it. Fields that have no business after the body are left out.
 */
import type { ErrorCode } from "../../core/errors.ts";
import { COLON, FIELD_VALUE, isBlank, NAME_LOWER, TOKEN, UNDERSCORE_MARK } from "../grammar.ts";
import type { HeadLimits } from "../limits.ts";
import { forbiddenTrailer } from "../trailer-names.ts";
import { LINE_INCOMPLETE, LINE_TOO_LONG, LineScan } from "./lines.ts";

export class TrailerReader {
  /** Everything before it is used up. */
  at = 0;
  error: ErrorCode | null = null;

  readonly #limits: HeadLimits;
  readonly #scan = new LineScan();
  #pairs: string[] = [];
  #count = 0;
  #bytesLeft = 0;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  /** A trailer section begins, after a header section of so many lines and bytes. */
  begin(headerCount: number, headerBytes: number): void {
    this.#scan.reset();
    this.#pairs = [];
    this.#count = headerCount;
    this.#bytesLeft = this.#limits.headerBytesMax - headerBytes;
  }

  /** Reads on at `from`: true when the section is complete; else more is needed, or `error` is set. */
  read(bytes: Uint8Array, from: number, end: number): boolean {
    this.at = from;
    for (;;) {
      const max = Math.max(0, Math.min(this.#limits.headerFieldBytesMax, this.#bytesLeft - 2));
      const lineEnd = this.#scan.find(bytes, this.at, end, max);
      if (lineEnd === LINE_INCOMPLETE) return false;
      if (lineEnd < 0) {
        return this.#refuse(
          lineEnd === LINE_TOO_LONG ? "trailer-too-large" : "line-ending-invalid",
        );
      }
      this.#scan.reset();
      const start = this.at;
      this.at = lineEnd + 2;
      if (lineEnd === start) return true;
      this.#bytesLeft -= this.at - start;
      if (++this.#count > this.#limits.headerCountMax) return this.#refuse("trailer-too-large");
      if (!this.#readLine(bytes, start, lineEnd)) return this.#refuse("trailer-invalid");
    }
  }

  /** The pairs, joined by NUL, or null when there are none. */
  take(): Uint8Array | null {
    const pairs = this.#pairs;
    this.#pairs = [];
    return pairs.length === 0 ? null : Buffer.from(pairs.join("\0"), "latin1");
  }

  /** Keeps or leaves out one complete line; false when it is malformed. */
  #readLine(bytes: Uint8Array, start: number, end: number): boolean {
    let at = start;
    let name = "";
    let marks = 0;
    while (at < end && TOKEN[bytes[at]!] === 1) {
      const byte = NAME_LOWER[bytes[at++]!]!;
      marks |= byte;
      name += String.fromCharCode(byte & 0x7f);
    }
    if (name === "" || at >= end || bytes[at] !== COLON) return false;
    let from = at + 1;
    let to = end;
    for (let i = from; i < to; i++) {
      if (FIELD_VALUE[bytes[i]!] !== 1) return false;
    }
    if (marks >= UNDERSCORE_MARK) return this.#limits.underscoreHeaders === "drop";
    if (forbiddenTrailer(name)) return true;
    while (from < to && isBlank(bytes[from]!)) from++;
    while (to > from && isBlank(bytes[to - 1]!)) to--;
    this.#pairs.push(name, Buffer.from(bytes.subarray(from, to)).toString("latin1"));
    return true;
  }

  #refuse(error: ErrorCode): boolean {
    this.error = error;
    return false;
  }
}
