/**
 * Priorities of RFC 9218: the value of the `priority` field and of PRIORITY_UPDATE, a dictionary of structured fields (RFC 8941) of
 * which `u` (0 to 7) and `i` are known. A value that cannot be read means nothing, as if there were none.
 */

export const URGENCIES = 8;
const URGENCY_DEFAULT = 3;

/** A priority as a number: twice the urgency, and 1 if incremental. */
export const PRIORITY_DEFAULT: number = 2 * URGENCY_DEFAULT;
/** For clients that never spoke of priorities: nobody waits for another's large response. */
export const PRIORITY_FAIR: number = 2 * URGENCY_DEFAULT + 1;

/** One member: a key; a value (boolean, number, token, string, byte sequence or inner list); parameters. */
const ITEM = String.raw`(?:\?[01]|-?[0-9]{1,15}(?:\.[0-9]{1,3})?|[A-Za-z*][!#$%&'*+.^_\x60|~0-9A-Za-z:/-]*|"(?:[ !#-\[\]-~]|\\["\\])*"|:[A-Za-z0-9+/=]*:)`;
const KEY = String.raw`[a-z*][a-z0-9_.*-]*`;
const PARAMETERS = String.raw`(?:; *${KEY}(?:=${ITEM})?)*`;
const LIST = String.raw`\( *(?:${ITEM}${PARAMETERS}(?: +${ITEM}${PARAMETERS})*)? *\)`;
const MEMBER = new RegExp(`(${KEY})(?:=(${ITEM}|${LIST}))?${PARAMETERS}`, "y");
const COMMA = /[ \t]*,[ \t]*/y;
/** Honest values have 6 bytes. */
const VALUE_BYTES_MAX = 256;

/** What browsers send, found without reading it. */
const USUAL: ReadonlyMap<string, number> = new Map(
  Array.from({ length: URGENCIES }, (_, u) => u).flatMap((u): [string, number][] => [
    [`u=${u}`, 2 * u],
    [`u=${u}, i`, 2 * u + 1],
    [`u=${u},i`, 2 * u + 1],
  ]),
);

/** The priority that a value says; PRIORITY_DEFAULT when it is malformed. */
export function parsePriority(value: string): number {
  return USUAL.get(value) ?? parseDictionary(value);
}

function parseDictionary(value: string): number {
  const text = value.trim();
  if (text.length > VALUE_BYTES_MAX) return PRIORITY_DEFAULT;
  let urgency = URGENCY_DEFAULT;
  let incremental = 0;
  for (let at = 0; at < text.length;) {
    MEMBER.lastIndex = at;
    const member = MEMBER.exec(text);
    if (member === null) return PRIORITY_DEFAULT;
    const [, key = "", said = "?1"] = member;
    if (key === "u") urgency = /^[0-7]$/.test(said) ? Number(said) : URGENCY_DEFAULT;
    else if (key === "i") incremental = said === "?1" ? 1 : 0;
    at = MEMBER.lastIndex;
    if (at === text.length) break;
    COMMA.lastIndex = at;
    if (!COMMA.test(text) || COMMA.lastIndex === text.length) return PRIORITY_DEFAULT;
    at = COMMA.lastIndex;
  }
  return 2 * urgency + incremental;
}
