/**
 * Sends a file's bytes to a client in place of the worker, which is free meanwhile. One piece is read at a time, and only when
 * the client has taken the one before.
 */
import { close, open, read } from "node:fs";
import type { FileSpan } from "../exchange/exchange.ts";
import type { FileGate } from "./file-gate.ts";

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
  readonly #gate: FileGate;
  readonly #opened: (errno: number) => void;
  readonly #start = (): void => this.#open();
  #fd = -1;
  #offset: number;
  #left: number;
  #busy = false;
  #stopped = false;

  /** `begin` must be called. `opened` is called once: with 0, also when it was stopped before, or with what open() failed with. */
  constructor(span: FileSpan, target: FileTarget, gate: FileGate, opened: (errno: number) => void) {
    this.#target = target;
    this.#span = span;
    this.#gate = gate;
    this.#opened = opened;
    this.#offset = span.offset;
    this.#left = span.count;
  }

  begin(): void {
    this.#gate.enter(this.#start);
  }

  #open(): void {
    this.#busy = true;
    open(this.#span.path, "r", (error, fd) => {
      this.#busy = false;
      if (error !== null) {
        this.#stopped = true;
        this.#gate.leave();
        this.#opened(Math.abs(error.errno ?? 5));
        return;
      }
      this.#fd = fd;
      this.#opened(0);
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
    if (this.#gate.giveUp(this.#start)) this.#opened(0);
    else if (!this.#busy) this.#close();
  }

  #close(): void {
    if (this.#fd < 0) return;
    close(this.#fd, () => this.#gate.leave());
    this.#fd = -1;
  }
}
