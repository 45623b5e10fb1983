/** Method and target of an HTTP/2 request, from `:method` and `:path` (RFC 9113 section 8.3.1). */
import type { ErrorCode } from "../../core/errors.ts";
import { allocate, copyBytes } from "../../core/bytes.ts";
import { SLASH, TOKEN } from "../grammar.ts";
import { KNOWN_BYTES, KNOWN_METHODS, RequestTarget } from "../target.ts";

const EMPTY = new Uint8Array(0);
const ASTERISK = 42;

/** The bytes of the path are kept here: logs ask for the target when the block is gone. */
export class H2Target extends RequestTarget {
  bytes: Uint8Array = EMPTY;
  override version = 20;

  /** `:method`; false when it is not a token. */
  setMethod(bytes: Uint8Array, from: number, to: number): boolean {
    this.known = knownMethod(bytes, from, to);
    if (this.known >= 0) {
      this.method = KNOWN_METHODS[this.known]!;
      return true;
    }
    let valid = to > from;
    for (let i = from; i < to; i++) valid &&= TOKEN[bytes[i]!] === 1;
    this.method = valid ? Buffer.from(bytes.subarray(from, to)).toString("latin1") : "";
    return valid;
  }

  /** `:path`, which is looked at by `read`. */
  setPath(bytes: Uint8Array, from: number, to: number): void {
    if (this.bytes.length < to - from) this.bytes = allocate(to - from);
    this.targetTo = copyBytes(bytes, from, to, this.bytes, 0);
  }

  /** Forgets both. */
  clear(): void {
    this.method = "";
    this.targetTo = 0;
  }

  /** Octets of the HTTP/1.1 request line that would say the same. */
  get lineBytes(): number {
    return this.method.length + this.targetTo + 10;
  }

  /** Reads the path (RFC 9113 section 8.3.1): origin-form, or "*" of OPTIONS. Null, or what is wrong. */
  read(): ErrorCode | null {
    const bytes = this.bytes;
    const queryAt = this.findQuery(bytes, 0, this.targetTo);
    if (queryAt < 0 || this.targetTo === 0) return "target-invalid";
    const asterisk = bytes[0] === ASTERISK && this.targetTo === 1 && this.method === "OPTIONS";
    if (bytes[0] !== SLASH && !asterisk) return "target-invalid";
    this.pathTo = this.queryAt = queryAt;
    this.escapes = 0;
    const refused = this.checkEscapes(bytes, 0);
    if (refused === null) this.measure();
    return refused;
  }

  /** The target as received, latin-1. */
  text(): string {
    return Buffer.from(this.bytes.subarray(0, this.targetTo)).toString("latin1");
  }
}

function knownMethod(bytes: Uint8Array, from: number, to: number): number {
  const length = to - from;
  for (let known = 0; known < KNOWN_BYTES.length; known++) {
    const method = KNOWN_BYTES[known]!;
    if (method.length !== length) continue;
    let same = 0;
    while (same < length && bytes[from + same] === method[same]) same++;
    if (same === length) return known;
  }
  return -1;
}
