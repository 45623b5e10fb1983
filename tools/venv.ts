/**
 * Makes Python environments from the pinned requirements, and leaves those alone that are as they should be: a
 * stamp inside says from which interpreter and which requirements an environment was made.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { aptInstall } from "./apt.ts";
import { download, fail, root, run, say } from "./process.ts";
import type { Python } from "./pythons.ts";

export interface Environment {
  /** Relative to the repository. */
  directory: string;
  python: Python;
  /** The file in tools/requirements. */
  requirements: string;
  /** Packages that may fail to build: said, and gone without. */
  optional?: readonly string[];
}

function stampOf(environment: Environment, requirements: string): string {
  const hash = createHash("sha256").update(realpathSync(environment.python.path));
  for (const part of [environment.python.minor, requirements, ...(environment.optional ?? [])]) {
    hash.update("\0").update(part);
  }
  return hash.digest("hex");
}

function create(environment: Environment, directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  const command = [environment.python.path, "-m", "venv", directory];
  let made = run(command);
  if (made.code !== 0 && /ensurepip/.test(made.output)) {
    aptInstall([{ package: `python${environment.python.minor}-venv` }]);
    rmSync(directory, { recursive: true, force: true });
    made = run(command);
  }
  if (made.code === 0) return;
  const remedy = `On Debian: apt-get install python${environment.python.minor}-venv`;
  fail(`${command.join(" ")} failed:\n${made.output}`, remedy);
}

/** The environment's directory, made or left as it is. */
export function ensureVenv(environment: Environment): string {
  const directory = `${root}/${environment.directory}`;
  const file = `${root}/tools/requirements/${environment.requirements}`;
  const stampPath = `${directory}/.stamp`;
  const stamp = stampOf(environment, readFileSync(file, "utf8"));
  if (existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp) return directory;
  say(`making ${environment.directory} with Python ${environment.python.minor}`);
  create(environment, directory);
  const pip = [`${directory}/bin/python`, "-m", "pip", "install", "--quiet"];
  pip.push("--disable-pip-version-check");
  const installed = download([...pip, "--requirement", file]);
  if (installed.code !== 0) {
    fail(`pip could not install tools/requirements/${environment.requirements}:`, installed.output);
  }
  for (const name of environment.optional ?? []) {
    if (run([...pip, name]).code !== 0) say(`${name} does not build here: going without it`);
  }
  writeFileSync(stampPath, stamp);
  return directory;
}
