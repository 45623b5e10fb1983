/**
 * `make chaos`: a real server under steady traffic while everything that can be done to it is done, by a seed. Ends with status 1 when
 * an invariant is broken:
 *
 * - no answer belongs to another request, no unsafe request is run twice;
 * - no request fails but by a fault that may do that (faults.ts), and none without one;
 * - no connection that a client keeps is ended but by what may do that;
 * - the server recovers from each fault within the seconds that its row promises;
 * - afterwards no process, descriptor or file is left over, and memory is as before.
 *
 *     bun tests/chaos/run.ts [--seed N] [--seconds S] [--scale X] [--only FAULT] [--part N] [--json]
 *     bun tests/chaos/run.ts --soak [--seconds S] [--warm-up S] [--as-is] [--write] ...
 *
 * The seed chooses the shape of the server, too (shape.ts). --part takes the faults and the shape of one part of a round through all of
 * them (round.ts), as `make test` does.
 *
 * The second form is `make soak` (soak.ts): half an hour at a modest rate, which shows whether memory grows; --write keeps the result,
 * --as-is leaves garbage to the runtime, so that memory swings by tens of MiB.
 */
import { parseArgs } from "node:util";
import { commit, machine } from "../../bench/macro/machine.ts";
import { writeResult } from "../../bench/results.ts";
import { chaos, type ChaosReport } from "./chaos.ts";
import { descriptorsOf } from "./footprint.ts";
import { faultsText } from "./report.ts";
import { slopesText, soakMarkdown, table } from "./report.ts";
import { partOf } from "./round.ts";
import { shapeText } from "./shape.ts";
import { soak, type SoakReport } from "./soak.ts";

const OPTIONS = {
  seed: { type: "string" },
  seconds: { type: "string" },
  scale: { type: "string" },
  only: { type: "string", multiple: true, default: [] as string[] },
  part: { type: "string" },
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
    summary = `${slopesText(soaked)}\nat rest: ${soaked.rests.map(descriptorsOf).join("; ")}\n`;
    report = soaked;
  } else {
    const [seconds, scale] = [Number(values.seconds ?? 60), Number(values.scale ?? 1)];
    const part = values.part === undefined ? null : partOf(seed, Number(values.part));
    const { shape, names } = part ?? { shape: null, names: null };
    report = await chaos({ seed, seconds, scale, shape, only: values.only, names, say });
    summary = `${shapeText(report.shape)}\n`;
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
