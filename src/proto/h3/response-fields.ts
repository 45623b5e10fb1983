/**
 * From what workers send (docs/protocol.md, "Response head") to the fields of an HTTP/3 response, and from request trailers to what they
 * take. Workers have checked the bytes: lines end with CR LF, names are tokens, nothing hop-by-hop is in them.
 */
import { copyBytes, startsWithAt } from "../../core/bytes.ts";
import type { ErrorCode } from "../../core/errors.ts";
import type { HeadLimits } from "../limits.ts";
import { forbiddenTrailer } from "../trailer-names.ts";
import type { FieldTable } from "./request-head.ts";

export type FieldMap = Record<string, string | string[]>;

/** Longer heads are not kept. */
const KEPT_BYTES_MAX = 2048;

/** Reads heads of responses. One that repeats, byte for byte, costs a comparison: its fields are the same, which nobody may change. */
export class ResponseHeads {
  readonly #bytes: Buffer = Buffer.alloc(KEPT_BYTES_MAX);
  #length = -1;
  #status = 0;
  #fields: FieldMap = {};

  /** As `responseFields`. */
  read(status: number, buf: Buffer, start: number, end: number): Readonly<FieldMap> {
    const length = end - start;
    const repeats = length === this.#length && status === this.#status;
    if (repeats && startsWithAt(buf, start, this.#bytes, length)) return this.#fields;
    const fields = responseFields(status, buf, start, end);
    if (length > KEPT_BYTES_MAX) return fields;
    copyBytes(buf, start, end, this.#bytes, 0);
    this.#length = length;
    this.#status = status;
    this.#fields = fields;
    return fields;
  }
}

/** `buf[start..end)`: a head of HTTP/1.1, with its status line and its empty line. */
export function responseFields(status: number, buf: Buffer, start: number, end: number): FieldMap {
  const text = buf.toString("latin1", start, end);
  return addLines(fieldsOf(status), text, text.indexOf("\r\n") + 2);
}

/** `buf[start..end)`: field lines alone. */
export function informationalFields(
  status: number,
  buf: Buffer,
  start: number,
  end: number,
): FieldMap {
  return addLines(fieldsOf(status), buf.toString("latin1", start, end), 0);
}

/** `buf[start..end)`: pairs `name NUL value` joined by NUL. */
export function trailerFields(buf: Buffer, start: number, end: number): FieldMap {
  const fields = noFields();
  const parts = buf.toString("latin1", start, end).split("\0");
  for (let i = 0; i + 1 < parts.length; i += 2) add(fields, parts[i]!, parts[i + 1]!);
  return fields;
}

/** Without a prototype: `constructor` is a field name like others. */
function noFields(): FieldMap {
  return Object.create(null) as FieldMap;
}

function fieldsOf(status: number): FieldMap {
  const fields = noFields();
  fields[":status"] = String(status);
  return fields;
}

function addLines(fields: FieldMap, text: string, from: number): FieldMap {
  let at = from;
  for (let end = text.indexOf("\r\n", at); end > at; end = text.indexOf("\r\n", at)) {
    const colon = text.indexOf(":", at);
    add(fields, text.slice(at, colon).toLowerCase(), text.slice(colon + 1, end).trim());
    at = end + 2;
  }
  return fields;
}

function add(fields: FieldMap, name: string, value: string): void {
  const known = fields[name];
  if (known === undefined) fields[name] = value;
  else if (typeof known === "string") fields[name] = [known, value];
  else known.push(value);
}

const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const VALUE = /^[\t -~\x80-\xff]*$/;

/** Trailer pairs for the worker, null when none is left of them; or what is wrong. */
export function trailerPairs(
  fields: FieldTable,
  limits: HeadLimits,
): Uint8Array | null | ErrorCode {
  const parts: string[] = [];
  let bytes = 0;
  let count = 0;
  for (const name in fields) {
    const values = fields[name];
    for (const value of typeof values === "string" ? [values] : (values ?? [])) {
      bytes += name.length + value.length + 4;
      count += 1;
      if (bytes > limits.headerBytesMax || count > limits.headerCountMax)
        return "trailer-too-large";
      if (!NAME.test(name) || !VALUE.test(value)) return "trailer-invalid";
      if (!forbiddenTrailer(name) && !name.includes("_")) parts.push(name, value);
    }
  }
  return parts.length === 0 ? null : Buffer.from(parts.join("\0"), "latin1");
}
