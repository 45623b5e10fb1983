/**
 * The request target as the app sees it, the same for every version of HTTP: which part is path and which is query, the
 * escapes of the path, and the first part of the head block (docs/protocol.md). An engine finds method and target in its
 * own way; positions are relative to a `start` that each call names, so they stay true when the bytes move.
 */
import type { ErrorCode } from "../core/errors.ts";
import { allocate, copyBytes } from "../core/bytes.ts";
import type { HeadForm, RequestHead } from "./events.ts";
import { isEscape } from "./fields.ts";
import { ascii, HEX, PERCENT, TARGET, TARGET_QUESTION } from "./grammar.ts";

export const KNOWN_METHODS: readonly string[] = [
  "GET",
  "POST",
  "HEAD",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
];
export const KNOWN_BYTES: readonly Uint8Array[] = KNOWN_METHODS.map(ascii);

/** REQUEST_METHOD and its value, up to the path, by index of KNOWN_METHODS. */
const CGI_STARTS: readonly Uint8Array[] = KNOWN_METHODS.map(cgiStart);
const CGI_QUERY = ascii("\0QUERY_STRING\0");
const CGI_URI = ascii("\0REQUEST_URI\0");
/** What ends the CGI form, by HTTP version; all are of one length. */
const CGI_ENDS: Readonly<Record<number, Uint8Array>> = {
  10: ascii("\0SERVER_PROTOCOL\0HTTP/1.0\0"),
  11: ascii("\0SERVER_PROTOCOL\0HTTP/1.1\0"),
  20: ascii("\0SERVER_PROTOCOL\0HTTP/2.0\0"),
  30: ascii("\0SERVER_PROTOCOL\0HTTP/3.0\0"),
};
const CGI_END = CGI_ENDS[11]!;
const ASGI_STARTS: readonly Uint8Array[] = KNOWN_METHODS.map((method) => ascii(method + "\0"));

function cgiStart(method: string): Uint8Array {
  return ascii("REQUEST_METHOD\0" + method + "\0PATH_INFO\0");
}

export class RequestTarget {
  method = "";
  version = 11;
  targetFrom = 0;
  targetTo = 0;
  /** Bytes that `write` will make. */
  size = 0;

  /** Index of KNOWN_METHODS, -1 for any other method. */
  protected known = -1;
  protected pathFrom = 0;
  protected pathTo = 0;
  /** Position of '?', or `targetTo`. */
  protected queryAt = 0;
  /** Percent escapes in the path. */
  protected escapes = 0;
  /** The path when the target has none: '/' (absolute-form), '*' (OPTIONS of an absolute-form); else 0. */
  protected impliedPath = 0;

  readonly #cgi: boolean;

  constructor(form: HeadForm) {
    this.#cgi = form === "cgi";
  }

  /** The position of the first '?' in `[from, to)`, or `to`; -1 when a byte is there that no target may hold. */
  protected findQuery(bytes: Uint8Array, from: number, to: number): number {
    let queryAt = to;
    for (let i = from; i < to; i++) {
      const kind = TARGET[bytes[i]!];
      if (kind === 0) return -1;
      if (kind === TARGET_QUESTION && queryAt === to) queryAt = i;
    }
    return queryAt;
  }

  /** Escapes are checked in the path only, which is decoded here; browsers send a lone '%' in queries. */
  protected checkEscapes(bytes: Uint8Array, start: number): ErrorCode | null {
    const to = start + this.pathTo;
    for (let i = start + this.pathFrom; i < to; i++) {
      if (bytes[i] !== PERCENT) continue;
      if (!isEscape(bytes, i, to)) return "target-invalid";
      if (bytes[i + 1] === 48 && bytes[i + 2] === 48) return "target-nul";
      this.escapes++;
    }
    return null;
  }

  /** What stands before the path in the block. */
  #start(): Uint8Array {
    if (this.known >= 0) return (this.#cgi ? CGI_STARTS : ASGI_STARTS)[this.known]!;
    return this.#cgi ? cgiStart(this.method) : ascii(this.method + "\0");
  }

  protected measure(): void {
    const implied = this.impliedPath === 0 ? 0 : 1;
    const path = this.pathTo - this.pathFrom + implied;
    const decoded = path - 2 * this.escapes;
    const query = Math.max(0, this.targetTo - this.queryAt - 1);
    if (this.#cgi) {
      const uri = path + this.targetTo - this.queryAt;
      const fixed = 26 + this.method.length + CGI_QUERY.length + CGI_URI.length;
      this.size = fixed + decoded + query + uri + CGI_END.length;
    } else {
      this.size = this.method.length + 4 + decoded + query + (this.escapes > 0 ? path : 0);
    }
  }

  /**
   * Writes the part of the block that precedes the connection's constants, each string followed by NUL. `kept` is the
   * method whose block `out` holds from before: if it is the same one, what stands before the path is not written again.
   */
  write(bytes: Uint8Array, start: number, out: Uint8Array, kept: string): void {
    const cgi = this.#cgi;
    const begin = this.#start();
    let o = begin.length;
    if (this.method !== kept) copyBytes(begin, 0, o, out, 0);
    const pathFrom = start + this.pathFrom;
    const pathTo = start + this.pathTo;
    const queryAt = start + this.queryAt;
    const targetTo = start + this.targetTo;
    if (this.impliedPath !== 0) out[o++] = this.impliedPath;
    if (this.escapes === 0) {
      o = copyBytes(bytes, pathFrom, pathTo, out, o);
    } else {
      o = decodeEscapes(bytes, pathFrom, pathTo, out, o);
    }
    if (!cgi) {
      out[o++] = 0;
      if (this.escapes > 0) o = copyBytes(bytes, pathFrom, pathTo, out, o);
      out[o++] = 0;
      if (queryAt < targetTo) o = copyBytes(bytes, queryAt + 1, targetTo, out, o);
      out[o] = 0;
      return;
    }
    o = copyBytes(CGI_QUERY, 0, CGI_QUERY.length, out, o);
    if (queryAt < targetTo) o = copyBytes(bytes, queryAt + 1, targetTo, out, o);
    o = copyBytes(CGI_URI, 0, CGI_URI.length, out, o);
    if (this.impliedPath !== 0) out[o++] = this.impliedPath;
    o = copyBytes(bytes, pathFrom, targetTo, out, o);
    const protocol = CGI_ENDS[this.version] ?? CGI_END;
    copyBytes(protocol, 0, protocol.length, out, o);
  }
}

function decodeEscapes(
  bytes: Uint8Array,
  from: number,
  to: number,
  out: Uint8Array,
  at: number,
): number {
  let o = at;
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!;
    if (byte === PERCENT) {
      out[o++] = HEX[bytes[i + 1]!]! * 16 + HEX[bytes[i + 2]!]!;
      i += 2;
    } else {
      out[o++] = byte;
    }
  }
  return o;
}

/** Puts another target, `line` read from `bytes` at `start`, before the fields that are already in the head's block. */
export function replaceLine(
  head: RequestHead,
  line: RequestTarget,
  bytes: Uint8Array,
  start: number,
): void {
  const end = line.size + head.blockEnd - head.splitAt;
  let kept = head.method;
  if (end > head.block.length) {
    const grown = allocate(end);
    copyBytes(head.block, head.splitAt, head.blockEnd, grown, line.size);
    head.block = grown;
    kept = "";
  } else if (line.size !== head.splitAt) {
    head.block.copyWithin(line.size, head.splitAt, head.blockEnd);
  }
  line.write(bytes, start, head.block, kept);
  head.splitAt = line.size;
  head.blockEnd = end;
  head.method = line.method;
}
