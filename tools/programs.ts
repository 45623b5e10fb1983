/**
 * Programs that only tests and benchmarks need and no package manager of the system has: those written in Go, and the
 * Autobahn fuzzing client, which wants CPython 2.7. Each is made once under .cache; what can't be made is said, and
 * whoever needs it fails or skips with the reason.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { download, root, say } from "./process.ts";
import { preferredPython } from "./pythons.ts";

const GO_BIN = `${root}/.cache/go/bin`;
const H2SPEC = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible";
const TOXIPROXY = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0";
/** The last that makes environments for 2.7. */
const VIRTUALENV = "virtualenv==20.21.1";

function isStamped(path: string, stamp: string): boolean {
  return existsSync(path) && readFileSync(path, "utf8") === stamp;
}

function goIsHere(purpose: string): boolean {
  if (Bun.which("go") !== null) return true;
  say(`go is missing: going without ${purpose}`);
  return false;
}

export function ensureH2spec(): void {
  ensurePublicProgram("h2spec", "h2spec", H2SPEC);
}

/** For faults of the network in `make chaos`. */
export function ensureToxiproxy(): void {
  ensurePublicProgram("toxiproxy", "server", TOXIPROXY);
}

/** Builds a published Go program, which Go calls `built`, as .cache/go/bin/`name`. */
function ensurePublicProgram(name: string, built: string, module: string): void {
  const stampPath = `${GO_BIN}/${name}.stamp`;
  if (isStamped(stampPath, module) || !goIsHere(name)) return;
  say(`building ${name}`);
  mkdirSync(GO_BIN, { recursive: true });
  const done = download(["go", "install", module], { env: { GOBIN: GO_BIN } });
  if (done.code !== 0) return say(`go could not build ${name}:\n${done.output.trimEnd()}`);
  if (built !== name) renameSync(`${GO_BIN}/${built}`, `${GO_BIN}/${name}`);
  writeFileSync(stampPath, module);
}

function hashOf(directory: string): string {
  const hash = createHash("sha256");
  for (const name of readdirSync(directory).sort()) {
    hash.update(`${name}\0`).update(readFileSync(`${directory}/${name}`));
  }
  return hash.digest("hex");
}

/** Builds the Go module in `directory`, which holds files only, as .cache/go/bin/`name`: its path, or null where that fails. */
export function ensureGoProgram(name: string, directory: string): string | null {
  const path = `${GO_BIN}/${name}`;
  const stampPath = `${path}.stamp`;
  const stamp = hashOf(`${root}/${directory}`);
  if (isStamped(stampPath, stamp)) return path;
  if (!goIsHere(name)) return null;
  say(`building ${name}`);
  mkdirSync(GO_BIN, { recursive: true });
  const done = download(["go", "build", "-mod=readonly", "-o", path, "."], {
    cwd: `${root}/${directory}`,
  });
  if (done.code === 0) {
    writeFileSync(stampPath, stamp);
    return path;
  }
  say(`go could not build ${directory}:\n${done.output.trimEnd()}`);
  return null;
}

/** The HTTP/3 client of the tests. */
export function ensureH3Client(): string | null {
  return ensureGoProgram("h3-client", "tests/support/h3client");
}

function findPython27(): string | undefined {
  const versions = `${process.env.PYENV_ROOT ?? `${homedir()}/.pyenv`}/versions`;
  const built = existsSync(versions) ? readdirSync(versions) : [];
  const newest = built
    .filter((name) => name.startsWith("2.7."))
    .sort()
    .at(-1);
  if (newest !== undefined) return `${versions}/${newest}/bin/python`;
  return Bun.which("python2.7") ?? undefined;
}

/** .cache/autobahn, an environment of CPython 2.7 with wstest in it. */
export function ensureAutobahn(): void {
  const directory = `${root}/.cache/autobahn`;
  const requirements = `${root}/tools/requirements/autobahn.txt`;
  const stampPath = `${directory}/.stamp`;
  const stamp = readFileSync(requirements, "utf8");
  if (isStamped(stampPath, stamp)) return;
  const python = findPython27();
  if (python === undefined) {
    say("CPython 2.7 is missing: going without the Autobahn fuzzing client");
    return;
  }
  say("making .cache/autobahn with Python 2.7");
  const helper = `${root}/.cache/autobahn-virtualenv`;
  rmSync(directory, { recursive: true, force: true });
  const steps = [
    [preferredPython().path, "-m", "venv", helper],
    [`${helper}/bin/python`, "-m", "pip", "install", "--quiet", VIRTUALENV],
    [`${helper}/bin/virtualenv`, "--quiet", "--python", python, directory],
    [`${directory}/bin/pip`, "install", "--quiet", "--requirement", requirements],
  ];
  for (const step of steps) {
    const done = download(step);
    if (done.code === 0) continue;
    say(`${step.join(" ")} failed:\n${done.output.trimEnd()}`);
    return;
  }
  rmSync(helper, { recursive: true, force: true });
  writeFileSync(stampPath, stamp);
}
