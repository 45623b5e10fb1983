/**
 * Makes header blocks as a client of HTTP/2 does (RFC 7541): written apart from the encoder of src, so that what is wrong there is not
 * wrong here too. It never evicts: tests keep their fields below the table's size.
 */
import { STATIC_FIELDS } from "../../src/proto/h2/hpack-static.ts";
import { huffmanEncode, huffmanLength } from "../../src/proto/h2/huffman.ts";

/** Indexed when the table has it, and put there when not; or a literal. */
export type Mode = "index" | "plain" | "never";
export type Field = readonly [name: string, value: string, mode?: Mode];

export function integer(first: number, bits: number, value: number): number[] {
  const max = 2 ** bits - 1;
  if (value < max) return [first | value];
  const bytes = [first | max];
  let rest = value - max;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}

export function text(value: string, huffman = false): number[] {
  const raw = Buffer.from(value, "latin1");
  if (!huffman) return [...integer(0, 7, raw.length), ...raw];
  const encoded = new Uint8Array(huffmanLength(raw, 0, raw.length));
  huffmanEncode(raw, 0, raw.length, encoded, 0);
  return [...integer(0x80, 7, encoded.length), ...encoded];
}

export class BlockMaker {
  readonly #huffman: boolean;
  /** The newest first. */
  readonly #dynamic: (readonly [string, string])[] = [];

  constructor(huffman = true) {
    this.#huffman = huffman;
  }

  block(fields: readonly Field[]): Buffer {
    return Buffer.from(fields.flatMap((field) => this.#field(field)));
  }

  #field([name, value, mode = "index"]: Field): number[] {
    const table = [...STATIC_FIELDS, ...this.#dynamic];
    const whole = table.findIndex(([known, other]) => known === name && other === value);
    if (whole >= 0 && mode === "index") return integer(0x80, 7, whole + 1);
    const index = table.findIndex(([known]) => known === name) + 1;
    const first = mode === "index" ? 0x40 : mode === "plain" ? 0 : 0x10;
    const bytes = integer(first, mode === "index" ? 6 : 4, index);
    if (mode === "index") this.#dynamic.unshift([name, value]);
    if (index === 0) bytes.push(...text(name, this.#huffman));
    return [...bytes, ...text(value, this.#huffman)];
  }
}
