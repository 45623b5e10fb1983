/**
 * Names of fields as the head block wants them. HPACK sends a name once and then its index, so what a name means and how it is spelled in
 * the block is found out once and kept with the table's entry.
 */
import { copyBytes, startsWithAt } from "../../core/bytes.ts";
import type { HeadForm } from "../events.ts";
import { ascii, NAME_CGI, NAME_LOWER, UNDERSCORE_MARK } from "../grammar.ts";
import {
  Name,
  type NameCode,
  nameHash,
  SPECIAL_CGI,
  SPECIAL_LOWER,
  type SpecialNames,
} from "../names.ts";

/** What a name means: a code of Name (../names.ts), or one of these. */
export const FieldKind = {
  COOKIE: 16,
  /** Cannot be told from a name with hyphens in CGI. */
  UNDERSCORE: 17,
  /** Not a token in lower case (RFC 9113 section 8.2.1). */
  INVALID: 18,
  /** RFC 9218 section 5. */
  PRIORITY: 19,
  METHOD: 32,
  SCHEME: 33,
  PATH: 34,
  AUTHORITY: 35,
  PROTOCOL: 36,
  /** A pseudo-header field that no request has. */
  PSEUDO: 37,
} as const;
export type FieldKind = NameCode | (typeof FieldKind)[keyof typeof FieldKind];

export function isPseudo(kind: FieldKind): boolean {
  return kind >= FieldKind.METHOD;
}

const PSEUDO_NAMES: readonly (readonly [FieldKind, Uint8Array])[] = [
  [FieldKind.METHOD, ascii(":method")],
  [FieldKind.SCHEME, ascii(":scheme")],
  [FieldKind.PATH, ascii(":path")],
  [FieldKind.AUTHORITY, ascii(":authority")],
  [FieldKind.PROTOCOL, ascii(":protocol")],
];
const COLON = 58;
const CGI_PREFIX = ascii("HTTP_");
const HOST = { cgi: ascii("\0HTTP_HOST\0"), asgi: ascii("\0host\0") } as const;
const PRIORITY = { cgi: ascii("PRIORITY"), asgi: ascii("priority") } as const;
const COOKIE = { cgi: ascii("COOKIE"), asgi: ascii("cookie") } as const;
const UPPER_FIRST = 65;
const UPPER_LAST = 90;

/** Bytes that `write` may make of a name of so many. */
export function nameRoom(length: number): number {
  return length + CGI_PREFIX.length + 2;
}

/** Writes names in one of the two forms. */
export class NameWriter {
  /** Of the name just written. */
  kind: FieldKind = Name.ORDINARY;
  hash = 0;

  readonly #cgi: boolean;
  readonly #table: Uint8Array;
  readonly #special: SpecialNames;
  readonly #host: Uint8Array;
  readonly #cookie: Uint8Array;
  readonly #priority: Uint8Array;

  constructor(form: HeadForm) {
    this.#cgi = form === "cgi";
    this.#table = this.#cgi ? NAME_CGI : NAME_LOWER;
    this.#special = this.#cgi ? SPECIAL_CGI : SPECIAL_LOWER;
    this.#host = HOST[form];
    this.#cookie = COOKIE[form];
    this.#priority = PRIORITY[form];
  }

  /**
   * Writes `NUL name NUL` for the name `bytes[from..to)` to `out` at `at`; the position after it. `:authority` is written as the host
   * field; of other pseudo-header fields and of wrong names nothing is written but NUL NUL.
   */
  write(bytes: Uint8Array, from: number, to: number, out: Uint8Array, at: number): number {
    this.hash = 0;
    if (from < to && bytes[from] === COLON) {
      this.kind = pseudoKind(bytes, from, to);
      return this.kind === FieldKind.AUTHORITY ? put(this.#host, out, at) : putNothing(out, at);
    }
    const nameAt = this.#cgi ? at + 1 + CGI_PREFIX.length : at + 1;
    const table = this.#table;
    let o = nameAt;
    let marks = 0;
    let valid = from < to;
    for (let i = from; i < to; i++) {
      const raw = bytes[i]!;
      const byte = table[raw]!;
      if (byte === 0 || (raw >= UPPER_FIRST && raw <= UPPER_LAST)) valid = false;
      marks |= byte;
      out[o++] = byte;
    }
    if (!valid || marks >= UNDERSCORE_MARK) {
      this.kind = valid ? FieldKind.UNDERSCORE : FieldKind.INVALID;
      return putNothing(out, at);
    }
    this.hash = nameHash(out, nameAt, o);
    this.kind = this.#special.find(out, nameAt, o, this.hash);
    if (this.kind === Name.ORDINARY) {
      if (isSame(this.#cookie, out, nameAt, o)) this.kind = FieldKind.COOKIE;
      else if (isSame(this.#priority, out, nameAt, o)) this.kind = FieldKind.PRIORITY;
    }
    out[at] = 0;
    if (this.#cgi) {
      if (this.kind === Name.CONTENT_TYPE || this.kind === Name.CONTENT_LENGTH) {
        out.copyWithin(at + 1, nameAt, o);
        o -= CGI_PREFIX.length;
      } else {
        put(CGI_PREFIX, out, at + 1);
      }
    }
    out[o] = 0;
    return o + 1;
  }
}

function pseudoKind(bytes: Uint8Array, from: number, to: number): FieldKind {
  for (const [kind, name] of PSEUDO_NAMES) {
    if (isSame(name, bytes, from, to)) return kind;
  }
  return FieldKind.PSEUDO;
}

function isSame(known: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  return to - from === known.length && startsWithAt(bytes, from, known, known.length);
}

function put(known: Uint8Array, out: Uint8Array, at: number): number {
  return copyBytes(known, 0, known.length, out, at);
}

function putNothing(out: Uint8Array, at: number): number {
  out[at] = 0;
  out[at + 1] = 0;
  return at + 2;
}
