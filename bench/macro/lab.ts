/** Where the bars are measured: the server on one core, the load on another, the peers from an environment of their own. */
import { existsSync } from "node:fs";
import { find } from "../../src/compare/find.ts";
import type { Found } from "../../src/compare/find.ts";
import { contenderOf } from "../../src/compare/contender.ts";
import type { Contender } from "../../src/compare/contender.ts";
import { loadHost } from "../../src/compare/guard.ts";
import { wrk } from "../../src/compare/load/wrk.ts";
import type { Cores } from "../../src/compare/machine.ts";
import { pinTo } from "../../src/compare/machine.ts";
import type { Lab } from "../../src/compare/measure.ts";
import { start } from "../../src/compare/measure.ts";
import type { RunningServer } from "../../src/compare/server-process.ts";
import type { Interface, Protocol, Setup } from "../../src/compare/types.ts";
import { client, python, root } from "./paths.ts";
import { serverOf, variants } from "./servers.ts";

/** However many there are: figures of one core are what is compared. */
export const CORES: Cores = { server: [0], load: [1], note: "" };

const OWN_APPS: string = `${root}/bench/apps`;
/** The apps that are also those of `keelback compare`. */
const COMPARE_APPS: string = `${root}/src/compare/apps`;

export function labIn(scratch: string, signal?: AbortSignal): Lab {
  return {
    ...{ serverPin: pinTo(CORES.server), spin: true, tools: [wrk], scratch, signal },
    load: loadHost(CORES.load, signal),
  };
}

/** `app`: a module of bench/apps, or one that begins with `compare_`. */
export function setupOf(
  spoken: Interface,
  app: string,
  more: Partial<Pick<Setup, "workers" | "threads" | "protocol">> = {},
): Setup {
  const directory = app.startsWith("compare_") ? COMPARE_APPS : OWN_APPS;
  const equal = { workers: 1, mode: "equal" } as const;
  return { interface: spoken, app: `${app}:app`, directory, python, ...equal, ...more };
}

const asked = new Map<string, Promise<readonly Found[]>>();

async function findOnce(setup: Setup): Promise<readonly Found[]> {
  const protocol: Protocol = setup.protocol ?? "h1";
  const key = `${setup.interface} ${protocol}`;
  const found = asked.get(key) ?? find(setup);
  asked.set(key, found);
  return found;
}

/** Those of these names that serve the setup, and why the others cannot. */
export async function contendersOf(names: readonly string[], setup: Setup): Promise<Contender[]> {
  if (!existsSync(python)) throw new Error("the peers are missing: tools/setup.ts bench");
  const found = await findOnce(setup);
  return names.map((name) => {
    const spec = serverOf(name, setup.interface);
    const base = variants.find((each) => each === spec)?.of ?? spec.name;
    const seen = found.find((each) => each.spec.name === base);
    if (seen?.missing === undefined) return contenderOf(spec, seen?.version ?? "");
    return contenderOf(spec, "", seen.missing);
  });
}

/** One server, for who drives it himself. */
export async function startPinned(name: string, setup: Setup, lab: Lab): Promise<RunningServer> {
  const [contender] = await contendersOf([name], setup);
  if (contender?.failure !== undefined) throw new Error(`${name}: ${contender.failure}`);
  if (contender === undefined) throw new Error(`no server is called ${name}`);
  return (await start({ contender, setup }, lab)).server;
}

/** As a path of the load client, which has to be built. */
export function clientProgram(): string {
  if (!existsSync(client)) throw new Error("the load client is missing: tools/setup.ts bench");
  return client;
}
