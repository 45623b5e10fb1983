/**
 * The shape of a row of the option table (options.ts). A row is data: the flags, the variable, the
 * file key, the help, the settings page, the type of `Config` and every check of a single value
 * come from it.
 */

export const SECTIONS = [
  "App",
  "Python",
  "Network",
  "TLS",
  "Workers",
  "Process",
  "Development",
  "Timeouts",
  "Limits",
  "WebSocket",
  "Logs",
  "Headers",
  "Command",
] as const;
export type Section = (typeof SECTIONS)[number];

/** The same thing in other servers: a flag, or a few words where it differs. */
export interface Counterparts {
  readonly gunicorn?: string;
  readonly uvicorn?: string;
  readonly granian?: string;
  readonly hypercorn?: string;
  readonly uwsgi?: string;
}

interface Row {
  /** One-letter flag, `-b`. */
  readonly short?: string;
  /** Further flags with the same meaning, for people who come from another server. */
  readonly aliases?: readonly string[];
  /** Further flags whose value gets a prefix: `--uds PATH` is `--bind unix:PATH`. */
  readonly prefixed?: Readonly<Record<string, string>>;
  readonly section: Section;
  /**
   * Where the row applies: a setting (the default; a field of Config), or the command line alone
   * (`command`): then it has no file key, and a variable only when `variable` says so.
   */
  readonly scope?: "command";
  readonly variable?: boolean;
  /** Folded into another option while parsing (host and port into bind): no field of Config. */
  readonly into?: string;
  /** Not a flag: the word on the command line that is no flag. */
  readonly positional?: true;
  /** Shown by plain `--help`; the others by `--help all`. */
  readonly common?: true;
  /** What stands for the value in the help. */
  readonly meta?: string;
  /**
   * A variable that hosting platforms set; it counts less than the file. `prefix` goes before its
   * value.
   */
  readonly platform?: { readonly variable: string; readonly prefix?: string };
  /** `--no-NAME` exists for a value that is no boolean and turns the thing off. */
  readonly negatable?: true;
  /** Never printed. */
  readonly secret?: true;
  /** The value may be left out; the flag alone means this. */
  readonly bare?: string;
  /** `live`: a reload (SIGHUP) applies a changed value; `restart`: the server must be restarted. */
  readonly reload: "live" | "restart";
  /** One line, no full stop: for `--help`. */
  readonly summary: string;
  /** Why the default is what it is, and what a reader must know beyond the summary. */
  readonly why: string;
  readonly counterparts: Counterparts;
}

interface Numeric extends Row {
  readonly min: number;
  readonly max: number;
  /** What 0 means, where 0 is allowed although it is below `min` or has a meaning of its own. */
  readonly zero?: string;
}

/** How `auto` becomes a number. */
export interface Auto {
  readonly value: (cores: number) => number;
  readonly text: string;
}

export interface StringSpec extends Row {
  readonly type: "string";
  readonly default: string | null;
}
/** A path, made absolute (from the current directory) while parsing. */
export interface PathSpec extends Row {
  readonly type: "path";
  readonly default: string | null;
}
/** Where a log goes: `-` is stdout, null is off, else a path made absolute. */
export interface LogFileSpec extends Row {
  readonly type: "logfile";
  readonly default: string | null;
}
export interface IntegerSpec extends Numeric {
  readonly type: "integer";
  readonly default: number | "auto";
  readonly auto?: Auto;
  readonly unit?: string;
}
export interface BytesSpec extends Numeric {
  readonly type: "bytes";
  readonly default: number;
  readonly unit?: string;
}
/** Milliseconds; written in seconds or with a suffix. */
export interface DurationSpec extends Numeric {
  readonly type: "duration";
  readonly default: number;
}
export interface BooleanSpec extends Row {
  readonly type: "boolean";
  readonly default: boolean;
}
export interface ChoiceSpec extends Row {
  readonly type: "choice";
  readonly choices: readonly string[];
  readonly default: string;
  /** Values of other servers and what they mean here. */
  readonly translate?: Readonly<Record<string, string>>;
}
export interface ListSpec extends Row {
  readonly type: "list";
  /** Values may also stand in one word, with commas between them. */
  readonly commas?: true;
  /** What is wrong with a value, as the rest of a sentence; null when nothing is. */
  readonly check?: (item: string) => string | null;
  /** What may stand there, for an error and the settings page. */
  readonly allowed?: string;
  readonly default: readonly string[];
}
/** Paths made absolute: from the app's directory (`chdir`) when they are about the app. */
export interface PathListSpec extends Row {
  readonly type: "paths";
  readonly base: "app" | "current";
  readonly default: readonly string[];
}
export interface MapSpec extends Row {
  readonly type: "map";
  readonly default: Readonly<Record<string, string>>;
}
export interface BindSpec extends Row {
  readonly type: "bind";
  readonly default: readonly string[];
}

export type OptionSpec =
  | StringSpec
  | PathSpec
  | LogFileSpec
  | IntegerSpec
  | BytesSpec
  | DurationSpec
  | BooleanSpec
  | ChoiceSpec
  | ListSpec
  | PathListSpec
  | MapSpec
  | BindSpec;
