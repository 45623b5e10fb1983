/**
 * `make bench`: runs scenarios, the servers in turns, and writes raw results and a table.
 *
 *     bun bench/macro/run.ts [SCENARIO...] [--server NAME]... [--rounds 5] [--seconds 5] [--quick] [--json] [--name NAME] [--no-write]
 */
import { parseArgs } from "node:util";
import { renderReport } from "../render.ts";
import { writeResult } from "../results.ts";
import { commit, machine, versions } from "./machine.ts";
import type { Outcome } from "./measures.ts";
import { scenarios } from "./scenarios.ts";
import type { Scenario } from "./scenarios.ts";
import { servers } from "./servers.ts";
import { median } from "./stats.ts";
import type { Report, Row, ScenarioResult } from "./types.ts";

interface Pace {
  rounds: number;
  seconds: number;
  only: readonly string[];
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    server: { type: "string", multiple: true, default: [] },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "5" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    name: { type: "string" },
    "no-write": { type: "boolean", default: false },
  },
});

function progress(text: string): void {
  process.stderr.write(text);
}

function add(row: Row, outcome: Outcome): void {
  row.command = outcome.command;
  row.load = outcome.load;
  row.errors += outcome.errors;
  for (const [key, { value, ...figure }] of Object.entries(outcome.figures)) {
    const known = (row.figures[key] ??= { ...figure, samples: [] });
    known.samples.push(value);
  }
}

function brief(row: Row): string {
  const figures = Object.values(row.figures).map(
    ({ label, unit, samples }) => `${label} ${Number(median(samples).toPrecision(4))} ${unit}`,
  );
  return `${figures.join(", ")}${row.errors > 0 ? `, ${row.errors} errors` : ""}`;
}

async function oneRound(scenario: Scenario, row: Row, seconds: number): Promise<void> {
  if (row.failure !== undefined) return;
  try {
    const { server } = row;
    add(row, await scenario.measure({ server, setup: scenario.setup, seconds }));
    progress(".");
  } catch (error) {
    row.failure = error instanceof Error ? error.message : String(error);
    progress("!");
  }
}

async function runScenario(scenario: Scenario, pace: Pace): Promise<ScenarioResult> {
  progress(`${scenario.name} `);
  const wanted = scenario.servers.filter(
    (name) => pace.only.length === 0 || pace.only.includes(name),
  );
  const rows = wanted.map((server): Row => {
    const row: Row = { server, command: "", load: "", figures: {}, errors: 0 };
    if (servers[server]?.available() !== true) row.failure = "not installed here";
    return row;
  });
  for (let round = 0; round < pace.rounds; round += 1) {
    for (const row of rows) await oneRound(scenario, row, pace.seconds);
  }
  progress("\n");
  for (const row of rows) progress(`  ${row.server}: ${row.failure ?? brief(row)}\n`);
  const ours = rows.some((row) => row.server === "keelback" && row.failure === undefined);
  const verdicts = ours ? scenario.bars.map((bar) => bar(rows)) : [];
  for (const { bar, measured, met } of verdicts) {
    progress(`  ${met ? "met   " : "MISSED"} ${bar}: ${measured}\n`);
  }
  return { name: scenario.name, title: scenario.title, rows, verdicts };
}

function chosenScenarios(): Scenario[] {
  const unknown = positionals.filter((name) => !scenarios.some((one) => one.name === name));
  if (unknown.length > 0) {
    const names = scenarios.map((scenario) => scenario.name).join(", ");
    process.stderr.write(`no such scenario: ${unknown.join(", ")}\nthere are: ${names}\n`);
    process.exit(2);
  }
  if (positionals.length === 0) return scenarios;
  return scenarios.filter((scenario) => positionals.includes(scenario.name));
}

async function main(): Promise<void> {
  const chosen = chosenScenarios();
  const pace: Pace = {
    rounds: values.quick ? 1 : Number(values.rounds),
    seconds: values.quick ? 2 : Number(values.seconds),
    only: values.server,
  };
  const report: Report = {
    date: new Date().toISOString(),
    commit: commit(),
    rounds: pace.rounds,
    seconds: pace.seconds,
    machine: machine(),
    versions: versions(),
    scenarios: [],
  };
  for (const scenario of chosen) report.scenarios.push(await runScenario(scenario, pace));
  if (!values["no-write"]) {
    const name = values.name ?? (chosen.length === 1 ? (chosen[0]?.name ?? "run") : "run");
    const stem = writeResult({ date: report.date, name, report, markdown: renderReport(report) });
    progress(`wrote ${stem}.json and ${stem}.md\n`);
  }
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : renderReport(report));
}

await main();
process.exit(0);
