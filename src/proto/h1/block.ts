/**
 * Where a head is encoded: small heads straight into the reader's block, larger ones in a scratch that all readers share
 * and from there into a block of their size. A head that has to wait for bytes moves out of the scratch, so between two
 * calls the scratch holds nothing. An idle connection so keeps little more than the bytes of its last head.
 */
import type { RequestHead } from "../events.ts";
import { allocate, copyBytes } from "../../core/bytes.ts";
import { replaceLine } from "../target.ts";
import type { HeadParser } from "./head.ts";

const EMPTY = new Uint8Array(0);
/** Heads up to this size are encoded straight into the reader's block; it is then kept that much larger. */
const DIRECT_BYTES_MAX = 512;
/** A block larger than this and twice its content is replaced by one that fits. */
const LOOSE_BYTES = 4096;

/** Bytes that the block of a head of `bytes` bytes may need: the target comes thrice, a field at most doubles. */
function boundOf(bytes: number): number {
  return 3 * bytes + 160;
}

let scratch: Uint8Array = EMPTY;

export class HeadBlock {
  readonly #head: RequestHead;
  readonly #parser: HeadParser;

  /** `headMax` bounds the bytes of any head that is parsed. */
  constructor(head: RequestHead, parser: HeadParser, headMax: number) {
    this.#head = head;
    this.#parser = parser;
    const bound = boundOf(headMax);
    if (scratch.length < bound) scratch = allocate(bound);
  }

  /** A head begins, of which `available` bytes are there. */
  place(available: number): void {
    const needed = boundOf(available);
    const head = this.#head;
    if (head.block.length < needed) {
      if (available > DIRECT_BYTES_MAX) {
        this.#parser.out = scratch;
        return;
      }
      head.block = allocate(needed);
    }
    this.#parser.out = head.block;
  }

  /** `available` bytes of the head are there by now. */
  grow(available: number): void {
    const parser = this.#parser;
    const needed = boundOf(available);
    if (parser.out.length >= needed) return;
    this.#move(Math.max(needed, 2 * parser.out.length));
  }

  /** The head has to wait: it must not hold what other readers share. */
  detach(): void {
    if (this.#parser.out === scratch) this.#move(this.#parser.o);
  }

  /** The head is complete: leaves it in a block that is not much larger. */
  settle(): void {
    const head = this.#head;
    const { out, o } = this.#parser;
    const loose = out !== scratch && out.length > LOOSE_BYTES && out.length > 2 * o;
    if (loose || (out === scratch && head.block.length < o)) head.block = allocate(o);
    if (loose || out === scratch) copyBytes(out, 0, o, head.block, 0);
    this.#parser.out = EMPTY;
    head.splitAt = this.#parser.line.size;
    head.blockEnd = o;
  }

  /** Puts another request line, which begins at `base`, before the fields that are already in the block. */
  replaceLine(bytes: Uint8Array, base: number): void {
    replaceLine(this.#head, this.#parser.line, bytes, base);
  }

  #move(size: number): void {
    const own = allocate(size);
    copyBytes(this.#parser.out, 0, this.#parser.o, own, 0);
    this.#parser.out = this.#head.block = own;
  }
}
