/**
 * Which Python runs the app: --python, else $VIRTUAL_ENV, else ./.venv of the app's directory, else
 * python3 on PATH. Looks at files, runs nothing: the version is the zygote's to report.
 */
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import type { Environment } from "../config/environment.ts";
import type { Problem } from "../config/problem.ts";
import { problem, quote } from "../config/problem.ts";

export interface InterpreterInput {
  /** The setting `python`: a path, a virtual environment, or a name on PATH. */
  readonly python: string | null;
  /** The app's directory. */
  readonly chdir: string;
  /** Where the command was started: a relative `python` begins here. */
  readonly cwd: string;
  readonly env: Environment;
}

export type InterpreterResult =
  { readonly path: string; readonly why: string } | { readonly problem: Problem };

const REMEDY =
  "make a virtual environment with `python3 -m venv .venv`, or name one with --python PATH";

export function findInterpreter(input: InterpreterInput): InterpreterResult {
  if (input.python !== null) return named(input.python, input);
  const active = input.env["VIRTUAL_ENV"];
  if (active !== undefined && active !== "") {
    const path = join(active, "bin", "python");
    if (isExecutable(path)) return { path, why: "$VIRTUAL_ENV" };
    const fault = `$VIRTUAL_ENV is ${quote(active)}, but there is no ${path}`;
    const text = `${fault}; deactivate it, or ${REMEDY}`;
    return { problem: problem("python", text) };
  }
  const local = join(input.chdir, ".venv", "bin", "python");
  if (isExecutable(local)) return { path: local, why: ".venv" };
  const path = onPath("python3", input.env);
  if (path !== null) return { path, why: "python3 on PATH" };
  return {
    problem: problem(
      "python",
      `no interpreter: no $VIRTUAL_ENV, no ${local}, no python3 on PATH; ${REMEDY}`,
    ),
  };
}

function named(python: string, { cwd, env }: InterpreterInput): InterpreterResult {
  if (python === "") return { problem: problem("python", `is empty; ${REMEDY}`) };
  if (!python.includes("/")) {
    const path = onPath(python, env);
    if (path !== null) return { path, why: `${python} on PATH` };
    if (!isDirectory(resolve(cwd, python))) {
      return { problem: problem("python", `there is no ${quote(python)} on PATH`) };
    }
  }
  const path = resolve(cwd, python);
  if (isExecutable(path)) return { path, why: "python" };
  if (isDirectory(path)) {
    const inside = join(path, "bin", "python");
    if (isExecutable(inside)) return { path: inside, why: "python" };
    return { problem: problem("python", `${path} is a directory without bin/python`) };
  }
  const what = exists(path) ? "cannot be executed" : "does not exist";
  return { problem: problem("python", `${path} ${what}; ${REMEDY}`) };
}

function onPath(name: string, env: Environment): string | null {
  for (const directory of (env["PATH"] ?? "").split(delimiter)) {
    if (directory === "") continue;
    const path = join(directory, name);
    if (isExecutable(path)) return path;
  }
  return null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
