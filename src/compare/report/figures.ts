/**
 * The figures of a row: what each is called, how it is read from the rounds, which way is better and what goes first where room is
 * short. Table, Markdown, page and the comparison with an older report all read this one list.
 */
import { median, mergeHistograms, mode } from "../statistics.ts";
import type { ErrorCounts, NamedFigure, Round, Row, ScenarioResult } from "../types.ts";
import { digits, rounded, share } from "./numbers.ts";

export type FigureKey =
  | "requestsPerSecond"
  | "throughput"
  | "messagesPerSecond"
  | "mean"
  | "mode"
  | "p50"
  | "p90"
  | "p99"
  | "p999"
  | "worst"
  | "errors"
  | "cpuPer1000"
  | "memoryIdle"
  | "memoryLoaded"
  | "memoryPerWorker"
  | "startupMs"
  | "ceiling"
  /** One of the rounds' named figures. */
  | `figures.${string}`;

export interface Figure {
  readonly key: FigureKey;
  /** For a sentence or a page. */
  readonly label: string;
  /** Head of a column. */
  readonly head: string;
  readonly unit: string;
  readonly better: "more" | "less";
  /** Lower is kept longer where columns have to go. */
  readonly rank: number;
  /** What each round measured; nothing where the scenario does not have it. */
  readonly samples: (row: Row) => readonly number[];
  /** The one figure shown. */
  readonly shown: (row: Row, scenario: ScenarioResult) => number;
  readonly format: (value: number) => string;
}

function collect(
  rounds: readonly Round[],
  pick: (round: Round) => number | undefined,
): readonly number[] {
  return rounds
    .map(pick)
    .filter((value) => value !== undefined && Number.isFinite(value)) as number[];
}

type Simple = Omit<Figure, "samples" | "shown"> & {
  readonly pick: (round: Round) => number | undefined;
  readonly shown?: Figure["shown"];
};

function figure({ pick, shown, ...rest }: Simple): Figure {
  const samples = (row: Row): readonly number[] => collect(row.rounds, pick);
  return { ...rest, samples, shown: shown ?? ((row) => median(samples(row))) };
}

/** Requests that went wrong in any way. */
export function failures(errors: ErrorCounts): number {
  return errors.connection + errors.timeout + errors.status + errors.body;
}

/** In all rounds together. */
export function errorCount({ rounds }: Row): number {
  return rounds.reduce((sum, { errors }) => sum + failures(errors), 0);
}

/** Of all rounds together: NaN where nothing was asked. */
export function errorRate(row: Row): number {
  const asked = row.rounds.reduce((sum, round) => sum + round.requests, 0);
  const wrong = errorCount(row);
  return asked === 0 ? (wrong > 0 ? 1 : Number.NaN) : Math.min(1, wrong / asked);
}

/** `12 timeouts, 3 wrong bodies`, or nothing. */
export function errorKinds(row: Row): string {
  const kinds = {
    connection: ["failed connection", "failed connections"],
    timeout: ["timeout", "timeouts"],
    status: ["wrong status", "wrong statuses"],
    body: ["wrong body", "wrong bodies"],
  } as const;
  return (Object.keys(kinds) as (keyof ErrorCounts)[])
    .map((kind) => ({ kind, count: row.rounds.reduce((sum, { errors }) => sum + errors[kind], 0) }))
    .filter(({ count }) => count > 0)
    .map(
      ({ kind, count }) => `${count.toLocaleString("en-US")} ${kinds[kind][count === 1 ? 0 : 1]}`,
    )
    .join(", ");
}

/** The mode of all rounds' latencies where their histograms are there: one round's fullest bucket jumps about. */
function commonMode(row: Row): number {
  const histograms = row.rounds.flatMap(({ histogram }) => (histogram ? [histogram] : []));
  if (histograms.length > 0) return mode(mergeHistograms(histograms));
  return median(collect(row.rounds, ({ latency }) => latency?.mode));
}

/** How far the scenario's NGINX goes: its ceiling row, if that has figures. */
function ceilingOf(scenario: ScenarioResult): number {
  const ceiling = scenario.rows.find((row) => row.kind === "ceiling");
  return ceiling === undefined ? Number.NaN : rateOf(ceiling);
}

function rateOf(row: Row): number {
  return median(collect(row.rounds, (round) => round.requestsPerSecond));
}

const MS = { unit: "ms", better: "less", format: digits } as const;
const MIB = { unit: "MiB", better: "less", format: rounded } as const;

export const FIGURES: readonly Figure[] = [
  figure({
    ...{ key: "requestsPerSecond", label: "requests a second", head: "RPS", unit: "/s", rank: 1 },
    ...{ better: "more", format: rounded, pick: (round) => round.requestsPerSecond },
  }),
  figure({
    ...{ key: "throughput", label: "MiB a second", head: "MiB/s", unit: "MiB/s", rank: 1 },
    ...{ better: "more", format: rounded, pick: (round) => round.throughput },
  }),
  figure({
    ...{ key: "messagesPerSecond", label: "messages a second", head: "MSG/s", unit: "/s", rank: 1 },
    ...{ better: "more", format: rounded, pick: (round) => round.messagesPerSecond },
  }),
  figure({
    ...{ key: "mean", label: "mean latency", head: "MEAN", rank: 12 },
    ...{ ...MS, pick: ({ latency }) => latency?.mean },
  }),
  figure({
    ...{ key: "mode", label: "mode of the latency", head: "MODE", rank: 15 },
    ...{ ...MS, pick: ({ latency }) => latency?.mode, shown: commonMode },
  }),
  figure({
    ...{ key: "p50", label: "P50 latency", head: "P50", rank: 5 },
    ...{ ...MS, pick: ({ latency }) => latency?.p50 },
  }),
  figure({
    ...{ key: "p90", label: "P90 latency", head: "P90", rank: 13 },
    ...{ ...MS, pick: ({ latency }) => latency?.p90 },
  }),
  figure({
    ...{ key: "p99", label: "P99 latency", head: "P99", rank: 2 },
    ...{ ...MS, pick: ({ latency }) => latency?.p99 },
  }),
  figure({
    ...{ key: "p999", label: "P99.9 latency", head: "P99.9", rank: 8 },
    ...{ ...MS, pick: ({ latency }) => latency?.p999 },
  }),
  figure({
    ...{ key: "worst", label: "worst latency", head: "WORST", rank: 9 },
    ...{ ...MS, pick: ({ latency }) => latency?.worst },
    shown: (row) => Math.max(...collect(row.rounds, ({ latency }) => latency?.worst)),
  }),
  figure({
    ...{ key: "errors", label: "error rate", head: "ERRORS", unit: "", rank: 3, better: "less" },
    format: share,
    pick: ({ requests, errors }) => (requests > 0 ? failures(errors) / requests : undefined),
    shown: errorRate,
  }),
  figure({
    ...{ key: "cpuPer1000", label: "CPU for 1000 requests", head: "CPU/1k", unit: "s", rank: 6 },
    ...{ better: "less", format: digits, pick: (round) => round.cpuPer1000 },
  }),
  figure({
    ...{ key: "memoryIdle", label: "memory idle", head: "IDLE", rank: 10 },
    ...{ ...MIB, pick: (round) => round.memoryIdle },
  }),
  figure({
    ...{ key: "memoryLoaded", label: "memory loaded", head: "LOADED", rank: 4 },
    ...{ ...MIB, pick: (round) => round.memoryLoaded },
  }),
  figure({
    ...{ key: "memoryPerWorker", label: "memory of a worker", head: "WORKER", rank: 14 },
    ...{ ...MIB, pick: (round) => round.memoryPerWorker },
  }),
  figure({
    ...{ key: "startupMs", label: "start-up", head: "START", unit: "ms", rank: 11, better: "less" },
    ...{ format: rounded, pick: (round) => round.startupMs },
  }),
  figure({
    ...{ key: "ceiling", label: "share of NGINX", head: "%NGINX", unit: "", rank: 7 },
    ...{ better: "more", format: share, pick: () => undefined },
    shown: (row, scenario) => rateOf(row) / ceilingOf(scenario),
  }),
];

const BY_KEY = new Map(FIGURES.map((each) => [each.key, each]));

export function figureOf(key: FigureKey): Figure {
  const found = BY_KEY.get(key);
  if (found === undefined) throw new Error(`no figure is called ${key}`);
  return found;
}

/** What counts something has no digits behind the point, but of medians a half. */
function formatOf(unit: string): Figure["format"] {
  if (unit === "/s") return rounded;
  return unit === "" || unit === "requests" ? (count) => count.toLocaleString("en-US") : digits;
}

/** The rounds' named figures, in the order in which they come. */
export function namedFigures(rows: readonly Row[]): readonly Figure[] {
  const found = new Map<string, NamedFigure>();
  for (const { figures = {} } of rows.flatMap(({ rounds }) => rounds)) {
    for (const [name, one] of Object.entries(figures)) if (!found.has(name)) found.set(name, one);
  }
  return [...found].map(([name, { label, unit, better }], at) =>
    figure({
      ...{ key: `figures.${name}`, label, unit, better },
      head: unit === "/s" ? `${label}/s` : label,
      // Before all others: they are what the scenario is about.
      rank: at / found.size,
      format: formatOf(unit),
      pick: (round) => round.figures?.[name]?.value,
    }),
  );
}

/** Those that at least one row of the scenario has, in the order of the list; after the named ones. */
export function figuresIn(scenario: ScenarioResult): readonly Figure[] {
  const usual = FIGURES.filter(({ shown }) =>
    scenario.rows.some((row) => Number.isFinite(shown(row, scenario))),
  );
  return [...namedFigures(scenario.rows), ...usual];
}

/** By its plain name: of the rounds' own figures first. */
export function findFigure(rows: readonly Row[], name: string): Figure | undefined {
  const own = namedFigures(rows).find(({ key }) => key === `figures.${name}`);
  return own ?? FIGURES.find(({ key }) => key === name);
}

export function isNamed(key: FigureKey): boolean {
  return key.startsWith("figures.");
}

/** `11 to 13`, of several rounds. */
export function rangeText(samples: readonly number[], format: Figure["format"]): string {
  if (samples.length < 2) return "";
  return `${format(Math.min(...samples))} to ${format(Math.max(...samples))}`;
}

/** What ranks a scenario. */
export function rankedFigure({ ranked, rows }: Pick<ScenarioResult, "ranked" | "rows">): Figure {
  if (!isNamed(ranked)) return figureOf(ranked);
  const found = namedFigures(rows).find(({ key }) => key === ranked);
  // Nobody has it: no row was measured.
  const name = ranked.slice("figures.".length);
  return found ?? figure({ ...NO_FIGURE, key: ranked, label: name, head: name });
}

const NO_FIGURE: Omit<Simple, "key" | "label" | "head"> = {
  ...{ unit: "", rank: 0, better: "less", format: digits },
  pick: () => undefined,
};

/** What ranks a row, one value a round: of a sweep without rounds of its own, those of its best point. */
export function rankedSamples(row: Row, { samples, better }: Figure): readonly number[] {
  const own = samples(row);
  if (own.length > 0 || row.sweep === undefined) return own;
  let best: readonly number[] = [];
  for (const { rounds } of row.sweep) {
    const these = samples({ ...row, rounds });
    if (these.length === 0) continue;
    const gain = median(these) - median(best);
    if (best.length === 0 || (better === "more" ? gain > 0 : gain < 0)) best = these;
  }
  return best;
}
