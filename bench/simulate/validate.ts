/**
 * Predicted against measured: an app whose service times are known runs on Keelback and on servers that pin connections, under the
 * open-loop generator for latency and a closed loop for throughput; `keelback simulate` says the same beforehand. Server on one core,
 * generator on the other, as in bench/macro.
 *
 *     bun bench/simulate/validate.ts [POINT...] [--seconds 20] [--rounds 3] [--ahead] [--json] [--no-write]
 *
 * `--ahead` (as root): server and generator go before everything else on the machine, for a look on one that is not quiet.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parseDistribution } from "../../src/simulate/distribution.ts";
import { type Model, type Plan, simulate } from "../../src/simulate/simulate.ts";
import { Workload } from "../../src/simulate/workload.ts";
import type { StreamResult } from "../../src/compare/load/http-load.ts";
import { httpLoad } from "../../src/compare/load/order.ts";
import type { Lab } from "../../src/compare/measure.ts";
import { median } from "../../src/compare/statistics.ts";
import { labIn, setupOf, startPinned } from "../macro/lab.ts";
import { childrenOf } from "../macro/leader.ts";
import { commit, machine, versions } from "../macro/machine.ts";
import { writeResult } from "../results.ts";

interface Point {
  readonly name: string;
  readonly interface: Plan["interface"];
  readonly server: string;
  readonly model: Model;
  readonly workers: number;
  readonly threads: number;
  /** Of the open loop. */
  readonly rate: number;
  /** Median, P99 (lognormal, ms) and the share that computes. */
  readonly service: readonly [number, number, number];
}

const CONNECTIONS = 64;
const WARMUP_MS = 2000;
/** Well beyond what a core can do, for the simulated closed loop. */
const FLOOD_RATE = 5000;
const FLOOD_SECONDS = 20;
const SEEDS = [1, 2, 3, 4, 5];
const PREDICTED_SECONDS = 120;
const BAR = 0.15;

type Base = Pick<Point, "name" | "interface" | "workers" | "threads" | "rate" | "service">;

const BASES: readonly Base[] = [
  {
    ...{ name: "WSGI, mostly waiting", interface: "wsgi", workers: 2, threads: 8 },
    ...{ rate: 110, service: [20, 100, 0.15] },
  },
  {
    ...{ name: "ASGI, mostly waiting", interface: "asgi", workers: 2, threads: 1 },
    ...{ rate: 130, service: [20, 100, 0.15] },
  },
  {
    ...{ name: "WSGI, all computing", interface: "wsgi", workers: 4, threads: 4 },
    ...{ rate: 60, service: [8, 24, 1] },
  },
];

const POINTS: readonly Point[] = BASES.flatMap((base) => [
  { ...base, server: "keelback", model: "keelback" },
  base.interface === "asgi"
    ? { ...base, server: "uvicorn", model: "loop" }
    : { ...base, server: "gunicorn gthread", model: "gthread" },
]);

interface Figures {
  readonly p50: number;
  readonly p99: number;
  readonly throughput: number;
}

interface Result extends Point {
  readonly predicted: Figures;
  readonly measured: Figures;
  readonly rounds: readonly Figures[];
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "20" },
    rounds: { type: "string", default: "3" },
    ahead: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    "no-write": { type: "boolean", default: false },
  },
});

function workloadOf([p50, p99, share]: Point["service"]): Workload {
  const service = parseDistribution(`lognormal:${p50}ms:${p99}ms`);
  if (typeof service === "string") throw new Error(service);
  return new Workload([{ name: "/", weight: 1, service, cpuShare: share, blocking: false }]);
}

/** The middle of some seeds: which connection belongs to which worker is chance. */
function predict(point: Point): Figures {
  const { model, workers, threads, rate } = point;
  const plan: Plan = {
    ...{ model, workers, threads, rate, interface: point.interface, nodes: 1, cores: 1 },
    ...{ arrivals: "even", connections: CONNECTIONS, fresh: 0, balance: "round-robin" },
    ...{ workload: workloadOf(point.service), seconds: PREDICTED_SECONDS, warmupSeconds: 2 },
    ...{ seed: 1, queueMax: 10_000, queueTimeoutMs: 30_000 },
  };
  const outcomes = SEEDS.map((seed) => simulate({ ...plan, seed }));
  const flooded = simulate({ ...plan, rate: FLOOD_RATE, seconds: FLOOD_SECONDS });
  return {
    p50: median(outcomes.map(({ p50 }) => p50)),
    p99: median(outcomes.map(({ p99 }) => p99)),
    throughput: flooded.throughput,
  };
}

/** Linux gives each session its share, whatever the priorities inside of it: those of the sessions count. */
function goAhead(pids: readonly (number | "self")[]): void {
  if (values.ahead) for (const pid of pids) writeFileSync(`/proc/${pid}/autogroup`, "-20");
}

/** `rate` 0: a closed loop. */
async function load(
  port: number,
  rate: number,
  seconds: number,
  lab: Lab,
): Promise<StreamResult | undefined> {
  const streams = [{ name: "all", path: "/", connections: CONNECTIONS, rate }];
  const spec = { port, warmupMs: WARMUP_MS, durationMs: seconds * 1000, streams };
  const running = httpLoad(spec, lab.load);
  await Bun.sleep(WARMUP_MS / 4);
  goAhead(childrenOf(process.pid));
  return (await running)["all"];
}

async function measure(point: Point, seconds: number, lab: Lab): Promise<Figures> {
  process.env["BENCH_SERVICE"] = point.service.join(" ");
  const { workers, threads } = point;
  const setup = setupOf(point.interface, `${point.interface}_service`, {
    workers,
    ...(point.interface === "wsgi" ? { threads } : {}),
  });
  const server = await startPinned(point.server, setup, lab);
  try {
    goAhead(server.tree().map(({ pid }) => pid));
    const open = await load(server.port, point.rate, seconds, lab);
    const closed = await load(server.port, 0, seconds, lab);
    if (open === undefined || closed === undefined || open.errors > 0) {
      throw new Error(`${point.server} failed ${open?.errors} requests`);
    }
    return { p50: open.p50Ms, p99: open.p99Ms, throughput: closed.perSecond };
  } finally {
    await server.stop();
  }
}

function off(predicted: number, measured: number): number {
  return predicted / measured - 1;
}

function cells({ predicted, measured }: Result, key: keyof Figures): string {
  const [a, b] = [predicted[key], measured[key]].map((value) => Number(value.toPrecision(3)));
  const percent = Math.round(off(predicted[key], measured[key]) * 100);
  return `${a} | ${b} | ${percent > 0 ? "+" : ""}${percent} %`;
}

function render(results: readonly Result[]): string {
  const lines = results.map((result) => {
    const { name, server, workers, rate } = result;
    const figures = (["p50", "p99", "throughput"] as const).map((key) => cells(result, key));
    return `| ${name} | ${server} | ${workers} | ${rate} | ${figures.join(" | ")} |`;
  });
  const within = results.filter(({ predicted, measured }) =>
    (["p99", "throughput"] as const).every(
      (key) => Math.abs(off(predicted[key], measured[key])) <= BAR,
    ),
  ).length;
  return [
    "| app | server | workers | rate, /s | P50 predicted, ms | measured | off | P99 predicted, ms | measured | off | most /s predicted | measured | off |",
    `| --- | --- ${"| --: ".repeat(11)}|`,
    ...lines,
    "",
    `P99 and throughput within ${BAR * 100} % at ${within} of ${results.length} points.`,
    "",
  ].join("\n");
}

async function main(): Promise<void> {
  goAhead(["self"]);
  const rounds = Number(values.rounds);
  const seconds = Number(values.seconds);
  const chosen = POINTS.filter(
    ({ name, server }) =>
      positionals.length === 0 || positionals.some((word) => `${name} ${server}`.includes(word)),
  );
  const results: Result[] = [];
  const scratch = mkdtempSync(join(tmpdir(), "keelback-simulate-"));
  const lab = labIn(scratch);
  for (const point of chosen) {
    const predicted = predict(point);
    const all: Figures[] = [];
    for (let round = 0; round < rounds; round++) all.push(await measure(point, seconds, lab));
    const middle = (key: keyof Figures): number => median(all.map((one) => one[key]));
    const measured = { p50: middle("p50"), p99: middle("p99"), throughput: middle("throughput") };
    const result = { ...point, predicted, measured, rounds: all };
    results.push(result);
    process.stderr.write(`${point.name}, ${point.server}: ${JSON.stringify({ predicted, all })}\n`);
  }
  rmSync(scratch, { recursive: true, force: true });
  const date = new Date().toISOString();
  const report = { date, commit: commit(), machine: machine(), versions: versions(), results };
  if (!values["no-write"]) {
    const markdown = `# Predicted and measured on ${date.slice(0, 10)}\n\n${render(results)}`;
    writeResult({ date, name: "simulate", report, markdown });
  }
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : render(results));
}

await main();
process.exit(0);
