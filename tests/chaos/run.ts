/**
 * `make chaos`: a real server under steady traffic while everything that can be done to it is done, by a seed. Ends with status 1 when
 * an invariant is broken:
 *
 * - no answer belongs to another request, no unsafe request is run twice;
 * - no request fails but by a fault that may do that (faults.ts), and none without one;
 * - the server recovers from each fault in time;
 * - afterwards no process, descriptor or file is left over, and memory is as before.
 *
 *     bun tests/chaos/run.ts [--seed N] [--seconds S] [--scale X] [--only FAULT] [--json]
 */
import { existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import {
  descendants,
  descriptorCount,
  gone,
  isAlive,
  processOf,
  treeOf,
} from "../apps_life/processes.ts";
import { Place } from "../apps_life/serve.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { type Fault, FAULTS, type Scene, TIMEOUT_SECONDS } from "./faults.ts";
import { type Failure, Ledger, percentile } from "./ledger.ts";
import { Traffic } from "./traffic.ts";

const APP = new URL("app.py", import.meta.url).pathname;
const WORKERS = 2;
const WARM_MS = 3000;
const QUIET_MS = 500;
const STOP_MS = 40_000;
const PID_FILE = "pid";
const LOG_LINES = 40;
/** What an edge may have grown by at the end: its heap is collected when the runtime likes. */
const GROWTH_BYTES_MAX = 100 * 1024 * 1024;
/** Listeners of the run itself, logs, timers: what may differ without being a leak. */
const DESCRIPTORS_SLACK = 4;

export interface ChaosOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Of the rates in traffic.ts. */
  readonly scale: number;
  /** Names of faults; empty: all. */
  readonly only: readonly string[];
  readonly say: (line: string) => void;
}

export interface ChaosReport {
  readonly seed: number;
  readonly seconds: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly traffic: Readonly<
    Record<string, { ok: number; excused: number; failed: number; p50: number; p99: number }>
  >;
  /** What was broken, in words; empty: nothing. */
  readonly broken: readonly string[];
}

export async function chaos(options: ChaosOptions): Promise<ChaosReport> {
  using place = new Place();
  const server = await startChaos(place);
  const supervisor = new Supervisor(server, place);
  const ledger = new Ledger();
  const traffic = new Traffic(server.port, ledger);
  const broken: string[] = [];
  const faults: Record<string, number> = {};
  try {
    traffic.start(options.scale);
    await Bun.sleep(WARM_MS);
    const before = footprint(supervisor);
    const random = randomOf(options.seed);
    const scene: Scene = { server, place, workers: WORKERS, random, supervisor };
    const end = performance.now() + options.seconds * 1000;
    while (performance.now() < end && broken.length === 0) {
      const name = choose(scene, options.only);
      faults[name] = (faults[name] ?? 0) + 1;
      const left = Math.max(0, Math.round((end - performance.now()) / 1000));
      options.say(`${left} s left: ${name}`);
      const failure = await inflict(scene, ledger, name);
      if (failure !== null) broken.push(failure);
      await Bun.sleep(QUIET_MS * (0.5 + scene.random()));
    }
    await traffic.stop();
    broken.push(...leftovers(supervisor, before));
  } finally {
    broken.push(...(await ended(server, supervisor)));
  }
  broken.push(...runTwice(place), ...ledger.judge().map(failureText));
  if (broken.length > 0) options.say(server.output().split("\n").slice(-LOG_LINES).join("\n"));
  const rows = [...ledger.tallies].map(([kind, { ok, excused, failed, times }]) => {
    const p50 = percentile(times, 0.5);
    return [kind, { ok, excused, failed, p50, p99: percentile(times, 0.99) }] as const;
  });
  const { seed, seconds } = options;
  return { seed, seconds, faults, traffic: Object.fromEntries(rows), broken };
}

function startChaos(place: Place): Promise<TestServer> {
  return startServer({
    app: "chaos_app:app",
    cwd: linkApp(place),
    env: { PLACE: place.path, PYTHONDONTWRITEBYTECODE: "1" },
    args: [
      ...["--workers", String(WORKERS), "--timeout", String(TIMEOUT_SECONDS)],
      ...["--graceful-timeout", "20", "--max-worker-memory", "100m", "--access-log", "/dev/full"],
      ...["--pid", place.of(PID_FILE)],
    ],
  });
}

/** The process that leads the server now: an upgrade changes it. */
class Supervisor {
  readonly #server: TestServer;
  readonly #file: string;

  constructor(server: TestServer, place: Place) {
    this.#server = server;
    this.#file = place.of(PID_FILE);
  }

  get pid(): number {
    if (!existsSync(this.#file)) return this.#server.pid;
    return Number(readFileSync(this.#file, "utf8")) || this.#server.pid;
  }
}

/** The app under a name that no module of the tests has. */
function linkApp(place: Place): string {
  place.write("chaos_app.py", readFileSync(APP));
  return place.path;
}

async function inflict(scene: Scene, ledger: Ledger, name: string): Promise<string | null> {
  const fault: Fault = FAULTS[name]!;
  const excuse = ledger.excuse(name, fault.allows);
  try {
    await fault.run(scene);
    return null;
  } catch (error) {
    return `no recovery from "${name}": ${String(error)}`;
  } finally {
    excuse.until = performance.now();
  }
}

function choose(scene: Scene, only: readonly string[]): string {
  const rows = Object.entries(FAULTS).filter(([name]) => only.length === 0 || only.includes(name));
  const all = rows.reduce((sum, [, { weight }]) => sum + weight, 0);
  let at = scene.random() * all;
  for (const [name, { weight }] of rows) {
    at -= weight;
    if (at < 0) return name;
  }
  throw new Error(`there is no such fault: ${only.join(", ")}`);
}

/** Mulberry32: the same seed, the same chaos. */
function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Footprint {
  readonly processes: number;
  readonly descriptors: number;
  readonly edgeBytes: number;
}

function footprint(server: Supervisor): Footprint {
  const [edge] = treeOf(server).edges;
  const status = edge === undefined ? "" : readFileSync(`/proc/${edge.pid}/status`, "utf8");
  return {
    processes: descendants(server.pid).length,
    descriptors: descriptorCount(server.pid),
    edgeBytes: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024,
  };
}

function leftovers(server: Supervisor, before: Footprint): string[] {
  const after = footprint(server);
  const broken: string[] = [];
  if (after.processes > before.processes) {
    broken.push(`${after.processes} processes, there were ${before.processes}`);
  }
  if (after.descriptors > before.descriptors + DESCRIPTORS_SLACK) {
    broken.push(`${after.descriptors} descriptors, there were ${before.descriptors}`);
  }
  if (after.edgeBytes > before.edgeBytes + GROWTH_BYTES_MAX) {
    broken.push(`the edge has grown from ${before.edgeBytes} to ${after.edgeBytes} bytes`);
  }
  return broken;
}

/** The server stops in peace and takes all its processes with it. */
async function ended(server: TestServer, { pid }: Supervisor): Promise<string[]> {
  const own = processOf(pid);
  const all = [...(own === undefined ? [] : [own]), ...descendants(pid)];
  process.kill(pid, "SIGTERM");
  try {
    await gone(all, STOP_MS);
  } catch (error) {
    for (const one of all.filter(isAlive)) process.kill(one.pid, "SIGKILL");
    return [String(error)];
  }
  const code = pid === server.pid ? await server.exited : 0;
  return code === 0 ? [] : [`the server ended with status ${code}`];
}

function runTwice(place: Place): string[] {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const line of place.lines("begun")) (seen.has(line) ? twice : seen).add(line);
  return [...twice].map((line) => `${line} was run twice`);
}

function failureText({ kind, id, fate, detail, startedAt, endedAt }: Failure): string {
  const from = (startedAt / 1000).toFixed(3);
  return `${kind} ${id}: ${fate}, from ${from} s for ${Math.round(endedAt - startedAt)} ms ${detail}`;
}

function table(report: ChaosReport): string {
  const rows = Object.entries(report.traffic).map(([kind, row]) => {
    const numbers = [row.ok, row.excused, row.failed].map((n) => String(n).padStart(8));
    const times = [row.p50, row.p99].map((ms) => ms.toFixed(1).padStart(9));
    return `${kind.padEnd(10)}${[...numbers, ...times].join("")}`;
  });
  const head = "              ok excused  failed   P50 ms   P99 ms";
  const faults = Object.entries(report.faults).map(([name, count]) => `${count} x ${name}`);
  return `${faults.join(", ")}\n${head}\n${rows.join("\n")}`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      seed: { type: "string", default: String(Math.floor(Math.random() * 1e9)) },
      seconds: { type: "string", default: "60" },
      scale: { type: "string", default: "1" },
      only: { type: "string", multiple: true, default: [] },
      json: { type: "boolean", default: false },
    },
  });
  const report = await chaos({
    seed: Number(values.seed),
    seconds: Number(values.seconds),
    scale: Number(values.scale),
    only: values.only,
    say: (line) => process.stderr.write(`${line}\n`),
  });
  if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else {
    process.stdout.write(`seed ${report.seed}\n${table(report)}\n`);
    for (const line of report.broken.slice(0, 50)) process.stdout.write(`BROKEN ${line}\n`);
  }
  process.exit(report.broken.length === 0 ? 0 : 1);
}
