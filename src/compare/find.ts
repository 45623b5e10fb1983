/**
 * Which servers of the catalogue can serve an app here: one Python process of the app's environment is asked for all packages at once, the
 * programs in front are looked for on PATH. What cannot run says why, so that it can be a row of the table.
 */
import { catalogue } from "./servers/catalogue.ts";
import type { ServerSpec } from "./servers/spec.ts";
import type { Interface, Protocol, Setup } from "./types.ts";
import manifest from "../../package.json" with { type: "json" };

export type Found =
  | { readonly spec: ServerSpec; readonly version: string; readonly missing?: undefined }
  | {
      readonly spec: ServerSpec;
      /** Why it cannot run. */
      readonly missing: string;
      /** Nothing that is installed changes that: it serves another kind of app. Such servers are no rows. */
      readonly unsuited?: true;
    };

/** A program that is no Python package. */
export type FoundProgram =
  { readonly path: string; readonly version: string } | { readonly missing: string };

interface Environment {
  /** `3.13.0`. */
  readonly python: string;
  /** Versions by what the catalogue calls the distribution. */
  readonly versions: Readonly<Record<string, string>>;
  readonly modules: readonly string[];
}

/** Asks for a module's place without importing its parents' siblings; the parent package itself is imported. */
const ASK = `
import importlib.metadata, importlib.util, json, platform, sys
asked = json.load(sys.stdin)
versions = {}
for name in asked["distributions"]:
    try:
        versions[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
modules = []
for name in asked["modules"]:
    try:
        if importlib.util.find_spec(name) is not None:
            modules.append(name)
    except ImportError:
        pass
json.dump({"python": platform.python_version(), "versions": versions, "modules": modules}, sys.stdout)
`;

export async function find(setup: Setup): Promise<readonly Found[]> {
  const environment = await ask(setup);
  return catalogue.map((spec) => judge(spec, setup, environment));
}

async function ask(setup: Setup): Promise<Environment> {
  const distributions = catalogue.flatMap(({ needs }) =>
    [needs.distributions, ...Object.values(needs.protocols ?? {})]
      .flat()
      .flatMap((entry) => entry.split("|")),
  );
  const modules = catalogue.flatMap(({ needs }) => Object.keys(needs.modules ?? {}));
  const question = JSON.stringify({
    distributions: [...new Set(distributions)],
    modules: [...new Set(modules)],
  });
  const child = Bun.spawn([setup.python, "-c", ASK], {
    cwd: setup.directory,
    stdin: new Blob([question]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [answer, complaint] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) !== 0) {
    const last = complaint.trim().split("\n").at(-1) ?? "";
    throw new Error(`${setup.python} could not be asked for its packages: ${last}`);
  }
  // The script above wrote it.
  return JSON.parse(answer) as Environment;
}

const INTERFACES: Record<Interface, string> = { wsgi: "WSGI", asgi: "ASGI", rsgi: "RSGI" };
const PROTOCOLS: Record<Protocol, string> = {
  h1: "HTTP/1.1",
  tls: "TLS",
  h2: "HTTP/2",
  h3: "HTTP/3",
};

function judge(spec: ServerSpec, setup: Setup, environment: Environment): Found {
  if (!spec.interfaces.includes(setup.interface)) {
    const able = spec.interfaces.map((name) => INTERFACES[name]).join(" and ");
    const missing = `serves ${able} apps; this one is ${INTERFACES[setup.interface]}`;
    return { spec, missing, unsuited: true };
  }
  const protocol = setup.protocol ?? "h1";
  if (!spec.protocols.includes(protocol)) {
    return { spec, missing: `does not speak ${PROTOCOLS[protocol]}` };
  }
  const { python } = spec.needs;
  if (python !== undefined && isOlder(environment.python, python)) {
    return { spec, missing: `needs Python ${python}; the app has ${environment.python}` };
  }
  return judgePackages(spec, protocol, environment);
}

function judgePackages(
  spec: ServerSpec,
  protocol: Protocol,
  { versions, modules, python }: Environment,
): Found {
  const needed = [...spec.needs.distributions, ...(spec.needs.protocols?.[protocol] ?? [])];
  const entries = needed.map((entry) => ({
    entry,
    version: entry
      .split("|")
      .map((name) => versions[name])
      .find((version) => version !== undefined),
  }));
  const absent = entries.filter(({ version }) => version === undefined).map(({ entry }) => entry);
  if (absent.length > 0) {
    const names = absent.map((entry) => entry.split("|")[0]).join(" and ");
    const hint = `pip install ${spec.pip.map(shellWord).join(" ")}, or --install ${spec.family}`;
    return {
      spec,
      missing: `${names} ${absent.length > 1 ? "are" : "is"} not installed (${hint})`,
    };
  }
  const own = entries[0]?.version ?? ownVersion(spec, python);
  for (const [module, what] of Object.entries(spec.needs.modules ?? {})) {
    if (modules.includes(module)) continue;
    return { spec, missing: `${spec.family} ${own} has no ${what} (there is no ${module})` };
  }
  return { spec, version: own };
}

/** Of what is no distribution: Keelback, and what comes with Python. */
function ownVersion(spec: ServerSpec, python: string): string {
  return spec.family === "keelback" ? manifest.version : `Python ${python}`;
}

function shellWord(text: string): string {
  return /^[\w.=-]+$/.test(text) ? text : `'${text}'`;
}

function isOlder(version: string, than: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [leastMajor = 0, leastMinor = 0] = than.split(".").map(Number);
  return major < leastMajor || (major === leastMajor && minor < leastMinor);
}

/** How each of these says its version, and where Debian puts it for root only. */
const VERSION_FLAGS = { nginx: "-v", haproxy: "-v", caddy: "version" } as const;
const SYSTEM_DIRECTORIES = "/usr/local/sbin:/usr/sbin:/sbin";

export function findProgram(name: keyof typeof VERSION_FLAGS): FoundProgram {
  const path = Bun.which(name, { PATH: `${process.env["PATH"] ?? ""}:${SYSTEM_DIRECTORIES}` });
  if (path === null) return { missing: `${name} is not on PATH` };
  const done = Bun.spawnSync([path, VERSION_FLAGS[name]]);
  const said = `${done.stdout.toString()}${done.stderr.toString()}`;
  const version = /\d+(?:\.\d+)+/.exec(said)?.[0];
  return version === undefined
    ? { missing: `${path} does not say its version` }
    : { path, version };
}
