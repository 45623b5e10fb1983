/** The answers that the edge gives by itself, as bytes; made once for each code. */
import { ERRORS, type ErrorCode } from "../core/errors.ts";
import { REASONS } from "../proto/h1/encode.ts";

const cache = new Map<string, Buffer>();

/** Seconds after which a client may try again when no worker was free (RFC 9110 section 10.2.3). */
const RETRY_AFTER_SECONDS = 1;

/**
 * A whole HTTP/1.1 response. `close`: with `Connection: close`. `withBody` false for HEAD: the same head alone.
 */
export function errorResponse(code: ErrorCode, close: boolean, withBody: boolean): Buffer {
  const key = `${code} ${close} ${withBody}`;
  const known = cache.get(key);
  if (known !== undefined) return known;
  const spec = ERRORS[code];
  const body = `${spec.status} ${REASONS[spec.status]}\n${spec.text}\n`;
  const lines: string[] = [];
  if (spec.status === 503) lines.push(`retry-after: ${RETRY_AFTER_SECONDS}`);
  if (spec.status === 426) lines.push("sec-websocket-version: 13", "upgrade: websocket");
  if (close) lines.push("connection: close");
  const text = plainHead(spec.status, body.length, lines) + (withBody ? body : "");
  const bytes = Buffer.from(text, "latin1");
  cache.set(key, bytes);
  return bytes;
}

/** The head of a response with a short text, which nobody is to keep. */
export function plainHead(status: number, bodyBytes: number, further: readonly string[]): string {
  const lines = [
    `HTTP/1.1 ${status} ${REASONS[status]}`,
    "content-type: text/plain; charset=utf-8",
    `content-length: ${bodyBytes}`,
    "cache-control: no-store",
    ...further,
  ];
  return `${lines.join("\r\n")}\r\n\r\n`;
}
