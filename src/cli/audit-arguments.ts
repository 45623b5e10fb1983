/** The words of `keelback audit`: its own options, and what is left for the server. Pure. */
import { quote } from "../config/problem.ts";
import { nearest } from "../config/names.ts";

export interface AuditArguments {
  readonly paths: readonly string[];
  readonly log: string | null;
  readonly scenario: string | null;
  readonly live: number | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly clients: number;
  readonly rate: number;
  readonly seconds: number;
  readonly verify: boolean;
  readonly flame: string | null;
  readonly html: string | null;
  readonly json: boolean;
  /** For the server. */
  readonly rest: readonly string[];
}

export type ParsedAudit =
  | { readonly kind: "run"; readonly arguments: AuditArguments }
  | { readonly kind: "help" }
  | { readonly kind: "wrong"; readonly text: string };

const VALUED = ["path", "log", "scenario", "live", "header", "clients", "rate", "seconds"];
const FILES = ["flame", "html"];
const SWITCHES = ["verify", "json"];
const CLIENTS_MAX = 10_000;
const RATE_MAX = 1_000_000;
const SECONDS_MAX = 86_400;

/** An address is the audit's own, unless it is live. */
const ADDRESSES = /^(?:--(?:bind|host|port)(?:=|$)|-b)/;

export function parseAudit(argv: readonly string[]): ParsedAudit {
  const given = new Map<string, string[]>();
  const rest: string[] = [];
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? "";
    if (word === "--help" || word === "-h") return { kind: "help" };
    if (word === "--") {
      rest.push(...argv.slice(at + 1));
      break;
    }
    const [, name = "", attached] = /^--([a-z]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (SWITCHES.includes(name) && attached === undefined) given.set(name, [""]);
    else if (VALUED.includes(name) || FILES.includes(name)) {
      const value = attached ?? argv[(at += 1)] ?? "";
      if (value === "" || (attached === undefined && /^--[a-z]/.test(value)))
        return wrong(`--${name} needs a value`);
      given.set(name, [...(given.get(name) ?? []), value]);
    } else rest.push(word);
  }
  return check(given, rest);
}

function check(
  given: ReadonlyMap<string, readonly string[]>,
  rest: readonly string[],
): ParsedAudit {
  const last = (name: string): string | null => given.get(name)?.at(-1) ?? null;
  const sources = ["path", "log", "scenario", "live"].filter((name) => given.has(name));
  if (sources.length > 1) {
    return wrong(
      `traffic comes from one place: ${sources.map((name) => `--${name}`).join(" or ")}`,
    );
  }
  const numbers: Record<string, number> = {};
  for (const [name, most, whole] of [
    ...([["clients", CLIENTS_MAX, true]] as const),
    ...([
      ["rate", RATE_MAX, false],
      ["seconds", SECONDS_MAX, false],
    ] as const),
    ...([["live", SECONDS_MAX, false]] as const),
  ]) {
    const text = last(name);
    if (text === null) continue;
    const value = /^\d+(?:\.\d+)?s?$/.test(text) ? Number(text.replace("s", "")) : Number.NaN;
    if (!(value > 0 && value <= most) || (whole && !Number.isInteger(value))) {
      return wrong(
        `--${name}: ${quote(text)} is no ${whole ? "whole " : ""}number from ${whole ? 1 : "above 0"} to ${most}`,
      );
    }
    numbers[name] = value;
  }
  const live = numbers["live"] ?? null;
  if (live !== null) {
    for (const name of ["clients", "rate", "seconds", "header"]) {
      if (given.has(name))
        return wrong(`--${name} is for requests of ours; with --live there are none`);
    }
    if (given.has("verify"))
      return wrong(
        "--verify needs requests to send: --log, --scenario or --path instead of --live",
      );
  } else {
    const address = rest.find((word) => ADDRESSES.test(word));
    if (address !== undefined) {
      return wrong(
        `${quote(address)}: an audit has a port of its own; leave it out, or use --live`,
      );
    }
  }
  const headers = headersOf(given.get("header") ?? []);
  if (typeof headers === "string") return wrong(headers);
  return {
    kind: "run",
    arguments: {
      ...{ log: last("log"), scenario: last("scenario"), live, headers },
      paths: given.get("path") ?? (sources.length === 0 ? ["/"] : []),
      clients: numbers["clients"] ?? 8,
      rate: numbers["rate"] ?? 0,
      seconds: numbers["seconds"] ?? 10,
      verify: given.has("verify"),
      json: given.has("json"),
      ...{ flame: last("flame"), html: last("html"), rest },
    },
  };
}

function headersOf(words: readonly string[]): Record<string, string> | string {
  const headers: Record<string, string> = {};
  for (const word of words) {
    const [, name = "", value = ""] =
      /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): *([^\r\n]*)$/.exec(word) ?? [];
    if (name === "") return `--header: ${quote(word)} is not NAME: VALUE`;
    headers[name] = value;
  }
  return headers;
}

/** Where the server does not know an option, it may be one of ours that was meant; null: it is like none. */
export function meant(word: string): string | null {
  const [, name] = /^--([^=]+)/.exec(word) ?? [];
  if (name === undefined) return null;
  const near = nearest(name, [...VALUED, ...FILES, ...SWITCHES]);
  return near === null ? null : `--${near}`;
}

function wrong(text: string): ParsedAudit {
  return { kind: "wrong", text };
}
