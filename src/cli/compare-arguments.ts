/** The command line of `keelback compare`: one table of its flags. Pure. */
import { nearest } from "../config/names.ts";
import { didYouMean, quote } from "../config/problem.ts";
import { PRESET_NAMES } from "../compare/scenarios.ts";
import { catalogue, named } from "../compare/servers/catalogue.ts";
import type { Interface } from "../compare/types.ts";
import type { Flag } from "./flags.ts";
import { flagsHelp, readFlags } from "./flags.ts";

export interface CompareArguments {
  /** Null: it is recognised. */
  readonly app: string | null;
  readonly paths: readonly string[];
  readonly scenarioFile: string | null;
  readonly presets: readonly string[];
  /** Null: all that are installed. */
  readonly servers: readonly string[] | null;
  readonly install: readonly string[];
  readonly workers: number | null;
  readonly threads: number | null;
  readonly mode: "equal" | "recommended";
  readonly behind: "nginx" | "haproxy" | null;
  readonly rounds: number | undefined;
  readonly seconds: number | undefined;
  readonly budgetSeconds: number | null;
  readonly connections: number | null;
  readonly rate: number | undefined;
  readonly load: string | null;
  readonly against: string | null;
  readonly interface: Interface | null;
  readonly python: string | null;
  readonly chdir: string;
  readonly json: boolean;
  readonly output: string;
  readonly html: string | null;
  readonly markdown: string | null;
  readonly noFiles: boolean;
  readonly list: boolean;
}

export type ParsedCompare =
  | { readonly kind: "compare"; readonly arguments: CompareArguments }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "wrong"; readonly text: string };

const LOAD_TOOLS = ["wrk", "oha", "hey", "h2load", "autocannon", "builtin"];

const FLAGS: readonly Flag[] = [
  {
    ...{ name: "path", meta: "PATH", repeatable: true },
    summary: "what is asked of the app (/); several are mixed evenly",
  },
  {
    ...{ name: "scenario", meta: "FILE" },
    summary: "requests with methods, bodies, headers and weights, as TOML (docs/compare.md)",
  },
  {
    ...{ name: "preset", meta: "NAME,...", list: true, choices: PRESET_NAMES },
    summary: `what is measured (app): ${PRESET_NAMES.join(", ")}`,
  },
  {
    ...{ name: "servers", meta: "NAME,...", list: true },
    summary: "these servers only, by name (gunicorn gthread) or family (gunicorn, baseline)",
  },
  {
    ...{ name: "install", meta: "NAME,...", list: true },
    summary: "put these servers into a throw-away environment; yours is not touched",
  },
  {
    ...{ name: "workers", meta: "N", number: { least: 1, most: 256 } },
    summary: "worker processes of each server (one for each server core)",
  },
  {
    ...{ name: "threads", meta: "N", number: { least: 1, most: 1024 } },
    summary: "threads of each worker, where a server has them (its own default)",
  },
  {
    ...{ name: "mode", meta: "equal|recommended", choices: ["equal", "recommended"] },
    summary: "the same resources for all, or what each one's documentation advises (equal)",
  },
  {
    ...{ name: "behind", meta: "nginx|haproxy", choices: ["nginx", "haproxy"] },
    summary: "put this proxy in front of each server",
  },
  {
    ...{ name: "rounds", meta: "N", number: { least: 1, most: 100 } },
    summary: "how often each server has its turn (3)",
  },
  {
    ...{ name: "seconds", meta: "N", number: { least: 1, most: 600 } },
    summary: "length of one load (3)",
  },
  {
    ...{ name: "budget", meta: "TIME", duration: true },
    summary: "choose rounds and seconds so that all ends in this time, as in 2m",
  },
  {
    ...{ name: "connections", meta: "N", number: { least: 1, most: 10_000 } },
    summary: "connections that make the load (64)",
  },
  {
    ...{ name: "rate", meta: "N", number: { least: 1, most: 100_000 } },
    summary: "requests a second while latency is measured (half the median throughput)",
  },
  {
    ...{ name: "load", meta: "TOOL", choices: LOAD_TOOLS },
    summary: `who measures throughput: ${LOAD_TOOLS.join(", ")} (the first that is installed)`,
  },
  {
    ...{ name: "against", meta: "FILE.json" },
    summary:
      "say what became better or worse since this report; exit code 3: worse, 4: not comparable",
  },
  {
    ...{ name: "interface", meta: "wsgi|asgi", choices: ["wsgi", "asgi"] },
    summary: "what the app speaks (found by importing it)",
  },
  { name: "python", meta: "PATH", summary: "interpreter or virtual environment of the app" },
  { name: "chdir", meta: "PATH", summary: "the app's directory (the current one)" },
  { name: "output", meta: "DIR", summary: "where keelback-compare.html and .json go (.)" },
  { name: "html", meta: "FILE", summary: "write the page there instead" },
  { name: "markdown", meta: "FILE", summary: "write a table for a README too" },
  { name: "json", summary: "print the report as JSON instead of the table" },
  { name: "no-files", summary: "write neither page nor JSON" },
  { name: "list", summary: "show what would run and how long it takes, and end" },
];

const HEAD = `keelback compare [APP] [options]

  Measures the servers that are installed beside your app, with your app: throughput,
  latency, CPU, memory and errors, in rounds in turns. Ctrl-C keeps what was measured.

  keelback compare main:app --path /items --budget 2m
  keelback compare main:app --servers keelback,gunicorn,uvicorn --workers 2
  keelback compare main:app --install gunicorn,granian

`;

const NAMES_MAX = 40;

export function parseCompare(argv: readonly string[]): ParsedCompare {
  const read = readFlags(FLAGS, argv);
  if (read.kind === "help") return { kind: "help", text: HEAD + flagsHelp(FLAGS) };
  if (read.kind === "wrong") return read;
  const { given } = read;
  const [app = null, extra] = given.words;
  if (extra !== undefined) return wrong(`${quote(extra)} is too much: one APP is compared`);
  for (const flag of ["servers", "install"]) {
    const complaint = unknownServer(given.list(flag));
    if (complaint !== null) return wrong(`--${flag}: ${complaint}`);
  }
  const paths = given.list("path");
  const crooked = paths.find((path) => !path.startsWith("/") || /\s/.test(path));
  if (crooked !== undefined) {
    return wrong(`--path: ${quote(crooked)} must begin with / and have no blank`);
  }
  if (paths.length > 0 && given.has("scenario"))
    return wrong("--path and --scenario exclude each other");
  const load = given.text("load") ?? null;
  return {
    kind: "compare",
    arguments: {
      ...{ app, paths },
      scenarioFile: given.text("scenario") ?? null,
      presets: given.has("preset") ? given.list("preset") : ["app"],
      servers: given.has("servers") ? given.list("servers") : null,
      install: given.list("install"),
      workers: given.number("workers") ?? null,
      threads: given.number("threads") ?? null,
      mode: given.text("mode") === "recommended" ? "recommended" : "equal",
      behind: given.text("behind") === undefined ? null : frontOf(given.text("behind")),
      ...{ rounds: given.number("rounds"), seconds: given.number("seconds") },
      budgetSeconds: given.number("budget") ?? null,
      connections: given.number("connections") ?? null,
      rate: given.number("rate"),
      load: load === "builtin" ? "keelback" : load,
      against: given.text("against") ?? null,
      interface: interfaceOf(given.text("interface")),
      python: given.text("python") ?? null,
      chdir: given.text("chdir") ?? ".",
      json: given.has("json"),
      output: given.text("output") ?? ".",
      html: given.text("html") ?? null,
      markdown: given.text("markdown") ?? null,
      ...{ noFiles: given.has("no-files"), list: given.has("list") },
    },
  };
}

function frontOf(name: string | undefined): "nginx" | "haproxy" {
  return name === "haproxy" ? "haproxy" : "nginx";
}

function interfaceOf(name: string | undefined): Interface | null {
  return name === "wsgi" || name === "asgi" ? name : null;
}

function unknownServer(names: readonly string[]): string | null {
  const unknown = names.find((name) => named(name).length === 0);
  if (unknown === undefined) return null;
  const known = new Set(catalogue.flatMap(({ name, family }) => [family, name]));
  const near = nearest(unknown, known);
  if (near !== null) return `there is no server ${quote(unknown)}${didYouMean(near)}`;
  const families = [...new Set(catalogue.map(({ family }) => family))].slice(0, NAMES_MAX);
  return `there is no server ${quote(unknown)}; there are ${families.join(", ")}`;
}

function wrong(text: string): ParsedCompare {
  return { kind: "wrong", text };
}
