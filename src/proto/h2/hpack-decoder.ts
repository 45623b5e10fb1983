/**
 * Decoder of header blocks (RFC 7541 sections 3 and 6): one field at a time, as bytes in the form of the head block (`NUL name NUL
 * value`), without strings. Where a field's bytes lie is told by `source` and positions: in a table, or in a scratch that all decoders
 * share; they are valid until the next call.
 *
 * What a field may be is the caller's business: a name or a value that HTTP does not allow is only marked, since the dynamic table must be
 * right whatever becomes of the request. A fault here is the end of the connection.
 */
import { allocate, copyBytes } from "../../core/bytes.ts";
import type { HeadForm } from "../events.ts";
import { fieldValueEnd } from "../fields.ts";
import { isBlank } from "../grammar.ts";
import { Name } from "../names.ts";
import { type FieldKind, NameWriter, nameRoom } from "./hpack-names.ts";
import { ENTRY_OVERHEAD, STATIC_FIELDS, TABLE_SIZE_DEFAULT } from "./hpack-static.ts";
import { DynamicTable, Entry, StaticTable, STRIDE, VALUE_INVALID } from "./hpack-table.ts";
import { huffmanDecode, huffmanRoom } from "./huffman.ts";

export const FieldCode = {
  /** The block is over. */
  END: 0,
  FIELD: 1,
  /** The block cannot be decoded: `tooLarge` tells whether it only would be too large. */
  FAULT: 2,
} as const;
export type FieldCode = (typeof FieldCode)[keyof typeof FieldCode];

/** The longest integer that is read has so many octets after the prefix; nothing here is near 2^28. */
const INTEGER_OCTETS_MAX = 4;
const FIRST_DYNAMIC = STATIC_FIELDS.length + 1;
const HUFFMAN = 0x80;

let scratch = allocate(4096);
let rawName = allocate(256);
const shared: Partial<Record<HeadForm, { names: NameWriter; statics: StaticTable }>> = {};

export class HpackDecoder {
  source: Uint8Array = scratch;
  from = 0;
  valueAt = 0;
  to = 0;
  kind: FieldKind = Name.ORDINARY;
  /** The value holds what no value may. */
  valueInvalid = false;
  /** Hash of the name as it is written, for NameSet. */
  hash = 0;
  /** Octets of the name as it was sent. */
  nameSize = 0;
  /** It is an entry of a table: its bytes stay where they are until `changes` grows. */
  indexed = false;
  /** Where the next field begins in the block. */
  at = 0;
  tooLarge = false;

  readonly #table = new DynamicTable();
  readonly #names: NameWriter;
  readonly #statics: StaticTable;
  readonly #decodedMax: number;
  #bytes: Uint8Array = scratch;
  #end = 0;
  /** Octets that the block's fields have come to, as section 4.1 counts them. */
  #decoded = 0;
  /** Our SETTINGS_HEADER_TABLE_SIZE. */
  #sizeLimit = TABLE_SIZE_DEFAULT;
  /** The limit went below the table's size: the next block must begin with an update (RFC 9113 section 4.3.1). */
  #updateDue = false;

  /** `decodedMax` bounds what a block may come to; what goes beyond is not decoded at all. */
  constructor(form: HeadForm, decodedMax: number) {
    shared[form] ??= { names: new NameWriter(form), statics: new StaticTable(form) };
    ({ names: this.#names, statics: this.#statics } = shared[form]);
    this.#decodedMax = decodedMax;
  }

  /** The peer has acknowledged a SETTINGS_HEADER_TABLE_SIZE of ours. */
  setTableSizeMax(bytes: number): void {
    this.#sizeLimit = bytes;
    this.#updateDue = bytes < this.#table.sizeMax;
  }

  /** Grows with every change of the dynamic table. */
  get changes(): number {
    return this.#table.changes;
  }

  /** A block begins: takes its size updates, which may only come first. False: it cannot be decoded. */
  begin(bytes: Uint8Array, from: number, to: number): boolean {
    this.#bytes = bytes;
    this.at = from;
    this.#end = to;
    this.#decoded = 0;
    this.tooLarge = false;
    while (this.at < to && (bytes[this.at]! & 0xe0) === 0x20) {
      const size = this.#integer(0x1f);
      if (size < 0 || size > this.#sizeLimit) return false;
      this.#table.setSizeMax(size);
      this.#updateDue = false;
    }
    return !this.#updateDue;
  }

  next(): FieldCode {
    if (this.at >= this.#end) return FieldCode.END;
    const byte = this.#bytes[this.at]!;
    if (byte >= 0x80) {
      if (!this.#lookUp(this.#integer(0x7f))) return FieldCode.FAULT;
      this.indexed = true;
      return this.#count();
    }
    if (byte >= 0x40) return this.#literal(this.#integer(0x3f), true);
    // A size update behind a field.
    if (byte >= 0x20) return FieldCode.FAULT;
    return this.#literal(this.#integer(0x0f), false);
  }

  #count(): FieldCode {
    this.#decoded += this.nameSize + this.to - this.valueAt + ENTRY_OVERHEAD;
    if (this.#decoded <= this.#decodedMax) return FieldCode.FIELD;
    this.tooLarge = true;
    return FieldCode.FAULT;
  }

  /** The integer at `at` whose prefix has the bits `mask` (section 5.1), or -1. */
  #integer(mask: number): number {
    const bytes = this.#bytes;
    let at = this.at;
    if (at >= this.#end) return -1;
    let value = bytes[at++]! & mask;
    if (value === mask) {
      for (let shift = 0; ; shift += 7) {
        if (at >= this.#end || shift === 7 * INTEGER_OCTETS_MAX) return -1;
        const byte = bytes[at++]!;
        value += (byte & 0x7f) << shift;
        if (byte < 0x80) break;
      }
    }
    this.at = at;
    return value;
  }

  /** Makes the entry of this index the current field; false when there is none. */
  #lookUp(index: number): boolean {
    let facts: Int32Array;
    let at: number;
    if (index < FIRST_DYNAMIC) {
      if (index <= 0) return false;
      facts = this.#statics.facts;
      at = index * STRIDE;
      this.source = this.#statics.bytes;
    } else {
      const table = this.#table;
      if (index - FIRST_DYNAMIC >= table.length) return false;
      facts = table.facts;
      at = table.factsAt(index - FIRST_DYNAMIC);
      this.source = table.bytes;
    }
    this.from = facts[at]!;
    this.valueAt = facts[at + Entry.VALUE]!;
    this.to = facts[at + Entry.TO]!;
    const kind = facts[at + Entry.KIND]!;
    this.kind = (kind & ~VALUE_INVALID) as FieldKind;
    this.valueInvalid = kind >= VALUE_INVALID;
    this.hash = facts[at + Entry.HASH]!;
    this.nameSize = facts[at + Entry.NAME_SIZE]!;
    return true;
  }

  /** Reads a literal field (section 6.2) whose name has the index, or is a literal too (0). */
  #literal(index: number, incremental: boolean): FieldCode {
    if (index < 0) return FieldCode.FAULT;
    const bytes = this.#bytes;
    let name = bytes;
    let nameFrom = 0;
    let nameTo = 0;
    if (index === 0) {
      const encoded = this.at < this.#end && bytes[this.at]! >= HUFFMAN;
      const length = this.#stringLength();
      if (length < 0) return FieldCode.FAULT;
      nameFrom = this.at;
      nameTo = this.at += length;
      if (encoded) {
        if (rawName.length < huffmanRoom(length)) rawName = allocate(huffmanRoom(length));
        name = rawName;
        nameTo = huffmanDecode(bytes, nameFrom, this.at, rawName, 0);
        nameFrom = 0;
        if (nameTo < 0) return FieldCode.FAULT;
      }
    } else if (!this.#lookUp(index)) {
      return FieldCode.FAULT;
    }
    const encoded = this.at < this.#end && bytes[this.at]! >= HUFFMAN;
    const length = this.#stringLength();
    if (length < 0) return FieldCode.FAULT;
    const nameMax = index === 0 ? nameRoom(nameTo - nameFrom) : this.valueAt - this.from;
    const room = nameMax + (encoded ? huffmanRoom(length) : length) + 1;
    const table = this.#table;
    const inTable = incremental && room <= table.sizeMax;
    let out = scratch;
    let start = 0;
    if (inTable) {
      table.reserve(room);
      out = table.bytes;
      start = table.end;
    } else if (scratch.length < room) {
      out = scratch = allocate(room);
    }
    let valueAt: number;
    if (index === 0) {
      this.nameSize = nameTo - nameFrom;
      valueAt = this.#names.write(name, nameFrom, nameTo, out, start);
      this.kind = this.#names.kind;
      this.hash = this.#names.hash;
    } else {
      valueAt = copyBytes(this.source, this.from, this.valueAt, out, start);
    }
    const to = encoded
      ? huffmanDecode(bytes, this.at, this.at + length, out, valueAt)
      : copyBytes(bytes, this.at, this.at + length, out, valueAt);
    if (to < 0) return FieldCode.FAULT;
    this.at += length;
    this.indexed = false;
    this.source = out;
    this.from = start;
    this.valueAt = valueAt;
    this.to = to;
    this.valueInvalid = !validValue(out, valueAt, to);
    if (incremental) this.#addToTable(inTable);
    return this.#count();
  }

  #addToTable(inTable: boolean): void {
    const table = this.#table;
    const size = this.to - this.from;
    if (!inTable && size <= table.sizeMax) {
      // The room it might have needed was more than it took.
      table.reserve(size);
      copyBytes(scratch, 0, size, table.bytes, table.end);
    }
    const moved = table.end - this.from;
    const kind = this.kind | (this.valueInvalid ? VALUE_INVALID : 0);
    table.add(this.valueAt + moved, this.to + moved, kind, this.hash, this.nameSize);
  }

  /** The length of the string at `at` (section 5.2), of which `at` is then the first octet; -1 when the block does not hold it. */
  #stringLength(): number {
    const length = this.#integer(0x7f);
    return length > this.#end - this.at ? -1 : length;
  }
}

function validValue(bytes: Uint8Array, from: number, to: number): boolean {
  if (from === to) return true;
  if (isBlank(bytes[from]!) || isBlank(bytes[to - 1]!)) return false;
  return fieldValueEnd(bytes, from, to) === to;
}
