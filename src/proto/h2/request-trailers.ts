/** The trailer fields of a request (RFC 9113 section 8.1), under the rules of HTTP/1.1's trailer section. */
import type { ErrorCode } from "../../core/errors.ts";
import type { HeadLimits } from "../limits.ts";
import { forbiddenTrailer } from "../trailer-names.ts";
import { DecodeCode } from "./decode-code.ts";
import { FieldCode, type HpackDecoder } from "./hpack-decoder.ts";
import { FieldKind, isPseudo } from "./hpack-names.ts";

/** `: ` and CR LF. */
const LINE_OVERHEAD = 4;

export class RequestTrailers {
  /** The pairs `name NUL value` joined by NUL, or null when there are none. */
  pairs: Uint8Array | null = null;
  error: ErrorCode | null = null;

  readonly #limits: HeadLimits;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  /** Reads the decoder's fields to the block's end. */
  read(field: HpackDecoder): DecodeCode {
    const limits = this.#limits;
    const strings: string[] = [];
    let bytes = 0;
    let count = 0;
    let code = field.next();
    for (; code === FieldCode.FIELD; code = field.next()) {
      const size = field.nameSize + field.to - field.valueAt + LINE_OVERHEAD;
      bytes += size;
      count++;
      const tooLong = size - 2 > limits.headerFieldBytesMax;
      if (tooLong || bytes > limits.headerBytesMax || count > limits.headerCountMax) {
        this.error = "trailer-too-large";
        return DecodeCode.REFUSED;
      }
      if (isPseudo(field.kind) || field.kind === FieldKind.INVALID || field.valueInvalid) {
        this.error = "trailer-invalid";
        return DecodeCode.MALFORMED;
      }
      if (field.kind === FieldKind.UNDERSCORE) {
        if (limits.underscoreHeaders === "drop") continue;
        this.error = "trailer-invalid";
        return DecodeCode.REFUSED;
      }
      const name = nameOf(field);
      if (!forbiddenTrailer(name)) strings.push(name, text(field.source, field.valueAt, field.to));
    }
    if (code === FieldCode.FAULT) return DecodeCode.COMPRESSION;
    this.pairs = strings.length === 0 ? null : Buffer.from(strings.join("\0"), "latin1");
    return DecodeCode.OK;
  }
}

/** The name as it was sent: the block's form has it after NUL, in CGI as a key. No name with an underscore comes here. */
function nameOf(field: HpackDecoder): string {
  const name = text(field.source, field.from + 1, field.valueAt - 1);
  return name.slice(-field.nameSize).toLowerCase().replaceAll("_", "-");
}

function text(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.subarray(from, to)).toString("latin1");
}
