/** Command lines of the tools (`keelback compare`) from one table of flags each: their help, their values, their mistakes. Pure. */
import { nearest } from "../config/names.ts";
import { didYouMean, quote } from "../config/problem.ts";
import { HELP_COLUMNS_MAX } from "./help.ts";

export interface Flag {
  /** Without dashes. */
  readonly name: string;
  /** What stands for its value in the help; left out: it takes none. */
  readonly meta?: string;
  readonly repeatable?: boolean;
  /** Several in one word, divided by commas. */
  readonly list?: boolean;
  readonly choices?: readonly string[];
  /** A whole number, from `least` to `most`. */
  readonly number?: { readonly least: number; readonly most: number };
  /** A time as in `2m`; its value is in seconds. */
  readonly duration?: boolean;
  readonly summary: string;
}

export interface Given {
  /** What are no flags. */
  readonly words: readonly string[];
  has(name: string): boolean;
  /** The last one, where it was given several times. */
  text(name: string): string | undefined;
  number(name: string): number | undefined;
  list(name: string): readonly string[];
}

export type ReadFlags =
  | { readonly kind: "given"; readonly given: Given }
  | { readonly kind: "help" }
  | { readonly kind: "wrong"; readonly text: string };

const UNITS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 };

/** Seconds of `90`, `90s`, `1m30s` or `2m`; null: it is none. */
export function readSeconds(text: string): number | null {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return null;
  let seconds = 0;
  for (const [, amount, unit = ""] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    seconds += Number(amount) * (UNITS[unit] ?? 0);
  }
  return seconds;
}

export function readFlags(flags: readonly Flag[], argv: readonly string[]): ReadFlags {
  const words: string[] = [];
  const values = new Map<string, string[]>();
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? "";
    if (word === "--help" || word === "-h") return { kind: "help" };
    if (word === "--") {
      words.push(...argv.slice(at + 1));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      words.push(word);
      continue;
    }
    const [, name = "", attached] = /^--?([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    const flag = flags.find((one) => one.name === name && word.startsWith("--"));
    if (flag === undefined) {
      const near = nearest(
        name,
        flags.map((one) => one.name),
      );
      const hint = didYouMean(near === null ? null : `--${near}`);
      return wrong(`there is no option ${quote(word.split("=")[0] ?? "")}${hint}`);
    }
    if (flag.meta === undefined && attached !== undefined) return wrong(`--${name} takes no value`);
    const value = flag.meta === undefined ? "" : (attached ?? argv[(at += 1)]);
    if (value === undefined || (flag.meta !== undefined && value === "")) {
      return wrong(`--${name} needs a value: --${name} ${flag.meta ?? ""}`);
    }
    const complaint = complaintOf(flag, value);
    if (complaint !== null) return wrong(`--${name}: ${quote(value)} ${complaint}`);
    const before = values.get(name) ?? [];
    const parts = flag.list === true ? value.split(",").map((part) => part.trim()) : [value];
    const repeats = flag.repeatable === true || flag.list === true;
    values.set(name, repeats ? [...before, ...parts] : parts);
  }
  return { kind: "given", given: givenOf(words, values, flags) };
}

function complaintOf({ choices, number, duration, list }: Flag, value: string): string | null {
  const parts = list === true ? value.split(",").map((part) => part.trim()) : [value];
  for (const part of parts) {
    if (choices === undefined || choices.includes(part)) continue;
    const hint = didYouMean(nearest(part, choices));
    return `is not one of ${choices.join(", ")}${hint}`;
  }
  if (duration === true) {
    const seconds = readSeconds(value);
    return seconds === null || seconds <= 0 ? "is no time; write 90s or 2m" : null;
  }
  if (number === undefined) return null;
  const { least, most } = number;
  const fits = /^\d+$/.test(value) && Number(value) >= least && Number(value) <= most;
  return fits ? null : `is no whole number from ${least} to ${most}`;
}

function givenOf(
  words: readonly string[],
  values: ReadonlyMap<string, readonly string[]>,
  flags: readonly Flag[],
): Given {
  const text = (name: string): string | undefined => values.get(name)?.at(-1);
  return {
    words,
    text,
    has: (name) => values.has(name),
    number: (name) => {
      const value = text(name);
      if (value === undefined) return undefined;
      const isTime = flags.find((flag) => flag.name === name)?.duration === true;
      return isTime ? (readSeconds(value) ?? undefined) : Number(value);
    },
    list: (name) => values.get(name) ?? [],
  };
}

function wrong(text: string): ReadFlags {
  return { kind: "wrong", text };
}

const SUMMARY_COLUMN = 26;

/** The options of a help text: each flag and what it does, under each other. */
export function flagsHelp(flags: readonly Flag[]): string {
  const indent = " ".repeat(SUMMARY_COLUMN);
  const lines = flags.flatMap(({ name, meta, summary }) => {
    const left = `  --${name}${meta === undefined ? "" : ` ${meta}`}`;
    const lead = left.length < SUMMARY_COLUMN ? left.padEnd(SUMMARY_COLUMN) : `${left}\n${indent}`;
    return `${lead}${wrapped(summary, HELP_COLUMNS_MAX - SUMMARY_COLUMN).join(`\n${indent}`)}\n`;
  });
  return lines.join("");
}

function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
