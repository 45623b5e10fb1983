/**
 * Bytes to frames. DATA is read where it arrives, in parts; every other frame is given out when its payload is complete. Only what is left
 * over when more is needed is copied, into memory that is never written twice: parts that were given out stay what they are.
 */
import { copyBytes } from "../../core/bytes.ts";
import {
  CLIENT_PREFACE,
  FRAME_HEADER_BYTES,
  FrameFlag,
  FrameType,
  H2Code,
  readU31,
} from "./frames.ts";

export const Read = {
  NEED_DATA: 0,
  /** `type`, `flags`, `stream`, `length`; the payload is `bytes[start..end)`. */
  FRAME: 1,
  /** The same of a DATA frame whose payload is yet to be read by `readData`; `padding` is known. */
  DATA: 2,
  /** Connection error `code`. */
  ERROR: 3,
} as const;
export type ReadCode = (typeof Read)[keyof typeof Read];

const EMPTY: Uint8Array = new Uint8Array(0);

export class FrameReader {
  type = 0;
  flags = 0;
  stream = 0;
  /** Of the payload, with all padding. */
  length = 0;
  bytes: Uint8Array = EMPTY;
  start = 0;
  end = 0;
  code = 0;
  detail = "";
  /** Of a DATA frame: data bytes not read yet. */
  dataLeft = 0;
  /** Of a DATA frame: padding, with the byte that tells its length. */
  padding = 0;
  /** The client's preface has come. */
  begun = false;

  readonly #lengthMax: number;
  #pos = 0;
  #limit = 0;
  /** `bytes` is a copy of ours, not the caller's chunk. */
  #owned = false;
  /** The header of the frame at `#pos` was read; its payload is to be complete. */
  #headed = false;
  /** Padding to be passed over. */
  #skip = 0;

  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  feed(chunk: Uint8Array): void {
    const left = this.#limit - this.#pos;
    if (left === 0) {
      this.bytes = chunk;
      this.#pos = 0;
      this.#limit = chunk.length;
      this.#owned = false;
      return;
    }
    if (!this.#owned || this.bytes.length - this.#limit < chunk.length) {
      const own = Buffer.allocUnsafeSlow(Math.max(2 * left, left + chunk.length, 256));
      copyBytes(this.bytes, this.#pos, this.#limit, own, 0);
      this.bytes = own;
      this.#pos = 0;
      this.#limit = left;
      this.#owned = true;
    }
    this.#limit = copyBytes(chunk, 0, chunk.length, this.bytes, this.#limit);
  }

  /** Bytes of an unfinished frame lie here. */
  get pending(): boolean {
    return this.#limit > this.#pos;
  }

  /** The next frame. What of the last DATA frame was not read is not passed over: `readData` must have come to its end. */
  next(): ReadCode {
    if (!this.begun && !this.#readPreface()) return this.#needOr();
    if (this.#skip > 0 && !this.#skipPadding()) return this.#need();
    const available = this.#limit - this.#pos;
    if (available < FRAME_HEADER_BYTES) return this.#need();
    if (!this.#headed && !this.#readHeader()) return Read.ERROR;
    if (this.type === FrameType.DATA) return this.#beginData(available);
    if (available < FRAME_HEADER_BYTES + this.length) return this.#need();
    this.start = this.#pos + FRAME_HEADER_BYTES;
    this.end = this.start + this.length;
    this.#pos = this.end;
    this.#headed = false;
    return Read.FRAME;
  }

  /** Reads what is there of a DATA frame's data: `bytes[start..end)`; false when nothing is. */
  readData(): boolean {
    const size = Math.min(this.dataLeft, this.#limit - this.#pos);
    if (size === 0) {
      if (this.dataLeft > 0) this.#need();
      return false;
    }
    this.start = this.#pos;
    this.end = this.#pos + size;
    this.#pos = this.end;
    this.dataLeft -= size;
    return true;
  }

  /** An unused end of a chunk of the caller's must not be kept. */
  #need(): ReadCode {
    if (this.#pos === this.#limit) {
      this.bytes = EMPTY;
      this.#pos = 0;
      this.#limit = 0;
      this.#owned = false;
    } else if (!this.#owned) {
      const left = this.#limit - this.#pos;
      const own = Buffer.allocUnsafeSlow(Math.max(2 * left, 256));
      copyBytes(this.bytes, this.#pos, this.#limit, own, 0);
      this.bytes = own;
      this.#pos = 0;
      this.#limit = left;
      this.#owned = true;
    }
    return Read.NEED_DATA;
  }

  #needOr(): ReadCode {
    return this.code === 0 ? this.#need() : Read.ERROR;
  }

  #readPreface(): boolean {
    const there = Math.min(this.#limit - this.#pos, CLIENT_PREFACE.length);
    for (let i = 0; i < there; i++) {
      if (this.bytes[this.#pos + i] !== CLIENT_PREFACE[i]) {
        this.#refuse(H2Code.PROTOCOL_ERROR, "the client preface is not that of HTTP/2");
        return false;
      }
    }
    if (there < CLIENT_PREFACE.length) return false;
    this.#pos += CLIENT_PREFACE.length;
    this.begun = true;
    return true;
  }

  #readHeader(): boolean {
    const { bytes } = this;
    const at = this.#pos;
    this.length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
    this.type = bytes[at + 3]!;
    this.flags = bytes[at + 4]!;
    this.stream = readU31(bytes, at + 5);
    this.#headed = true;
    if (this.length <= this.#lengthMax) return true;
    this.#refuse(H2Code.FRAME_SIZE_ERROR, "a frame is larger than SETTINGS_MAX_FRAME_SIZE");
    return false;
  }

  #beginData(available: number): ReadCode {
    const padded = (this.flags & FrameFlag.PADDED) !== 0;
    this.padding = 0;
    if (padded) {
      if (this.length > 0 && available <= FRAME_HEADER_BYTES) return this.#need();
      const bytes = this.length > 0 ? this.bytes[this.#pos + FRAME_HEADER_BYTES]! : 0;
      if (bytes >= this.length) {
        this.#refuse(H2Code.PROTOCOL_ERROR, "a frame has more padding than bytes");
        return Read.ERROR;
      }
      this.padding = bytes + 1;
      this.#skip = bytes;
      this.#pos += 1;
    }
    this.#pos += FRAME_HEADER_BYTES;
    this.dataLeft = this.length - this.padding;
    this.#headed = false;
    return Read.DATA;
  }

  #skipPadding(): boolean {
    const size = Math.min(this.#skip, this.#limit - this.#pos);
    this.#skip -= size;
    this.#pos += size;
    return this.#skip === 0;
  }

  #refuse(code: number, detail: string): void {
    this.code = code;
    this.detail = detail;
  }
}
