/**
 * Reading of field values that lie in a byte array, without making strings: comma-separated lists (RFC 9110 section
 * 5.6.1), numbers, the Host grammar, and lookups in a raw header section for logs. Pure functions over `[from, to)`.
 */
import {
  COLON,
  COMMA,
  FIELD_VALUE,
  HEX,
  isBlank,
  isDigit,
  NOT_HEX,
  PERCENT,
  REG_NAME,
} from "./grammar.ts";

const PORT_MAX = 65535;
const PORT_DIGITS_MAX = 5;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const DOT = 46;
const IPV6_GROUPS = 8;

/** Are the bytes the text (given in lower case), whatever their case? */
export function equalsIgnoreCase(
  bytes: Uint8Array,
  from: number,
  to: number,
  lower: Uint8Array,
): boolean {
  if (to - from !== lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    const byte = bytes[from + i]!;
    if ((byte >= 65 && byte <= 90 ? byte + 32 : byte) !== lower[i]) return false;
  }
  return true;
}

/** The first position at or after `from` whose byte no field value may hold, or `end`; eight bytes a step. */
export function fieldValueEnd(bytes: Uint8Array, from: number, end: number): number {
  const last = end - 7;
  let at = from;
  while (
    at < last &&
    (FIELD_VALUE[bytes[at]!]! &
      FIELD_VALUE[bytes[at + 1]!]! &
      FIELD_VALUE[bytes[at + 2]!]! &
      FIELD_VALUE[bytes[at + 3]!]! &
      FIELD_VALUE[bytes[at + 4]!]! &
      FIELD_VALUE[bytes[at + 5]!]! &
      FIELD_VALUE[bytes[at + 6]!]! &
      FIELD_VALUE[bytes[at + 7]!]!) !==
      0
  ) {
    at += 8;
  }
  while (at < end && FIELD_VALUE[bytes[at]!] === 1) at++;
  return at;
}

/**
 * Calls back with a bit for each list member that equals one of `words` (lower case): the result is the union of
 * `1 << index`. Parameters of a member (`;q=1`) are not looked at.
 */
export function listMembers(
  bytes: Uint8Array,
  from: number,
  to: number,
  words: readonly Uint8Array[],
): number {
  let found = 0;
  let start = from;
  while (start < to) {
    let end = start;
    while (end < to && bytes[end] !== COMMA) end++;
    let first = start;
    let last = first;
    while (first < end && isBlank(bytes[first]!)) first++;
    last = first;
    while (last < end && !isBlank(bytes[last]!) && bytes[last] !== 59) last++;
    for (let i = 0; i < words.length; i++) {
      if (equalsIgnoreCase(bytes, first, last, words[i]!)) found |= 1 << i;
    }
    start = end + 1;
  }
  return found;
}

/** 1*DIGIT up to 2^53-1, or -1. */
export function decimal(bytes: Uint8Array, from: number, to: number): number {
  if (from >= to) return -1;
  let value = 0;
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!;
    if (!isDigit(byte)) return -1;
    value = value * 10 + (byte - 48);
    if (value > Number.MAX_SAFE_INTEGER) return -1;
  }
  return value;
}

/**
 * Host = uri-host [ ":" port ] (RFC 9110 section 7.2). An empty host is legal: it is what a client sends whose target
 * has no authority (RFC 9112 section 3.2). User information, paths and IPvFuture are not.
 */
export function validHost(bytes: Uint8Array, from: number, to: number): boolean {
  let at = from;
  if (bytes[at] === OPEN_BRACKET && at < to) {
    at++;
    const open = at;
    while (at < to && bytes[at] !== CLOSE_BRACKET) at++;
    if (at >= to || !validIpv6(bytes, open, at)) return false;
    at++;
  } else {
    while (at < to && bytes[at] !== COLON) {
      if (REG_NAME[bytes[at]!] === 1) {
        at++;
      } else if (isEscape(bytes, at, to)) {
        at += 3;
      } else {
        return false;
      }
    }
  }
  return at === to || (bytes[at] === COLON && validPort(bytes, at + 1, to));
}

/** `%` and two hexadecimal digits at `at`? */
export function isEscape(bytes: Uint8Array, at: number, to: number): boolean {
  return (
    at + 2 < to &&
    bytes[at] === PERCENT &&
    HEX[bytes[at + 1]!] !== NOT_HEX &&
    HEX[bytes[at + 2]!] !== NOT_HEX
  );
}

function validPort(bytes: Uint8Array, from: number, to: number): boolean {
  if (from === to) return true;
  if (to - from > PORT_DIGITS_MAX) return false;
  const port = decimal(bytes, from, to);
  return port >= 0 && port <= PORT_MAX;
}

function validIpv6(bytes: Uint8Array, from: number, to: number): boolean {
  let groups = 0;
  let gap = false;
  let at = from;
  if (bytes[at] === COLON && at < to) {
    if (at + 1 >= to || bytes[at + 1] !== COLON) return false;
    at++;
  }
  while (at < to) {
    if (bytes[at] === COLON) {
      if (gap) return false;
      gap = true;
      at++;
      continue;
    }
    const start = at;
    while (at < to && HEX[bytes[at]!] !== NOT_HEX) at++;
    if (at < to && bytes[at] === DOT) {
      if (!validIpv4(bytes, start, to)) return false;
      groups += 2;
      break;
    }
    if (at === start || at - start > 4) return false;
    groups++;
    if (at === to) break;
    if (bytes[at] !== COLON || at + 1 === to) return false;
    at++;
  }
  return gap ? groups < IPV6_GROUPS : groups === IPV6_GROUPS;
}

function validIpv4(bytes: Uint8Array, from: number, to: number): boolean {
  let parts = 0;
  let at = from;
  for (;;) {
    const start = at;
    while (at < to && isDigit(bytes[at]!)) at++;
    const value = at - start > 3 ? -1 : decimal(bytes, start, at);
    if (value < 0 || value > 255) return false;
    parts++;
    if (at === to) return parts === 4;
    if (bytes[at] !== DOT) return false;
    at++;
  }
}

/**
 * The value of a field in a raw header section (lines ending in CR LF, already found valid), latin-1; repeated ones are
 * joined by ", "; null when there is none. Slow: for logs.
 */
export function fieldOf(section: Uint8Array, length: number, name: string): string | null {
  const wanted = Buffer.from(name.toLowerCase(), "latin1");
  let value: string | null = null;
  let start = 0;
  while (start < length) {
    let end = start;
    while (end < length && section[end] !== 13) end++;
    let colon = start;
    while (colon < end && section[colon] !== COLON) colon++;
    if (colon < end && equalsIgnoreCase(section, start, colon, wanted)) {
      let from = colon + 1;
      let to = end;
      while (from < to && isBlank(section[from]!)) from++;
      while (to > from && isBlank(section[to - 1]!)) to--;
      const text = Buffer.from(section.subarray(from, to)).toString("latin1");
      value = value === null ? text : value + ", " + text;
    }
    start = end + 2;
  }
  return value;
}
