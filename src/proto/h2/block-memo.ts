/**
 * The last header block of a connection, as it came: its pseudo-header fields and the section of fields behind them. Equal bytes mean an
 * equal request as long as the dynamic table has not changed in between, nor by the bytes themselves.
 */
import { allocate, copyBytes, startsWithAt } from "../../core/bytes.ts";

const EMPTY = new Uint8Array(0);
/** Longer parts are not kept: a client that repeats itself sends indices. */
const KEPT_BYTES_MAX = 2048;

export class BlockMemo {
  #pseudo: Uint8Array = EMPTY;
  /** -1: not known. */
  #pseudoLength = -1;
  #section: Uint8Array = EMPTY;
  #sectionLength = -1;
  /** State of the dynamic table (`HpackDecoder.changes`). */
  #changes = 0;

  forget(): void {
    this.#pseudoLength = -1;
    this.#sectionLength = -1;
  }

  forgetPseudo(): void {
    this.#pseudoLength = -1;
  }

  /** To be called after `keepSection` of the same block, which must be kept too. */
  keepPseudo(bytes: Uint8Array, from: number, to: number): void {
    if (this.#sectionLength < 0 || to - from > KEPT_BYTES_MAX) return;
    if (this.#pseudo.length < to - from) this.#pseudo = allocate(to - from);
    this.#pseudoLength = copyBytes(bytes, from, to, this.#pseudo, 0);
  }

  keepSection(bytes: Uint8Array, from: number, to: number, changes: number): void {
    if (to - from > KEPT_BYTES_MAX) return;
    if (this.#section.length < to - from) this.#section = allocate(to - from);
    this.#sectionLength = copyBytes(bytes, from, to, this.#section, 0);
    this.#changes = changes;
  }

  /** Is `bytes[from..to)` the whole block again? */
  isBlock(bytes: Uint8Array, from: number, to: number, changes: number): boolean {
    const length = this.#pseudoLength;
    return (
      length >= 0 &&
      length + this.#sectionLength === to - from &&
      changes === this.#changes &&
      startsWithAt(bytes, from, this.#pseudo, length) &&
      startsWithAt(bytes, from + length, this.#section, this.#sectionLength)
    );
  }

  /** Is `bytes[from..to)` the section again? */
  isSection(bytes: Uint8Array, from: number, to: number, changes: number): boolean {
    return (
      this.#sectionLength === to - from &&
      changes === this.#changes &&
      startsWithAt(bytes, from, this.#section, this.#sectionLength)
    );
  }
}
