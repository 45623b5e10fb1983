/**
 * Single values: from the words of a flag, a variable or a file to the value in Config, and back to
 * words for a person. Pure; every complaint is the part of a sentence that follows the quoted value
 * ("is no whole number").
 */
import { isAbsolute, resolve } from "node:path";
import type { Bind } from "./bind.ts";
import { BIND_ALLOWED, formatBind, parseBind, unixPathComplaint } from "./bind.ts";
import type { Value } from "./config.ts";
import type {
  BytesSpec,
  ChoiceSpec,
  DurationSpec,
  IntegerSpec,
  ListSpec,
  OptionSpec,
} from "./spec.ts";

export type Read<T = Value> =
  | { readonly value: T; readonly note?: string }
  | { readonly complaint: string; readonly text?: string };

/** What reading a value depends on besides the words. */
export interface ReadContext {
  readonly cwd: string;
  readonly cores: number;
}

const YES = new Set(["true", "yes", "on", "1"]);
const NO = new Set(["false", "no", "off", "0"]);

const DURATION_UNITS: Readonly<Record<string, number>> = {
  "": 1000,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const BYTE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
};

/** Can the option be given more than once? */
export function isRepeatable(spec: OptionSpec): boolean {
  return (
    spec.type === "list" || spec.type === "paths" || spec.type === "map" || spec.type === "bind"
  );
}

/** Reads the words of one source: one word, or for repeatable options any number. */
export function readValue(spec: OptionSpec, words: readonly string[], context: ReadContext): Read {
  const word = words.at(-1) ?? "";
  switch (spec.type) {
    case "string":
      return spec.negatable === true && word === OFF ? { value: "" } : readText(word);
    case "path":
      return word === ""
        ? { complaint: "is empty" }
        : mapText(word, (text) => resolve(context.cwd, text));
    case "logfile":
      return readLogFile(word, context.cwd);
    case "integer":
      return readInteger(spec, word, context.cores);
    case "bytes":
      return readBytes(spec, word);
    case "duration":
      return readDuration(spec, word);
    case "boolean":
      return readBoolean(word);
    case "choice":
      return readChoice(spec, word);
    case "list":
      return readItems(spec, words);
    case "paths":
      return readList(words);
    case "map":
      return readMap(words);
    case "bind":
      return readBinds(words, context.cwd);
  }
}

/** The word that `--no-NAME` and `NAME = false` stand for; not one a person writes by accident. */
export const OFF = "\0off";

function readText(word: string): Read<string> {
  return /[^\P{Cc}\t]/u.test(word) ? { complaint: "holds a control character" } : { value: word };
}

function mapText(word: string, change: (text: string) => string): Read<string> {
  const read = readText(word);
  return "value" in read ? { value: change(read.value) } : read;
}

function readLogFile(word: string, cwd: string): Read<string | null> {
  if (word === OFF || NO.has(word.toLowerCase())) return { value: null };
  if (word === "-" || YES.has(word.toLowerCase())) return { value: "-" };
  if (word === "") return { complaint: "is empty" };
  return mapText(word, (text) => resolve(cwd, text));
}

function readBoolean(word: string): Read<boolean> {
  const lower = word.toLowerCase();
  if (YES.has(lower)) return { value: true };
  if (NO.has(lower)) return { value: false };
  return { complaint: "is neither true nor false" };
}

function readChoice(spec: ChoiceSpec, word: string): Read<string> {
  if (spec.choices.includes(word)) return { value: word };
  const meant =
    spec.translate !== undefined && Object.hasOwn(spec.translate, word)
      ? spec.translate[word]
      : undefined;
  if (meant !== undefined) return { value: meant, note: `${word} is ${meant} here` };
  return { complaint: "is not one of the choices" };
}

type NumericSpec = IntegerSpec | BytesSpec | DurationSpec;

function inRange(spec: NumericSpec, value: number): Read<number> {
  if (value === 0 && spec.zero !== undefined) return { value };
  if (value < spec.min) return { complaint: "is too small" };
  if (value > spec.max) return { complaint: "is too large" };
  return { value };
}

function readInteger(spec: IntegerSpec, word: string, cores: number): Read<number> {
  if (spec.auto !== undefined && word === "auto") return { value: spec.auto.value(cores) };
  if (!/^[+-]?\d{1,18}$/.test(word)) return { complaint: "is no whole number" };
  return inRange(spec, Number(word));
}

function readBytes(spec: BytesSpec, word: string): Read<number> {
  const match = /^(-?\d{1,18}(?:\.\d{1,9})?)([kmg]?)(?:i?b)?$/i.exec(word);
  if (match === null) return { complaint: "is no number of bytes" };
  const unit = BYTE_UNITS[(match[2] ?? "").toLowerCase()] ?? 1;
  return inRange(spec, Math.round(Number(match[1]) * unit));
}

function readDuration(spec: DurationSpec, word: string): Read<number> {
  const match = /^(-?\d{1,18}(?:\.\d{1,9})?)(ms|s|m|h|)$/i.exec(word);
  if (match === null) return { complaint: "is no duration" };
  const unit = DURATION_UNITS[(match[2] ?? "").toLowerCase()] ?? 1000;
  const ms = Number(match[1]) * unit;
  // Less than a millisecond is not nothing: it must not become the "off" that 0 is.
  return inRange(spec, ms > 0 && ms < 1 ? 1 : Math.round(ms));
}

function readList(words: readonly string[]): Read<readonly string[]> {
  const values: string[] = [];
  for (const word of words) {
    if (word === "") return { complaint: "is empty", text: word };
    const read = readText(word);
    if ("complaint" in read) return { ...read, text: word };
    values.push(read.value);
  }
  return { value: values };
}

function readItems(spec: ListSpec, words: readonly string[]): Read<readonly string[]> {
  const items = spec.commas === true ? words.flatMap((word) => word.split(",")) : words;
  const read = readList(items.map((item) => item.trim()));
  if ("complaint" in read || spec.check === undefined) return read;
  for (const item of read.value) {
    const complaint = spec.check(item);
    if (complaint !== null) return { complaint, text: item };
  }
  return read;
}

function readMap(words: readonly string[]): Read<Readonly<Record<string, string>>> {
  const values = new Map<string, string>();
  for (const word of words) {
    const equals = word.indexOf("=");
    if (equals < 1) return { complaint: "is not NAME=VALUE", text: word };
    if (word.includes("\0")) return { complaint: "holds a NUL", text: word };
    values.set(word.slice(0, equals), word.slice(equals + 1));
  }
  return { value: Object.fromEntries(values) };
}

function readBinds(words: readonly string[], cwd: string): Read<readonly Bind[]> {
  const binds: Bind[] = [];
  const seen = new Set<string>();
  for (const word of words) {
    const read = parseBind(word);
    if ("complaint" in read) return { complaint: read.complaint, text: word };
    const bind = absolute(read.bind, cwd);
    const complaint = bind.kind === "unix" ? unixPathComplaint(bind.path) : null;
    if (complaint !== null) return { complaint, text: word };
    const name = formatBind(bind);
    const any = bind.kind === "tcp" && bind.port === 0;
    if (seen.has(name) && !any) return { complaint: "is given twice", text: word };
    seen.add(name);
    binds.push(bind);
  }
  return binds.length === 0 ? { complaint: "is empty" } : { value: binds };
}

function absolute(bind: Bind, cwd: string): Bind {
  if (bind.kind !== "unix" || isAbsolute(bind.path)) return bind;
  return { kind: "unix", path: resolve(cwd, bind.path) };
}

/** What may stand there, for an error and the settings page. */
export function allowedText(spec: OptionSpec): string {
  switch (spec.type) {
    case "string":
      return spec.negatable === true ? "text, or false for none" : "text";
    case "path":
    case "paths":
      return "a path";
    case "logfile":
      return "a path, - for the standard stream, or false for none";
    case "integer": {
      const range = withZero(spec, `${spec.min} to ${spec.max}`);
      return spec.auto === undefined ? range : `${range}, or auto (${spec.auto.text})`;
    }
    case "bytes":
      return withZero(
        spec,
        `${formatBytes(spec.min)} to ${formatBytes(spec.max)}; suffixes k, m, g`,
      );
    case "duration":
      return withZero(
        spec,
        `${formatDuration(spec.min)} to ${formatDuration(spec.max)}; seconds, or with ms, s, m, h`,
      );
    case "boolean":
      return "true or false";
    case "choice":
      return spec.choices.join(", ");
    case "list":
      return spec.allowed ?? "text";
    case "map":
      return "NAME=VALUE";
    case "bind":
      return BIND_ALLOWED;
  }
}

function withZero(spec: NumericSpec, range: string): string {
  return spec.zero === undefined ? range : `${range}, or 0 (${spec.zero})`;
}

/**
 * `75s`, `2m`, `250ms`: the largest unit that leaves a whole number; readDuration reads it back.
 */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0";
  if (ms % 3_600_000 === 0) return `${ms / 3_600_000}h`;
  if (ms % 60_000 === 0 && ms >= 120_000) return `${ms / 60_000}m`;
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

/** `64k`, `1g`, `240`: the largest unit that leaves a whole number; readBytes reads it back. */
export function formatBytes(bytes: number): string {
  for (const unit of ["g", "m", "k"]) {
    const size = BYTE_UNITS[unit] ?? 1;
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return String(bytes);
}

/** A value of Config as a person writes it. */
export function formatValue(spec: OptionSpec, value: Value): string {
  if (value === null) return "none";
  if (spec.type === "duration" && typeof value === "number") return formatDuration(value);
  if (spec.type === "bytes" && typeof value === "number") return formatBytes(value);
  if (typeof value === "boolean") return String(value);
  if (typeof value === "string") return value === "" ? "none" : value;
  if (Array.isArray(value)) {
    const items = (value as readonly (string | Bind)[]).map((item) =>
      typeof item === "string" ? item : formatBind(item),
    );
    return items.length === 0 ? "none" : items.join(", ");
  }
  if (typeof value === "object") {
    const pairs = Object.entries(value).map(([name, text]) => `${name}=${String(text)}`);
    return pairs.length === 0 ? "none" : pairs.join(", ");
  }
  return String(value);
}

/** The default as a person writes it. */
export function defaultText(spec: OptionSpec): string {
  if (spec.default === "auto" && spec.type === "integer" && spec.auto !== undefined) {
    return `auto (${spec.auto.text})`;
  }
  return formatValue(spec, spec.type === "bind" ? spec.default.join(", ") : spec.default);
}
