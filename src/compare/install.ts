/**
 * `--install`: puts servers into a throw-away environment of their own. It is made with the app's interpreter and sees the packages of the
 * app's environment, which is only ever read. What cannot be installed is an outcome with the reason, not an error.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { named } from "./servers/catalogue.ts";
import type { ServerSpec } from "./servers/spec.ts";

export interface Outcome {
  /** Of the server, or what was asked for where there is no such server. */
  readonly name: string;
  /** Left out: it is installed. */
  readonly failure?: string;
}

export interface Installed extends Disposable {
  /** Interpreter of the throw-away environment: for the servers that were installed, the others keep the app's. */
  readonly python: string;
  readonly outcomes: readonly Outcome[];
}

export interface InstallOptions {
  /** Told what is installed next: all at once, then, where that fails, one after the other. */
  readonly onBegin?: (name: string) => void;
  readonly signal?: AbortSignal;
}

/** Where the app's interpreter finds packages; `addsitedir` on each also follows what is installed there as editable. */
const SITES = `
import json, os, sys
standard = os.path.dirname(os.__file__)
sites = [path for path in sys.path if path and os.path.isdir(path)]
print(json.dumps([path for path in sites if "-packages" in path or not path.startswith(standard)]))
`;

/** `names`: servers or families of the catalogue. */
export async function install(
  names: readonly string[],
  python: string,
  options: InstallOptions = {},
): Promise<Installed> {
  const directory = mkdtempSync(join(tmpdir(), "keelback-servers-"));
  const own = join(directory, "bin", "python");
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  try {
    const specs = new Set(names.flatMap((name) => named(name)));
    const nobody = names.filter((name) => named(name).length === 0);
    const broken = await makeEnvironment(directory, python, options);
    const outcomes =
      broken === null
        ? await installAll([...specs], own, options)
        : [...specs].map(({ name }) => ({ name, failure: broken }));
    const unknown = nobody.map((name) => ({ name, failure: "no server is called that" }));
    return { python: own, outcomes: [...outcomes, ...unknown], [Symbol.dispose]: remove };
  } catch (error) {
    remove();
    throw error;
  }
}

async function installAll(
  specs: readonly ServerSpec[],
  python: string,
  options: InstallOptions,
): Promise<readonly Outcome[]> {
  options.onBegin?.(specs.map(({ name }) => name).join(", "));
  const all = [...new Set(specs.flatMap((spec) => spec.pip))];
  const failure = await pip(python, all, options);
  if (failure === null) return specs.map(({ name }) => ({ name }));
  if (specs.length === 1) return specs.map(({ name }) => ({ name, failure }));
  // Servers with the same packages share the answer.
  const failures = new Map<string, string | null>();
  for (const spec of specs) {
    const key = spec.pip.join(" ");
    if (failures.has(key)) continue;
    options.onBegin?.(spec.name);
    failures.set(key, await pip(python, spec.pip, options));
  }
  return specs.map(({ name, pip: packages }) => {
    const why = failures.get(packages.join(" "));
    return typeof why === "string" ? { name, failure: why } : { name };
  });
}

/** Null, or why no environment can be made. */
async function makeEnvironment(
  directory: string,
  python: string,
  options: InstallOptions,
): Promise<string | null> {
  const made = await run([python, "-m", "venv", directory], options);
  if (made.code !== 0) {
    const why = lastMeaningful(made.said);
    return `${python} -m venv failed: ${why} (Debian and Ubuntu have it in python3-venv)`;
  }
  const asked = await run([python, "-c", SITES], options);
  if (asked.code !== 0) return `${python} does not start: ${lastMeaningful(asked.said)}`;
  const own = join(directory, "bin", "python");
  const where = "import sysconfig; print(sysconfig.get_path('purelib'))";
  const site = await run([own, "-c", where], options);
  if (site.code !== 0) return `${own} does not start: ${lastMeaningful(site.said)}`;
  const lines = (JSON.parse(asked.said) as string[]).map(
    (path) => `import site; site.addsitedir(${JSON.stringify(path)})\n`,
  );
  writeFileSync(join(site.said.trim(), "keelback-app-packages.pth"), lines.join(""));
  return null;
}

/** Null, or the reason of its failure. */
async function pip(
  python: string,
  packages: readonly string[],
  options: InstallOptions,
): Promise<string | null> {
  if (packages.length === 0) return null;
  const flags = ["--disable-pip-version-check", "--no-input", "--quiet"];
  const { code, said } = await run(
    [python, "-m", "pip", "install", ...flags, ...packages],
    options,
  );
  return code === 0 ? null : `pip install ${packages.join(" ")}: ${lastMeaningful(said)}`;
}

async function run(
  command: readonly string[],
  { signal }: InstallOptions,
): Promise<{ code: number; said: string }> {
  signal?.throwIfAborted();
  // Whatever the user set to direct pip elsewhere would direct it into an environment of theirs.
  const { PIP_TARGET: _1, PIP_PREFIX: _2, PIP_ROOT: _3, PYTHONHOME: _4, ...env } = process.env;
  const [program = "", ...rest] = command;
  const path = program.includes("/") ? resolve(program) : Bun.which(program);
  if (path === null || !existsSync(path)) return { code: 127, said: `${program}: not found` };
  const child = Bun.spawn([path, ...rest], {
    cwd: tmpdir(),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...env, PIP_USER: "0" },
    ...(signal === undefined ? {} : { signal }),
  });
  const [out, error] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const code = await child.exited;
  signal?.throwIfAborted();
  return { code, said: code === 0 ? out : `${out}\n${error}` };
}

/** What pip says of every failure alike. */
const HOLLOW = new RegExp(
  [
    ...["subprocess-exited-with-error", "metadata-generation-failed", "failed-wheel-build"],
    ...["Failed to build", "Failed building", "Could not build wheels", "exit code"],
  ].join("|"),
  "i",
);

/** The last line that says why; builds end with many that do not. */
export function lastMeaningful(said: string): string {
  const lines = said
    .split("\n")
    .map((line) => line.replace(/^[\s│|╰╭─>×]+/u, "").trim())
    .filter((line) => line !== "");
  const telling = lines.filter((line) => /\b(\w*Error|error|ERROR)\b.*:/.test(line));
  const best = telling.findLast((line) => !HOLLOW.test(line));
  return (best ?? telling.at(-1) ?? lines.at(-1) ?? "it said nothing").slice(0, 300);
}
