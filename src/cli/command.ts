/**
 * From the command line to what is to be done. Reads the configuration file and the machine's
 * number of cores, nothing else; prints nothing and never exits: the caller does.
 */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join, resolve } from "node:path";
import type { Config, Sources } from "../config/config.ts";
import type { Environment } from "../config/environment.ts";
import type { ConfigFile } from "../config/file.ts";
import { readConfigFile } from "../config/file.ts";
import { commandFlag, parse } from "../config/parse.ts";
import type { Problem } from "../config/problem.ts";
import { problem } from "../config/problem.ts";
import { help } from "./help.ts";
import { versionText } from "./version.ts";

export const EXIT_USAGE = 2;

export interface Settings {
  readonly config: Config;
  readonly sources: Sources;
  readonly notes: readonly string[];
  /** The file that was read, for the start-up screen; null when there was none. */
  readonly file: string | null;
}

export type Command =
  | { readonly name: "help" | "version"; readonly text: string }
  | ({ readonly name: "serve" } & Settings)
  | ({ readonly name: "check-config" } & Settings)
  | ({ readonly name: "print-config"; readonly json: boolean } & Settings)
  | {
      readonly name: "usage";
      readonly problems: readonly Problem[];
      readonly exitCode: typeof EXIT_USAGE;
    };

/** What the outside world tells; replaced in tests. */
export interface CommandHost {
  readonly env: Environment;
  readonly cwd: string;
  readonly cores: number;
  /** The text of a file, null when there is none; throws when it cannot be read. */
  readText(path: string): string | null;
}

export function realHost(): CommandHost {
  return { env: process.env, cwd: process.cwd(), cores: usableCores(), readText };
}

/** `argv` is without the program's name. */
export function parseCommand(argv: readonly string[], host: CommandHost = realHost()): Command {
  const topic = commandFlag(argv, "help");
  if (topic !== null) return helpCommand(topic);
  if (commandFlag(argv, "version") !== null) return { name: "version", text: versionText() };
  const located = locateFile(argv, host);
  if ("problem" in located) return usage([located.problem]);
  const { env, cwd, cores } = host;
  const result = parse({ argv, env, file: located.file, cwd, cores });
  if (!result.ok) return usage(result.problems);
  const { config, sources, notes } = result;
  const settings: Settings = { config, sources, notes, file: located.file?.name ?? null };
  const json = commandFlag(argv, "json") !== null;
  if (commandFlag(argv, "printConfig") !== null) return { name: "print-config", json, ...settings };
  if (json) return usage([problem(null, "--json goes with --print-config")]);
  return {
    name: commandFlag(argv, "checkConfig") === null ? "serve" : "check-config",
    ...settings,
  };
}

/** Problems as they are printed: one line each, and where to look further. */
export function problemText(problems: readonly Problem[]): string {
  return problems.map(({ text }) => `keelback: ${text}\n`).join("");
}

function usage(problems: readonly Problem[]): Command {
  return { name: "usage", problems, exitCode: EXIT_USAGE };
}

function helpCommand(topic: string): Command {
  const answer = help(topic);
  return "text" in answer
    ? { name: "help", text: answer.text }
    : usage([{ setting: null, text: answer.complaint }]);
}

type Located = { readonly file: ConfigFile | null } | { readonly problem: Problem };

/**
 * The file of --config or KEELBACK_CONFIG, else keelback.toml, else pyproject.toml when it has our
 * table.
 */
function locateFile(argv: readonly string[], host: CommandHost): Located {
  const flag = commandFlag(argv, "config");
  const variable = host.env["KEELBACK_CONFIG"] ?? "";
  const named = flag ?? (variable === "" ? null : variable);
  if (named !== null) {
    return namedFile(named, flag === null ? "KEELBACK_CONFIG" : "--config", host);
  }
  for (const name of ["keelback.toml", "pyproject.toml"]) {
    const read = readFile(name, join(host.cwd, name), host);
    if ("problem" in read) return read;
    if (read.file === null) continue;
    if (!read.file.pyproject || readConfigFile(read.file).present) return read;
  }
  return { file: null };
}

function namedFile(name: string, from: string, host: CommandHost): Located {
  if (/\.conf\.py$|\.py$/.test(name)) {
    const text = `${name} (from ${from}) is a Python file; settings are TOML (docs/settings.md)`;
    return { problem: problem("config", text) };
  }
  const read = readFile(name, resolve(host.cwd, name), host);
  if ("problem" in read) return read;
  if (read.file === null)
    return { problem: problem("config", `${name} (from ${from}) does not exist`) };
  if (!readConfigFile(read.file).present) {
    return { problem: problem("config", `${name} (from ${from}) has no table [tool.keelback]`) };
  }
  return read;
}

function readFile(name: string, path: string, host: CommandHost): Located {
  try {
    const text = host.readText(path);
    return {
      file: text === null ? null : { name, text, pyproject: basename(path) === "pyproject.toml" },
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { problem: problem("config", `${name} cannot be read: ${reason}`) };
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (
      error instanceof Error &&
      "code" in error &&
      (error.code === "ENOENT" || error.code === "ENOTDIR")
    )
      return null;
    throw error;
  }
}

/** Cores this process may use: its affinity, and the CPU quota of its container (cgroup v2). */
function usableCores(): number {
  const cores = availableParallelism();
  const quota = cgroupCores(readQuiet("/sys/fs/cgroup/cpu.max"));
  return Math.max(1, Math.min(cores, quota ?? cores));
}

/** `200000 100000` is two cores; `max 100000` is no quota. A part of a core counts as one. */
export function cgroupCores(text: string | null): number | null {
  const match = /^(\d+) (\d+)\s*$/.exec(text ?? "");
  if (match === null) return null;
  const period = Number(match[2]);
  return period === 0 ? null : Math.max(1, Math.ceil(Number(match[1]) / period));
}

function readQuiet(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
