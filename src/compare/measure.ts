/** One server, one scenario, one start: looked at, loaded, looked at again, and ended. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Front } from "./behind.ts";
import { behind } from "./behind.ts";
import type { Contender } from "./contender.ts";
import { shownCommand } from "./contender.ts";
import { builtin } from "./load/builtin.ts";
import type { ClosedTool } from "./load/closed.ts";
import type { LoadRequest } from "./load/http-load.ts";
import type { LoadHost, Pinning } from "./load/order.ts";
import type { ProbeTarget, Testimony } from "./probe.ts";
import { isRight, probe } from "./probe.ts";
import { pssKiB } from "./process-tree.ts";
import type { MeasuredLoad, Scenario } from "./scenarios.ts";
import { get } from "./scenarios.ts";
import { loadOnce } from "./rounds.ts";
import type { RunningServer, StartOptions } from "./server-process.ts";
import { freePort, startServer } from "./server-process.ts";
import { writeCertificate } from "./servers/certificate.ts";
import type { Launch, Listen } from "./servers/spec.ts";
import type { RequestSpec, Round, Setup, SweepPoint } from "./types.ts";

/** Where and with what everything is measured. */
export interface Lab {
  readonly serverPin: Pinning;
  readonly load: LoadHost;
  /** False: there is no core to spin on. */
  readonly spin: boolean;
  readonly tools: readonly ClosedTool[];
  /** For logs, certificates and configurations. */
  readonly scratch: string;
  /** What stands in front of each server. */
  readonly front?: Omit<Front, "upstream"> | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Trial {
  readonly contender: Contender;
  readonly setup: Setup;
  readonly scenario: Scenario;
  /** With the reference in each. */
  readonly requests: readonly LoadRequest[];
  readonly seconds: number;
  /** Of the open loop. */
  readonly openRate: number;
  /** The server closes each connection: each request gets a new one. */
  readonly closes: boolean;
  /** It is known to answer otherwise than the others: said already. */
  readonly flagged: boolean;
}

export interface Measured {
  readonly round: Round;
  readonly points: readonly SweepPoint[];
  readonly command: string;
  readonly load: string;
  readonly warnings: readonly string[];
}

/** What idle memory waits for: imports in the background, first collections. */
const SETTLE_MS = 300;
const MIB = 1024;
/** Proxies say so while the server behind them starts. */
const STARTING = new Set([502, 503, 504]);

export interface Started {
  readonly server: RunningServer;
  readonly command: string;
  readonly target: ProbeTarget;
}

/** Left out the scenario: anything that answers `GET /`. */
type Start = Pick<Trial, "contender" | "setup"> & Partial<Pick<Trial, "scenario">>;

/** The caller stops it. */
export async function start(trial: Start, lab: Lab): Promise<Started> {
  const { contender, setup } = trial;
  if (lab.front === undefined || contender.kind === "ceiling") {
    const launch = (listen: Listen): Launch => contender.command(setup, listen);
    return startOne(trial, setup, launch, lab);
  }
  // TLS and HTTP/2 are the front's.
  const { protocol: _, ...plain } = setup;
  const server = await startOne(trial, plain, (listen) => contender.command(plain, listen), lab);
  const front = { ...lab.front, upstream: server.server.port };
  try {
    const before = await startOne(trial, setup, (listen) => behind(front, setup, listen), lab);
    return joined(server, before);
  } catch (error) {
    await server.server.stop();
    throw error;
  }
}

/** Both as one: what clients speak with is the front, what they cost is both. */
function joined(server: Started, front: Started): Started {
  const both: RunningServer = {
    ...front.server,
    startupMs: server.server.startupMs,
    tree: () => [...server.server.tree(), ...front.server.tree()],
    lastWords: () => `${server.server.lastWords()}\n${front.server.lastWords()}`.trim(),
    alive: () => server.server.alive() && front.server.alive(),
    stop: async () => {
      await front.server.stop();
      await server.server.stop();
    },
  };
  return {
    server: both,
    command: `${server.command}; in front: ${front.command}`,
    target: front.target,
  };
}

async function startOne(
  { contender, scenario }: Start,
  setup: Setup,
  command: (listen: Listen) => Launch,
  lab: Lab,
): Promise<Started> {
  const port = await freePort();
  const directory = join(lab.scratch, `${contender.name.replaceAll(/\W+/g, "-")}-${port}`);
  mkdirSync(directory, { recursive: true });
  const { protocol = "h1" } = setup;
  const listen = { port, directory };
  if (protocol !== "h1") writeCertificate(listen);
  const launch = command(listen);
  for (const [name, content] of Object.entries(launch.files ?? {})) {
    writeFileSync(join(directory, name), content);
  }
  const target: ProbeTarget = { port, protocol: protocol === "h3" ? "h2" : protocol };
  const first = firstRequest(scenario);
  const options: StartOptions = {
    ...{ name: contender.name, argv: launch.argv, pin: lab.serverPin, port },
    cwd: launch.cwd ?? setup.directory,
    env: { KEELBACK_CONTROL: undefined, ...launch.env },
    secure: protocol !== "h1",
    log: join(directory, "output"),
    signal: lab.signal,
    answers: async () => {
      const answer = await probe(target, first);
      return answer !== null && !STARTING.has(answer.status);
    },
  };
  return { server: await startServer(options), command: shownCommand(launch, listen), target };
}

function firstRequest(scenario: Scenario | undefined): RequestSpec {
  const load = scenario?.load;
  return (load?.kind === "http" ? load.requests[0] : undefined) ?? get("/");
}

/** The first look: what it answers, whether it keeps connections, about how fast it is. */
export interface Look {
  readonly command: string;
  /** One for each request of the scenario; of transfers and WebSockets none. */
  readonly said: readonly Testimony["answers"][];
  readonly keepsAlive: boolean;
  /** Requests a second, roughly. */
  readonly rate: number;
}

const LOOK_SECONDS = 0.7;

export async function look(
  trial: Pick<Trial, "contender" | "setup" | "scenario">,
  lab: Lab,
): Promise<Look> {
  const { load } = trial.scenario;
  // It starts the server in its own way, and knows itself what a right answer is.
  if (load.kind === "measured")
    return { command: "", said: [], keepsAlive: true, rate: Number.NaN };
  const { server, command, target } = await start(trial, lab);
  try {
    if (load.kind !== "http") return { command, said: [], keepsAlive: true, rate: Number.NaN };
    const said: Testimony["answers"][] = [];
    for (const request of load.requests) {
      const [first, second] = [await probe(target, request), await probe(target, request)];
      if (first === null || second === null) {
        throw new Error(`gives no answer to ${request.method} ${request.path}${words(server)}`);
      }
      said.push([first, second]);
    }
    const keepsAlive = said.every(([first]) => first.keepsAlive);
    const requests = load.requests.map((request) => ({ ...request, check: {} }));
    const options = { seconds: LOOK_SECONDS, requests, fresh: load.fresh === true || !keepsAlive };
    const rate =
      load.openOnly === true ? Number.NaN : await quick(server, { ...load, ...options }, lab);
    return { command, said, keepsAlive, rate };
  } finally {
    await server.stop();
  }
}

interface Quick {
  readonly connections: number;
  readonly streams?: number;
  readonly seconds: number;
  readonly requests: readonly LoadRequest[];
  readonly fresh: boolean;
}

async function quick(server: RunningServer, options: Quick, lab: Lab): Promise<number> {
  const { connections, streams, seconds, requests, fresh } = options;
  const spec = { origin: server.origin, requests, connections, seconds, fresh };
  const with2 = streams === undefined ? spec : { ...spec, streams };
  return (await builtin.run(with2, lab.load)).requestsPerSecond;
}

function words(server: RunningServer): string {
  const said = server.lastWords();
  return said === "" ? "" : `: ${said}`;
}

export async function measure(trial: Trial, lab: Lab): Promise<Measured> {
  const { load } = trial.scenario;
  if (load.kind === "measured") return readFigures(trial, load, lab);
  const { setup, contender } = trial;
  const started = await start(trial, lab);
  const { server, command, target } = started;
  try {
    const warnings = trial.flagged ? [] : await wrongAnswers(trial, target, "before the load");
    const suspect = trial.flagged || warnings.length > 0;
    await Bun.sleep(SETTLE_MS);
    const memoryIdle = pssKiB(server.tree()) / MIB;
    const done = await loadOnce(trial, server, lab);
    if (!server.alive()) throw new Error(`ended under load${words(server)}`);
    if (!suspect) warnings.push(...(await wrongAnswers(trial, target, "after the load")));
    if (done.warning !== undefined) warnings.push(done.warning);
    const { workers } = contender.resources(setup);
    const loaded = done.memoryLoadedKiB / MIB;
    const round: Round = {
      ...done.round,
      ...known("memoryIdle", memoryIdle),
      ...known("memoryLoaded", loaded),
      ...known("memoryPerWorker", loaded / workers),
      startupMs: Math.round(server.startupMs),
    };
    return { round, points: done.points, command, load: done.load, warnings };
  } finally {
    await server.stop();
  }
}

async function readFigures(trial: Trial, load: MeasuredLoad, lab: Lab): Promise<Measured> {
  const { contender, setup, seconds } = trial;
  const done = await load.measure({ contender, setup, seconds, lab });
  const finite = Object.entries(done.figures).filter(([, { value }]) => Number.isFinite(value));
  const { requests, errors, command } = done;
  const round: Round = { requests, errors, figures: Object.fromEntries(finite) };
  return { round, points: [], command, load: done.load, warnings: [] };
}

function known<Key extends string>(key: Key, value: number): { readonly [K in Key]?: number } {
  if (!Number.isFinite(value)) return {};
  // A computed key widens to string.
  return { [key]: Number(value.toPrecision(4)) } as { readonly [K in Key]?: number };
}

async function wrongAnswers(trial: Trial, target: ProbeTarget, when: string): Promise<string[]> {
  const wrong: string[] = [];
  for (const request of trial.requests) {
    if (isRight(await probe(target, request), request.check)) continue;
    wrong.push(`${when}: a wrong answer or none to ${request.method} ${request.path}`);
  }
  return wrong;
}
