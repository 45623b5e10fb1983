/**
 * `make bench`: presets of `keelback compare` with bars, servers in turns; writes the report and its tables to bench/results.
 *
 *     bun bench/macro/run.ts [SCENARIO|GROUP|all]... [--server NAME]... [--rounds 5] [--seconds 5] [--quick] [--closed]
 *                            [--list] [--json] [--name NAME] [--no-write]
 *
 * Without a scenario: says what there is and how long it takes, and runs the throughput ones, shorter. `--closed`: of those wrk's
 * requests a second alone, in half of the time.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { withoutEmptyRounds } from "../../src/compare/empty-rounds.ts";
import { builtin } from "../../src/compare/load/builtin.ts";
import { described } from "../../src/compare/load/closed.ts";
import { wrk } from "../../src/compare/load/wrk.ts";
import { describeMachine } from "../../src/compare/machine.ts";
import type { Pace } from "../../src/compare/plan.ts";
import { durationText, estimate } from "../../src/compare/plan.ts";
import { Progress } from "../../src/compare/progress.ts";
import { renderMarkdown } from "../../src/compare/report/markdown.ts";
import type { Entry, Outcome } from "../../src/compare/run.ts";
import { run } from "../../src/compare/run.ts";
import { killServers } from "../../src/compare/server-process.ts";
import type { Report } from "../../src/compare/types.ts";
import { writeResult } from "../results.ts";
import { judged } from "./bars.ts";
import { contendersOf, CORES, labIn } from "./lab.ts";
import { commit, partsText, versions } from "./machine.ts";
import { root } from "./paths.ts";
import type { Preset } from "./preset.ts";
import { scenarioOf } from "./preset.ts";
import { groups, presets } from "./scenarios.ts";
import { serverOf } from "./servers.ts";

const PACE = { usual: { rounds: 5, seconds: 5 }, short: { rounds: 3, seconds: 3 } };
const QUICK = { rounds: 1, seconds: 2 };
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    server: { type: "string", multiple: true, default: [] },
    rounds: { type: "string" },
    seconds: { type: "string" },
    quick: { type: "boolean", default: false },
    closed: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    name: { type: "string" },
    "no-write": { type: "boolean", default: false },
  },
});

function say(text: string): void {
  process.stderr.write(text);
}

function paceOf(): Pace {
  const pace = values.quick ? QUICK : positionals.length === 0 ? PACE.short : PACE.usual;
  const rounds = Number(values.rounds ?? pace.rounds);
  const seconds = Number(values.seconds ?? pace.seconds);
  if (rounds >= 1 && seconds >= 1) return { rounds, seconds };
  say("--rounds and --seconds are numbers from 1\n");
  process.exit(EXIT_USAGE);
}

function chosen(): Preset[] {
  const all = { ...groups, all: presets };
  const known = new Set([...Object.keys(all), ...presets.map(({ name }) => name)]);
  const unknown = positionals.filter((name) => !known.has(name));
  if (unknown.length > 0) {
    say(`no such scenario: ${unknown.join(", ")}\nthere are: ${[...known].join(", ")}\n`);
    process.exit(EXIT_USAGE);
  }
  const wanted = positionals.length === 0 ? ["throughput"] : positionals;
  const names = new Set(
    wanted
      .flatMap((name) => Object.entries(all).find(([key]) => key === name)?.[1] ?? [])
      .map(({ name }) => name)
      .concat(wanted),
  );
  return presets.filter((preset) => names.has(preset.name) && serversOf(preset).length > 0);
}

function checkServers(): void {
  try {
    for (const name of values.server) serverOf(name, "asgi");
  } catch (error) {
    say(`--server: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(EXIT_USAGE);
  }
}

/** Those that were asked for, else the preset's; nobody is asked for what it does not speak. */
function serversOf({ servers, setup }: Preset): readonly string[] {
  if (values.server.length === 0) return servers;
  const spoken = setup.interface;
  return values.server.filter((name) => serverOf(name, spoken).interfaces.includes(spoken));
}

function secondsOf(preset: Preset, pace: Pace): number {
  const scenario = scenarioOf(preset, values.closed);
  return estimate([{ scenario, contenders: serversOf(preset).length }], pace);
}

function list(pace: Pace): void {
  const { rounds, seconds } = pace;
  say(`With ${rounds} rounds of ${seconds} s:\n`);
  for (const [group, members] of Object.entries(groups)) {
    const total = members.reduce((sum, preset) => sum + secondsOf(preset, pace), 0);
    say(`\n${group} (${durationText(total)})\n`);
    for (const preset of members) {
      const takes = durationText(secondsOf(preset, pace));
      say(`  ${preset.name.padEnd(22)} ${takes.padStart(11)}  ${preset.title}\n`);
    }
  }
}

async function entryOf(preset: Preset): Promise<Entry> {
  const { setup } = preset;
  const contenders = await contendersOf(serversOf(preset), setup);
  return { scenario: scenarioOf(preset, values.closed), setup, contenders };
}

/** Ctrl-C keeps what was measured; a second one ends at once. */
function interruptible(): AbortSignal {
  const controller = new AbortController();
  process.on("SIGINT", () => {
    if (controller.signal.aborted) {
      killServers();
      process.exit(EXIT_INTERRUPTED);
    }
    controller.abort();
  });
  return controller.signal;
}

async function measureAll(some: readonly Preset[], pace: Pace): Promise<Outcome> {
  const entries: Entry[] = [];
  for (const preset of some) entries.push(await entryOf(preset));
  const total = some.reduce((sum, preset) => sum + secondsOf(preset, pace), 0);
  say(`takes about ${durationText(total)}\n`);
  const { isTTY: terminal, columns } = process.stderr;
  const output = { terminal, columns, write: say };
  const progress = new Progress(output, total);
  const scratch = mkdtempSync(join(tmpdir(), "keelback-bench-"));
  try {
    const lab = labIn(scratch, interruptible());
    return await run(entries, { pace, lab, progress });
  } finally {
    progress.end();
    rmSync(scratch, { recursive: true, force: true });
  }
}

function reportOf(outcome: Outcome, pace: Pace): Report {
  const all = versions();
  const machine = {
    ...describeMachine(CORES),
    ...{ commit: commit(), python: all["python"] ?? "", packages: partsText(all) },
  };
  const asked = ["bench/macro/run.ts", ...process.argv.slice(2)].join(" ");
  const report: Report = {
    schema: 1,
    tool: { name: "keelback", version: all["keelback"] ?? "" },
    date: new Date().toISOString(),
    ...{ command: asked, app: "Keelback's bars", machine },
    ...{ rounds: pace.rounds, seconds: pace.seconds, partial: outcome.partial },
    loadTools: [wrk, builtin].map(described),
    notes: outcome.notes,
    scenarios: outcome.scenarios.map(withoutEmptyRounds).map((scenario) => {
      const bars = presets.find(({ name }) => name === scenario.name)?.bars ?? [];
      return { ...scenario, bars: judged(bars, scenario.rows) };
    }),
  };
  // Where the repository lies is nobody's business.
  return JSON.parse(JSON.stringify(report).replaceAll(`${root}/`, ""));
}

async function main(): Promise<void> {
  const pace = paceOf();
  checkServers();
  const some = chosen();
  if (values.list || positionals.length === 0) list(pace);
  if (values.list) return;
  const report = reportOf(await measureAll(some, pace), pace);
  const markdown = renderMarkdown(report);
  if (!values["no-write"]) {
    const name = values.name ?? (some.length === 1 ? some[0]?.name : undefined) ?? "run";
    const stem = writeResult({ date: report.date, name, report, markdown });
    say(`wrote ${stem}.json and ${stem}.md\n`);
  }
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : markdown);
}

await main();
process.exit(0);
