/**
 * Reads the JUnit XML that `bun test` and pytest write: how many tests passed and failed, and which were skipped. Pure.
 */
export interface Tally {
  passed: number;
  failed: number;
  /** Names as `file: test`, with the reason where the file gives one. */
  skipped: Skip[];
}

export interface Skip {
  name: string;
  reason: string;
}

function unescape(text: string): string {
  const names: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal, hex, name) => {
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    return names[name] ?? whole;
  });
}

function attribute(tag: string, name: string): string {
  return unescape(new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1] ?? "");
}

export function readJunit(xml: string): Tally {
  const tally: Tally = { passed: 0, failed: 0, skipped: [] };
  const cases = /<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g;
  for (const [, tag = "", inside = ""] of xml.matchAll(cases)) {
    const skip = /<skipped\b([^>]*)>?/.exec(inside);
    if (/<(?:failure|error)\b/.test(inside)) tally.failed += 1;
    else if (skip === null) tally.passed += 1;
    else {
      const file = attribute(tag, "file") || attribute(tag, "classname");
      const name = `${file}: ${attribute(tag, "name")}`;
      tally.skipped.push({ name, reason: attribute(skip[1] ?? "", "message") });
    }
  }
  return tally;
}
