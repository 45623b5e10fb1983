/** Flow-control windows (RFC 9113 sections 5.2 and 6.9). */

export const WINDOW_BYTES_MAX = 2 ** 31 - 1;
/** Windows before any SETTINGS or WINDOW_UPDATE. */
export const WINDOW_BYTES_INITIAL = 65_535;

/** What we let the client send: its bytes are taken from it as they arrive, and given back in steps of a quarter. */
export class ReceiveWindow {
  readonly #size: number;
  /** Bytes that the client may send now. */
  left: number;
  /** Given back and not announced yet. */
  #owed = 0;

  constructor(size: number) {
    this.#size = size;
    this.left = size;
  }

  reset(): void {
    this.left = this.#size;
    this.#owed = 0;
  }

  /** False: the client sent more than it may. */
  take(bytes: number): boolean {
    this.left -= bytes;
    return this.left >= 0;
  }

  /** Gives bytes back; the increment to announce now, or 0 for later. */
  give(bytes: number): number {
    this.#owed += bytes;
    if (this.#owed * 4 < this.#size) return 0;
    const increment = this.#owed;
    this.#owed = 0;
    this.left += increment;
    return increment;
  }
}
