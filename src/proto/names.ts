/**
 * Header names that mean something to the engine, found by a perfect hash of the transformed name and one comparison;
 * and the set of names seen in one head, for CGI, where repeated names become one key.
 */
import { startsWithAt } from "../core/bytes.ts";
import { ascii, NAME_CGI, NAME_LOWER } from "./grammar.ts";

export const Name = {
  ORDINARY: 0,
  HOST: 1,
  CONTENT_LENGTH: 2,
  CONTENT_TYPE: 3,
  CONNECTION: 4,
  TRANSFER_ENCODING: 5,
  EXPECT: 6,
  TE: 7,
  UPGRADE: 8,
  PROXY: 9,
  KEEP_ALIVE: 10,
  PROXY_CONNECTION: 11,
  /** Says what a proxy has seen: forwarded.ts. */
  FORWARDING: 12,
} as const;
/** Names from ORDINARY's successor up to this one may come once; a second one is refused. */
export const SINGLE_NAME_MAX: number = Name.CONTENT_TYPE;
export type NameCode = (typeof Name)[keyof typeof Name];

const SPECIAL_NAMES: readonly (readonly [NameCode, string])[] = [
  [Name.HOST, "host"],
  [Name.CONNECTION, "connection"],
  [Name.CONTENT_LENGTH, "content-length"],
  [Name.CONTENT_TYPE, "content-type"],
  [Name.TRANSFER_ENCODING, "transfer-encoding"],
  [Name.EXPECT, "expect"],
  [Name.TE, "te"],
  [Name.UPGRADE, "upgrade"],
  [Name.PROXY, "proxy"],
  [Name.KEEP_ALIVE, "keep-alive"],
  [Name.PROXY_CONNECTION, "proxy-connection"],
  // Beside X-Forwarded-*: Forwarded, and what apps and their middlewares are known to take addresses, schemes and paths from.
  [Name.FORWARDING, "forwarded"],
  [Name.FORWARDING, "x-real-ip"],
  [Name.FORWARDING, "x-client-ip"],
  [Name.FORWARDING, "x-cluster-client-ip"],
  [Name.FORWARDING, "client-ip"],
  [Name.FORWARDING, "true-client-ip"],
  [Name.FORWARDING, "cf-connecting-ip"],
  [Name.FORWARDING, "fastly-client-ip"],
  [Name.FORWARDING, "front-end-https"],
  [Name.FORWARDING, "x-https"],
  [Name.FORWARDING, "x-host"],
  [Name.FORWARDING, "x-scheme"],
  [Name.FORWARDING, "x-url-scheme"],
  [Name.FORWARDING, "x-script-name"],
];
const X_FORWARDED = "x-forwarded-";
const FORWARDING_NAMES: ReadonlySet<string> = new Set(
  SPECIAL_NAMES.flatMap(([code, name]) => (code === Name.FORWARDING ? [name] : [])),
);

/** Is this the name, in lower case, of a field in which a proxy says what it has seen? */
export function isForwardingName(name: string): boolean {
  return name.startsWith(X_FORWARDED) || FORWARDING_NAMES.has(name);
}

/** Where X-Forwarded-* differs from most other names. */
const F_AT = X_FORWARDED.indexOf("f");

/**
 * A hash of length and three bytes: a chain over all bytes would double the time a name takes. Crafted collisions cost
 * one comparison each, and their number is bounded by the number of header lines.
 */
export function nameHash(bytes: Uint8Array, from: number, to: number): number {
  const length = to - from;
  const middle = bytes[from + (length >> 1)]!;
  return length + bytes[from]! * 7 + middle * 31 + bytes[to - 1]! * 137;
}

const SLOTS = 2048;

/** The special names in one of the two transformed spellings. */
export class SpecialNames {
  readonly #codes = new Uint8Array(SLOTS);
  readonly #spellings: (Uint8Array | undefined)[] = Array(SLOTS);
  readonly #forwarded: Uint8Array;
  readonly #f: number;

  constructor(transform: Uint8Array) {
    const spell = (name: string): Uint8Array => ascii(name).map((byte) => transform[byte]! & 0x7f);
    this.#forwarded = spell(X_FORWARDED);
    this.#f = this.#forwarded[F_AT]!;
    for (const [code, name] of SPECIAL_NAMES) {
      const spelling = spell(name);
      const slot = slotOf(nameHash(spelling, 0, spelling.length));
      if (this.#codes[slot] !== 0) throw new Error("special header names collide: enlarge SLOTS");
      this.#codes[slot] = code;
      this.#spellings[slot] = spelling;
    }
  }

  /** Which special name lies in `[from, to)` of bytes, whose hash is given; ORDINARY for any other. */
  find(bytes: Uint8Array, from: number, to: number, hash: number): NameCode {
    const slot = slotOf(hash);
    // X-Forwarded-* has no slot; one byte tells it from most others.
    if (this.#codes[slot] === Name.ORDINARY && bytes[from + F_AT] !== this.#f) return Name.ORDINARY;
    return this.#look(bytes, from, to, slot);
  }

  #look(bytes: Uint8Array, from: number, to: number, slot: number): NameCode {
    const spelling = this.#spellings[slot];
    const found =
      spelling !== undefined &&
      to - from === spelling.length &&
      startsWithAt(bytes, from, spelling, spelling.length);
    if (found) return this.#codes[slot]! as NameCode;
    return this.#isForwarded(bytes, from, to) ? Name.FORWARDING : Name.ORDINARY;
  }

  /** `X-Forwarded-` and anything behind it. */
  #isForwarded(bytes: Uint8Array, from: number, to: number): boolean {
    const prefix = this.#forwarded;
    return to - from > prefix.length && startsWithAt(bytes, from, prefix, prefix.length);
  }
}

function slotOf(hash: number): number {
  return hash & (SLOTS - 1);
}

export const SPECIAL_LOWER: SpecialNames = new SpecialNames(NAME_LOWER);
export const SPECIAL_CGI: SpecialNames = new SpecialNames(NAME_CGI);

const SERIAL_MAX = 0x7fffffff;

/**
 * The names of one head, as positions in its block: an open-addressed table that is emptied by taking a new serial. One
 * table serves all heads that are read in one go; a head that waits for more bytes takes a copy with it.
 */
export class NameSet {
  readonly #serials: Int32Array;
  readonly #positions: Int32Array;
  readonly #mask: number;
  #serial = 0;

  /** `slots`, a power of two, must exceed twice the number of names. */
  constructor(slots: number) {
    this.#serials = new Int32Array(slots);
    this.#positions = new Int32Array(slots);
    this.#mask = slots - 1;
  }

  clear(): void {
    if (this.#serial === SERIAL_MAX) {
      this.#serials.fill(0);
      this.#serial = 0;
    }
    this.#serial++;
  }

  copy(): NameSet {
    const copy = new NameSet(this.#mask + 1);
    copy.#serials.set(this.#serials);
    copy.#positions.set(this.#positions);
    copy.#serial = this.#serial;
    return copy;
  }

  /** The position of an equal name added before, or -1 after adding this one. A NUL follows each name in `bytes`. */
  add(bytes: Uint8Array, from: number, to: number, hash: number): number {
    const serials = this.#serials;
    const length = to - from + 1;
    let slot = hash & this.#mask;
    while (serials[slot] === this.#serial) {
      const known = this.#positions[slot]!;
      let same = 0;
      while (same < length && bytes[known + same] === bytes[from + same]) same++;
      if (same === length) return known;
      slot = (slot + 1) & this.#mask;
    }
    serials[slot] = this.#serial;
    this.#positions[slot] = from;
    return -1;
  }
}

const sharedSets = new Map<number, NameSet>();

/** The shared set for heads of at most `names` names. */
export function sharedNameSet(names: number): NameSet {
  let slots = 64;
  while (slots <= names * 2) slots *= 2;
  let shared = sharedSets.get(slots);
  if (shared === undefined) {
    shared = new NameSet(slots);
    sharedSets.set(slots, shared);
  }
  return shared;
}
