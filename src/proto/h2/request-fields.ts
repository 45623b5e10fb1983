/**
 * The fields of a request, from the decoder into the head block. What is a rule of every HTTP version comes from ../names.ts,
 * ../field-rules.ts and ../limits.ts; what RFC 9113 section 8.2.2 forbids makes the request malformed.
 *
 * Cookies come in crumbs for the sake of compression; they are one field again here, in both forms (section 8.2.3: before they are passed
 * to a generic HTTP application), and count as one.
 */
import { allocate, copyBytes } from "../../core/bytes.ts";
import type { ErrorCode } from "../../core/errors.ts";
import { fieldFault } from "../field-rules.ts";
import { decimal, equalsIgnoreCase } from "../fields.ts";
import { type Forwarded, ForwardingReader } from "../forwarded.ts";
import { ascii } from "../grammar.ts";
import { joinRepeated, replaceHost } from "../join.ts";
import { Name, type NameCode, type NameSet, sharedNameSet } from "../names.ts";
import { DecodeCode } from "./decode-code.ts";
import { FieldCode, type HpackDecoder } from "./hpack-decoder.ts";
import { FieldKind, isPseudo } from "./hpack-names.ts";
import { parsePriority } from "./priority.ts";
import type { PseudoOptions, RequestPseudo } from "./request-pseudo.ts";

/** What a field takes as a line of HTTP/1.1 beside its name and value: `: `, and CR LF. */
const COLON_BYTES = 2;
const LINE_END_BYTES = 2;
const SEMICOLON = 59;
const SPACE = 32;
const EMPTY = new Uint8Array(0);
const TRAILERS = ascii("trailers");
const FORWARDING = 1 << Name.FORWARDING;

/** Where blocks are written before it is known how large they become; shared by all connections. */
let shared: Uint8Array = EMPTY;

export class RequestFields {
  out: Uint8Array = EMPTY;
  /** Bytes written to `out`. */
  o = 0;
  /** `1 << Name` of those that came. */
  facts = 0;
  contentLength = 0;
  dropped = 0;
  /** What the `priority` field says (parsePriority); -1 when there is none. */
  priority = -1;
  error: ErrorCode | null = null;

  readonly #options: PseudoOptions;
  readonly #cgi: boolean;
  readonly #names: NameSet;
  readonly #bound: number;
  #count = 0;
  #bytes = 0;
  /** Where the first cookie's name lies in `out` (0: none came), and where the last one that was written ends. */
  #cookieAt = 0;
  #cookieEnd = 0;
  /** Names to be joined (joinRepeated). */
  #repeats: number[] | null = null;
  /** Made for the first head with such fields. */
  #forwarding: ForwardingReader | null = null;

  constructor(options: PseudoOptions) {
    this.#options = options;
    this.#cgi = options.form === "cgi";
    this.#names = sharedNameSet(options.headerCountMax);
    // The target comes thrice, and no field takes more than twice what it takes as a line.
    this.#bound = 3 * options.requestLineBytesMax + 2 * options.headerBytesMax + 512;
    if (shared.length < this.#bound) shared = allocate(this.#bound);
  }

  /** Writes request line and authority, then the decoder's fields, of which the first was read with the result `first`. */
  read(pseudo: RequestPseudo, field: HpackDecoder, first: FieldCode): DecodeCode {
    const { line, authority, authorityEnd } = pseudo;
    const out = (this.out = shared);
    this.facts = 0;
    this.contentLength = 0;
    this.dropped = 0;
    this.priority = -1;
    this.#count = 0;
    this.#bytes = 0;
    this.#cookieAt = 0;
    this.#repeats = null;
    this.#names.clear();
    line.write(line.bytes, 0, out, "");
    this.o = line.size;
    if (authorityEnd > 0) {
      const value = authorityEnd - pseudo.authorityAt;
      if (!this.#hasRoom("host".length + COLON_BYTES + value)) return DecodeCode.REFUSED;
      this.o = copyBytes(authority, 0, authorityEnd, out, this.o);
    }
    let code = first;
    for (; code === FieldCode.FIELD; code = field.next()) {
      const refused = this.#readField(field, pseudo);
      if (refused !== DecodeCode.OK) return refused;
    }
    if (code === FieldCode.FAULT) return DecodeCode.COMPRESSION;
    if (this.#repeats !== null) this.o = joinRepeated(out, line.size, this.o, this.#repeats);
    if ((this.facts & FORWARDING) === 0) return DecodeCode.OK;
    const fault = this.#forwarding!.conclude();
    if (fault !== null) return this.#refuse(fault);
    const host = this.forwarded?.host ?? null;
    if (host !== null) this.o = replaceHost(out, line.size, this.o, this.#options.form, host);
    return DecodeCode.OK;
  }

  /** Of the head just read; null when nothing was said by a trusted peer. */
  get forwarded(): Forwarded | null {
    return (this.facts & FORWARDING) === 0 ? null : (this.#forwarding?.result ?? null);
  }

  /** False: the field must not reach the app. */
  #takeForwarding(field: HpackDecoder): boolean {
    const reader = (this.#forwarding ??= new ForwardingReader(this.#options.forwarding));
    if ((this.facts & FORWARDING) === 0) reader.begin();
    this.facts |= FORWARDING;
    const { source, valueAt, to, nameSize } = field;
    if (reader.takeFrom(source, valueAt - 1 - nameSize, valueAt, to)) return true;
    this.dropped++;
    return false;
  }

  #readField(field: HpackDecoder, pseudo: RequestPseudo): DecodeCode {
    const { kind, to, valueAt } = field;
    if (kind === FieldKind.INVALID) return this.#malformed("header-name-invalid");
    if (isPseudo(kind)) return this.#malformed("pseudo-header-invalid");
    if (field.valueInvalid) return this.#malformed("header-value-invalid");
    const size = field.nameSize + COLON_BYTES + to - valueAt;
    if (kind === FieldKind.COOKIE && this.#cookieAt > 0) return this.#readCrumb(field, size);
    if (!this.#hasRoom(size)) return DecodeCode.REFUSED;
    if (kind === FieldKind.UNDERSCORE) {
      if (this.#options.underscoreHeaders === "refuse") return this.#refuse("header-name-invalid");
      this.dropped++;
      return DecodeCode.OK;
    }
    if (kind === FieldKind.PRIORITY) {
      const value = Buffer.from(field.source.subarray(valueAt, to)).toString("latin1");
      this.priority = parsePriority(value);
    } else if (kind !== Name.ORDINARY && kind !== FieldKind.COOKIE) {
      return this.#readSpecial(field, pseudo);
    }
    const at = this.o;
    this.#put(field);
    if (kind === FieldKind.COOKIE) {
      this.#cookieAt = at + 1;
      this.#cookieEnd = this.o;
    }
    return DecodeCode.OK;
  }

  #readCrumb(field: HpackDecoder, size: number): DecodeCode {
    if (!this.#hasRoom(size, 0)) return DecodeCode.REFUSED;
    const at = this.o;
    if (at === this.#cookieEnd) {
      this.out[at] = SEMICOLON;
      this.out[at + 1] = SPACE;
      this.o = copyBytes(field.source, field.valueAt, field.to, this.out, at + 2);
      this.#cookieEnd = this.o;
    } else {
      this.o = copyBytes(field.source, field.from, field.to, this.out, at);
      (this.#repeats ??= []).push(this.#cookieAt, at + 1);
    }
    return DecodeCode.OK;
  }

  #readSpecial(field: HpackDecoder, pseudo: RequestPseudo): DecodeCode {
    const { source, valueAt, to } = field;
    const name = field.kind as NameCode;
    if (name === Name.FORWARDING) {
      if (this.#takeForwarding(field)) this.#put(field);
      return DecodeCode.OK;
    }
    const bit = 1 << name;
    const fault = fieldFault(name, (this.facts & bit) !== 0, source, valueAt, to);
    if (fault !== null) return this.#refuse(fault);
    this.facts |= bit;
    switch (name) {
      case Name.HOST:
        if (pseudo.authorityEnd === 0) break;
        // Section 8.3.1: it must say the same, and it has been written.
        if (pseudo.isAuthority(source, valueAt, to)) return DecodeCode.OK;
        return this.#malformed("host-mismatch");
      case Name.CONTENT_LENGTH:
        this.contentLength = decimal(source, valueAt, to);
        break;
      case Name.CONTENT_TYPE:
      case Name.EXPECT:
        break;
      case Name.TE:
        if (equalsIgnoreCase(source, valueAt, to, TRAILERS)) break;
        return this.#malformed("header-connection-specific");
      case Name.PROXY:
        this.dropped++;
        return DecodeCode.OK;
      default:
        return this.#malformed("header-connection-specific");
    }
    this.#put(field);
    return DecodeCode.OK;
  }

  /** Writes a field that is not a further crumb of a cookie. */
  #put(field: HpackDecoder): void {
    const at = this.o;
    this.o = copyBytes(field.source, field.from, field.to, this.out, at);
    if (!this.#cgi) return;
    const nameEnd = at + field.valueAt - field.from - 1;
    const known = this.#names.add(this.out, at + 1, nameEnd, field.hash);
    if (known >= 0) (this.#repeats ??= []).push(known, at + 1);
  }

  /** Counts a field that would be a line of `size` bytes against the limits. */
  #hasRoom(size: number, count = 1): boolean {
    const options = this.#options;
    this.#bytes += size + LINE_END_BYTES;
    this.#count += count;
    if (size > options.headerFieldBytesMax || this.#bytes > options.headerBytesMax) {
      this.error = "header-too-large";
      return false;
    }
    if (this.#count <= options.headerCountMax) return true;
    this.error = "header-count";
    return false;
  }

  #malformed(error: ErrorCode): DecodeCode {
    this.error = error;
    return DecodeCode.MALFORMED;
  }

  #refuse(error: ErrorCode): DecodeCode {
    this.error = error;
    return DecodeCode.REFUSED;
  }
}
