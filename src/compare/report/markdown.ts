/**
 * The report as Markdown, for a README: who won first, one table a scenario, commands and the lesser columns folded. Names and servers'
 * words are escaped: they can neither end a cell nor become markup.
 */
import { spread } from "../statistics.ts";
import type { Report, ScenarioResult } from "../types.ts";
import {
  errorKinds,
  errorRate,
  figuresIn,
  isNamed,
  namedFigures,
  rangeText,
  rankedFigure,
} from "./figures.ts";
import type { Figure, FigureKey } from "./figures.ts";
import { NONE, plain, tolerance } from "./numbers.ts";
import { rankingOf, verdictOf } from "./ranking.ts";
import type { Place, Ranking } from "./ranking.ts";
import { nameText, rankText, setupText } from "./names.ts";
import { sweepCells } from "./sweep-table.ts";

/** What a README shows; the rest is folded. */
const SHOWN: ReadonlySet<FigureKey> = new Set([
  ...(["requestsPerSecond", "throughput", "messagesPerSecond", "p50", "p99", "p999"] as const),
  ...(["errors", "cpuPer1000", "memoryLoaded", "ceiling"] as const),
]);

/** As one line of plain text, whatever it holds. */
export function escapedMarkdown(text: string): string {
  return plain(text)
    .replaceAll(/[\\`*_[\]|~#]/g, String.raw`\$&`)
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}

/** A code span with as many backticks as its text needs. */
function code(text: string): string {
  const inner = plain(text);
  const longest = Math.max(0, ...[...inner.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  const room = inner.startsWith("`") || inner.endsWith("`") ? " " : "";
  return `${fence}${room}${inner}${room}${fence}`;
}

const LATENCY = "Latency from when a request was due at a steady rate; ";

/** Named figures say themselves what they are. */
function hasLatency({ scenarios }: Report): boolean {
  const rounds = scenarios.flatMap(({ rows }) => rows).flatMap((row) => row.rounds);
  return rounds.some(({ latency }) => latency !== undefined);
}

export function renderMarkdown(report: Report): string {
  const { app, date, rounds, seconds, machine, loadTools, notes, partial, command } = report;
  const tools = loadTools.map(({ name, version }) => `${name} ${version}`).join(", ");
  const facts = Object.entries(machine).map(([name, value]) => `${name} ${value}`);
  const count = `${rounds} ${rounds === 1 ? "round" : "rounds"} of ${seconds} s each, in turns`;
  const lines = [
    `# ${escapedMarkdown(app)}: servers compared`,
    "",
    `${date.slice(0, 10)}, ${code(command)}. ${count}${tools === "" ? "" : `; load: ${escapedMarkdown(tools)}`}.`,
    `${escapedMarkdown(facts.join(", "))}.`,
    "",
    ...(partial ? ["**Ended early: what is missing was not measured.**", ""] : []),
    ...report.scenarios.flatMap(scenarioLines),
    `${hasLatency(report) ? LATENCY : ""}± is half the range over the rounds; equal ranks (=) differ by less than their noise (95 % confidence).`,
    "",
    ...notes.map((note) => `- ${escapedMarkdown(note)}`),
  ];
  return `${lines.join("\n").trimEnd()}\n`;
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function scenarioLines(scenario: ScenarioResult): string[] {
  const ranking = rankingOf(scenario);
  const ranked = rankedFigure(scenario);
  const others = figuresIn(scenario).filter(({ key }) => key !== ranked.key);
  const figures = others.filter(({ key }) => isShown(key));
  const shown = ranking.places.filter(
    ({ figure, row }) => !Number.isNaN(figure) || namedFigures([row]).length > 0,
  );
  const remarks = remarksOf(ranking);
  return [
    `## ${escapedMarkdown(scenario.title)}`,
    "",
    `${escapedMarkdown(scenario.about)} ${escapedMarkdown(setupText(scenario))}.`,
    "",
    `**${escapedMarkdown(verdictOf(scenario, ranking))}.**`,
    "",
    ...(shown.length === 0 ? [] : [...tableLines(scenario, shown, ranked, figures), ""]),
    ...sweepLines(scenario, ranking),
    ...(remarks.length === 0 ? [] : [...remarks, ""]),
    ...barLines(scenario),
    ...moreLines(scenario, shown, others),
  ];
}

function isShown(key: FigureKey): boolean {
  return SHOWN.has(key) || isNamed(key);
}

/** What was to be reached, and whether it was. */
function barLines({ bars = [] }: ScenarioResult): string[] {
  const lines = bars.map(({ bar, measured, met }) => {
    const outcome = met ? "met" : "**missed**";
    return `- ${outcome}: ${escapedMarkdown(bar)}; measured ${escapedMarkdown(measured)}`;
  });
  return lines.length === 0 ? [] : [...lines, ""];
}

/** The knee is bold. */
function sweepLines(scenario: ScenarioResult, ranking: Ranking): string[] {
  const { values, rows } = sweepCells(scenario, ranking);
  if (rows.length === 0) return [];
  return [
    line([
      `${rankedFigure(scenario).head} by ${scenario.sweepOf ?? "value"}`,
      ...values.map(String),
    ]),
    line(["---", ...values.map(() => "--:")]),
    ...rows.map(({ name, cells }) =>
      line([
        escapedMarkdown(name),
        ...cells.map(({ text, knee }) => (knee ? `**${text}**` : text)),
      ]),
    ),
    "",
    "Bold is the knee: the least that reaches 95 % of the best.",
    "",
  ];
}

function headOf({ head, unit }: Figure): string {
  return unit === "" || unit === "/s" || head.includes(unit) ? head : `${head}, ${unit}`;
}

function tableLines(
  scenario: ScenarioResult,
  places: readonly Place[],
  ranked: Figure,
  figures: readonly Figure[],
): string[] {
  const cells = (place: Place): string[] => {
    const { row, figure, samples } = place;
    const noise = samples.length > 1 ? ` ${tolerance(spread(samples).relative)}` : "";
    const first = `${ranked.format(figure)}${noise}`;
    return [
      rankText(place),
      `${escapedMarkdown(nameText(place))} ${escapedMarkdown(row.version)}`.trim(),
      place.rank === 1 ? `**${first}**` : first,
      ...figures.map((each) => cellOf(each, place, scenario)),
    ];
  };
  return [
    line(["#", "server", headOf(ranked), ...figures.map(headOf)]),
    line(["--:", "---", "--:", ...figures.map(() => "--:")]),
    ...places.map((place) => line(cells(place))),
  ];
}

function cellOf(figure: Figure, { row }: Place, scenario: ScenarioResult): string {
  const value = figure.shown(row, scenario);
  if (!Number.isFinite(value)) return NONE;
  const range = isNamed(figure.key) ? rangeText(figure.samples(row), figure.format) : "";
  return escapedMarkdown(`${figure.format(value)}${range === "" ? "" : ` (${range})`}`);
}

function remarksOf({ places }: Ranking): string[] {
  return places.flatMap(({ row, unranked }) => {
    const name = escapedMarkdown(row.server);
    const warnings = row.warnings.map((warning) => `- ${name}: ${escapedMarkdown(warning)}`);
    if (row.failure !== undefined) {
      return [`- ${name} has no figures: ${escapedMarkdown(row.failure)}`, ...warnings];
    }
    if (unranked !== undefined) {
      return [`- ${name} is not ranked: ${escapedMarkdown(unranked)}`, ...warnings];
    }
    return errorRate(row) > 0 ? [`- ${name}: ${errorKinds(row)}`, ...warnings] : warnings;
  });
}

/** All the other columns, and the commands. */
function moreLines(
  scenario: ScenarioResult,
  places: readonly Place[],
  others: readonly Figure[],
): string[] {
  const rest = others.filter(({ key }) => !isShown(key));
  const commands = scenario.rows.filter(({ command }) => command !== "");
  if (rest.length === 0 && commands.length === 0) return [];
  const table =
    rest.length === 0 || places.length === 0
      ? []
      : [
          line(["server", ...rest.map(headOf)]),
          line(["---", ...rest.map(() => "--:")]),
          ...places.map((place) =>
            line([
              escapedMarkdown(nameText(place)),
              ...rest.map((figure) => cellOf(figure, place, scenario)),
            ]),
          ),
          "",
        ];
  return [
    "<details><summary>More figures, and the commands to repeat each row</summary>",
    "",
    ...table,
    ...commands.map(({ server, command, load }) => {
      const driven = load === "" ? "" : `; load: ${code(load)}`;
      return `- ${escapedMarkdown(server)}: ${code(command)}${driven}`;
    }),
    "",
    "</details>",
    "",
  ];
}
