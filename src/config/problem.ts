/**
 * What is wrong with the settings, as data: sentences for a person, made in one place so that they
 * all read alike.
 */
import type { Source } from "./config.ts";

export interface Problem {
  /** The setting's public name, or null when it is about none (or about an unknown one). */
  readonly setting: string | null;
  /** A complete message of one line. */
  readonly text: string;
}

/** Longer values are cut in messages. */
const QUOTED_CHARS_MAX = 120;

/** A value in a message: in quotes, with control characters visible, not too long. */
export function quote(value: string): string {
  return JSON.stringify(
    value.length > QUOTED_CHARS_MAX ? `${value.slice(0, QUOTED_CHARS_MAX)}...` : value,
  );
}

/** The setting, the value, what is wrong, where it came from, and what is allowed. */
export function wrongValue(
  setting: string,
  value: string,
  complaint: string,
  where: { readonly source: Source; readonly allowed: string },
): Problem {
  const fault = `${setting}: ${quote(value)} ${complaint} (from ${where.source.name})`;
  const text = `${fault}; allowed: ${where.allowed}`;
  return { setting, text: printable(text) };
}

export function problem(setting: string | null, text: string): Problem {
  return { setting, text: printable(setting === null ? text : `${setting}: ${text}`) };
}

/** One line whatever was typed: control characters are made visible. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, hexEscape);
}

function hexEscape(char: string): string {
  return `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

/** `; did you mean X?`, or nothing. */
export function didYouMean(candidate: string | null): string {
  return candidate === null ? "" : `; did you mean ${candidate}?`;
}
