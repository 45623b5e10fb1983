/**
 * Lines to a file or a descriptor, without ever making the caller wait: they are gathered and written in the background. What cannot be
 * written (a full disk, a reader that is gone or too slow) is dropped and counted; writing goes on when it works again.
 */
import { close, open, write } from "node:fs";

/** Lines gathered beyond this are dropped: the reader is too slow. */
const HELD_BYTES_MAX = 8 * 1024 * 1024;
/** How long lines are gathered, milliseconds: seen as immediate, yet many lines a write. */
const GATHER_MS = 50;
const RETRY_MS = 500;

export class LineSink {
  /** Lines lost so far. */
  dropped = 0;
  readonly #path: string | null;
  readonly #onTrouble: (message: string) => void;
  #fd: number;
  #held: string[] = [];
  #heldBytes = 0;
  #writing = false;
  #timer: Timer | null = null;
  #inTrouble = false;
  #whenEmpty: (() => void)[] = [];

  /** `target`: a path, or a descriptor that is open. `onTrouble` is called once when writing begins to fail. */
  constructor(target: string | number, onTrouble: (message: string) => void) {
    this.#path = typeof target === "string" ? target : null;
    this.#fd = typeof target === "number" ? target : -1;
    this.#onTrouble = onTrouble;
  }

  /** Takes a line without its end. */
  write(line: string): void {
    if (this.#heldBytes > HELD_BYTES_MAX) {
      this.dropped += 1;
      return;
    }
    this.#held.push(line);
    this.#heldBytes += line.length + 1;
    if (this.#timer === null && !this.#writing) this.#later(GATHER_MS);
  }

  /** Resolves when everything is written or dropped. */
  flush(): Promise<void> {
    if (this.#held.length === 0 && !this.#writing) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenEmpty.push(resolve);
      this.#start();
    });
  }

  /** Closes the file; the next line opens it anew (log rotation). */
  reopen(): void {
    if (this.#path === null || this.#fd < 0) return;
    close(this.#fd, () => {});
    this.#fd = -1;
  }

  #later(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#start();
    }, ms);
  }

  #start(): void {
    if (this.#writing || this.#held.length === 0) return;
    this.#writing = true;
    if (this.#fd >= 0) return this.#send();
    open(this.#path!, "a", 0o640, (error, fd) => {
      if (error !== null) return this.#failed(error);
      this.#fd = fd;
      this.#send();
    });
  }

  #send(): void {
    const lines = this.#held;
    const bytes = Buffer.from(lines.join("\n") + "\n");
    this.#held = [];
    this.#heldBytes = 0;
    this.#sendBytes(bytes, 0, lines.length);
  }

  #sendBytes(bytes: Buffer, from: number, lines: number): void {
    write(this.#fd, bytes, from, bytes.length - from, null, (error, count) => {
      if (error !== null && error.code === "EAGAIN") {
        setTimeout(() => this.#sendBytes(bytes, from, lines), GATHER_MS);
      } else if (error !== null) {
        this.dropped += lines;
        this.#failed(error);
      } else if (from + count < bytes.length) {
        this.#sendBytes(bytes, from + count, lines);
      } else {
        this.#inTrouble = false;
        this.#done(GATHER_MS);
      }
    });
  }

  #failed(error: Error): void {
    if (!this.#inTrouble) {
      this.#inTrouble = true;
      this.#onTrouble(
        `${this.#path ?? `descriptor ${this.#fd}`} cannot be written: ${error.message}`,
      );
    }
    if (this.#fd < 0) {
      this.dropped += this.#held.length;
      this.#held = [];
      this.#heldBytes = 0;
    }
    this.#done(RETRY_MS);
  }

  #done(nextMs: number): void {
    this.#writing = false;
    if (this.#held.length > 0) {
      if (this.#whenEmpty.length > 0) this.#start();
      else if (this.#timer === null) this.#later(nextMs);
      return;
    }
    const waiting = this.#whenEmpty;
    this.#whenEmpty = [];
    for (const resolve of waiting) resolve();
  }
}
