/**
 * Encoder of header blocks (RFC 7541): fields in, as bytes in lower case, block out.
 *
 * What goes into the dynamic table. Date, server, content-type and the status are put there at once; another field when it comes a second
 * time, so that values which never come again do not push out those that do. Lengths and validators belong to one resource and are not
 * put there, nor are large fields; those with secrets are marked never to be indexed (section 7.1.3). The table is searched from its
 * newest entry, by hash: it is short.
 */
import { copyBytes, startsWithAt } from "../../core/bytes.ts";
import { ascii } from "../grammar.ts";
import { nameHash } from "../names.ts";
import { ENTRY_OVERHEAD, STATIC_FIELDS, TABLE_SIZE_DEFAULT } from "./hpack-static.ts";
import { DynamicTable, Entry } from "./hpack-table.ts";
import { huffmanEncode, huffmanLength } from "./huffman.ts";
import type { OutputBuffer } from "./output-buffer.ts";

const FIRST_DYNAMIC = STATIC_FIELDS.length + 1;
/** Entries that are larger are not put into the table. */
const ENTRY_BYTES_MAX = 512;
/** Room for the size updates and the status. */
const BLOCK_OVERHEAD = 32;

// Representations (section 6): first bits, and the bits of their index.
const INDEXED = 0x80;
const INDEXED_MASK = 0x7f;
const INCREMENTAL = 0x40;
const INCREMENTAL_MASK = 0x3f;
const SIZE_UPDATE = 0x20;
const SIZE_UPDATE_MASK = 0x1f;
const NEVER_INDEXED = 0x10;
const WITHOUT_INDEXING = 0x00;
const LITERAL_MASK = 0x0f;
const HUFFMAN = 0x80;
const LENGTH_MASK = 0x7f;

const AT_ONCE: ReadonlySet<string> = new Set([":status", "date", "server", "content-type"]);
const SECRET: ReadonlySet<string> = new Set([
  "set-cookie",
  "authorization",
  "proxy-authorization",
  "cookie",
]);

/** They differ from resource to resource: what an entry would save is less than what it pushes out. */
const PASSING: ReadonlySet<string> = new Set([
  "content-length",
  "content-range",
  "etag",
  "last-modified",
  "location",
  "expires",
  "age",
]);

/** Fields that are remembered as having come once, a power of two. */
const SEEN_MAX = 32;
const NAME_SLOTS = 256;

/** Bytes at either end of a value that its hash is made of; the seconds of a date are among them. */
const SAMPLE_BYTES = 8;

/** Names of the static table. */
const NAMES: readonly Uint8Array[] = ["", ...STATIC_FIELDS.map(([name]) => name)].map(ascii);
/** The first entry of each name, found by its hash and the places behind it. */
const NAME_INDEX: Uint8Array = nameIndex();
/** What becomes of a field that is not in the table, by index of its name: a representation, or SECOND_SIGHT. */
const SECOND_SIGHT = 1;
const POLICY: Uint8Array = Uint8Array.from(["", ...STATIC_FIELDS.map(([name]) => name)], (name) => {
  if (AT_ONCE.has(name)) return INCREMENTAL;
  if (SECRET.has(name)) return NEVER_INDEXED;
  return PASSING.has(name) ? WITHOUT_INDEXING : SECOND_SIGHT;
});
const STATUS = 8;
/** Statuses that the static table has, from the index STATUS on. */
const STATIC_STATUSES: readonly number[] = [200, 204, 206, 304, 400, 404, 500];

function nameIndex(): Uint8Array {
  const slots = new Uint8Array(NAME_SLOTS);
  for (let index = NAMES.length - 1; index > 0; index--) {
    const name = NAMES[index]!;
    const known = STATIC_FIELDS.findIndex(([other]) => other === STATIC_FIELDS[index - 1]![0]);
    if (known !== index - 1) continue;
    let slot = nameHash(name, 0, name.length) & (NAME_SLOTS - 1);
    while (slots[slot] !== 0) slot = (slot + 1) & (NAME_SLOTS - 1);
    slots[slot] = index;
  }
  return slots;
}

/** Bytes that a block may take whose fields have `bytes` of names and values, and at least two more each. */
export function blockRoom(bytes: number): number {
  return 2 * bytes + BLOCK_OVERHEAD;
}

export class HpackEncoder {
  readonly #table = new DynamicTable();
  /** Hashes of the last fields that came for the first time, `#seenCount` counting them. */
  readonly #seen = new Int32Array(SEEN_MAX);
  #seenCount = 0;
  /** What the table's size is to become, and the least it had to be since the last block. */
  #size = TABLE_SIZE_DEFAULT;
  #sizeLeast = Infinity;
  readonly #digits = new Uint8Array(3);

  /** The peer's SETTINGS_HEADER_TABLE_SIZE; more than the default is not used. */
  setPeerTableSizeMax(bytes: number): void {
    this.#size = Math.min(bytes, TABLE_SIZE_DEFAULT);
    this.#sizeLeast = Math.min(this.#sizeLeast, this.#size);
  }

  /** Grows with every change of the table: as long as it stays the same, a block means the same. */
  get changes(): number {
    return this.#table.changes;
  }

  /** Grows with every field that will be put into the table when it comes again. */
  get firsts(): number {
    return this.#seenCount;
  }

  /** The next block must begin with a size update. */
  get updateDue(): boolean {
    const { sizeMax } = this.#table;
    return this.#size !== sizeMax || this.#sizeLeast < sizeMax;
  }

  /** A block begins; there is `blockRoom` in `out`. */
  begin(out: OutputBuffer): void {
    if (!this.updateDue) return;
    if (this.#sizeLeast < this.#size) this.#resize(out, this.#sizeLeast);
    this.#resize(out, this.#size);
    this.#sizeLeast = Infinity;
  }

  #resize(out: OutputBuffer, size: number): void {
    this.#table.setSizeMax(size);
    writeInteger(out, SIZE_UPDATE, SIZE_UPDATE_MASK, size);
  }

  status(out: OutputBuffer, status: number): void {
    const known = STATIC_STATUSES.indexOf(status);
    if (known >= 0) {
      out.chunk[out.at++] = INDEXED | (STATUS + known);
      return;
    }
    const digits = this.#digits;
    digits[0] = 48 + Math.floor(status / 100);
    digits[1] = 48 + (Math.floor(status / 10) % 10);
    digits[2] = 48 + (status % 10);
    const name = NAMES[STATUS]!;
    this.field(out, name, name.length, nameHash(name, 0, name.length), digits, 0, digits.length);
  }

  /** A field: name `name[0..nameEnd)` in lower case with its nameHash, value `bytes[from..to)`. */
  field(
    out: OutputBuffer,
    name: Uint8Array,
    nameEnd: number,
    hash: number,
    bytes: Uint8Array,
    from: number,
    to: number,
  ): void {
    const known = staticName(name, nameEnd, hash);
    let policy = POLICY[known]!;
    const size = nameEnd + to - from + ENTRY_OVERHEAD;
    if (policy !== NEVER_INDEXED && (size > ENTRY_BYTES_MAX || size > this.#table.sizeMax)) {
      policy = WITHOUT_INDEXING;
    }
    if (policy === NEVER_INDEXED || policy === WITHOUT_INDEXING) {
      this.#literal(out, policy, known, name, nameEnd);
      writeString(out, bytes, from, to);
      return;
    }
    const whole = fieldHash(hash, bytes, from, to);
    const found = this.#find(whole, hash, name, nameEnd, bytes, from, to);
    if (found >= FIRST_DYNAMIC) {
      writeInteger(out, INDEXED, INDEXED_MASK, found);
      return;
    }
    const index = known === 0 ? -found : known;
    if (policy === INCREMENTAL || this.#seen.includes(whole)) {
      this.#literal(out, INCREMENTAL, index, name, nameEnd);
      this.#add(whole, hash, name, nameEnd, bytes, from, to);
    } else {
      this.#seen[this.#seenCount++ & (SEEN_MAX - 1)] = whole;
      this.#literal(out, WITHOUT_INDEXING, index, name, nameEnd);
    }
    writeString(out, bytes, from, to);
  }

  /** Everything of a literal but its value. */
  #literal(
    out: OutputBuffer,
    kind: number,
    index: number,
    name: Uint8Array,
    nameEnd: number,
  ): void {
    writeInteger(out, kind, kind === INCREMENTAL ? INCREMENTAL_MASK : LITERAL_MASK, index);
    if (index === 0) writeString(out, name, 0, nameEnd);
  }

  /** The index of the dynamic entry of this name and value; else the negative index of one of this name; else 0. */
  #find(
    whole: number,
    hash: number,
    name: Uint8Array,
    nameEnd: number,
    bytes: Uint8Array,
    from: number,
    to: number,
  ): number {
    const { bytes: known, facts, length } = this.#table;
    let named = 0;
    for (let back = 0; back < length; back++) {
      const at = this.#table.factsAt(back);
      if (facts[at + Entry.KIND] !== hash) continue;
      const valueAt = facts[at + Entry.VALUE]!;
      const sameValue =
        facts[at + Entry.HASH] === whole &&
        facts[at + Entry.TO]! - valueAt === to - from &&
        isSame(known, valueAt, bytes, from, to);
      if (!sameValue && named !== 0) continue;
      const entry = facts[at + Entry.FROM]!;
      if (valueAt - entry !== nameEnd || !isSame(known, entry, name, 0, nameEnd)) continue;
      if (sameValue) return FIRST_DYNAMIC + back;
      named = -(FIRST_DYNAMIC + back);
    }
    return named;
  }

  /** Adds an entry: name and value one after the other. */
  #add(
    whole: number,
    hash: number,
    name: Uint8Array,
    nameEnd: number,
    bytes: Uint8Array,
    from: number,
    to: number,
  ): void {
    const table = this.#table;
    table.reserve(nameEnd + to - from);
    const valueAt = copyBytes(name, 0, nameEnd, table.bytes, table.end);
    const end = copyBytes(bytes, from, to, table.bytes, valueAt);
    table.add(valueAt, end, hash, whole, nameEnd);
  }
}

/** Does `known` hold `bytes[from..to)` at `at`? */
function isSame(
  known: Uint8Array,
  at: number,
  bytes: Uint8Array,
  from: number,
  to: number,
): boolean {
  let same = from;
  while (same < to && known[at + same - from] === bytes[same]) same++;
  return same === to;
}

/** Index of the static table's first entry of the name, or 0. */
function staticName(name: Uint8Array, nameEnd: number, hash: number): number {
  let slot = hash & (NAME_SLOTS - 1);
  for (;;) {
    const index = NAME_INDEX[slot]!;
    if (index === 0) return 0;
    const known = NAMES[index]!;
    if (known.length === nameEnd && startsWithAt(name, 0, known, nameEnd)) return index;
    slot = (slot + 1) & (NAME_SLOTS - 1);
  }
}

/** A hash of the name's hash, the value's length and its first and last bytes: equal ones are compared. */
function fieldHash(seed: number, bytes: Uint8Array, from: number, to: number): number {
  const length = to - from;
  let hash = Math.imul(seed ^ length, 0x01000193);
  const head = Math.min(from + SAMPLE_BYTES, to);
  for (let i = from; i < head; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  for (let i = Math.max(head, to - SAMPLE_BYTES); i < to; i++) {
    hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  }
  return hash;
}

/** An integer behind the first bits `first` (section 5.1). */
function writeInteger(out: OutputBuffer, first: number, mask: number, value: number): void {
  const { chunk } = out;
  if (value < mask) {
    chunk[out.at++] = first | value;
    return;
  }
  chunk[out.at++] = first | mask;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) chunk[out.at++] = (rest & 0x7f) | 0x80;
  chunk[out.at++] = rest;
}

/** A string literal (section 5.2), in the Huffman code when that is shorter. */
function writeString(out: OutputBuffer, bytes: Uint8Array, from: number, to: number): void {
  const length = to - from;
  const encoded = huffmanLength(bytes, from, to);
  if (encoded < length) {
    writeInteger(out, HUFFMAN, LENGTH_MASK, encoded);
    out.at = huffmanEncode(bytes, from, to, out.chunk, out.at);
  } else {
    writeInteger(out, 0, LENGTH_MASK, length);
    out.at = copyBytes(bytes, from, to, out.chunk, out.at);
  }
}
