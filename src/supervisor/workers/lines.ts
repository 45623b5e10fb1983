/**
 * Lines out of chunks of bytes, with a bound on what is held: a longer line comes in pieces. Pure.
 */

export class LineBuffer {
  readonly #bytesMax: number;
  #held: Buffer = Buffer.alloc(0);

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * The lines that are complete now, without their ends; invalid UTF-8 becomes replacement
   * characters.
   */
  push(chunk: Uint8Array): string[] {
    const bytes = this.#held.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#held, chunk]);
    const lines: string[] = [];
    let from = 0;
    for (;;) {
      const at = bytes.indexOf(10, from);
      const end = at === -1 ? bytes.length : at;
      while (end - from > this.#bytesMax) {
        lines.push(bytes.toString("utf8", from, from + this.#bytesMax));
        from += this.#bytesMax;
      }
      if (at === -1) break;
      const cut = at > from && bytes[at - 1] === 13 ? at - 1 : at;
      lines.push(bytes.toString("utf8", from, cut));
      from = at + 1;
    }
    this.#held = Buffer.from(bytes.subarray(from));
    return lines;
  }

  /** What stands without an end, at the end. */
  rest(): string[] {
    const text = this.#held.toString("utf8");
    this.#held = Buffer.alloc(0);
    return text === "" ? [] : [text];
  }
}
