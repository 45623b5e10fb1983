/** An answer of the edge's own over HTTP/2. */
import { type ErrorCode, ERRORS } from "../../core/errors.ts";
import type { H2Connection } from "../../proto/h2/connection.ts";
import { errorResponse } from "../error-response.ts";

export function sendError(
  engine: H2Connection,
  stream: number,
  code: ErrorCode,
  withBody: boolean,
): void {
  const bytes = errorResponse(code, false, true);
  const headEnd = bytes.indexOf("\r\n\r\n") + 4;
  engine.sendHead(stream, ERRORS[code].status, bytes, 0, headEnd, !withBody);
  if (withBody) engine.sendData(stream, bytes, headEnd, bytes.length, true);
}
