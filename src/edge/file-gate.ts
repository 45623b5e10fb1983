/**
 * Bounds the files that an edge has open for its clients, so that descriptors never run out: without one, accept() fails and the
 * runtime would try it without end. A file that finds no room waits until another one, or a connection, is closed.
 */

/** So many are always allowed; descriptors are reserved for them. */
const FILES_MIN = 16;

export class FileGate {
  /** Files that are open or being opened. */
  open = 0;
  readonly #hasRoom: () => boolean;
  readonly #waiting = new Set<() => void>();

  /** `hasRoom`: whether one more descriptor may be used. */
  constructor(hasRoom: () => boolean) {
    this.#hasRoom = hasRoom;
  }

  /** Calls `start`, now or later; each call is followed by one `leave`. */
  enter(start: () => void): void {
    this.#waiting.add(start);
    this.admit();
  }

  /** Takes back an `enter`; false when `start` has been called already. */
  giveUp(start: () => void): boolean {
    return this.#waiting.delete(start);
  }

  leave(): void {
    this.open -= 1;
    this.admit();
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** To be called when a descriptor has become free elsewhere. */
  admit(): void {
    for (const start of this.#waiting) {
      if (this.open >= FILES_MIN && !this.#hasRoom()) return;
      this.#waiting.delete(start);
      this.open += 1;
      start();
    }
  }
}
