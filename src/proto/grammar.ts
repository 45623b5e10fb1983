/**
 * Byte classes of the HTTP grammar (RFC 9110 section 5.6, RFC 9112 section 3, RFC 3986) as 256-entry tables: one load
 * decides a byte. Built once at start; never written afterwards.
 */
export const NUL = 0;
export const HTAB = 9;
export const LF = 10;
export const CR = 13;
export const SP = 32;
export const PERCENT = 37;
export const COMMA = 44;
export const SLASH = 47;
export const COLON = 58;
export const QUESTION = 63;
export const UNDERSCORE = 95;

/** Set in a transformed name byte that is an underscore: the name cannot be told from one with a hyphen in CGI. */
export const UNDERSCORE_MARK = 0x80;

function table(chars: string, value: (byte: number) => number): Uint8Array {
  const made = new Uint8Array(256);
  for (let i = 0; i < chars.length; i++) {
    const byte = chars.charCodeAt(i);
    made[byte] = value(byte);
  }
  return made;
}

function range(first: number, last: number): string {
  let chars = "";
  for (let byte = first; byte <= last; byte++) chars += String.fromCharCode(byte);
  return chars;
}

const DIGITS = "0123456789";
const LOWER_ALPHA = "abcdefghijklmnopqrstuvwxyz";
const ALPHA = LOWER_ALPHA + LOWER_ALPHA.toUpperCase();
const TOKEN_CHARS = "!#$%&'*+-.^_`|~" + DIGITS + ALPHA;
const UNRESERVED_AND_SUB_DELIMS = "-._~!$&'()*+,;=" + DIGITS + ALPHA;

function lowered(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}

/** tchar: 1. */
export const TOKEN: Uint8Array = table(TOKEN_CHARS, () => 1);

/** A header name byte to its lower-case form, 0 outside a token; the underscore carries UNDERSCORE_MARK. */
export const NAME_LOWER: Uint8Array = table(TOKEN_CHARS, (byte) =>
  byte === UNDERSCORE ? UNDERSCORE | UNDERSCORE_MARK : lowered(byte),
);

/** A header name byte to its CGI form (upper case, '-' as '_'), 0 outside a token; marked as above. */
export const NAME_CGI: Uint8Array = table(TOKEN_CHARS, (byte) => {
  if (byte === UNDERSCORE) return UNDERSCORE | UNDERSCORE_MARK;
  if (byte === 45) return UNDERSCORE;
  return byte >= 97 && byte <= 122 ? byte - 32 : byte;
});

/** Bytes of a field value: HTAB, SP, VCHAR and obs-text (RFC 9110 section 5.5): 1. */
export const FIELD_VALUE: Uint8Array = table("\t" + range(0x20, 0x7e) + range(0x80, 0xff), () => 1);

/** Values of TARGET. */
export const TARGET_PLAIN = 1;
export const TARGET_PERCENT = 3;
export const TARGET_QUESTION = 4;

/**
 * Bytes of a request target: printable ASCII without '#' (a fragment is never sent, RFC 9112 section 3.2). Wider than
 * RFC 3986 on purpose: browsers send `|`, `"`, `{` and the like as they are.
 */
export const TARGET: Uint8Array = table(range(0x21, 0x7e).replace("#", ""), (byte) => {
  if (byte === PERCENT) return TARGET_PERCENT;
  return byte === QUESTION ? TARGET_QUESTION : TARGET_PLAIN;
});

/** reg-name without pct-encoded (RFC 3986 section 3.2.2): 1. IPv4 addresses are a subset. */
export const REG_NAME: Uint8Array = table(UNRESERVED_AND_SUB_DELIMS, () => 1);

/** A hexadecimal digit to its value, anything else to NOT_HEX. */
export const NOT_HEX = 255;
export const HEX: Uint8Array = table(range(0, 255), (byte) => {
  const value = "0123456789abcdef".indexOf(String.fromCharCode(lowered(byte)));
  return value < 0 ? NOT_HEX : value;
});

export function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

export function isBlank(byte: number): boolean {
  return byte === SP || byte === HTAB;
}

/** ASCII bytes of a text. */
export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
