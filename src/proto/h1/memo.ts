/**
 * What is kept of the last head: its request line and header section as received. They serve the access log, and they
 * let the next head be recognised: on a keep-alive connection most sections are byte-identical to the one before, and
 * then the encoded fields in the block are still right.
 */
import { fieldOf } from "../fields.ts";
import { allocate, copyBytes, startsWithAt } from "../../core/bytes.ts";

const EMPTY = new Uint8Array(0);

export class HeadMemo {
  #line: Uint8Array = EMPTY;
  #lineLength = 0;
  #section: Uint8Array = EMPTY;
  #sectionLength = 0;
  /** The section's encoded fields are in the block and depend on nothing but the section and the HTTP version. */
  reusable = false;

  /** Keeps a request line, CR LF included; the section is unknown until `keepSection`. */
  keepLine(bytes: Uint8Array, from: number, to: number): void {
    if (this.#line.length < to - from) this.#line = allocate(to - from);
    this.#lineLength = copyBytes(bytes, from, to, this.#line, 0);
  }

  /** Keeps a header section, the blank line included. */
  keepSection(bytes: Uint8Array, from: number, to: number): void {
    if (this.#section.length < to - from) this.#section = allocate(to - from);
    this.#sectionLength = copyBytes(bytes, from, to, this.#section, 0);
  }

  /** No head is known any more. */
  forget(): void {
    this.reusable = false;
    this.#lineLength = 0;
    this.#sectionLength = 0;
  }

  /** Length of the kept request line when `bytes` goes on with it at `at`, else 0. */
  matchLine(bytes: Uint8Array, at: number, end: number): number {
    const length = this.#lineLength;
    const line = this.#line;
    if (length > end - at) return 0;
    for (let i = 0; i < length; i++) {
      if (bytes[at + i] !== line[i]) return 0;
    }
    return length;
  }

  /** Length of the kept section when `bytes` goes on with it at `at`, else 0. */
  matchSection(bytes: Uint8Array, at: number, end: number): number {
    const length = this.#sectionLength;
    if (length > end - at) return 0;
    // Framing first: a section of another length is told apart by a byte or two.
    if (bytes[at + length - 1] !== 10 || bytes[at + length - 3] !== 10) return 0;
    return startsWithAt(bytes, at, this.#section, length) ? length : 0;
  }

  /** A part of the request line, latin-1; empty when none is known. */
  lineText(from: number, to: number): string {
    return Buffer.from(this.#line.subarray(from, Math.min(to, this.#lineLength))).toString(
      "latin1",
    );
  }

  /** Bytes of the kept section's header lines. */
  sectionBytes(): number {
    return this.#sectionLength - 2;
  }

  field(name: string): string | null {
    return fieldOf(this.#section, this.#sectionLength, name);
  }
}
