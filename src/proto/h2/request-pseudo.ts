/**
 * Pseudo-header fields of a request (RFC 9113 section 8.3.1, RFC 8441 section 4): each once, no other, complete. Where their bytes lie in
 * the decoder they do not stay, so they are copied: a target is short.
 */
import { allocate, copyBytes } from "../../core/bytes.ts";
import type { ErrorCode } from "../../core/errors.ts";
import type { HeadForm } from "../events.ts";
import { equalsIgnoreCase, validHost } from "../fields.ts";
import { ascii, TOKEN } from "../grammar.ts";
import type { ForwardingOptions } from "../forwarded.ts";
import type { HeadLimits } from "../limits.ts";
import { DecodeCode } from "./decode-code.ts";
import type { HpackDecoder } from "./hpack-decoder.ts";
import { FieldKind } from "./hpack-names.ts";
import { H2Target } from "./request-target.ts";

export interface PseudoOptions extends HeadLimits, ForwardingOptions {
  readonly form: HeadForm;
  /** SETTINGS_ENABLE_CONNECT_PROTOCOL is sent (RFC 8441): `:protocol` may come. */
  readonly connectProtocol: boolean;
}

const EMPTY = new Uint8Array(0);
const HTTP = ascii("http");
const HTTPS = ascii("https");

/** Bits of `#seen`. */
const METHOD = bitOf(FieldKind.METHOD);
const SCHEME = bitOf(FieldKind.SCHEME);
const PATH = bitOf(FieldKind.PATH);
const AUTHORITY = bitOf(FieldKind.AUTHORITY);
const PROTOCOL = bitOf(FieldKind.PROTOCOL);

function bitOf(kind: FieldKind): number {
  return 1 << (kind - FieldKind.METHOD);
}

export class RequestPseudo {
  readonly line: H2Target;
  /** Value of `:protocol`, or null. */
  protocol: string | null = null;
  /** `:authority` as the host field, `NUL name NUL value`: `authority[0..authorityEnd)`, 0 when it did not come. */
  authority: Uint8Array = EMPTY;
  authorityAt = 0;
  authorityEnd = 0;
  /** Grows whenever `authority` is written: equal numbers mean an equal one. */
  authorityVersion = 0;
  error: ErrorCode | null = null;

  readonly #options: PseudoOptions;
  #seen = 0;
  /** The entry that `authority` is a copy of. */
  #entrySource: Uint8Array = EMPTY;
  #entryFrom = 0;
  #entryChanges = 0;

  constructor(options: PseudoOptions) {
    this.#options = options;
    this.line = new H2Target(options.form);
  }

  begin(): void {
    this.#seen = 0;
    this.protocol = null;
    this.authorityEnd = 0;
    this.line.clear();
  }

  /** Takes the decoder's current field, a pseudo-header field. */
  read(field: HpackDecoder): DecodeCode {
    const { kind, source, valueAt, to } = field;
    const bit = bitOf(kind);
    if (kind === FieldKind.PSEUDO || (this.#seen & bit) !== 0) return this.#malformed();
    if (field.valueInvalid) return this.#malformed("header-value-invalid");
    this.#seen |= bit;
    switch (kind) {
      case FieldKind.METHOD:
        return this.line.setMethod(source, valueAt, to)
          ? DecodeCode.OK
          : this.#refuse("method-invalid");
      case FieldKind.PATH:
        if (to - valueAt > this.#options.requestLineBytesMax) {
          return this.#refuse("request-line-too-long");
        }
        this.line.setPath(source, valueAt, to);
        return DecodeCode.OK;
      case FieldKind.SCHEME:
        // The scheme of the connection is what the app is told.
        return equalsIgnoreCase(source, valueAt, to, HTTPS) ||
          equalsIgnoreCase(source, valueAt, to, HTTP)
          ? DecodeCode.OK
          : this.#malformed();
      case FieldKind.AUTHORITY:
        this.#takeAuthority(field);
        return DecodeCode.OK;
      default:
        if (!this.#options.connectProtocol || !isToken(source, valueAt, to)) {
          return this.#malformed();
        }
        this.protocol = Buffer.from(source.subarray(valueAt, to)).toString("latin1");
        return DecodeCode.OK;
    }
  }

  /** An authority that is the same entry of a table as the last one is not copied again. */
  #takeAuthority(field: HpackDecoder): void {
    const { source, from, to, changes } = field;
    const known =
      source === this.#entrySource && from === this.#entryFrom && changes === this.#entryChanges;
    if (!known) {
      if (this.authority.length < to - from) this.authority = allocate(to - from);
      copyBytes(source, from, to, this.authority, 0);
      this.authorityVersion++;
      this.#entrySource = field.indexed ? source : EMPTY;
      this.#entryFrom = from;
      this.#entryChanges = changes;
    }
    this.authorityAt = field.valueAt - from;
    this.authorityEnd = to - from;
  }

  /** All have come: are they those of a request? `line` is ready to be written after OK. */
  check(): DecodeCode {
    const seen = this.#seen;
    const line = this.line;
    if ((seen & METHOD) === 0) return this.#malformed();
    if (line.method === "CONNECT" && (seen & PROTOCOL) === 0) {
      if ((seen & (SCHEME | PATH)) !== 0 || (seen & AUTHORITY) === 0) return this.#malformed();
      return this.#refuse("connect-refused");
    }
    if ((seen & PROTOCOL) !== 0 && (line.method !== "CONNECT" || (seen & AUTHORITY) === 0)) {
      return this.#malformed();
    }
    if ((seen & SCHEME) === 0 || (seen & PATH) === 0) return this.#malformed();
    if (line.targetTo === 0) return this.#malformed("target-invalid");
    if (line.lineBytes > this.#options.requestLineBytesMax) {
      return this.#refuse("request-line-too-long");
    }
    const refused = line.read();
    return refused === null ? DecodeCode.OK : this.#refuse(refused);
  }

  /** The grammar of `:authority`; an http URI cannot have an empty one (RFC 9110 section 4.2.1). */
  checkAuthority(): DecodeCode {
    if ((this.#seen & AUTHORITY) === 0) return DecodeCode.OK;
    if (this.authorityAt === this.authorityEnd) return this.#malformed("host-invalid");
    if (validHost(this.authority, this.authorityAt, this.authorityEnd)) return DecodeCode.OK;
    return this.#refuse("host-invalid");
  }

  /** Is `bytes[from..to)` the authority, whatever the case of its letters? */
  isAuthority(bytes: Uint8Array, from: number, to: number): boolean {
    const authority = this.authority.subarray(this.authorityAt, this.authorityEnd);
    const lower = Uint8Array.from(authority, (byte) =>
      byte >= 65 && byte <= 90 ? byte + 32 : byte,
    );
    return equalsIgnoreCase(bytes, from, to, lower);
  }

  #malformed(error: ErrorCode = "pseudo-header-invalid"): DecodeCode {
    this.error = error;
    return DecodeCode.MALFORMED;
  }

  #refuse(error: ErrorCode): DecodeCode {
    this.error = error;
    return DecodeCode.REFUSED;
  }
}

function isToken(bytes: Uint8Array, from: number, to: number): boolean {
  let valid = to > from;
  for (let i = from; i < to; i++) valid &&= TOKEN[bytes[i]!] === 1;
  return valid;
}
