/** A comparison with an older report for a terminal: what spoils it first, then what got worse, better, and what nobody can tell. */
import type { Change, Comparison, Difference, Verdict } from "./against.ts";
import { figureOf } from "./figures.ts";
import { cut, encoded, padded, paint, wrapped } from "./grid.ts";
import type { TextOptions, Tone } from "./grid.ts";
import { NONE, plain } from "./numbers.ts";

const HEADS = ["SERVER", "FIGURE", "OLD", "NOW", "CHANGE", "95 % INTERVAL", "VERDICT"];
const NAME_COLUMNS_MAX = 24;
const GAP = "  ";

export function renderAgainst(comparison: Comparison, options: TextOptions): string {
  const { app, old, now, changes } = comparison;
  const title = `${app}: ${sideText(now)} against ${sideText(old)}`;
  const scenarios = [...new Set(changes.map(({ scenario }) => scenario))];
  const blocks = [
    [paint(cut(plain(title), options.columns), "strong", options)],
    differenceLines(comparison, options),
    [...tallyLines(comparison, options)],
    ...scenarios.map((name) => scenarioLines(name, comparison, options)),
    remarkLines(comparison, options),
  ];
  const text = blocks.filter((lines) => lines.length > 0).map((lines) => lines.join("\n"));
  return `${encoded(text.join("\n\n"), options)}\n`;
}

function sideText({ date, version }: Comparison["old"]): string {
  return `${date.slice(0, 16).replace("T", " ")} (keelback ${version})`;
}

function differenceLines(comparison: Comparison, options: TextOptions): string[] {
  const { differences, comparable } = comparison;
  const line = ({ what, old, now }: Difference): string[] =>
    wrapped(plain(`${what}: ${old}, now ${now}`), options.columns, "  - ", "    ");
  const spoiling = differences.filter(({ spoils }) => spoils);
  const others = differences.filter(({ spoils }) => !spoils);
  const warning =
    "These reports are not of the same thing. What changed below may come from this alone:";
  return [...(comparable ? [] : wrapped(warning, options.columns)), ...spoiling.flatMap(line)]
    .map((text) => paint(text, "bad", options))
    .concat(others.length === 0 ? [] : ["Also different:", ...others.flatMap(line)]);
}

function tallyLines({ tally, changes, tolerance }: Comparison, options: TextOptions): string[] {
  const { better, worse, unchanged } = tally;
  const chance = Math.round(changes.length * 0.05);
  const counts = `${worse} worse, ${better} better, ${unchanged} unchanged (within ${tolerance} %), ${tally["too noisy"]} too noisy to tell.`;
  const caution =
    worse + better === 0 || chance === 0
      ? ""
      : ` Of ${changes.length} figures at 95 % confidence, about ${chance} may differ by chance alone.`;
  return wrapped(counts + caution, options.columns);
}

const TONES: Readonly<Record<Verdict, Tone>> = {
  worse: "bad",
  better: "good",
  unchanged: "plain",
  "too noisy": "faint",
};

/** Signed, with as many digits as matter. */
function percent(value: number | null): string {
  if (value === null) return NONE;
  const text = Math.abs(value) >= 10 ? value.toFixed(0) : value.toFixed(1);
  return value > 0 ? `+${text}` : text;
}

function cellsOf({
  server,
  figure,
  at,
  old,
  now,
  percent: by,
  low,
  high,
  verdict,
}: Change): string[] {
  const { format, label } = figureOf(figure);
  return [
    cut(plain(server), NAME_COLUMNS_MAX),
    at === undefined ? label : `${label} at ${at}`,
    format(old),
    format(now),
    by === null ? NONE : `${percent(by)} %`,
    low === null && high === null ? NONE : `${percent(low)} to ${percent(high)} %`,
    verdict,
  ];
}

function scenarioLines(name: string, { changes }: Comparison, options: TextOptions): string[] {
  const own = changes.filter(({ scenario }) => scenario === name);
  const told = [
    ...own.filter(({ verdict }) => verdict === "worse"),
    ...own.filter(({ verdict }) => verdict === "better"),
  ];
  const noisy = own.filter(({ verdict }) => verdict === "too noisy");
  const rows = told.map(cellsOf);
  const widths = HEADS.map((head, i) =>
    Math.max(...[head, ...rows.map((row) => row[i] ?? "")].map((text) => Bun.stringWidth(text))),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => padded(cell, widths[i] ?? 0, i < 2 || i === 6 ? "left" : "right"))
      .join(GAP)
      .trimEnd();
  const unsure = Map.groupBy(noisy, ({ server }) => server);
  const unsureText = [...unsure].map(([server, figures]) => {
    const heads = figures.map(({ figure, at }) =>
      at === undefined ? figureOf(figure).head : `${figureOf(figure).head} at ${at}`,
    );
    return `${server} (${heads.join(", ")})`;
  });
  return [
    paint(
      cut(`── ${plain(name)} ${"─".repeat(options.columns)}`, options.columns + 1).slice(0, -1),
      "strong",
      options,
    ),
    ...(told.length === 0
      ? ["No figure changed beyond its noise."]
      : [
          paint(line(HEADS), "faint", options),
          ...rows.map((row, i) =>
            paint(line(row), TONES[told[i]?.verdict ?? "unchanged"], options),
          ),
        ]),
    ...(unsureText.length === 0
      ? []
      : wrapped(
          plain(`Too noisy to tell; more rounds would help: ${unsureText.join(", ")}.`),
          options.columns,
        ).map((text) => paint(text, "faint", options))),
  ];
}

function remarkLines({ remarks }: Comparison, options: TextOptions): string[] {
  return remarks.flatMap(({ text, worse }) =>
    wrapped(plain(text), options.columns, " ! ", "   ").map((line) =>
      paint(line, worse ? "bad" : "warn", options),
    ),
  );
}
