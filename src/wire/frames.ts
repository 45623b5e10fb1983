/**
 * The codec of the wire (docs/protocol.md), sans-IO. The decoder hands each complete frame to a sink as offsets into the
 * bytes that came in: no object and no copy a frame. Only a frame cut by the end of a read is copied once.
 */
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FrameType } from "./spec.ts";

/** Receives frames; the payload is `buf[start..end)`, which stays valid as long as the sink keeps it. */
export interface FrameSink {
  onFrame(
    type: number,
    stream: number,
    flags: number,
    aux: number,
    buf: Buffer,
    start: number,
    end: number,
  ): void;
}

const KNOWN = new Uint8Array(256);
for (const type of Object.values(FrameType)) KNOWN[type] = 1;

export class FrameDecoder {
  readonly #sink: FrameSink;
  /** How many bytes the frame in `#pieces` needs before another look is worth it. */
  #needed = 0;
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  #failed = false;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Decodes what is complete. Returns null, or what is wrong: then the link must be closed; nothing more is decoded. */
  push(chunk: Buffer): string | null {
    if (this.#failed) return "a frame came after a protocol error";
    let buf = chunk;
    if (this.#pieceBytes > 0) {
      this.#pieces.push(chunk);
      this.#pieceBytes += chunk.length;
      if (this.#pieceBytes < this.#needed) return null;
      buf = Buffer.concat(this.#pieces);
      this.#pieces = [];
      this.#pieceBytes = 0;
    }
    return this.#decode(buf);
  }

  #decode(buf: Buffer): string | null {
    const total = buf.length;
    let at = 0;
    while (total - at >= FRAME_HEADER_BYTES) {
      const length = buf.readUInt32LE(at);
      const type = buf[at + 8]!;
      if (length > FRAME_BYTES_MAX) return this.#fail(`a frame of ${length} bytes`);
      if (KNOWN[type] === 0) return this.#fail(`a frame of the unknown type ${type}`);
      const end = at + FRAME_HEADER_BYTES + length;
      if (end > total) {
        this.#needed = FRAME_HEADER_BYTES + length;
        return this.#keep(buf, at);
      }
      this.#sink.onFrame(
        type,
        buf.readUInt32LE(at + 4),
        buf[at + 9]!,
        buf[at + 10]! | (buf[at + 11]! << 8),
        buf,
        at + FRAME_HEADER_BYTES,
        end,
      );
      at = end;
    }
    this.#needed = FRAME_HEADER_BYTES;
    return this.#keep(buf, at);
  }

  #keep(buf: Buffer, at: number): null {
    if (at < buf.length) {
      this.#pieces.push(at === 0 ? buf : buf.subarray(at));
      this.#pieceBytes = buf.length - at;
    }
    return null;
  }

  #fail(what: string): string {
    this.#failed = true;
    return what;
  }
}

/** Writes a frame header at `at`. */
export function writeFrameHeader(
  buf: Buffer,
  at: number,
  length: number,
  stream: number,
  type: number,
  flags: number,
  aux: number,
): void {
  buf.writeUInt32LE(length, at);
  buf.writeUInt32LE(stream, at + 4);
  buf[at + 8] = type;
  buf[at + 9] = flags;
  buf[at + 10] = aux & 0xff;
  buf[at + 11] = aux >>> 8;
}

/** One whole frame as a new buffer: for what is not on the hot path. */
export function frame(
  type: number,
  stream: number,
  flags: number,
  aux: number,
  payload?: Uint8Array,
): Buffer {
  const length = payload === undefined ? 0 : payload.length;
  const buf = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length);
  writeFrameHeader(buf, 0, length, stream, type, flags, aux);
  if (payload !== undefined) buf.set(payload, FRAME_HEADER_BYTES);
  return buf;
}
