/**
 * HTML that can't be broken out of: what goes into a template is escaped, unless it is such HTML itself.
 */

export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Content = string | number | Markup | undefined | readonly Content[];

/** Nothing at all. */
export const NOTHING: Markup = new Markup("");

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** For text and quoted attributes. Control characters, which HTML does not allow, are left out. */
function escaped(text: string): string {
  return Bun.stripANSI(text)
    .replaceAll(/[^\P{Cc}\n\t]|\p{Cf}/gu, "")
    .replaceAll(/[&<>"']/g, (char) => ESCAPES[char] ?? char);
}

function textOf(content: Content): string {
  if (content === undefined) return "";
  if (content instanceof Markup) return content.text;
  if (typeof content === "object") return content.map(textOf).join("");
  return escaped(`${content}`);
}

/** Indentation of the template is not kept; that of its contents is. */
export function html(parts: TemplateStringsArray, ...contents: readonly Content[]): Markup {
  const written = parts.map((part) => part.replaceAll(/\n\s*/g, "\n"));
  let text = written[0] ?? "";
  for (const [i, content] of contents.entries()) text += textOf(content) + (written[i + 1] ?? "");
  return new Markup(text);
}

/** A coordinate or percentage: no more digits than a screen has pixels. */
export function coordinate(value: number): string {
  return `${Number(value.toFixed(2))}`;
}
