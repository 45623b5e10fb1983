/**
 * CGI has one key for a name: repeated fields become one, their values joined by ", " (RFC 9110 section 5.3), cookies by
 * "; " (RFC 9113 section 8.2.3 does the same for HTTP/1.1 applications). Linear in the size of the block, whatever the
 * number of repeats.
 */
import { copyBytes } from "../core/bytes.ts";
import type { HeadForm } from "./events.ts";
import { ascii } from "./grammar.ts";

const COOKIES = [ascii("HTTP_COOKIE\0"), ascii("cookie\0")] as const;
const HOST_NAMES = { cgi: ascii("\0HTTP_HOST\0"), asgi: ascii("\0host\0") } as const;
const COMMA = 44;
const SEMICOLON = 59;
const SPACE = 32;

/**
 * Rewrites `block[from..to)`, pairs `NUL name NUL value`, in place and gives its new end. `repeats` holds, in turn, the
 * position of a first name and that of a later equal one, in the order of the latter.
 */
export function joinRepeated(
  block: Uint8Array,
  from: number,
  to: number,
  repeats: readonly number[],
): number {
  const later = new Map<number, number[]>();
  const dropped = new Set<number>();
  for (let i = 0; i < repeats.length; i += 2) {
    const first = repeats[i]!;
    const again = repeats[i + 1]!;
    dropped.add(again);
    const list = later.get(first);
    if (list === undefined) later.set(first, [again]);
    else list.push(again);
  }
  // A Buffer's own slice() would be a view of what is written here.
  const source = Uint8Array.prototype.slice.call(block, from, to);
  let o = from;
  let at = 0;
  while (at < source.length) {
    const name = at + 1;
    const value = source.indexOf(0, name) + 1;
    const end = endOf(source, value);
    if (!dropped.has(from + name)) {
      block.set(source.subarray(at, end), o);
      o += end - at;
      const separator = isCookie(source, name) ? SEMICOLON : COMMA;
      for (const again of later.get(from + name) ?? []) {
        const next = source.indexOf(0, again - from) + 1;
        const nextEnd = endOf(source, next);
        block[o++] = separator;
        block[o++] = SPACE;
        block.set(source.subarray(next, nextEnd), o);
        o += nextEnd - next;
      }
    }
    at = end;
  }
  return o;
}

function endOf(source: Uint8Array, value: number): number {
  const end = source.indexOf(0, value);
  return end < 0 ? source.length : end;
}

function isCookie(source: Uint8Array, name: number): boolean {
  return COOKIES.some((cookie) => cookie.every((byte, i) => source[name + i] === byte));
}

/**
 * Puts another value into the host field of `block[from..to)`, pairs `NUL name NUL value`, and gives the new end. Without such a field it
 * becomes the last one. There must be room for it.
 */
export function replaceHost(
  block: Uint8Array,
  from: number,
  to: number,
  form: HeadForm,
  host: string,
): number {
  const name = HOST_NAMES[form];
  const value = ascii(host);
  let at = from;
  while (at < to && !startsWith(block, at, to, name)) at = pairEnd(block, at, to);
  const rest = at < to ? pairEnd(block, at, to) : to;
  const valueAt = at + name.length;
  const end = valueAt + value.length;
  block.copyWithin(end, rest, to);
  copyBytes(name, 0, name.length, block, at);
  copyBytes(value, 0, value.length, block, valueAt);
  return end + to - rest;
}

/** The position of the NUL behind the pair at `at`, or `to`. */
function pairEnd(block: Uint8Array, at: number, to: number): number {
  const value = block.indexOf(0, at + 1) + 1;
  const end = block.indexOf(0, value);
  return end < 0 || end > to ? to : end;
}

function startsWith(block: Uint8Array, at: number, to: number, name: Uint8Array): boolean {
  return to - at >= name.length && name.every((byte, i) => block[at + i] === byte);
}
