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
 *     bun tests/chaos/run.ts --soak [--seconds S] [--warm-up S] [--as-is] [--write] ...
 *
 * The second form is `make soak` (soak.ts): half an hour at a modest rate, which shows whether memory grows; --write keeps the result,
 * --as-is leaves garbage to the runtime, so that memory swings by tens of MiB.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { commit, machine } from "../../bench/macro/machine.ts";
import { writeResult } from "../../bench/results.ts";
import { descendants, descriptorCount, treeOf } from "../apps_life/processes.ts";
import { Place } from "../apps_life/serve.ts";
import type { Scene } from "./fault.ts";
import { choose, inflict } from "./faults.ts";
import { Ledger } from "./ledger.ts";
import { failureText, faultsOf, faultsText, type Rows, rowsOf, runTwice } from "./report.ts";
import { slopesText, soakMarkdown, table } from "./report.ts";
import { soak, type SoakReport } from "./soak.ts";
import { ended, randomOf, startStage, Supervisor, WORKERS } from "./stage.ts";
import { Toxiproxy } from "./toxiproxy.ts";
import { Traffic } from "./traffic.ts";

const WARM_MS = 3000;
const QUIET_MS = 500;
const LOG_LINES = 300;
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
  /** The longest time that each took, with what is done to the server itself. */
  readonly recoverySeconds: Readonly<Record<string, number>>;
  readonly traffic: Rows;
  /** What was broken, in words; empty: nothing. */
  readonly broken: readonly string[];
}

export async function chaos(options: ChaosOptions): Promise<ChaosReport> {
  using place = new Place();
  await using toxiproxy = await Toxiproxy.start(options.seed);
  if (toxiproxy === null) options.say("toxiproxy is not installed: networks have no faults");
  const server = await startStage(place);
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
    const about = { server, place, workers: WORKERS, supervisor };
    const scene: Scene = { ...about, ledger, toxiproxy, random };
    const end = performance.now() + options.seconds * 1000;
    while (performance.now() < end && broken.length === 0) {
      const name = choose(scene, options.only);
      faults[name] = (faults[name] ?? 0) + 1;
      const left = Math.max(0, Math.round((end - performance.now()) / 1000));
      options.say(`${left} s left: ${name}`);
      const failure = await inflict(scene, name);
      if (failure !== null) broken.push(failure);
      await Bun.sleep(QUIET_MS * (0.5 + scene.random()));
    }
    await traffic.stop();
    broken.push(...leftovers(supervisor, before));
  } finally {
    broken.push(...(await ended(server, supervisor, place)));
  }
  broken.push(...runTwice(place.lines("begun")), ...ledger.judge().map(failureText));
  if (broken.length > 0) options.say(server.output().split("\n").slice(-LOG_LINES).join("\n"));
  const { seed, seconds } = options;
  const { recoveries: recoverySeconds } = ledger;
  const facts = { faults: faultsOf(faults, ledger), recoverySeconds, traffic: rowsOf(ledger) };
  return { seed, seconds, ...facts, broken };
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

const OPTIONS = {
  seed: { type: "string" },
  seconds: { type: "string" },
  scale: { type: "string" },
  only: { type: "string", multiple: true, default: [] as string[] },
  json: { type: "boolean", default: false },
  soak: { type: "boolean", default: false },
  "warm-up": { type: "string" },
  "as-is": { type: "boolean", default: false },
  write: { type: "boolean", default: false },
} as const;

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function write(report: SoakReport): void {
  const date = new Date().toISOString().slice(0, 10);
  const facts = { ...machine(), commit: commit(), date };
  const markdown = soakMarkdown(report, facts);
  writeResult({ date, name: "soak", report: { ...facts, ...report }, markdown });
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9));
  let report: ChaosReport | SoakReport;
  let summary = "";
  if (values.soak) {
    const seconds = Number(values.seconds ?? 1800);
    const warmUpSeconds = Number(values["warm-up"] ?? Math.min(300, seconds / 3));
    const scale = Number(values.scale ?? 0.25);
    const soaked = await soak({ seed, seconds, warmUpSeconds, scale, asIs: values["as-is"], say });
    if (values.write) write(soaked);
    summary = `${slopesText(soaked)}\nat rest: ${soaked.descriptors.join("; ")}\n`;
    report = soaked;
  } else {
    const [seconds, scale] = [Number(values.seconds ?? 60), Number(values.scale ?? 1)];
    report = await chaos({ seed, seconds, scale, only: values.only, say });
  }
  if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else {
    const { traffic, broken } = report;
    process.stdout.write(`seed ${seed}\n${faultsText(report)}\n${table(traffic)}\n${summary}`);
    for (const line of broken.slice(0, 50)) process.stdout.write(`BROKEN ${line}\n`);
  }
  return report.broken.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exit(await main());
