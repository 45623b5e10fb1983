/**
 * From the head that a worker wrote for HTTP/1.1 to a header block (RFC 9113 section 8.3.2): line by line, without strings. The lines
 * were checked by the worker; fields of an HTTP/1.1 connection that an error page of the edge may have are left out (section 8.2.2).
 *
 * Most responses of a connection have the same head for as long as its date is the same. The last few are kept with their blocks: an equal
 * head has an equal block as long as the table has not changed in between.
 */
import { allocate, copyBytes, startsWithAt } from "../../core/bytes.ts";
import { COLON, CR, isBlank, LF, NAME_LOWER, NUL } from "../grammar.ts";
import { Name, nameHash, SPECIAL_LOWER } from "../names.ts";
import { blockRoom, HpackEncoder } from "./hpack-encoder.ts";
import type { OutputBuffer } from "./output-buffer.ts";

const EMPTY = new Uint8Array(0);
/** Takes away UNDERSCORE_MARK. */
const NAME_BYTE = 0x7f;
/** Heads that are kept, a power of two, and the longest of them. */
const KEPT = 4;
const KEPT_BYTES_MAX = 1024;
const CONNECTION_FIELDS =
  (1 << Name.CONNECTION) |
  (1 << Name.TRANSFER_ENCODING) |
  (1 << Name.UPGRADE) |
  (1 << Name.KEEP_ALIVE) |
  (1 << Name.PROXY_CONNECTION);

interface KeptHead {
  head: Uint8Array;
  headLength: number;
  block: Uint8Array;
  blockLength: number;
  changes: number;
}

/** The name at hand in lower case; shared, since nothing is kept there between two calls. */
let name = allocate(128);

/**
 * Each call appends one header block (no frame header) to `out`. What is written must be sent, in this order: the peer's
 * dynamic table follows ours.
 */
export class ResponseEncoder {
  readonly #hpack = new HpackEncoder();
  readonly #kept: (KeptHead | undefined)[] = [];

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  setPeerTableSizeMax(bytes: number): void {
    this.#hpack.setPeerTableSizeMax(bytes);
  }

  /** `buf[start..end)`: status line, field lines, empty line. */
  response(out: OutputBuffer, status: number, buf: Uint8Array, start: number, end: number): void {
    const hpack = this.#hpack;
    const length = end - start;
    const slot = keptSlot(buf, start, end);
    const kept = this.#kept[slot];
    out.reserve(blockRoom(length));
    if (
      kept !== undefined &&
      kept.headLength === length &&
      kept.changes === hpack.changes &&
      !hpack.updateDue &&
      startsWithAt(buf, start, kept.head, length)
    ) {
      out.at = copyBytes(kept.block, 0, kept.blockLength, out.chunk, out.at);
      return;
    }
    const { changes, firsts } = hpack;
    const from = out.at;
    hpack.begin(out);
    hpack.status(out, status);
    this.#lines(out, buf, endOf(buf, start, end, LF) + 1, end);
    // Encoded again, it would be shorter.
    if (hpack.changes !== changes || hpack.firsts !== firsts) return;
    if (length > KEPT_BYTES_MAX) return;
    const known = this.#keptAt(slot, length, out.at - from);
    known.changes = changes;
    known.headLength = copyBytes(buf, start, end, known.head, 0);
    known.blockLength = copyBytes(out.chunk, from, out.at, known.block, 0);
  }

  /** `buf[start..end)`: field lines only. */
  informational(
    out: OutputBuffer,
    status: number,
    buf: Uint8Array,
    start: number,
    end: number,
  ): void {
    out.reserve(blockRoom(end - start));
    this.#hpack.begin(out);
    this.#hpack.status(out, status);
    this.#lines(out, buf, start, end);
  }

  /** Pairs `name NUL value` joined by NUL. */
  trailers(out: OutputBuffer, pairs: Uint8Array): void {
    out.reserve(blockRoom(pairs.length + 1));
    this.#hpack.begin(out);
    let at = 0;
    while (at < pairs.length) {
      const nameTo = endOf(pairs, at, pairs.length, NUL);
      const valueTo = endOf(pairs, nameTo + 1, pairs.length, NUL);
      this.#field(out, pairs, at, nameTo, nameTo + 1, valueTo);
      at = valueTo + 1;
    }
  }

  #lines(out: OutputBuffer, buf: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end && buf[at] !== CR) {
      const colon = endOf(buf, at, end, COLON);
      const lineEnd = endOf(buf, colon, end, CR);
      let from = colon + 1;
      let to = lineEnd;
      while (from < to && isBlank(buf[from]!)) from++;
      while (to > from && isBlank(buf[to - 1]!)) to--;
      this.#field(out, buf, at, colon, from, to);
      at = lineEnd + 2;
    }
  }

  #field(
    out: OutputBuffer,
    buf: Uint8Array,
    nameFrom: number,
    nameTo: number,
    from: number,
    to: number,
  ): void {
    const length = nameTo - nameFrom;
    if (name.length < length) name = allocate(length);
    for (let i = 0; i < length; i++) name[i] = NAME_LOWER[buf[nameFrom + i]!]! & NAME_BYTE;
    const hash = nameHash(name, 0, length);
    const special = SPECIAL_LOWER.find(name, 0, length, hash);
    if ((CONNECTION_FIELDS & (1 << special)) !== 0) return;
    this.#hpack.field(out, name, length, hash, buf, from, to);
  }

  /** The place for a head and a block of so many bytes. */
  #keptAt(slot: number, headBytes: number, blockBytes: number): KeptHead {
    const kept = (this.#kept[slot] ??= {
      head: EMPTY,
      headLength: 0,
      block: EMPTY,
      blockLength: 0,
      changes: 0,
    });
    if (kept.head.length < headBytes) kept.head = allocate(headBytes);
    if (kept.block.length < blockBytes) kept.block = allocate(blockBytes);
    return kept;
  }
}

/** Where a head is kept: by its length and the digit or letter that its last field ends with. */
function keptSlot(buf: Uint8Array, start: number, end: number): number {
  return (end - start + 3 * (buf[end - 5] ?? 0)) & (KEPT - 1);
}

/** The position of the byte at or after `at`, or `end`. */
function endOf(buf: Uint8Array, at: number, end: number, byte: number): number {
  let found = at;
  while (found < end && buf[found] !== byte) found++;
  return found;
}
