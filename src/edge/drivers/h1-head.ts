/** Bytes that the edge puts around an app's response over HTTP/1.1: the lines between two hops, and chunks (RFC 9112 section 7.1). */
import { writeChunkLine } from "../../proto/h1/encode.ts";
import type { ClientOutput } from "../client-socket.ts";

const CRLF = Buffer.from("\r\n");
export const LAST_CHUNK: Buffer = Buffer.from("0\r\n\r\n");
export const CHUNK_END: Buffer = CRLF;
export const CONTINUE: Buffer = Buffer.from("HTTP/1.1 100 Continue\r\n\r\n");

const CLOSE = "connection: close\r\n";
const KEEP_ALIVE = "connection: keep-alive\r\n";
const CHUNKED = "transfer-encoding: chunked\r\n";

/** What is to be said between this hop and the client. */
export interface HopLines {
  close: boolean;
  /** Said to HTTP/1.0 clients that asked for it. */
  keepAlive: boolean;
  chunked: boolean;
}

/**
 * The head `buf[start..end)` (it ends with an empty line) with the lines of this hop put in before its empty line, and what follows it in
 * `buf[end..to)`.
 */
export function spliceHead(
  buf: Buffer,
  start: number,
  end: number,
  to: number,
  lines: HopLines,
): Buffer {
  const extra = `${lines.chunked ? CHUNKED : ""}${lines.close ? CLOSE : lines.keepAlive ? KEEP_ALIVE : ""}`;
  const at = end - 2 - start;
  const head = Buffer.allocUnsafe(to - start + extra.length);
  buf.copy(head, 0, start, end - 2);
  head.write(extra, at, "latin1");
  buf.copy(head, at + extra.length, end - 2, to);
  return head;
}

/** Longest line that opens a chunk of the size of a frame. */
const CHUNK_LINE_BYTES_MAX = 9;

/**
 * Writes a DATA frame's payload `buf[start..end)` as a chunk without copying it: the chunk's line goes over the frame's header, which is
 * spent, and the CR LF behind it is put there only while it is written. Returns false when there is no room around it.
 * To be called only while nothing is pending.
 */
export function writeChunkInPlace(
  output: ClientOutput,
  buf: Buffer,
  start: number,
  end: number,
): boolean {
  if (start < CHUNK_LINE_BYTES_MAX || end + 2 > buf.length) return false;
  const lineAt = start - chunkLineBytes(end - start);
  writeChunkLine(buf, lineAt, end - start);
  const [first, second] = [buf[end]!, buf[end + 1]!];
  buf[end] = 13;
  buf[end + 1] = 10;
  output.writeBorrowed(buf, lineAt, end + 2);
  buf[end] = first;
  buf[end + 1] = second;
  return true;
}

/** The same for bytes that are lent with `RING_MARGIN_BYTES` around them: these are not put back. */
export function lendChunk(output: ClientOutput, buf: Buffer, start: number, end: number): void {
  const lineAt = start - chunkLineBytes(end - start);
  writeChunkLine(buf, lineAt, end - start);
  buf[end] = 13;
  buf[end + 1] = 10;
  output.lend(buf, lineAt, end + 2);
}

function chunkLineBytes(size: number): number {
  let bytes = 3;
  for (let rest = size >>> 4; rest > 0; rest >>>= 4) bytes += 1;
  return bytes;
}

/** The line that opens a chunk of `bytes`. */
export function chunkHead(bytes: number): Buffer {
  const line = Buffer.allocUnsafe(chunkLineBytes(bytes));
  writeChunkLine(line, 0, bytes);
  return line;
}

/** The last chunk with a trailer section, from pairs `name NUL value NUL name NUL value`. */
export function trailerSection(buf: Buffer, start: number, end: number): Buffer {
  const parts = buf.toString("latin1", start, end).split("\0");
  let text = "0\r\n";
  for (let i = 0; i + 1 < parts.length; i += 2) text += `${parts[i]}: ${parts[i + 1]}\r\n`;
  return Buffer.from(`${text}\r\n`, "latin1");
}

/** An interim response; `fields` are whole lines. */
export function interimHead(status: number, reason: string, fields: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status} ${reason}\r\n`, "latin1"), fields, CRLF]);
}

/** The first value of a field in a response head, by lower-case name; slow, for logs. */
export function fieldOf(head: Buffer | null, name: string): string | null {
  if (head === null) return null;
  for (const line of head.toString("latin1").split("\r\n").slice(1)) {
    const colon = line.indexOf(":");
    if (colon > 0 && line.slice(0, colon).toLowerCase() === name)
      return line.slice(colon + 1).trim();
  }
  return null;
}
