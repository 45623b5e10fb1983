/**
 * The configuration file: TOML text to the words of each option. Pure. keelback.toml holds the
 * settings at its top, pyproject.toml in the table [tool.keelback].
 */
import type { Given } from "./argv.ts";
import type { OptionRow } from "./config.ts";
import { ROWS } from "./config.ts";
import { nearest } from "./names.ts";
import type { OptionKey } from "./options.ts";
import type { Problem } from "./problem.ts";
import { didYouMean, problem } from "./problem.ts";
import { allowedText, isRepeatable, OFF } from "./values.ts";

export interface ConfigFile {
  /** As a person would name it, for messages: `keelback.toml`. */
  readonly name: string;
  readonly text: string;
  /** The settings are in [tool.keelback]. */
  readonly pyproject: boolean;
}

export interface ReadFile {
  readonly given: ReadonlyMap<OptionKey, Given>;
  readonly problems: readonly Problem[];
  /** The file has a place for settings: false for a pyproject.toml without the table. */
  readonly present: boolean;
}

type Table = Readonly<Record<string, unknown>>;

const KEYS: ReadonlyMap<string, OptionRow> = new Map(
  ROWS.flatMap((row) => (row.fileKey === null ? [] : [[row.fileKey, row] as const])),
);

export function readConfigFile(file: ConfigFile): ReadFile {
  const nothing = new Map<OptionKey, Given>();
  let root: unknown;
  try {
    root = parseToml(file.text);
  } catch (error) {
    if (file.pyproject && !file.text.includes("keelback")) {
      return { given: nothing, problems: [], present: false };
    }
    return { given: nothing, problems: [syntaxProblem(file, error)], present: true };
  }
  const settings = file.pyproject ? pyprojectTable(root) : root;
  if (settings === undefined) return { given: nothing, problems: [], present: false };
  if (!isTable(settings)) {
    const problems = [problem(null, `${file.name}: tool.keelback is not a table`)];
    return { given: nothing, problems, present: true };
  }
  return { ...readTable(file, settings), present: true };
}

function readTable(file: ConfigFile, settings: Table): Omit<ReadFile, "present"> {
  const given = new Map<OptionKey, Given>();
  const problems: Problem[] = [];
  for (const [key, value] of Object.entries(settings)) {
    const where = place(file, key);
    const row = KEYS.get(key);
    if (row === undefined) {
      const hint = didYouMean(nearest(key, KEYS.keys()));
      problems.push(problem(null, `${where}: unknown setting ${JSON.stringify(key)}${hint}`));
      continue;
    }
    const words = wordsOf(row, value);
    if (words === null) {
      const text = `is ${kindOf(row, value)} (from ${where}); allowed: ${tomlAllowed(row)}`;
      problems.push(problem(row.name, text));
      continue;
    }
    given.set(row.key, { words, source: { kind: "file", name: where } });
  }
  return { given, problems };
}

/** The words of a TOML value, or null when it is of the wrong kind. */
function wordsOf({ spec }: OptionRow, value: unknown): readonly string[] | null {
  if (spec.negatable === true && value === false) return [OFF];
  switch (spec.type) {
    case "boolean":
      return typeof value === "boolean" ? [String(value)] : null;
    case "logfile":
      if (value === true) return ["-"];
      return typeof value === "string" ? [value] : null;
    case "string":
    case "path":
    case "choice":
      return typeof value === "string" ? [value] : null;
    case "integer":
    case "bytes":
    case "duration":
      return scalar(value);
    case "map":
      return isTable(value) ? tableWords(value) : listWords(value);
    case "list":
    case "paths":
    case "bind":
      return typeof value === "string" || typeof value === "number"
        ? [String(value)]
        : listWords(value);
  }
}

function scalar(value: unknown): readonly string[] | null {
  if (typeof value === "number") return [String(value)];
  return typeof value === "string" ? [value] : null;
}

function listWords(value: unknown): readonly string[] | null {
  if (!Array.isArray(value)) return null;
  const words = value.map((item) => scalar(item));
  return words.some((word) => word === null) ? null : words.flatMap((word) => word ?? []);
}

function tableWords(table: Table): readonly string[] | null {
  const words: string[] = [];
  for (const [name, value] of Object.entries(table)) {
    const text = scalar(value)?.[0];
    if (text === undefined || name === "" || name.includes("=")) return null;
    words.push(`${name}=${text}`);
  }
  return words;
}

function tomlAllowed({ spec }: OptionRow): string {
  if (spec.type === "map") return 'a table of strings, such as { NAME = "value" }';
  if (spec.type === "string" || spec.type === "path" || spec.type === "choice") {
    return `a string: ${allowedText(spec)}`;
  }
  return allowedText(spec);
}

function kindOf({ spec }: OptionRow, value: unknown): string {
  if (Array.isArray(value)) return isRepeatable(spec) ? "a list of something else" : "a list";
  if (isTable(value)) return "a table";
  return `the ${typeof value} ${JSON.stringify(value)}`;
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function pyprojectTable(root: unknown): unknown {
  const tool = isTable(root) ? root["tool"] : undefined;
  return isTable(tool) ? tool["keelback"] : undefined;
}

function parseToml(text: string): unknown {
  return Bun.TOML.parse(text);
}

/** `keelback.toml line 3`: the line where a key is set, when it is written plainly. */
function place(file: ConfigFile, key: string): string {
  let inside = !file.pyproject;
  const lines = file.text.split("\n");
  for (const [index, line] of lines.entries()) {
    const header = /^\s*\[+\s*([^\]]*?)\s*\]/.exec(line)?.[1];
    if (header !== undefined) {
      const path = header.replace(/["'\s]/g, "");
      if (path === (file.pyproject ? `tool.keelback.${key}` : key))
        return `${file.name} line ${index + 1}`;
      inside = file.pyproject && path === "tool.keelback";
    } else if (inside && plainKey(line) === key) {
      return `${file.name} line ${index + 1}`;
    }
  }
  return file.name;
}

function plainKey(line: string): string | null {
  return /^\s*["']?([A-Za-z0-9_-]+)["']?\s*[=.]/.exec(line)?.[1] ?? null;
}

/**
 * The runtime's message has no line: it is the one after the longest beginning of the file that
 * parses.
 */
function syntaxProblem(file: ConfigFile, error: unknown): Problem {
  const lines = file.text.split("\n");
  let line = lines.length;
  for (; line > 1; line -= 1) {
    if (parses(lines.slice(0, line - 1).join("\n"))) break;
  }
  const message =
    error instanceof Error ? error.message.replace(/^TOML Parse error: /, "") : String(error);
  return problem(null, `${file.name} line ${line}: ${message}`);
}

function parses(text: string): boolean {
  try {
    parseToml(text);
    return true;
  } catch {
    return false;
  }
}
