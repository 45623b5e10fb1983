/**
 * The request line (RFC 9112 section 3): `scan` reads the common shape (a known method, an origin-form target, HTTP/1.1)
 * in one pass; `parse` reads any complete line and names what is wrong with it. Positions are relative to the first byte
 * of the line, so they stay true when the bytes move. `write` puts down the first part of the head block.
 */
import type { ErrorCode } from "../../core/errors.ts";
import { equalsIgnoreCase, validHost } from "../fields.ts";
import {
  ascii,
  COLON,
  isDigit,
  SLASH,
  SP,
  TARGET,
  TARGET_PERCENT,
  TARGET_PLAIN,
  TARGET_QUESTION,
  TOKEN,
} from "../grammar.ts";
import { KNOWN_BYTES, KNOWN_METHODS, RequestTarget } from "../target.ts";

const SCHEMES: readonly Uint8Array[] = [ascii("http://"), ascii("https://")];
const VERSION_END = ascii(" HTTP/1.1\r\n");
const ASTERISK = 42;

export class RequestLine extends RequestTarget {
  /** The authority of an absolute-form target; `authorityTo` is 0 for any other form. */
  authorityFrom = 0;
  authorityTo = 0;

  /**
   * Reads the common shape in `[start, end)`. The position after the line's CR LF, or -1 when the line is incomplete,
   * uncommon or wrong: `parse` tells, once the line is known to be complete.
   */
  scan(bytes: Uint8Array, start: number, end: number): number {
    const known = knownMethod(bytes, start, end);
    if (known < 0) return -1;
    const targetAt = start + KNOWN_BYTES[known]!.length + 1;
    if (targetAt >= end || bytes[targetAt] !== SLASH) return -1;
    let at = targetAt + 1;
    let queryAt = 0;
    let escaped = false;
    while (at < end) {
      const kind = TARGET[bytes[at]!]!;
      if (kind !== TARGET_PLAIN) {
        if (kind === TARGET_QUESTION) {
          if (queryAt === 0) queryAt = at;
        } else if (kind === TARGET_PERCENT) {
          if (queryAt === 0) escaped = true;
        } else {
          break;
        }
      }
      at++;
    }
    if (end - at < VERSION_END.length) return -1;
    for (let i = 0; i < VERSION_END.length; i++) {
      if (bytes[at + i] !== VERSION_END[i]) return -1;
    }
    this.known = known;
    this.method = KNOWN_METHODS[known]!;
    this.version = 11;
    this.authorityTo = 0;
    this.impliedPath = 0;
    this.targetFrom = this.pathFrom = targetAt - start;
    this.targetTo = at - start;
    this.queryAt = (queryAt === 0 ? at : queryAt) - start;
    this.pathTo = this.queryAt;
    this.escapes = 0;
    if (escaped && this.checkEscapes(bytes, start) !== null) return -1;
    this.measure();
    return at + VERSION_END.length;
  }

  /** Reads a complete line `[start, end)`, CR LF not included. Null, or what is wrong. */
  parse(bytes: Uint8Array, start: number, end: number): ErrorCode | null {
    let first = start;
    while (first < end && bytes[first] !== SP) first++;
    let last = end;
    while (last > first && bytes[last - 1] !== SP) last--;
    if (last - 1 <= first) return "request-line-invalid";
    for (let i = start; i < first; i++) {
      if (TOKEN[bytes[i]!] !== 1) return "method-invalid";
    }
    if (first === start) return "method-invalid";
    this.method = Buffer.from(bytes.subarray(start, first)).toString("latin1");
    this.known = KNOWN_METHODS.indexOf(this.method);
    this.targetFrom = first + 1 - start;
    this.targetTo = last - 1 - start;
    this.authorityTo = 0;
    this.impliedPath = 0;
    this.escapes = 0;
    const refused = this.#parseVersion(bytes, last, end);
    return refused ?? this.#parseTarget(bytes, start);
  }

  /** HTTP-version = "HTTP/" DIGIT "." DIGIT; a minor version above 1 is read as 1.1 (RFC 9110 section 2.5). */
  #parseVersion(bytes: Uint8Array, from: number, to: number): ErrorCode | null {
    if (to - from !== 8 || bytes[from + 6] !== 46) return "version-invalid";
    for (let i = 0; i < 5; i++) {
      if (bytes[from + i] !== VERSION_END[i + 1]) return "version-invalid";
    }
    const major = bytes[from + 5]!;
    const minor = bytes[from + 7]!;
    if (!isDigit(major) || !isDigit(minor)) return "version-invalid";
    if (major === 50 && this.method === "PRI") return "h2-preface-unsupported";
    if (major !== 49) return "version-unsupported";
    this.version = minor === 48 ? 10 : 11;
    return null;
  }

  #parseTarget(bytes: Uint8Array, start: number): ErrorCode | null {
    const from = start + this.targetFrom;
    const to = start + this.targetTo;
    const queryAt = this.findQuery(bytes, from, to);
    if (queryAt < 0) return "target-invalid";
    // RFC 9112 section 3.2.3: the only request with an authority-form target, and no proxy is here to serve it.
    if (this.method === "CONNECT") return "connect-refused";
    this.pathFrom = this.targetFrom;
    this.pathTo = this.queryAt = queryAt - start;
    if (bytes[from] === ASTERISK && to - from === 1) {
      if (this.method !== "OPTIONS") return "target-invalid";
    } else if (bytes[from] !== SLASH || from === to) {
      if (!this.#parseAbsolute(bytes, start, queryAt)) return "target-invalid";
    }
    const refused = this.checkEscapes(bytes, start);
    if (refused === null) this.measure();
    return refused;
  }

  /** absolute-form (RFC 9112 section 3.2.2): http(s) "://" authority [path] ["?" query], no user information. */
  #parseAbsolute(bytes: Uint8Array, start: number, queryAt: number): boolean {
    const from = start + this.targetFrom;
    for (const scheme of SCHEMES) {
      const authority = from + scheme.length;
      if (authority >= queryAt || !equalsIgnoreCase(bytes, from, authority, scheme)) continue;
      let path = authority;
      while (path < queryAt && bytes[path] !== SLASH) path++;
      if (path === authority || bytes[authority] === COLON) return false;
      if (!validHost(bytes, authority, path)) return false;
      this.authorityFrom = authority - start;
      this.authorityTo = path - start;
      this.pathFrom = path - start;
      if (path === queryAt) {
        const asterisk = this.method === "OPTIONS" && queryAt === start + this.targetTo;
        this.impliedPath = asterisk ? ASTERISK : SLASH;
      }
      return true;
    }
    return false;
  }
}

/** Index of the known method that `start` begins with, a space after it, or -1. */
function knownMethod(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 8) return -1;
  let candidate: number;
  switch (bytes[start]) {
    case 71:
      candidate = 0;
      break;
    case 80:
      candidate = bytes[start + 1] === 79 ? 1 : bytes[start + 1] === 85 ? 3 : 4;
      break;
    case 72:
      candidate = 2;
      break;
    case 68:
      candidate = 5;
      break;
    case 79:
      candidate = 6;
      break;
    default:
      return -1;
  }
  const method = KNOWN_BYTES[candidate]!;
  for (let i = 1; i < method.length; i++) {
    if (bytes[start + i] !== method[i]) return -1;
  }
  return bytes[start + method.length] === SP ? candidate : -1;
}
