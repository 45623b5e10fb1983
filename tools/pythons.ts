/**
 * Finds the CPython interpreters of this machine, one for each version Keelback supports: those that pyenv has
 * built first, then `python3.N` and `python3` on the PATH.
 */
import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { fail, run } from "./process.ts";

export interface Python {
  /** Such as 3.13. */
  minor: string;
  path: string;
}

const MINORS = ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"] as const;
const PREFERRED = "3.13";

function inPyenv(minor: string): string | undefined {
  const versions = `${process.env.PYENV_ROOT ?? `${homedir()}/.pyenv`}/versions`;
  if (!existsSync(versions)) return undefined;
  const built = readdirSync(versions).filter((name) => /^3\.\d+\.\d+$/.test(name));
  const newest = built
    .filter((name) => name.startsWith(`${minor}.`))
    .sort(byNumber)
    .at(-1);
  const path = `${versions}/${newest}/bin/python`;
  return newest !== undefined && existsSync(path) ? path : undefined;
}

function byNumber(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

function versionOf(path: string): string | undefined {
  const script = "import sys; print('%d.%d' % sys.version_info[:2])";
  const asked = run([path, "-c", script]);
  return asked.code === 0 ? asked.output.trim() : undefined;
}

/** Every supported version that is here, oldest first. */
export function findPythons(): Python[] {
  const found: Python[] = [];
  const python3 = Bun.which("python3");
  const version3 = python3 === null ? undefined : versionOf(python3);
  for (const minor of MINORS) {
    const onPath = Bun.which(`python${minor}`);
    const path =
      inPyenv(minor) ??
      (onPath !== null && versionOf(onPath) === minor ? onPath : undefined) ??
      (version3 === minor && python3 !== null ? python3 : undefined);
    if (path !== undefined) found.push({ minor, path });
  }
  return found;
}

/** The interpreter of the examples: 3.13 when it is here, else the newest. */
export function preferredPython(): Python {
  const found = findPythons();
  const chosen = found.find((python) => python.minor === PREFERRED) ?? found.at(-1);
  if (chosen === undefined) {
    fail("No Python 3.9 or newer was found.", "Install it (on Debian: apt-get install python3).");
  }
  return chosen;
}
