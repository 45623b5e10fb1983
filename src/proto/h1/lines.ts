/**
 * Finds the end of a line (CR LF) over several feeds without looking at a byte twice.
 *
 * It is the one judge of a line's framing, so that the verdict does not depend on how the bytes were split: first the
 * line ending (a bare CR or LF within the allowed length is refused at once, RFC 9112 section 2.2), then the length,
 * and only a line that passed both is read.
 */
import { CR, LF } from "../grammar.ts";

export const LINE_INCOMPLETE = -1;
export const LINE_ENDING_BAD = -2;
export const LINE_TOO_LONG = -3;

export class LineScan {
  /** Bytes of the current line that are known to hold no line ending. */
  #clean = 0;

  /** Forgets the line: the next `find` is about another one. */
  reset(): void {
    this.#clean = 0;
  }

  /** The position of the CR that ends the line begun at `start`, or a negative LINE_ code. `max` excludes CR LF. */
  find(bytes: Uint8Array, start: number, end: number, max: number): number {
    const stop = Math.min(end, start + max + 1);
    let at = start + this.#clean;
    while (at < stop) {
      const byte = bytes[at]!;
      if (byte === CR || byte === LF) break;
      at++;
    }
    if (at >= stop) {
      if (end - start > max) return LINE_TOO_LONG;
      this.#clean = at - start;
      return LINE_INCOMPLETE;
    }
    if (bytes[at] === LF) return LINE_ENDING_BAD;
    if (at + 1 >= end) {
      this.#clean = at - start;
      return LINE_INCOMPLETE;
    }
    return bytes[at + 1] === LF ? at : LINE_ENDING_BAD;
  }
}
