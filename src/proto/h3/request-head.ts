/**
 * From the header fields of an HTTP/3 request (RFC 9114 section 4.3), as the runtime gives them, to a head block: the policy is that of
 * the other versions, which share its parts. The runtime has undone QPACK and keeps the order of names, and of the values of one name.
 */
import type { ErrorCode } from "../../core/errors.ts";
import { allocate } from "../../core/bytes.ts";
import type { HeadForm, RequestHead } from "../events.ts";
import { fieldFault } from "../field-rules.ts";
import { decimal, listMembers } from "../fields.ts";
import { type Forwarded, ForwardingReader, type ForwardingSource } from "../forwarded.ts";
import { ascii } from "../grammar.ts";
import type { HeadLimits } from "../limits.ts";
import { isForwardingName, Name, type NameCode } from "../names.ts";
import { KNOWN_METHODS, RequestTarget } from "../target.ts";
import { FieldMemo } from "./field-memo.ts";

/** Lower-case names; several values of one name together. */
export type FieldTable = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface RequestHeadOptions extends HeadLimits {
  readonly form: HeadForm;
  /** Bytes of a request body; 0 is no bound. */
  readonly bodyBytesMax: number;
}

const TOKEN_LOWER = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** RFC 9110 section 5.5, and no blank at its ends (RFC 9114 section 4.2). */
const VALUE = /^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?$/;
/** What the request line of HTTP/1.1 has besides method and target. */
const LINE_REST = " ".length + " HTTP/1.1".length;
/** `: ` and CR LF. */
const FIELD_REST = 4;
const CGI_NAMES_MAX = 1024;
const TRAILERS_WORD: readonly Uint8Array[] = [ascii("trailers")];

/** Those that mean something here; what is missing is ordinary. */
const SPECIAL: ReadonlyMap<string, NameCode> = new Map([
  ["host", Name.HOST],
  ["content-length", Name.CONTENT_LENGTH],
  ["content-type", Name.CONTENT_TYPE],
  ["expect", Name.EXPECT],
  ["te", Name.TE],
  ["proxy", Name.PROXY],
  ["connection", Name.CONNECTION],
  ["transfer-encoding", Name.CONNECTION],
  ["upgrade", Name.CONNECTION],
  ["keep-alive", Name.CONNECTION],
  ["proxy-connection", Name.CONNECTION],
]);
const PSEUDO: ReadonlySet<string> = new Set([":method", ":scheme", ":authority", ":path"]);

const cgiNames = new Map<string, string>();

export class H3RequestHead implements RequestHead {
  method = "";
  readonly version: number = 30;
  block: Uint8Array = new Uint8Array(0);
  splitAt = 0;
  blockEnd = 0;
  contentLength = -1;
  readonly keepAlive: boolean = true;
  expectContinue = false;
  trailersOk = false;
  readonly upgrade: boolean = false;
  dropped = 0;
  forwarded: Forwarded | null = null;
  #forwarding: ForwardingReader | null = null;
  #source: ForwardingSource | undefined;
  readonly #options: RequestHeadOptions;
  readonly #target: PathTarget;
  readonly #cgi: boolean;
  #fields: FieldTable = {};
  readonly #memo: FieldMemo = new FieldMemo();
  /** Encoded fields, each string preceded by NUL. */
  #text = "";
  #count = 0;
  #bytes = 0;

  constructor(options: RequestHeadOptions) {
    this.#options = options;
    this.#cgi = options.form === "cgi";
    this.#target = new PathTarget(options.form);
  }

  target(): string {
    return targetOf(this.#fields);
  }

  field(name: string): string | null {
    return fieldOf(this.#fields, name);
  }

  /**
   * Takes a request's fields: null, or what is wrong with them. What it shows is valid until the next call. `source`: whether its peer is
   * a trusted proxy; nobody is without it.
   */
  read(fields: FieldTable, source?: ForwardingSource): ErrorCode | null {
    this.#fields = fields;
    const refused = this.#memo.repeats(fields) ? this.#readTarget() : this.#readAll(source);
    if (refused === null) this.#write();
    return refused;
  }

  #readAll(source: ForwardingSource | undefined): ErrorCode | null {
    this.#memo.forget();
    this.#source = source;
    this.#forwarding = null;
    this.forwarded = null;
    this.#text = "";
    this.#count = 0;
    this.#bytes = 0;
    this.dropped = 0;
    this.contentLength = -1;
    this.expectContinue = false;
    this.trailersOk = false;
    const refused =
      this.#readPseudo() ?? this.#readFields() ?? this.#bodyFault() ?? this.#readForwarded();
    // Forwarding headers mean what they mean from this peer alone.
    if (refused === null && this.#forwarding === null) this.#memo.keep(this.#fields);
    return refused;
  }

  #readForwarded(): ErrorCode | null {
    if (this.#forwarding === null) return null;
    const refused = this.#forwarding.conclude();
    this.forwarded = this.#forwarding.result;
    const host = this.forwarded?.host ?? null;
    // The host is the first of the fields, whatever else there is.
    if (host !== null) {
      const rest = this.#text.split("\0").slice(3);
      this.#text = "";
      this.#put("host", host);
      for (const text of rest) this.#text += `\0${text}`;
    }
    return refused;
  }

  #readPseudo(): ErrorCode | null {
    const method = this.#fields[":method"];
    if (typeof method !== "string") return "pseudo-header-invalid";
    this.method = method;
    if (!TOKEN.test(method)) return "method-invalid";
    if (method === "CONNECT") return "connect-refused";
    if (this.#fields[":scheme"] !== "https") return "pseudo-header-invalid";
    return this.#readTarget() ?? this.#readAuthority();
  }

  #readTarget(): ErrorCode | null {
    const path = this.#fields[":path"];
    if (typeof path !== "string") return "pseudo-header-invalid";
    if (this.method.length + path.length + LINE_REST > this.#options.requestLineBytesMax)
      return "request-line-too-long";
    return this.#target.read(this.method, path);
  }

  /** RFC 9114 section 4.3.1: `:authority` or Host, or both and equal; the app sees a Host, the first of the fields. */
  #readAuthority(): ErrorCode | null {
    const authority = this.#fields[":authority"];
    const named = this.#fields["host"];
    if (Array.isArray(named)) return "host-duplicate";
    if (authority !== undefined && typeof authority !== "string") return "pseudo-header-invalid";
    const host = authority ?? named;
    if (typeof host !== "string" || host === "") return "host-missing";
    if (named !== undefined && named !== host) return "host-mismatch";
    return this.#readValue("host", Name.HOST, host);
  }

  #readFields(): ErrorCode | null {
    for (const name in this.#fields) {
      if (name.charCodeAt(0) === 58) {
        if (!PSEUDO.has(name)) return "pseudo-header-invalid";
        continue;
      }
      if (name === "host") continue;
      const value = this.#fields[name] ?? "";
      const refused = this.#readField(name, value);
      if (refused !== null) return refused;
    }
    return null;
  }

  #readField(name: string, value: string | readonly string[]): ErrorCode | null {
    if (!TOKEN_LOWER.test(name)) return "header-name-invalid";
    const special = SPECIAL.get(name) ?? (isForwardingName(name) ? Name.FORWARDING : Name.ORDINARY);
    if (special === Name.CONNECTION) return "header-connection-specific";
    if (typeof value === "string") return this.#readValue(name, special, value);
    if (special === Name.CONTENT_TYPE) return "content-type-duplicate";
    if (special === Name.CONTENT_LENGTH) return "content-length-duplicate";
    // RFC 9114 section 4.2.1: cookies come in pieces, which an app must not see. CGI has one key for a name.
    const joined = name === "cookie" || this.#cgi;
    const before = this.#text;
    for (const one of value) {
      const refused = this.#readValue(name, special, one);
      if (refused !== null) return refused;
    }
    if (joined && this.#text !== before) {
      this.#text = before;
      this.#put(name, value.join(name === "cookie" ? "; " : ", "));
    }
    return null;
  }

  #readValue(name: string, special: NameCode, value: string): ErrorCode | null {
    const { headerFieldBytesMax, headerBytesMax, headerCountMax } = this.#options;
    const bytes = name.length + value.length + FIELD_REST;
    this.#bytes += bytes;
    this.#count += 1;
    if (bytes - 2 > headerFieldBytesMax || this.#bytes > headerBytesMax) return "header-too-large";
    if (this.#count > headerCountMax) return "header-count";
    if (!VALUE.test(value)) return "header-value-invalid";
    if (name.includes("_")) {
      if (this.#options.underscoreHeaders === "refuse") return "header-name-invalid";
      this.dropped += 1;
      return null;
    }
    if (special !== Name.ORDINARY) return this.#readSpecial(name, special, value);
    this.#put(name, value);
    return null;
  }

  #readSpecial(name: string, special: NameCode, value: string): ErrorCode | null {
    const bytes = Buffer.from(value, "latin1");
    const refused = fieldFault(special, false, bytes, 0, bytes.length);
    if (refused !== null) return refused;
    if (special === Name.CONTENT_LENGTH) this.contentLength = decimal(bytes, 0, bytes.length);
    if (special === Name.EXPECT) this.expectContinue = true;
    if (special === Name.TE) {
      // RFC 9114 section 4.2: nothing else may be in it.
      if (value.toLowerCase() !== "trailers") return "header-connection-specific";
      this.trailersOk = listMembers(bytes, 0, bytes.length, TRAILERS_WORD) !== 0;
    }
    const kept = special === Name.FORWARDING ? this.#takeForwarding(name, value) : true;
    if (special === Name.PROXY || !kept) this.dropped += 1;
    else this.#put(name, value);
    return null;
  }

  #takeForwarding(name: string, value: string): boolean {
    this.#forwarding ??= new ForwardingReader(this.#source);
    return this.#forwarding.take(name, value);
  }

  #put(name: string, value: string): void {
    this.#text += `\0${this.#cgi ? cgiName(name) : name}\0${value}`;
  }

  #bodyFault(): ErrorCode | null {
    const { bodyBytesMax } = this.#options;
    return bodyBytesMax > 0 && this.contentLength > bodyBytesMax ? "body-too-large" : null;
  }

  #write(): void {
    const { size } = this.#target;
    const end = size + this.#text.length;
    if (this.block.length < end) this.block = allocate(2 * end);
    this.#target.writeTo(this.block);
    Buffer.from(this.block.buffer, this.block.byteOffset).write(this.#text, size, "latin1");
    this.splitAt = size;
    this.blockEnd = end;
  }
}

/** `:path` (RFC 9114 section 4.3.1): an origin-form target, or `*` of OPTIONS. */
class PathTarget extends RequestTarget {
  override version = 30;
  #bytes: Uint8Array = new Uint8Array(0);

  read(method: string, path: string): ErrorCode | null {
    const star = path === "*" && method === "OPTIONS";
    if (!star && !path.startsWith("/")) return "target-invalid";
    const bytes = Buffer.from(path, "latin1");
    const queryAt = bytes.length === path.length ? this.findQuery(bytes, 0, bytes.length) : -1;
    if (queryAt < 0) return "target-invalid";
    this.#bytes = bytes;
    this.method = method;
    this.known = KNOWN_METHODS.indexOf(method);
    this.targetTo = bytes.length;
    this.pathTo = this.queryAt = queryAt;
    this.escapes = 0;
    const refused = this.checkEscapes(bytes, 0);
    if (refused === null) this.measure();
    return refused;
  }

  writeTo(block: Uint8Array): void {
    this.write(this.#bytes, 0, block, "");
  }
}

function cgiName(name: string): string {
  const known = cgiNames.get(name);
  if (known !== undefined) return known;
  const key = name.toUpperCase().replaceAll("-", "_");
  const made = key === "CONTENT_TYPE" || key === "CONTENT_LENGTH" ? key : `HTTP_${key}`;
  if (cgiNames.size >= CGI_NAMES_MAX) cgiNames.clear();
  cgiNames.set(name, made);
  return made;
}

/** For logs. */
export function targetOf(fields: FieldTable): string {
  const path = fields[":path"];
  return typeof path === "string" ? path : "";
}

/** The value of a field by lower-case name, repeated ones joined by ", "; for logs. */
export function fieldOf(fields: FieldTable, name: string): string | null {
  const value = fields[name] ?? (name === "host" ? fields[":authority"] : undefined);
  if (value === undefined) return null;
  return typeof value === "string" ? value : value.join(", ");
}
