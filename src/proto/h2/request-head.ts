/** The head that an HTTP/2 connection shows (RequestHead of ../events.ts). */
import type { HeadForm, RequestHead } from "../events.ts";
import type { Forwarded } from "../forwarded.ts";
import type { H2Target } from "./request-target.ts";

export interface H2RequestHead extends RequestHead {
  /** Value of `:protocol` of an extended CONNECT (RFC 8441), else null. */
  protocol: string | null;
  /** What the `priority` field says (parsePriority of priority.ts); -1 when there is none. */
  priority: number;
}

const EMPTY = new Uint8Array(0);

export class H2Head implements H2RequestHead {
  method = "";
  version = 20;
  block: Uint8Array = EMPTY;
  splitAt = 0;
  blockEnd = 0;
  contentLength = 0;
  keepAlive = true;
  expectContinue = false;
  /** Every HTTP/2 client can take trailers. */
  trailersOk = true;
  upgrade = false;
  dropped = 0;
  forwarded: Forwarded | null = null;
  protocol: string | null = null;
  priority = -1;

  readonly #form: HeadForm;
  readonly #line: H2Target;

  constructor(form: HeadForm, line: H2Target) {
    this.#form = form;
    this.#line = line;
  }

  target(): string {
    return this.#line.text();
  }

  field(name: string): string | null {
    return fieldOfBlock(this.block.subarray(this.splitAt, this.blockEnd), this.#form, name);
  }
}

/** The value of a field in the fields of a head block, repeated ones joined by ", "; null when there is none. Slow: for logs. */
export function fieldOfBlock(fields: Uint8Array, form: HeadForm, name: string): string | null {
  const strings = Buffer.from(fields).toString("latin1").split("\0");
  const wanted = form === "cgi" ? cgiKey(name) : name;
  let value: string | null = null;
  for (let i = 1; i + 1 < strings.length; i += 2) {
    if (strings[i] !== wanted) continue;
    value = value === null ? strings[i + 1]! : `${value}, ${strings[i + 1]}`;
  }
  return value;
}

function cgiKey(name: string): string {
  const key = name.toUpperCase().replaceAll("-", "_");
  return key === "CONTENT_TYPE" || key === "CONTENT_LENGTH" ? key : `HTTP_${key}`;
}
