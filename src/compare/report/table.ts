/**
 * The report for a terminal: a block for each scenario with who won in its first lines, the best row first, and as many columns as fit,
 * the most telling ones. Nothing of a server's own words reaches the terminal unescaped.
 */
import { spread } from "../statistics.ts";
import type { Report, ScenarioResult } from "../types.ts";
import { errorKinds, errorRate, figuresIn, rankedFigure } from "./figures.ts";
import type { Figure } from "./figures.ts";
import { bar, cut, encoded, padded, paint, wrapped } from "./grid.ts";
import type { TextOptions, Tone } from "./grid.ts";
import { nameText, rankText, setupText } from "./names.ts";
import { NONE, plain, tolerance } from "./numbers.ts";
import { ERRORS_RANKED_MAX, rankingOf, verdictOf } from "./ranking.ts";
import type { Place, Ranking } from "./ranking.ts";
import { sweepLines } from "./sweep-table.ts";

const BAR_COLUMNS = 8;
/** The bar goes before the memory does. */
const BAR_RANK = 3.5;
const GAP = "  ";

interface Column {
  readonly head: string;
  readonly rank: number;
  readonly align: "left" | "right";
  readonly cell: (place: Place) => string;
}

/** The whole report, ending with a line feed. */
export function renderTable(report: Report, options: TextOptions): string {
  const blocks = [
    headLines(report, options),
    ...report.scenarios.map((scenario) => scenarioLines(scenario, options)),
    footLines(report, options),
  ];
  const text = blocks.map((lines) => lines.join("\n")).join("\n\n");
  return `${encoded(text, options)}\n`;
}

function headLines(report: Report, options: TextOptions): string[] {
  const { app, rounds, seconds, machine, loadTools, partial } = report;
  const tools = loadTools.map(({ name, version }) => `${name} ${version}`).join(", ");
  const count = `${rounds} ${rounds === 1 ? "round" : "rounds"} of ${seconds} s`;
  const title = plain(`keelback compare ${app}`);
  const facts = [`${count} each, in turns`, ...(tools === "" ? [] : [`load: ${tools}`])];
  const where = Object.entries(machine).map(([name, value]) => `${name} ${value}`);
  const early = "Ended early: what is missing was not measured.";
  return [
    paint(cut(title, options.columns), "strong", options),
    ...wrapped(plain(facts.join(" · ")), options.columns),
    ...wrapped(plain(where.join(" · ")), options.columns).map((line) =>
      paint(line, "faint", options),
    ),
    ...(partial ? [paint(early, "warn", options)] : []),
  ];
}

function scenarioLines(scenario: ScenarioResult, options: TextOptions): string[] {
  const { columns } = options;
  const ranking = rankingOf(scenario);
  const title = plain(`${scenario.title} (${scenario.name})`);
  const lines = [
    paint(cut(`── ${title} ${"─".repeat(columns)}`, columns + 1).slice(0, -1), "strong", options),
    ...wrapped(plain(scenario.about), columns),
    ...wrapped(setupText(scenario), columns).map((line) => paint(line, "faint", options)),
    ...wrapped(plain(`${verdictOf(scenario, ranking)}.`), columns).map((line) =>
      paint(line, ranking.winners.length === 1 ? "good" : "plain", options),
    ),
    "",
  ];
  if (figuresIn(scenario).length > 0) lines.push(...figureLines(scenario, ranking, options));
  lines.push(...sweepLines(scenario, ranking, options));
  return [...lines, ...remarkLines(ranking, options)];
}

/** Ranks, names and figures; the least telling columns are left out and named where the terminal is too narrow. */
function figureLines(scenario: ScenarioResult, ranking: Ranking, options: TextOptions): string[] {
  const shown = ranking.places.filter(({ row }) => row.rounds.length > 0);
  if (shown.length === 0) return [];
  const all = columnsOf(scenario, ranking);
  const widths = new Map(
    all.map((column) => [
      column,
      Math.max(...[column.head, ...shown.map(column.cell)].map((text) => Bun.stringWidth(text))),
    ]),
  );
  const kept = new Set<Column>();
  let used = 0;
  for (const column of all.toSorted((a, b) => a.rank - b.rank)) {
    const width = (widths.get(column) ?? 0) + (kept.size === 0 ? 0 : GAP.length);
    if (used + width > options.columns && column.rank > 0) continue;
    kept.add(column);
    used += width;
  }
  const columns = all.filter((column) => kept.has(column));
  const line = (cell: (column: Column) => string): string =>
    columns
      .map((column) => padded(cell(column), widths.get(column) ?? 0, column.align))
      .join(GAP)
      .trimEnd();
  const dropped = all.filter((column) => !kept.has(column)).map(({ head }) => head || "bar");
  const less = `Not shown in ${options.columns} columns: ${dropped.join(", ")}.`;
  return [
    paint(
      line(({ head }) => head),
      "faint",
      options,
    ),
    ...shown.map((place) =>
      paint(
        line(({ cell }) => cell(place)),
        toneOf(place),
        options,
      ),
    ),
    ...(dropped.length === 0
      ? []
      : wrapped(less, options.columns).map((text) => paint(text, "faint", options))),
  ];
}

function toneOf({ rank, unranked, unsure }: Place): Tone {
  if (unsure === true) return "plain";
  if (unranked !== undefined) return "warn";
  if (rank === undefined) return "faint";
  return rank === 1 ? "strong" : "plain";
}

function columnsOf(scenario: ScenarioResult, { places }: Ranking): readonly Column[] {
  const ranked = rankedFigure(scenario);
  const best = Math.max(
    ...places.filter(({ row }) => row.kind !== "ceiling").map(({ figure }) => figure || 0),
  );
  const length = ({ row, figure }: Place): string =>
    row.kind === "ceiling" ? "" : bar(figure / best, BAR_COLUMNS);
  return [
    { head: "#", rank: -5, align: "right", cell: rankText },
    { head: "SERVER", rank: -4, align: "left", cell: nameText },
    { head: ranked.head, rank: -3, align: "right", cell: ({ figure }) => ranked.format(figure) },
    {
      ...{ head: "±", rank: -2, align: "right" },
      cell: ({ samples }) => (samples.length < 2 ? "" : tolerance(spread(samples).relative)),
    },
    { head: "", rank: BAR_RANK, align: "left", cell: length },
    ...figuresIn(scenario)
      .filter(({ key }) => key !== ranked.key)
      .map((figure) => columnOf(figure, scenario)),
  ];
}

function columnOf(figure: Figure, scenario: ScenarioResult): Column {
  const cell = ({ row }: Place): string => {
    const value = figure.shown(row, scenario);
    return Number.isFinite(value) ? figure.format(value) : NONE;
  };
  return { head: figure.head, rank: figure.rank, align: "right", cell };
}

/** Why a row has no figures, why a fast one has no rank, and what its user must know. */
function remarkLines({ places }: Ranking, options: TextOptions): string[] {
  const lines: string[] = [];
  const remark = (name: string, text: string, tone: Tone): void => {
    const indent = " ".repeat(3);
    const whole = plain(`${name}: ${text}`);
    const found = wrapped(whole, options.columns, " ! ", indent);
    lines.push(...found.map((line) => paint(line, tone, options)));
  };
  for (const { row, unranked } of places) {
    if (row.failure !== undefined) remark(row.server, row.failure, "bad");
    else if (unranked !== undefined) remark(row.server, `not ranked, ${unranked}`, "warn");
    else if (errorRate(row) > 0) remark(row.server, errorKinds(row), "warn");
    for (const warning of row.warnings) remark(row.server, warning, "warn");
  }
  return lines;
}

function footLines({ notes }: Report, options: TextOptions): string[] {
  const worst = `${ERRORS_RANKED_MAX * 100} %`;
  const explained = [
    "Latency in ms, from when a request was due at a steady rate. ± is half the range over the rounds. CPU/1k is CPU seconds for 1000 " +
      "requests; memory is MiB of the whole process tree (PSS); START is ms to the first right answer.",
    `Rows with the same rank (=) differ by less than their noise (95 % confidence). More than ${worst} of failed requests (!) or one round (?): not ranked.`,
  ];
  return [
    ...explained.flatMap((text) => wrapped(text, options.columns)),
    ...notes.flatMap((note) => wrapped(plain(note), options.columns, "* ", "  ")),
  ].map((line) => paint(line, "faint", options));
}
