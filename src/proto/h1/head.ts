/**
 * Parser of a request head: one pass over the bytes, writing the encoded fields as it goes.
 *
 * Lines are read one by one. A line that is complete and right costs a single pass; whenever the pass meets anything else
 * (too few bytes included), `LineScan` judges the framing first and only then is the line's fault named: so the verdict
 * is the same however the bytes were split. Positions given to the parser are relative to the head's first byte
 * (`base`), which may lie elsewhere at each call.
 *
 * Hop-by-hop policy. An application is the last hop, so nothing it is shown can be forwarded by mistake. Keep-Alive and
 * Proxy-Connection say nothing to it and are left out; Transfer-Encoding is shown as the one value that is accepted,
 * `chunked`; TE, Upgrade and Connection are shown as they came. Fields named in Connection are NOT removed: that would
 * let a client strip what a proxy before us added (`Connection: close, X-Real-IP`), the known hop-by-hop abuse, and no
 * list of fields worth protecting could be complete.
 */
import type { ErrorCode } from "../../core/errors.ts";
import type { HeadForm } from "../events.ts";
import { fieldFault } from "../field-rules.ts";
import { decimal, equalsIgnoreCase, fieldValueEnd, listMembers } from "../fields.ts";
import {
  ascii,
  COLON,
  COMMA,
  CR,
  HTAB,
  isBlank,
  LF,
  NAME_CGI,
  NAME_LOWER,
  SP,
  TOKEN,
  UNDERSCORE_MARK,
} from "../grammar.ts";
import { copyBytes } from "../../core/bytes.ts";
import { type Forwarded, type ForwardingOptions, ForwardingReader } from "../forwarded.ts";
import { joinRepeated, replaceHost } from "../join.ts";
import type { HeadLimits } from "../limits.ts";
import { LINE_INCOMPLETE, LINE_TOO_LONG, LineScan } from "./lines.ts";
import {
  Name,
  type NameCode,
  nameHash,
  type NameSet,
  SINGLE_NAME_MAX,
  SPECIAL_CGI,
  SPECIAL_LOWER,
  type SpecialNames,
} from "../names.ts";
import { RequestLine } from "./request-line.ts";

/** More bytes are needed. */
export const HEAD_INCOMPLETE = -1;
/** The head is refused: `error`. */
export const HEAD_REFUSED = -2;

/** Facts about the fields of one head, as bits. */
export const Fact = {
  HOST: 1,
  CONTENT_TYPE: 2,
  CONTENT_LENGTH: 4,
  TRANSFER_ENCODING: 8,
  CLOSE: 16,
  KEEP_ALIVE: 32,
  UPGRADE_NAMED: 64,
  UPGRADE: 128,
  EXPECT: 256,
  TRAILERS_OK: 512,
  CODING_CHUNKED: 1024,
  CODING_OTHER: 2048,
  CODING_WRONG: 4096,
  FORWARDING: 8192,
} as const;

/** The fact that a field of the name is there, by NameCode. */
const FACTS: Uint16Array = factsByName();

function factsByName(): Uint16Array {
  const facts = new Uint16Array(16);
  facts[Name.HOST] = Fact.HOST;
  facts[Name.CONTENT_TYPE] = Fact.CONTENT_TYPE;
  facts[Name.CONTENT_LENGTH] = Fact.CONTENT_LENGTH;
  facts[Name.TRANSFER_ENCODING] = Fact.TRANSFER_ENCODING;
  facts[Name.EXPECT] = Fact.EXPECT;
  facts[Name.UPGRADE] = Fact.UPGRADE;
  facts[Name.FORWARDING] = Fact.FORWARDING;
  return facts;
}

const CONNECTION_WORDS: readonly Uint8Array[] = ["close", "keep-alive", "upgrade"].map(ascii);
const TRAILERS_WORD: readonly Uint8Array[] = [ascii("trailers")];
const CHUNKED = ascii("chunked");
const HOST_NAMES = { cgi: ascii("\0HTTP_HOST\0"), asgi: ascii("\0host\0") } as const;
/** Length of the `HTTP_` before names in the CGI form. */
const CGI_PREFIX_LENGTH = 5;

export class HeadParser {
  readonly line: RequestLine;
  /** Where the block is written; the reader sees to it that it is large enough. */
  out: Uint8Array = new Uint8Array(0);
  /** Bytes written to `out`. */
  o = 0;
  facts = 0;
  contentLength = 0;
  dropped = 0;
  /** Header lines read, and the position (relative) of the first. */
  count = 0;
  sectionAt = 0;
  error: ErrorCode | null = null;
  names: NameSet;

  readonly #form: HeadForm;
  readonly #cgi: boolean;
  readonly #limits: HeadLimits & ForwardingOptions;
  /** Made for the first head that has such fields. */
  #forwarding: ForwardingReader | null = null;
  readonly #table: Uint8Array;
  readonly #special: SpecialNames;
  readonly #scan = new LineScan();
  /** The line at hand began in an earlier call: look for its end first, or bytewise arrival costs quadratic time. */
  #waiting = false;
  /** Repeated names of the CGI form: position of the first name, position of the repeated one, in turn. */
  #repeats: number[] | null = null;

  constructor(form: HeadForm, limits: HeadLimits & ForwardingOptions, names: NameSet) {
    this.line = new RequestLine(form);
    this.names = names;
    this.#form = form;
    this.#cgi = form === "cgi";
    this.#limits = limits;
    this.#table = this.#cgi ? NAME_CGI : NAME_LOWER;
    this.#special = this.#cgi ? SPECIAL_CGI : SPECIAL_LOWER;
  }

  /** Forgets the last head. */
  begin(): void {
    this.o = 0;
    this.facts = 0;
    this.contentLength = 0;
    this.dropped = 0;
    this.count = 0;
    this.#waiting = false;
    this.#scan.reset();
  }

  /** The common request line at `base`, in one pass: the position of the header section (relative), or -1. */
  scanLine(bytes: Uint8Array, base: number, end: number): number {
    const next = this.line.scan(bytes, base, end);
    return next - 2 - base > this.#limits.requestLineBytesMax ? -1 : next < 0 ? -1 : next - base;
  }

  /** Any request line at `base`: the position of the header section (relative), or a negative HEAD_ code. */
  readLine(bytes: Uint8Array, base: number, end: number): number {
    const lineEnd = this.#findEnd(bytes, base, end, this.#limits.requestLineBytesMax);
    if (lineEnd < 0) return this.#stop(lineEnd, "request-line-too-long");
    const refused = this.line.parse(bytes, base, lineEnd);
    return refused === null ? lineEnd + 2 - base : this.#refuse(refused);
  }

  /** Header lines from `from` (relative): the position after the blank line (relative), or a negative HEAD_ code. */
  readFields(bytes: Uint8Array, base: number, from: number, end: number): number {
    let at = base + from;
    if (this.#waiting) {
      const lineEnd = this.#findEnd(bytes, at, end, this.#lineMax(at - base));
      if (lineEnd < 0) return this.#stop(lineEnd, "header-too-large");
    }
    for (;;) {
      if (at + 1 < end && bytes[at] === CR && bytes[at + 1] === LF) break;
      const next = this.#readField(bytes, base, at, end);
      if (next < 0) {
        this.resumeAt = at - base;
        return next;
      }
      at = next;
    }
    if (this.#repeats !== null) {
      this.o = joinRepeated(this.out, this.line.size, this.o, this.#repeats);
      this.#repeats = null;
    }
    if (this.line.authorityTo > 0 && (this.facts & Fact.HOST) === 0) {
      this.#appendAuthority(bytes, base);
    }
    if ((this.facts & Fact.FORWARDING) !== 0 && !this.#concludeForwarding()) return HEAD_REFUSED;
    return at + 2 - base;
  }

  /** After HEAD_INCOMPLETE from readFields: where to go on (relative). */
  resumeAt = 0;

  #readField(bytes: Uint8Array, base: number, start: number, end: number): number {
    const out = this.out;
    const table = this.#table;
    const cgi = this.#cgi;
    let o = this.o;
    out[o++] = 0;
    if (cgi) {
      out[o] = 72;
      out[o + 1] = out[o + 2] = 84;
      out[o + 3] = 80;
      out[o + 4] = 95;
      o += CGI_PREFIX_LENGTH;
    }
    const nameAt = o;
    let at = start;
    let marks = 0;
    while (at < end) {
      const byte = table[bytes[at]!]!;
      if (byte === 0) break;
      out[o++] = byte;
      marks |= byte;
      at++;
    }
    if (o === nameAt || at >= end || bytes[at] !== COLON)
      return this.#fault(bytes, base, start, end);
    const nameEnd = o;
    out[o++] = 0;
    at++;
    while (at < end && (bytes[at] === SP || bytes[at] === HTAB)) at++;
    const valueFrom = at;
    at = fieldValueEnd(bytes, at, end);
    if (at + 1 >= end || bytes[at] !== CR || bytes[at + 1] !== LF) {
      return this.#fault(bytes, base, start, end);
    }
    if (at - start > this.#lineMax(start - base)) return this.#refuse("header-too-large");
    if (++this.count > this.#limits.headerCountMax) return this.#refuse("header-count");
    let valueTo = at;
    while (valueTo > valueFrom && isBlank(bytes[valueTo - 1]!)) valueTo--;
    const valueAt = o;
    o = copyBytes(bytes, valueFrom, valueTo, out, o);
    if (marks >= UNDERSCORE_MARK) {
      if (this.#limits.underscoreHeaders === "refuse") return this.#refuse("header-name-invalid");
      this.dropped++;
      return at + 2;
    }
    const hash = nameHash(out, nameAt, nameEnd);
    const special = this.#special.find(out, nameAt, nameEnd, hash);
    if (special !== Name.ORDINARY) {
      o = this.#meaning(special, nameAt, valueAt, o);
      if (o < 0) return o;
      if (special === Name.HOST && this.line.authorityTo > 0) {
        o = copyBytes(
          bytes,
          base + this.line.authorityFrom,
          base + this.line.authorityTo,
          out,
          valueAt,
        );
      }
    }
    if (cgi && o > this.o && (special === Name.ORDINARY || special > SINGLE_NAME_MAX)) {
      const known = this.names.add(out, nameAt, nameEnd, hash);
      if (known >= 0)
        (this.#repeats ??= []).push(known - CGI_PREFIX_LENGTH, nameAt - CGI_PREFIX_LENGTH);
    }
    this.o = o;
    return at + 2;
  }

  /** Bytes that a line begun at `at` (relative) may have. */
  #lineMax(at: number): number {
    const left = this.#limits.headerBytesMax - (at - this.sectionAt) - 2;
    return Math.max(0, Math.min(this.#limits.headerFieldBytesMax, left));
  }

  /** A special field has been written: notes what it says. The end of the block (`o` when it is left out), or HEAD_REFUSED. */
  #meaning(name: NameCode, nameAt: number, valueAt: number, valueEnd: number): number {
    const out = this.out;
    if (name === Name.FORWARDING) return this.#takeForwarding(nameAt, valueAt, valueEnd);
    const fact = FACTS[name]!;
    const fault = fieldFault(name, (this.facts & fact) !== 0, out, valueAt, valueEnd);
    if (fault !== null) return this.#refuse(fault);
    this.facts |= fact;
    switch (name) {
      case Name.HOST:
      case Name.EXPECT:
      case Name.UPGRADE:
        return valueEnd;
      case Name.CONNECTION: {
        const words = listMembers(out, valueAt, valueEnd, CONNECTION_WORDS);
        this.facts |= words * Fact.CLOSE;
        return valueEnd;
      }
      case Name.CONTENT_TYPE:
        return this.#cgi ? this.#unprefix(valueEnd) : valueEnd;
      case Name.CONTENT_LENGTH:
        this.contentLength = decimal(out, valueAt, valueEnd);
        return this.#cgi ? this.#unprefix(valueEnd) : valueEnd;
      case Name.TRANSFER_ENCODING:
        this.facts |= codings(out, valueAt, valueEnd, this.facts);
        for (let i = valueAt; i < valueEnd; i++) out[i]! |= 0x20;
        return valueEnd;
      case Name.TE:
        if (listMembers(out, valueAt, valueEnd, TRAILERS_WORD) !== 0)
          this.facts |= Fact.TRAILERS_OK;
        return valueEnd;
      case Name.PROXY:
        // "httpoxy": as HTTP_PROXY it would configure the HTTP clients of a CGI-style app.
        this.dropped++;
        return this.o;
      default:
        return this.o;
    }
  }

  /** Of the head just read; null when nothing was said by a trusted peer. */
  get forwarded(): Forwarded | null {
    return (this.facts & Fact.FORWARDING) === 0 ? null : (this.#forwarding?.result ?? null);
  }

  /** A forwarding field has been written: as `#meaning`. */
  #takeForwarding(nameAt: number, valueAt: number, valueEnd: number): number {
    const reader = (this.#forwarding ??= new ForwardingReader(this.#limits.forwarding));
    if ((this.facts & Fact.FORWARDING) === 0) reader.begin();
    this.facts |= Fact.FORWARDING;
    if (reader.takeFrom(this.out, nameAt, valueAt, valueEnd)) return valueEnd;
    this.dropped++;
    return this.o;
  }

  #concludeForwarding(): boolean {
    const reader = this.#forwarding!;
    this.error = reader.conclude();
    const host = reader.result?.host ?? null;
    if (host !== null) this.o = replaceHost(this.out, this.line.size, this.o, this.#form, host);
    return this.error === null;
  }

  /** Takes `HTTP_` off the name just written. */
  #unprefix(end: number): number {
    this.out.copyWithin(this.o + 1, this.o + 1 + CGI_PREFIX_LENGTH, end);
    return end - CGI_PREFIX_LENGTH;
  }

  /** RFC 9112 section 3.2.2: the target's authority stands for a Host that did not come (HTTP/1.0). */
  #appendAuthority(bytes: Uint8Array, base: number): void {
    const name = HOST_NAMES[this.#form];
    const at = copyBytes(name, 0, name.length, this.out, this.o);
    const { authorityFrom, authorityTo } = this.line;
    this.o = copyBytes(bytes, base + authorityFrom, base + authorityTo, this.out, at);
  }

  /** The line at `start` stopped the fast pass: incomplete, framed wrongly, too long, or its grammar is wrong. */
  #fault(bytes: Uint8Array, base: number, start: number, end: number): number {
    const lineEnd = this.#findEnd(bytes, start, end, this.#lineMax(start - base));
    if (lineEnd < 0) return this.#stop(lineEnd, "header-too-large");
    if (isBlank(bytes[start]!)) return this.#refuse("header-folded");
    return this.#refuse(fieldLineFault(bytes, start, lineEnd));
  }

  #findEnd(bytes: Uint8Array, start: number, end: number, max: number): number {
    const found = this.#scan.find(bytes, start, end, max);
    this.#waiting = found === LINE_INCOMPLETE;
    if (!this.#waiting) this.#scan.reset();
    return found;
  }

  #stop(found: number, tooLong: ErrorCode): number {
    if (found === LINE_INCOMPLETE) return HEAD_INCOMPLETE;
    return this.#refuse(found === LINE_TOO_LONG ? tooLong : "line-ending-invalid");
  }

  #refuse(error: ErrorCode): number {
    this.error = error;
    return HEAD_REFUSED;
  }
}

/** What is wrong with a complete header line that does not begin with blank space. */
function fieldLineFault(bytes: Uint8Array, start: number, end: number): ErrorCode {
  let at = start;
  while (at < end && TOKEN[bytes[at]!] === 1) at++;
  return at === start || bytes[at] !== COLON ? "header-name-invalid" : "header-value-invalid";
}

/** The transfer codings of one line as facts, given the facts so far: RFC 9112 section 6.1, without parameters. */
function codings(bytes: Uint8Array, from: number, to: number, facts: number): number {
  let found = facts & Fact.CODING_CHUNKED;
  let start = from;
  for (;;) {
    let end = start;
    while (end < to && bytes[end] !== COMMA) end++;
    let first = start;
    let last = end;
    while (first < last && isBlank(bytes[first]!)) first++;
    while (last > first && isBlank(bytes[last - 1]!)) last--;
    let token = last > first;
    for (let i = first; i < last; i++) token &&= TOKEN[bytes[i]!] === 1;
    // Nothing may follow chunked, itself included.
    if (!token || (found & Fact.CODING_CHUNKED) !== 0) found |= Fact.CODING_WRONG;
    found |= equalsIgnoreCase(bytes, first, last, CHUNKED)
      ? Fact.CODING_CHUNKED
      : Fact.CODING_OTHER;
    if (end >= to) return found;
    start = end + 1;
  }
}
