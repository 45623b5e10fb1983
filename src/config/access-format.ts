/**
 * The atoms of an access log format, `%(NAME)s`, as in gunicorn. Here they are only named and
 * checked; the log writer makes their values. Pure.
 */

/** Named formats. */
export const ACCESS_FORMATS = ["combined", "json"] as const;

/**
 * Every atom and what it stands for; `{name}i` and `{name}o` (a request and a response header) come
 * on top.
 */
export const ACCESS_ATOMS = {
  h: "client address, behind trusted proxies the real one",
  "{c}a": "address at the other end of the connection, a proxy's perhaps",
  l: "a dash (identity, never known)",
  u: "user name of Basic authentication, or a dash",
  t: "time the request came, [10/Oct/2026:13:55:36 +0000]",
  r: "request line",
  m: "method",
  U: "path without query",
  q: "query string",
  H: "protocol",
  s: "status",
  B: "bytes of the response body",
  b: "bytes of the response body, a dash for none",
  f: "Referer",
  a: "User-Agent",
  T: "time taken, seconds",
  M: "time taken, milliseconds",
  D: "time taken, microseconds",
  L: "time taken, decimal seconds",
  p: "<process id> of the worker",
} as const satisfies Record<string, string>;

export type AccessAtom = keyof typeof ACCESS_ATOMS;

/** What is wrong with a format, as the rest of a sentence, or null. */
export function checkAtoms(format: string): string | null {
  if ((ACCESS_FORMATS as readonly string[]).includes(format)) return null;
  const allowed = `allowed: ${ACCESS_FORMATS.join(", ")}, or text with atoms such as %(h)s`;
  if (!format.includes("%(")) return `is neither a named format nor holds an atom; ${allowed}`;
  for (const match of format.matchAll(/%(?:\(([^)]*)\)(.?)|(.?))/g)) {
    const [text, name, kind, other] = match;
    if (other === "%") continue;
    if (name === undefined || kind !== "s") {
      return `holds ${JSON.stringify(text)}, which is no atom; a percent sign itself is %%`;
    }
    if (Object.hasOwn(ACCESS_ATOMS, name) || /^\{[!#$%&'*+.^_`|~0-9A-Za-z-]+\}[io]$/.test(name))
      continue;
    const atoms = Object.keys(ACCESS_ATOMS).join(" ");
    return `holds the unknown atom %(${name})s; known: ${atoms} {header}i {header}o`;
  }
  return null;
}
