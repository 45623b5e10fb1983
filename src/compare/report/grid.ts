/**
 * Text in columns for a terminal: widths, wrapping, colours and bars. Widths are those of what is seen.
 */

export interface TextOptions {
  /** Width of the terminal; 80 to 200 make sense. */
  readonly columns: number;
  /** Colours, for a terminal only. */
  readonly colour: boolean;
  /** For terminals without UTF-8. */
  readonly ascii?: boolean;
}

export type Tone = "plain" | "strong" | "faint" | "good" | "bad" | "warn";

const CODES: Readonly<Record<Tone, string>> = {
  plain: "",
  strong: "1",
  faint: "2",
  good: "32",
  bad: "31",
  warn: "33",
};

/** Colours what is already padded. */
export function paint(text: string, tone: Tone, { colour }: TextOptions): string {
  return colour && CODES[tone] !== "" ? `\x1b[${CODES[tone]}m${text}\x1b[0m` : text;
}

/** One column each: no width changes. */
const ASCII: Readonly<Record<string, string>> = {
  ...{ "–": "-", "·": "-", "…": "~", "±": "~", "×": "x", µ: "u", "─": "-", "≈": "~" },
  ...{ "█": "#", "▉": "#", "▊": "#", "▋": "#", "▌": "=", "▍": "=", "▎": "-", "▏": "-" },
};

export function encoded(text: string, { ascii }: TextOptions): string {
  if (ascii !== true) return text;
  return text.replaceAll(/\P{ASCII}/gu, (char) => ASCII[char] ?? "?");
}

export function cut(text: string, width: number): string {
  if (Bun.stringWidth(text) <= width) return text;
  let kept = "";
  for (const char of text) {
    if (Bun.stringWidth(kept + char) > width - 1) break;
    kept += char;
  }
  return `${kept}…`;
}

export function padded(text: string, width: number, align: "left" | "right"): string {
  const room = " ".repeat(Math.max(0, width - Bun.stringWidth(text)));
  return align === "left" ? text + room : room + text;
}

/** At blanks; later lines are indented under the first. */
export function wrapped(text: string, columns: number, first = "", indent = first): string[] {
  const lines: string[] = [];
  let line = first;
  let empty = true;
  for (const word of text.split(" ")) {
    if (!empty && Bun.stringWidth(`${line} ${word}`) > columns) {
      lines.push(line);
      line = indent;
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
    while (Bun.stringWidth(line) > columns && columns > indent.length + 1) {
      const part = cut(line, columns + 1).slice(0, -1);
      lines.push(part);
      line = indent + line.slice(part.length);
    }
  }
  return [...lines, line];
}

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** `share` of `width` columns, in eighths of one; anything above zero is seen. */
export function bar(share: number, width: number): string {
  if (!(share > 0)) return "";
  const eighths = Math.max(1, Math.min(width * 8, Math.round(share * width * 8)));
  return "█".repeat(eighths >> 3) + (EIGHTHS[eighths & 7] ?? "");
}
