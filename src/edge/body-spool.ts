/**
 * What a client has sent of a request body and the app has not taken, where nobody can ask the client to wait (net/quic.ts): a little in
 * memory, the rest in a temporary file that has no name any more. First in, first out: `#front` is in memory and next, then comes the file,
 * then `#block`, which is being filled.
 *
 * Writing waits for the disk, and everything else with it: packets that nobody reads meanwhile are lost, by which the client learns that it
 * is too fast. A queue of writes would only grow.
 */
import { close, openSync, read, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FileGate } from "./file-gate.ts";

/** Kept in memory for each request, and read at once from the file. */
const FRONT_BYTES_MAX = 128 * 1024;
/** Pieces come by the packet; so many bytes are written at once. */
const BLOCK_BYTES = 256 * 1024;
/** What the files of all requests together may take; a disk that is full is the end of other programs too. */
const SPOOLED_BYTES_MAX = 4 * 1024 * 1024 * 1024;

const NO_BLOCK: Buffer = Buffer.alloc(0);
let spooledBytes = 0;
let filesMade = 0;

export interface SpoolOwner {
  /** `take` has something again. */
  onSpooled(): void;
  onSpoolFailed(why: string): void;
}

export class BodySpool {
  /** Bytes that wait. */
  size = 0;
  readonly #owner: SpoolOwner;
  readonly #gate: FileGate;
  #front: Buffer[] = [];
  #frontBytes = 0;
  #block: Buffer = NO_BLOCK;
  #filled = 0;
  #reading = false;
  /** -1: not open; the gate has been asked when `#asked`. */
  #fd = -1;
  #asked = false;
  #readAt = 0;
  #writtenTo = 0;
  /** The longest that the file has been: what it takes of the disk. */
  #fileBytes = 0;
  #over = false;

  constructor(owner: SpoolOwner, gate: FileGate) {
    this.#owner = owner;
    this.#gate = gate;
  }

  /** Keeps the piece, or says why it cannot. */
  push(piece: Buffer): string | null {
    const behind = this.#writtenTo - this.#readAt + this.#filled;
    if (behind === 0 && !this.#reading && this.#frontBytes + piece.length <= FRONT_BYTES_MAX) {
      this.#front.push(piece);
      this.#frontBytes += piece.length;
    } else {
      const failed = this.#append(piece);
      if (failed !== null) return failed;
    }
    this.size += piece.length;
    return null;
  }

  /** The next bytes, at most `max`; null when there are none, or none yet: then `onSpooled` follows. */
  take(max: number): Buffer | null {
    if (this.#frontBytes === 0) this.#readOn();
    const [piece] = this.#front;
    if (piece === undefined) return null;
    const taken = piece.length <= max ? piece : piece.subarray(0, max);
    if (taken === piece) this.#front.shift();
    else this.#front[0] = piece.subarray(max);
    this.#frontBytes -= taken.length;
    this.size -= taken.length;
    if (this.#frontBytes === 0) this.#readOn();
    return taken;
  }

  /** Throws away what waits. */
  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.size = 0;
    this.#front = [];
    this.#block = NO_BLOCK;
    spooledBytes -= this.#fileBytes;
    if (this.#fd < 0 && this.#asked) this.#gate.giveUp(this.#open);
    else if (!this.#reading) this.#closeFile();
  }

  #append(piece: Buffer): string | null {
    let at = 0;
    while (at < piece.length) {
      if (this.#block.length === 0) this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      const count = piece.copy(this.#block, this.#filled, at);
      this.#filled += count;
      at += count;
      const failed = this.#filled === BLOCK_BYTES ? this.#writeBlock() : null;
      if (failed !== null) return failed;
    }
    return null;
  }

  #writeBlock(): string | null {
    if (this.#fd < 0 && !this.#asked) {
      this.#asked = true;
      this.#gate.enter(this.#open);
    }
    if (this.#fd < 0) return "there is no descriptor left for a file";
    if (spooledBytes + BLOCK_BYTES > SPOOLED_BYTES_MAX) return "the files have reached their limit";
    try {
      let at = 0;
      while (at < BLOCK_BYTES) {
        const position = this.#writtenTo + at;
        at += writeSync(this.#fd, this.#block, at, BLOCK_BYTES - at, position);
      }
    } catch (error) {
      return textOf(error);
    }
    this.#filled = 0;
    this.#writtenTo += BLOCK_BYTES;
    const grown = Math.max(0, this.#writtenTo - this.#fileBytes);
    this.#fileBytes += grown;
    spooledBytes += grown;
    return null;
  }

  readonly #open = (): void => {
    filesMade += 1;
    const path = join(tmpdir(), `keelback-body-${process.pid}-${filesMade}-${Bun.nanoseconds()}`);
    try {
      this.#fd = openSync(path, "wx+", 0o600);
      unlinkSync(path);
    } catch {
      // Said by the piece that was to be written.
      if (this.#fd < 0) this.#gate.leave();
    }
  };

  /** Brings the next bytes to the front. */
  #readOn(): void {
    if (this.#reading || this.#over) return;
    const waiting = this.#writtenTo - this.#readAt;
    if (waiting === 0) {
      this.#readAt = this.#writtenTo = 0;
      this.#takeBlock();
      return;
    }
    this.#reading = true;
    const piece = Buffer.allocUnsafe(Math.min(waiting, FRONT_BYTES_MAX));
    read(this.#fd, piece, 0, piece.length, this.#readAt, (error, count) => {
      this.#reading = false;
      if (this.#over) return this.#closeFile();
      if (error !== null || count === 0) return this.#fail(error?.message ?? "the file is short");
      this.#readAt += count;
      this.#front.push(piece.subarray(0, count));
      this.#frontBytes += count;
      this.#owner.onSpooled();
    });
  }

  /** All before the block is taken: it need not be written. */
  #takeBlock(): void {
    if (this.#filled === 0) return;
    this.#front.push(this.#block.subarray(0, this.#filled));
    this.#frontBytes += this.#filled;
    this.#filled = 0;
    this.#block = NO_BLOCK;
  }

  #fail(why: string): void {
    this.close();
    this.#owner.onSpoolFailed(why);
  }

  #closeFile(): void {
    if (this.#fd < 0) return;
    close(this.#fd, () => this.#gate.leave());
    this.#fd = -1;
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
