/** `keelback simulate`: plans from the command line, one run each, a table. Exit codes: 0 done, 2 the command is wrong. */
import { type Plan, simulate } from "../simulate/simulate.ts";
import { EXIT_USAGE } from "./command.ts";
import { parseSimulate } from "./simulate-arguments.ts";
import {
  renderHead,
  renderTable,
  renderVerdict,
  type Row,
  SIMULATE_HELP,
} from "./simulate-text.ts";
import { writeOut } from "./output.ts";

/** `argv` is what follows `simulate`. Returns the exit code. */
export function runSimulate(argv: readonly string[]): number {
  const parsed = parseSimulate(argv);
  if (parsed.kind === "help") return say(SIMULATE_HELP);
  if (parsed.kind === "wrong") {
    process.stderr.write(`keelback: simulate: ${parsed.text}\n`);
    return EXIT_USAGE;
  }
  const { plans, json, p99Ms, notes } = parsed;
  const rows = plans.map((plan) => rowOf(plan, p99Ms));
  const [first] = rows;
  if (json || first === undefined) return say(`${JSON.stringify(jsonOf(rows, notes))}\n`);
  const verdict = p99Ms === null ? "" : renderVerdict(rows, p99Ms);
  return say(renderHead(first, notes) + renderTable(rows) + verdict);
}

function rowOf(plan: Plan, p99Ms: number | null): Row {
  const outcome = simulate(plan);
  const keeps = !outcome.saturated && outcome.refused === 0 && outcome.p99 <= (p99Ms ?? 0);
  return { plan, outcome, met: p99Ms === null ? null : keeps };
}

function jsonOf(rows: readonly Row[], notes: readonly string[]): object {
  return {
    schema: 1,
    notes,
    rows: rows.map(({ plan, outcome, met }) => {
      const { workload, ...setting } = plan;
      const routes = workload.routes.map(({ name, weight, service, cpuShare, blocking }) => {
        return { name, weight, service: service.text, meanMs: service.mean, cpuShare, blocking };
      });
      return { ...setting, routes, outcome, ...(met === null ? {} : { met }) };
    }),
  };
}

function say(text: string): number {
  writeOut(text);
  return 0;
}
