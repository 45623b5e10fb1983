/**
 * Result files as Markdown: `bun bench/render.ts bench/results/FILE.json...` prints the tables. Pure apart from that.
 */
import { readFileSync } from "node:fs";
import { median } from "./macro/stats.ts";
import type { Figure, Report, Row, ScenarioResult } from "./macro/types.ts";

const SHOWN_VERSIONS = [
  ...["keelback", "bun", "python", "granian", "uvicorn", "gunicorn", "hypercorn", "waitress"],
  ...["bjoern", "uvloop", "httptools", "websockets", "wsproto", "h2", "aioquic"],
  ...["Flask", "flask", "fastapi", "starlette"],
];

function number(value: number): string {
  if (!Number.isFinite(value)) return "-";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return `${Number(value.toPrecision(3))}`;
}

function cell(figure: Figure | undefined): string {
  if (figure === undefined) return "";
  const middle = number(median(figure.samples));
  if (figure.samples.length === 1) return middle;
  const range = [Math.min(...figure.samples), Math.max(...figure.samples)].map(number);
  return `**${middle}** (${range.join(" to ")})`;
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function rowLine(row: Row, keys: readonly string[]): string {
  if (row.failure !== undefined) {
    const reason = (row.failure.split("\n")[0] ?? "").replaceAll("|", "/").slice(0, 120);
    return line([row.server, ...keys.map(() => "-"), reason]);
  }
  return line([row.server, ...keys.map((key) => cell(row.figures[key])), `${row.errors}`]);
}

function renderScenario(scenario: ScenarioResult): string {
  const columns = new Map<string, Figure>();
  for (const row of scenario.rows) {
    for (const [key, figure] of Object.entries(row.figures)) columns.set(key, figure);
  }
  const keys = [...columns.keys()];
  const heads = [...columns.values()].map(({ label, unit }) =>
    unit === "/s" ? `${label}/s` : `${label}, ${unit}`,
  );
  const loads = [...new Set(scenario.rows.map((row) => row.load).filter((load) => load !== ""))];
  const lines = [
    `## ${scenario.title}`,
    "",
    `\`${scenario.name}\`. Load: ${loads.join("; ")}.`,
    "",
    line(["server", ...heads, "errors"]),
    line(["---", ...keys.map(() => "--:"), "--:"]),
    ...scenario.rows.map((row) => rowLine(row, keys)),
    "",
    ...scenario.verdicts.map(
      ({ bar, measured, met }) => `- ${met ? "met" : "**missed**"}: ${bar}; measured ${measured}`,
    ),
    ...(scenario.verdicts.length > 0 ? [""] : []),
    "<details><summary>command lines</summary>",
    "",
    ...scenario.rows
      .filter((row) => row.command !== "")
      .map((row) => `- ${row.server}: \`${row.command}\``),
    "",
    "</details>",
    "",
  ];
  return lines.join("\n");
}

export function renderReport(report: Report): string {
  const { machine, versions } = report;
  const shown = SHOWN_VERSIONS.filter((name) => versions[name] !== undefined);
  const head = [
    `# Measured on ${report.date.slice(0, 10)}`,
    "",
    `Commit ${report.commit}. ${machine.cpu}, ${machine.cores} cores, ${machine.memory}, ${machine.system}.`,
    `${shown.map((name) => `${name} ${versions[name]}`).join(", ")}.`,
    "",
    `The server is pinned to one core, the load generator to another; the servers take turns; ${report.rounds} rounds of ` +
      `${report.seconds} s. Median, and least to most in brackets. Memory is PSS, peaks are resident sizes.`,
    "",
  ];
  return [...head, ...report.scenarios.map(renderScenario)].join("\n");
}

if (import.meta.main) {
  for (const path of process.argv.slice(2)) {
    const report: Report = JSON.parse(readFileSync(path, "utf8"));
    process.stdout.write(renderReport(report));
  }
}
