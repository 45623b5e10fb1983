/**
 * UTF-8 checked while it arrives (RFC 3629): one number is the state between two calls, and the first byte that cannot be right ends it.
 * Overlong forms, surrogates and what lies beyond U+10FFFF are no UTF-8.
 */

/** Between two characters: the only state in which a text may end. */
export const UTF8_WHOLE = 0;
export const UTF8_INVALID = 1;

// Inside a character: how many continuation bytes it still needs, or which of them its first byte allows.
const ONE_MORE = 2;
const TWO_MORE = 3;
const THREE_MORE = 4;
const AFTER_E0 = 5;
const AFTER_ED = 6;
const AFTER_F0 = 7;
const AFTER_F4 = 8;

/** The next state at `state << 8 | byte`. */
const NEXT = new Uint8Array(9 << 8).fill(UTF8_INVALID);

function allow(state: number, first: number, last: number, next: number): void {
  NEXT.fill(next, (state << 8) | first, ((state << 8) | last) + 1);
}

allow(UTF8_WHOLE, 0x00, 0x7f, UTF8_WHOLE);
allow(UTF8_WHOLE, 0xc2, 0xdf, ONE_MORE);
allow(UTF8_WHOLE, 0xe0, 0xe0, AFTER_E0);
allow(UTF8_WHOLE, 0xe1, 0xef, TWO_MORE);
allow(UTF8_WHOLE, 0xed, 0xed, AFTER_ED);
allow(UTF8_WHOLE, 0xf0, 0xf0, AFTER_F0);
allow(UTF8_WHOLE, 0xf1, 0xf3, THREE_MORE);
allow(UTF8_WHOLE, 0xf4, 0xf4, AFTER_F4);
allow(ONE_MORE, 0x80, 0xbf, UTF8_WHOLE);
allow(TWO_MORE, 0x80, 0xbf, ONE_MORE);
allow(THREE_MORE, 0x80, 0xbf, TWO_MORE);
allow(AFTER_E0, 0xa0, 0xbf, ONE_MORE);
allow(AFTER_ED, 0x80, 0x9f, ONE_MORE);
allow(AFTER_F0, 0x90, 0xbf, TWO_MORE);
allow(AFTER_F4, 0x80, 0x8f, TWO_MORE);

/** Shorter runs are looked at byte by byte: the runtime's own check costs a view and a call. */
const NATIVE_BYTES_MIN = 256;
/** The longest character, without its last byte. */
const CUT_BYTES_MAX = 3;

/** Whether bytes are UTF-8 as a whole: the runtime's own check, for long runs. */
export type IsUtf8 = (bytes: Uint8Array) => boolean;

/** The state after `bytes[from..to)`, which follow what led to `state`. */
export function scanUtf8(
  state: number,
  bytes: Uint8Array,
  from: number,
  to: number,
  isUtf8?: IsUtf8,
): number {
  let now = state;
  let at = from;
  if (isUtf8 !== undefined && to - from >= NATIVE_BYTES_MIN) {
    while (now > UTF8_INVALID && at < to) now = NEXT[(now << 8) | bytes[at++]!]!;
    if (now === UTF8_INVALID) return now;
    const end = wholeEnd(bytes, at, to);
    if (!isUtf8(bytes.subarray(at, end))) return UTF8_INVALID;
    at = end;
  }
  while (at < to) {
    if (now === UTF8_WHOLE) {
      while (at < to && bytes[at]! < 0x80) at++;
      if (at === to) break;
    }
    now = NEXT[(now << 8) | bytes[at]!]!;
    if (now === UTF8_INVALID) break;
    at++;
  }
  return now;
}

/** Where the last character begins if it may be cut at `to`; else `to`. */
function wholeEnd(bytes: Uint8Array, from: number, to: number): number {
  for (let at = to - 1; at >= from && at >= to - CUT_BYTES_MAX; at--) {
    if (bytes[at]! >= 0xc0) return at;
    if (bytes[at]! < 0x80) break;
  }
  return to;
}
