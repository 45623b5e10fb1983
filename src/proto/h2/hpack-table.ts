/**
 * The decoder's tables. An entry's bytes are kept as the head block wants them, `NUL name NUL value`, and what its name means is kept as a
 * number: an indexed field is one copy.
 *
 * The dynamic table (RFC 7541 section 2.3.2) is a run of bytes to which entries are added at the end; when the end is reached those that
 * live move to the front, which costs a copy for each byte at most, as the run is twice as long as what lives in it. Entries are numbered
 * from 0 in the order of their coming, `#next` being the next one's number; positions are in a ring of numbers.
 */
import { allocate, copyBytes } from "../../core/bytes.ts";
import type { HeadForm } from "../events.ts";
import { ascii } from "../grammar.ts";
import { NameWriter } from "./hpack-names.ts";
import { ENTRY_OVERHEAD, STATIC_FIELDS, TABLE_SIZE_DEFAULT } from "./hpack-static.ts";

/** Facts of an entry, by position after `entry * STRIDE` in `facts`. */
export const Entry = {
  /** Where it begins in `bytes`, where its value begins, where it ends. */
  FROM: 0,
  VALUE: 1,
  TO: 2,
  /** FieldKind of its name, and VALUE_INVALID. The encoder: hash of the name. */
  KIND: 3,
  /** Hash of the name as it is written (nameHash). The encoder: hash of name and value. */
  HASH: 4,
  /** Octets of the name as it was sent. */
  NAME_SIZE: 5,
} as const;
export const STRIDE = 8;
/** In Entry.KIND: the value holds a byte that no value may, or blanks at an end. */
export const VALUE_INVALID = 256;

const STATIC_BYTES = 2048;
/** What is allocated with the first entry: enough for a browser's first request, mostly. */
const BYTES_FIRST = 2048;
const ENTRIES_FIRST = 32;
const EMPTY = new Uint8Array(0);

/** The static table in one form; index i is entry i. */
export class StaticTable {
  readonly bytes: Uint8Array = allocate(STATIC_BYTES);
  readonly facts: Int32Array = new Int32Array((STATIC_FIELDS.length + 1) * STRIDE);

  constructor(form: HeadForm) {
    const names = new NameWriter(form);
    let at = 0;
    STATIC_FIELDS.forEach(([name, value], i) => {
      const from = at;
      const valueAt = names.write(ascii(name), 0, name.length, this.bytes, from);
      at = copyBytes(ascii(value), 0, value.length, this.bytes, valueAt);
      this.facts.set([from, valueAt, at, names.kind, names.hash, name.length], (i + 1) * STRIDE);
    });
  }
}

export class DynamicTable {
  bytes: Uint8Array = EMPTY;
  facts: Int32Array = new Int32Array(0);
  /** Where the next entry's bytes go, after `reserve`. */
  end = 0;
  /** Grows with every change: equal numbers mean an equal table. */
  changes = 0;

  /** Entries are `#oldest` to `#next - 1`; entry n is at `n & #mask` in the ring. */
  #oldest = 0;
  #next = 0;
  #mask = -1;
  #size = 0;
  #sizeMax = TABLE_SIZE_DEFAULT;

  get sizeMax(): number {
    return this.#sizeMax;
  }

  get length(): number {
    return this.#next - this.#oldest;
  }

  /** Where the facts of the entry lie that came `back` entries before the newest. */
  factsAt(back: number): number {
    return ((this.#next - 1 - back) & this.#mask) * STRIDE;
  }

  /** A size update (section 4.3). */
  setSizeMax(size: number): void {
    this.changes++;
    this.#sizeMax = size;
    this.#evict(size);
  }

  /**
   * Sees to it that so many bytes may be written at `end`. Entries may move, but only to where they do not overlap with what was, nor do
   * those bytes: positions from before (the name for a new entry) can still be read.
   */
  reserve(bytes: number): void {
    if (this.end + bytes <= this.bytes.length) return;
    const from = this.length === 0 ? this.end : this.facts[this.factsAt(this.length - 1)]!;
    const live = this.end - from;
    const needed = 2 * (live + bytes);
    const grows = needed > this.bytes.length;
    const target = grows ? allocate(Math.max(needed, BYTES_FIRST)) : this.bytes;
    if (grows) copyBytes(this.bytes, from, this.end, target, 0);
    else target.copyWithin(0, from, this.end);
    this.bytes = target;
    this.end = live;
    for (let back = this.length - 1; back >= 0; back--) {
      const at = this.factsAt(back);
      this.facts[at + Entry.FROM]! -= from;
      this.facts[at + Entry.VALUE]! -= from;
      this.facts[at + Entry.TO]! -= from;
    }
  }

  /** Adds the entry whose bytes were written at `end` (section 4.4): one that is larger than the table empties it and is not kept. */
  add(valueAt: number, to: number, kind: number, hash: number, nameSize: number): void {
    this.changes++;
    const size = nameSize + to - valueAt + ENTRY_OVERHEAD;
    this.#evict(this.#sizeMax - size);
    if (size > this.#sizeMax) return;
    if (this.length > this.#mask) this.#widen();
    const facts = this.facts;
    const at = (this.#next++ & this.#mask) * STRIDE;
    facts[at + Entry.FROM] = this.end;
    facts[at + Entry.VALUE] = valueAt;
    facts[at + Entry.TO] = to;
    facts[at + Entry.KIND] = kind;
    facts[at + Entry.HASH] = hash;
    facts[at + Entry.NAME_SIZE] = nameSize;
    this.#size += size;
    this.end = to;
  }

  /** Drops the oldest entries until the rest is not larger than `size`. */
  #evict(size: number): void {
    while (this.#size > size && this.length > 0) {
      const at = this.factsAt(this.length - 1);
      const facts = this.facts;
      const value = facts[at + Entry.TO]! - facts[at + Entry.VALUE]!;
      this.#size -= facts[at + Entry.NAME_SIZE]! + value + ENTRY_OVERHEAD;
      this.#oldest++;
    }
  }

  /** Doubles the ring. */
  #widen(): void {
    const slots = Math.max(ENTRIES_FIRST, 2 * (this.#mask + 1));
    const facts = new Int32Array(slots * STRIDE);
    for (let n = this.#oldest; n < this.#next; n++) {
      const at = (n & this.#mask) * STRIDE;
      facts.set(this.facts.subarray(at, at + STRIDE), (n & (slots - 1)) * STRIDE);
    }
    this.facts = facts;
    this.#mask = slots - 1;
  }
}
