/**
 * Sends a file's bytes to a client in place of the worker, which is free meanwhile. One piece is read at a time, and only when
 * the client has taken the one before.
 */
import { close, open, read } from "node:fs";
import type { FileSpan } from "../exchange/exchange.ts";

const PIECE_BYTES = 256 * 1024;

export interface FileTarget {
  /** Takes a piece; answers false when the client is to be waited for: `pull` is then called. */
  onPiece(piece: Buffer): boolean;
  onFileEnd(): void;
  /** The file ended early or cannot be read. */
  onFileFailed(why: string): void;
}

export class FileSender {
  readonly #target: FileTarget;
  readonly #span: FileSpan;
  #fd = -1;
  #offset: number;
  #left: number;
  #busy = false;
  #stopped = false;

  constructor(span: FileSpan, target: FileTarget, opened: (errno: number) => void) {
    this.#target = target;
    this.#span = span;
    this.#offset = span.offset;
    this.#left = span.count;
    this.#busy = true;
    open(span.path, "r", (error, fd) => {
      this.#busy = false;
      if (error !== null) {
        this.#stopped = true;
        opened(Math.abs(error.errno ?? 5));
        return;
      }
      this.#fd = fd;
      opened(0);
      if (this.#stopped) this.#close();
      else this.pull();
    });
  }

  /** The client has room again. */
  pull(): void {
    if (this.#busy || this.#stopped || this.#fd < 0) return;
    if (this.#left === 0) {
      this.stop();
      this.#target.onFileEnd();
      return;
    }
    this.#busy = true;
    const length = Math.min(PIECE_BYTES, this.#left);
    const piece = Buffer.allocUnsafe(length);
    read(this.#fd, piece, 0, length, this.#offset, (error, count) => {
      this.#busy = false;
      if (this.#stopped) return this.#close();
      if (error !== null || count === 0) {
        this.stop();
        this.#target.onFileFailed(error?.message ?? `${this.#span.path} became shorter`);
        return;
      }
      this.#offset += count;
      this.#left -= count;
      if (this.#target.onPiece(piece.subarray(0, count))) this.pull();
    });
  }

  stop(): void {
    this.#stopped = true;
    if (!this.#busy) this.#close();
  }

  #close(): void {
    if (this.#fd < 0) return;
    close(this.#fd, () => {});
    this.#fd = -1;
  }
}
