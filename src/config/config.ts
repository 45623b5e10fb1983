/**
 * `Config`: every setting with its final value. Its type is derived from the option table; it is
 * inert data that can be sent to another process as JSON. `ROWS` is the table in a form that can be
 * walked.
 */
import type { Bind } from "./bind.ts";
import type { OptionKey } from "./options.ts";
import { OPTIONS } from "./options.ts";
import type { OptionSpec } from "./spec.ts";

type Table = typeof OPTIONS;

type ValueOf<Spec> = Spec extends { type: "choice"; choices: readonly (infer Choice)[] }
  ? Choice
  : Spec extends { type: "boolean" }
    ? boolean
    : Spec extends { type: "integer" | "bytes" | "duration" }
      ? number
      : Spec extends { type: "list" | "paths" }
        ? readonly string[]
        : Spec extends { type: "map" }
          ? Readonly<Record<string, string>>
          : Spec extends { type: "bind" }
            ? readonly Bind[]
            : Spec extends { default: null }
              ? string | null
              : string;

type NotASetting<Spec> = Spec extends { scope: "command" } | { into: string } ? true : false;

/** Keys of Config: the rows that are settings. */
export type SettingKey = {
  [K in OptionKey]: NotASetting<Table[K]> extends true ? never : K;
}[OptionKey];

export type Config = { readonly [K in SettingKey]: ValueOf<Table[K]> };

/** A value of any setting. */
export type Value =
  | number
  | boolean
  | string
  | null
  | readonly string[]
  | Readonly<Record<string, string>>
  | readonly Bind[];

/** Where a value came from, from the weakest to the strongest. */
export type SourceKind = "default" | "platform" | "file" | "variable" | "flag";
export interface Source {
  readonly kind: SourceKind;
  /**
   * As a person would look for it: `--workers`, `KEELBACK_WORKERS`, `keelback.toml: workers`,
   * `default`.
   */
  readonly name: string;
}
export type Sources = { readonly [K in SettingKey]: Source };

/** A row together with the names made from its key. */
export interface OptionRow {
  readonly key: OptionKey;
  readonly spec: OptionSpec;
  /** Kebab case without unit: flag and file key. */
  readonly name: string;
  /** Null: no variable. */
  readonly variable: string | null;
  /** Null: not allowed in a file. */
  readonly fileKey: string | null;
  /** All flags that take the row's value, the main one first; empty for a positional. */
  readonly flags: readonly string[];
}

/** `keepAliveMs` is `keep-alive`: units are part of a key, not of a name. */
export function publicName(key: string): string {
  return key
    .replace(/Ms$|Bytes(?=$|[A-Z])/g, "")
    .replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function makeRow(key: OptionKey, spec: OptionSpec): OptionRow {
  const name = publicName(key);
  const short = spec.short === undefined ? [] : [spec.short];
  const hasVariable = spec.scope !== "command" || spec.variable === true;
  return {
    key,
    spec,
    name,
    variable: hasVariable ? `KEELBACK_${name.replaceAll("-", "_").toUpperCase()}` : null,
    fileKey: spec.scope === "command" ? null : name,
    flags: spec.positional === true ? [] : [`--${name}`, ...short, ...(spec.aliases ?? [])],
  };
}

export const ROWS: readonly OptionRow[] = (
  Object.entries(OPTIONS) as [OptionKey, OptionSpec][]
).map(([key, spec]) => makeRow(key, spec));

export const SETTING_ROWS: readonly (OptionRow & { readonly key: SettingKey })[] = ROWS.filter(
  (row): row is OptionRow & { readonly key: SettingKey } =>
    row.spec.scope === undefined && row.spec.into === undefined,
);
