/** From the command line of `keelback compare` to what is run: the app, its interpreter, the servers that are here, the scenarios. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ceiling } from "../compare/ceiling.ts";
import type { Contender } from "../compare/contender.ts";
import { contenderOf } from "../compare/contender.ts";
import type { Found } from "../compare/find.ts";
import { find, findProgram } from "../compare/find.ts";
import type { Installed } from "../compare/install.ts";
import { findInterface } from "../compare/interface.ts";
import type { Cores } from "../compare/machine.ts";
import type { Entry } from "../compare/run.ts";
import type { ScenarioFile } from "../compare/scenario-file.ts";
import { readScenarioFile, ScenarioFileError } from "../compare/scenario-file.ts";
import type { Scenario, ScenarioOptions } from "../compare/scenarios.ts";
import { get, scenariosOf } from "../compare/scenarios.ts";
import type { ServerSpec } from "../compare/servers/catalogue.ts";
import { catalogue, named } from "../compare/servers/catalogue.ts";
import type { Interface, Setup } from "../compare/types.ts";
import { quote } from "../config/problem.ts";
import type { CompareArguments } from "./compare-arguments.ts";
import { detectApp } from "./detect.ts";
import { findInterpreter } from "./interpreter.ts";

/** Says what is wrong and what to do. `usage`: the command line is wrong, not the world. */
export class CannotCompare extends Error {
  readonly usage: boolean;

  constructor(message: string, usage = true) {
    super(message);
    this.usage = usage;
  }
}

export interface Subject {
  /** Null: only scenarios with an app of ours are measured. */
  readonly app: string | null;
  readonly interface: Interface;
  readonly python: string;
  readonly directory: string;
  /** `main:app (FastAPI, ASGI)` */
  readonly found: string;
}

const APPS = fileURLToPath(new URL("../compare/apps", import.meta.url));
const CONNECTIONS = 64;
const WORKERS_MAX = 8;

export async function findSubject(given: CompareArguments): Promise<Subject> {
  const cwd = process.cwd();
  const directory = resolve(cwd, given.chdir);
  const place = { python: given.python, chdir: directory, cwd, env: process.env };
  const interpreter = findInterpreter(place);
  if ("problem" in interpreter) throw new CannotCompare(interpreter.problem.text);
  const python = interpreter.path;
  const app = given.app ?? detected(given, directory);
  if (app === null) {
    const found = "Keelback's own apps";
    return { app, interface: given.interface ?? "wsgi", python, directory, found };
  }
  const seen = await findInterface(app, python, directory);
  if ("problem" in seen) throw new CannotCompare(seen.problem, false);
  return {
    app,
    python,
    directory,
    interface: given.interface ?? seen.interface,
    found: seen.found,
  };
}

function detected(given: CompareArguments, directory: string): string | null {
  const found = detectApp({ directory, env: process.env });
  if ("app" in found) return found.app;
  const options = { requests: [get("/")], connections: 1, hasApp: true };
  const needed = scenariosOf(given.presets, options).filter(({ own }) => !own);
  if (!given.presets.includes("app") && needed.length === 0) return null;
  const text = found.problem.text.replace("keelback module:attribute", "keelback compare main:app");
  throw new CannotCompare(`${text}; or measure without an app: --preset hello`);
}

function scenariosFor(given: CompareArguments, subject: Subject): Scenario[] {
  const file = readFile(given.scenarioFile);
  const paths = given.paths.length > 0 ? given.paths : ["/"];
  const options: ScenarioOptions = {
    requests: file?.requests ?? paths.map((path) => get(path)),
    connections: given.connections ?? file?.connections ?? CONNECTIONS,
    rate: given.rate ?? file?.rate,
    hasApp: subject.app !== null,
  };
  const made = scenariosOf(given.presets, options);
  // An app that speaks another interface cannot take part: ours takes its place.
  const plain = { ...options, requests: [get("/")], hasApp: false };
  const ours = new Map(scenariosOf(given.presets, plain).map((each) => [each.name, each]));
  return made.map((scenario) => {
    const fits = scenario.interface === undefined || scenario.interface === subject.interface;
    const one = fits || scenario.own ? scenario : (ours.get(scenario.name) ?? scenario);
    return file === null || one.own ? one : withFile(one, file);
  });
}

function withFile(scenario: Scenario, file: ScenarioFile): Scenario {
  const { load } = scenario;
  if (load.kind !== "http") return scenario;
  const named_ = scenario.name === "app";
  return {
    ...scenario,
    ...(named_ && file.title !== undefined ? { title: file.title } : {}),
    ...(named_ && file.about !== undefined ? { about: file.about } : {}),
    load: file.newConnections === true ? { ...load, fresh: true } : load,
  };
}

function readFile(path: string | null): ScenarioFile | null {
  if (path === null) return null;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CannotCompare(`--scenario: ${quote(path)} cannot be read: ${why}`);
  }
  try {
    return readScenarioFile(text);
  } catch (error) {
    if (error instanceof ScenarioFileError) {
      throw new CannotCompare(`--scenario: ${path}: ${error.message}`);
    }
    throw error;
  }
}

function setupOf(
  scenario: Scenario,
  subject: Subject,
  given: CompareArguments,
  cores: Cores,
): Setup {
  const spoken = scenario.interface ?? subject.interface;
  const own = { app: `compare_${spoken === "wsgi" ? "wsgi" : "asgi"}:app`, directory: APPS };
  const theirs = { app: subject.app ?? own.app, directory: subject.directory };
  return {
    interface: spoken,
    ...(scenario.own ? own : theirs),
    python: subject.python,
    workers: given.workers ?? Math.min(WORKERS_MAX, Math.max(1, cores.server.length)),
    ...(given.threads === null ? {} : { threads: given.threads }),
    ...(scenario.protocol === undefined ? {} : { protocol: scenario.protocol }),
    mode: given.mode,
  };
}

export interface Prepared {
  readonly entries: readonly Entry[];
  /** Families that could take part and are not installed. */
  readonly missing: readonly string[];
}

export interface PrepareInput {
  readonly given: CompareArguments;
  readonly subject: Subject;
  readonly cores: Cores;
  readonly installed: Installed | null;
}

export async function prepare(input: PrepareInput): Promise<Prepared> {
  const { given, subject, cores } = input;
  const missing = new Set<string>();
  const entries: Entry[] = [];
  const nginx = findProgram("nginx");
  for (const scenario of scenariosFor(given, subject)) {
    const setup = setupOf(scenario, subject, given, cores);
    const found = await findInstalled(input, setup, await find(setup));
    const contenders = chosen(input, scenario, found);
    for (const family of absentFamilies(found)) {
      if (suitsFramework(family, scenario, subject.found)) missing.add(family);
    }
    const counts = scenario.load.kind === "http" && scenario.load.openOnly !== true;
    const top = counts && "path" in nginx ? ceilingOf(nginx, scenario) : undefined;
    entries.push({
      scenario,
      setup,
      contenders,
      ceiling: scenario.sweepOf === undefined ? top : undefined,
    });
  }
  const empty = entries.find(({ contenders }) => contenders.length === 0);
  if (empty !== undefined) {
    const names = given.servers === null ? "here" : `of ${given.servers.join(", ")}`;
    const what = empty.setup.interface.toUpperCase();
    throw new CannotCompare(`no server ${names} serves ${what} apps (${empty.scenario.name})`);
  }
  return { entries, missing: [...missing] };
}

/** Of which no server is here, though one could be. */
function absentFamilies(found: readonly Found[]): string[] {
  const here = new Set(found.filter((one) => one.missing === undefined).map(familyOf));
  const could = found.filter((one) => one.missing !== undefined && one.unsuited !== true);
  return could.map(familyOf).filter((family) => !here.has(family));
}

function familyOf({ spec }: Found): string {
  return spec.family;
}

function ceilingOf(
  nginx: { readonly path: string; readonly version: string },
  scenario: Scenario,
): Entry["ceiling"] {
  const { load } = scenario;
  if (load.kind !== "http") return undefined;
  return (said) => {
    const recorded = said.map(([answer], index) => ({
      path: load.requests[index]?.path ?? "/",
      contentType: answer.contentType,
      body: new Uint8Array(answer.body),
    }));
    return recorded.length === 0 ? null : contenderOf(ceiling(nginx.path, recorded), nginx.version);
  };
}

/** The same list, with what is installed in the throw-away environment in the place of what was missing. */
async function findInstalled(
  { installed }: PrepareInput,
  setup: Setup,
  found: readonly Found[],
): Promise<readonly (Found & { readonly python?: string })[]> {
  if (installed === null) return found;
  const there = await find({ ...setup, python: installed.python });
  return found.map((one, index) => {
    const outcome = installed.outcomes.find(({ name }) => name === one.spec.name);
    if (outcome === undefined) return one;
    if (outcome.failure !== undefined) {
      return one.missing === undefined ? one : { spec: one.spec, missing: outcome.failure };
    }
    return { ...(there[index] ?? one), python: installed.python };
  });
}

function chosen(
  { given, installed, subject }: PrepareInput,
  scenario: Scenario,
  found: readonly (Found & { readonly python?: string })[],
): Contender[] {
  const asked =
    given.servers === null ? null : new Set(given.servers.flatMap((name) => named(name)));
  const installedNames = new Set(installed?.outcomes.map(({ name }) => name));
  return found.flatMap((one) => {
    const { spec } = one;
    const wanted = asked === null ? byDefault(spec, scenario, subject.found) : asked.has(spec);
    const own = installedNames.has(spec.name);
    if (!wanted && !own) return [];
    if (scenario.sweepOf === "threads" && spec.threaded !== true) return [];
    if (one.missing === undefined) return [withPython(contenderOf(spec, one.version), one.python)];
    // What nobody asked for by its own name and is not here is no row, but a hint.
    const alone = !found.some((other) => other.missing === undefined && sameFamily(other, one));
    const named_ = given.servers?.includes(spec.name) === true || (asked !== null && alone);
    if (one.unsuited === true || !(named_ || own)) return [];
    return [contenderOf(spec, "", one.missing)];
  });
}

function sameFamily(one: Found, other: Found): boolean {
  return one.spec.family === other.spec.family;
}

/** Families that run apps of their framework only, and what the app is then called. */
const FRAMEWORKS: ReadonlyMap<string, string> = new Map([
  ["django", "Django"],
  ["flask", "Flask"],
]);

function suitsFramework(family: string, { own }: Scenario, app: string): boolean {
  const framework = FRAMEWORKS.get(family);
  return framework === undefined || (!own && app.includes(framework));
}

function byDefault(spec: ServerSpec, scenario: Scenario, app: string): boolean {
  if (!suitsFramework(spec.family, scenario, app)) return false;
  return spec.kind === "server" || (spec.kind === "baseline" && scenario.baselines === true);
}

function withPython(contender: Contender, python: string | undefined): Contender {
  if (python === undefined) return contender;
  return {
    ...contender,
    resources: (setup) => contender.resources({ ...setup, python }),
    command: (setup, listen) => contender.command({ ...setup, python }, listen),
  };
}

/** For `--install`: families stand for all of their servers. */
export function installNames(names: readonly string[]): string[] {
  const specs = new Set(names.flatMap((name) => named(name)));
  return catalogue.filter((spec) => specs.has(spec)).map(({ name }) => name);
}
