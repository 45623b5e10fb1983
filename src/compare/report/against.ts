/**
 * What changed between two reports: each figure's change with its 95 % confidence interval, and a verdict that says so when the noise is
 * too great for one. Reports of other machines or apps are not passed over: what differs is said first, and `comparable` is false.
 */
import { median, ratioOfMedians } from "../statistics.ts";
import type { Report, Row, ScenarioResult } from "../types.ts";
import { FIGURES, rankedFigure } from "./figures.ts";
import type { Figure, FigureKey } from "./figures.ts";

export type Verdict = "better" | "worse" | "unchanged" | "too noisy";

export interface Change {
  readonly scenario: string;
  readonly server: string;
  readonly figure: FigureKey;
  /** Point of a sweep: this many connections, workers or threads. */
  readonly at?: number;
  /** Medians over the rounds. */
  readonly old: number;
  readonly now: number;
  /** Percent of the old figure, `low` to `high` with 95 % confidence; null where the rounds can't tell. */
  readonly percent: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly verdict: Verdict;
}

export interface Difference {
  /** `machine: cpu`, `app`, `hello: workers`, `hello: granian's version`. */
  readonly what: string;
  readonly old: string;
  readonly now: string;
  /** Does it make figures incomparable, rather than explain why they changed? */
  readonly spoils: boolean;
}

/** Plain data: its JSON is what `--json` writes. */
export interface Comparison {
  readonly schema: 1;
  readonly app: string;
  readonly old: Side;
  readonly now: Side;
  /** False when any difference spoils: then a change may be that difference's. */
  readonly comparable: boolean;
  readonly differences: readonly Difference[];
  /** Percent: what lies within it both ways is unchanged. */
  readonly tolerance: number;
  readonly changes: readonly Change[];
  /** Rows and scenarios that only one has, rows that fail now or no longer do. */
  readonly remarks: readonly Remark[];
  readonly tally: Readonly<Record<Verdict, number>>;
}

export interface Side {
  readonly date: string;
  readonly version: string;
}

export interface Remark {
  readonly text: string;
  /** A row that had figures has none now. */
  readonly worse: boolean;
}

export interface AgainstOptions {
  /** Percent; 3 when left out. */
  readonly tolerance?: number;
}

const TOLERANCE_PERCENT = 3;

/** The mode jumps from bucket to bucket, the worst is one request's, the share of NGINX is two figures'. */
const LEFT_OUT: ReadonlySet<FigureKey> = new Set(["mode", "worst", "ceiling"]);

/** What may differ from run to run on one machine. */
const MACHINE_VARIES = /load average|free|available|uptime|temperature/i;

/** A part of what is measured, not of the machine. */
const MACHINE_EXPLAINS: ReadonlySet<string> = new Set(["bun", "python"]);

export function against(old: Report, now: Report, options: AgainstOptions = {}): Comparison {
  const tolerance = options.tolerance ?? TOLERANCE_PERCENT;
  const differences = [...reportDifferences(old, now), ...nothingInCommon(old, now)];
  const changes: Change[] = [];
  const remarks: Remark[] = [];
  for (const scenario of now.scenarios) {
    const before = old.scenarios.find(({ name }) => name === scenario.name);
    if (before === undefined) {
      remarks.push({ text: `${scenario.name}: not in the old report`, worse: false });
      continue;
    }
    const spoiled = setupDifferences(before, scenario);
    differences.push(...spoiled);
    if (spoiled.length > 0) {
      const text = `${scenario.name}: not compared, as it was run in another way`;
      remarks.push({ text, worse: false });
      continue;
    }
    compareRows(before, scenario, { tolerance, differences, changes, remarks });
  }
  for (const { name } of old.scenarios) {
    if (now.scenarios.some((scenario) => scenario.name === name)) continue;
    remarks.push({ text: `${name}: only in the old report`, worse: false });
  }
  const tally = { better: 0, worse: 0, unchanged: 0, "too noisy": 0 };
  for (const { verdict } of changes) tally[verdict]++;
  return {
    ...{ schema: 1, app: now.app, old: sideOf(old), now: sideOf(now) },
    comparable: !differences.some(({ spoils }) => spoils),
    ...{ differences, tolerance, changes, remarks, tally },
  };
}

/** Where no row is in both, "nothing got worse" would say nothing. */
function nothingInCommon(old: Report, now: Report): readonly Difference[] {
  const rowsOf = ({ scenarios }: Report): string[] =>
    scenarios.flatMap(({ name, rows }) => rows.map(({ server }) => `${name}: ${server}`));
  const [before, after] = [rowsOf(old), rowsOf(now)];
  if (before.some((row) => after.includes(row))) return [];
  return difference("what was measured", before.join(", "), after.join(", "), true);
}

function sideOf({ date, tool }: Report): Side {
  return { date, version: tool.version };
}

type Fact = string | number | boolean | undefined;

function difference(what: string, old: Fact, now: Fact, spoils: boolean): Difference[] {
  if (old === now) return [];
  const text = (value: Fact): string => (value === undefined ? "not given" : `${value}`);
  return [{ what, old: text(old), now: text(now), spoils }];
}

/** Keelback's own load generator comes with its version, which is told anyway: a new one must not forbid the comparison. */
function reportDifferences(old: Report, now: Report): readonly Difference[] {
  const tools = ({ loadTools }: Report): string =>
    loadTools
      .filter(({ name }) => name !== "keelback")
      .map(({ name, version }) => `${name} ${version}`)
      .join(", ");
  const keys = new Set([...Object.keys(old.machine), ...Object.keys(now.machine)]);
  return [
    ...difference("app", old.app, now.app, true),
    ...[...keys]
      .filter((key) => !MACHINE_VARIES.test(key))
      .flatMap((key) =>
        difference(
          `machine: ${key}`,
          old.machine[key],
          now.machine[key],
          !MACHINE_EXPLAINS.has(key),
        ),
      ),
    ...difference("load generators", tools(old), tools(now), true),
    ...difference("keelback", old.tool.version, now.tool.version, false),
    ...difference("rounds", old.rounds, now.rounds, false),
    ...difference("seconds of a round", old.seconds, now.seconds, false),
    ...difference("ended early", old.partial, now.partial, false),
  ];
}

function setupDifferences(old: ScenarioResult, now: ScenarioResult): readonly Difference[] {
  const { name } = now;
  const keys = ["interface", "workers", "threads", "protocol", "mode"] as const;
  return [
    ...keys.flatMap((key) => difference(`${name}: ${key}`, old.setup[key], now.setup[key], true)),
    ...difference(`${name}: connections`, old.connections, now.connections, true),
  ];
}

interface Findings {
  readonly tolerance: number;
  readonly differences: Difference[];
  readonly changes: Change[];
  readonly remarks: Remark[];
}

function compareRows(old: ScenarioResult, now: ScenarioResult, findings: Findings): void {
  const { tolerance, differences, changes, remarks } = findings;
  for (const row of now.rows) {
    const where = `${now.name}: ${row.server}`;
    const before = old.rows.find(({ server }) => server === row.server);
    if (before === undefined) {
      remarks.push({ text: `${where} is not in the old report`, worse: false });
      continue;
    }
    differences.push(
      ...difference(`${where}'s version`, before.version, row.version, false),
      ...difference(`${where}'s command`, before.command, row.command, false),
    );
    if (row.failure !== undefined || before.failure !== undefined) {
      remarks.push(...failureRemarks(where, before, row));
      continue;
    }
    changes.push(...rowChanges(now, before, row, tolerance));
  }
  for (const { server } of old.rows) {
    if (now.rows.some((row) => row.server === server)) continue;
    remarks.push({ text: `${now.name}: ${server} is only in the old report`, worse: false });
  }
}

function failureRemarks(where: string, old: Row, now: Row): Remark[] {
  if (now.failure === undefined) return [{ text: `${where} has figures again`, worse: false }];
  if (old.failure !== undefined) return [];
  return [{ text: `${where} has no figures any more: ${now.failure}`, worse: true }];
}

function rowChanges(scenario: ScenarioResult, old: Row, now: Row, tolerance: number): Change[] {
  const { name } = scenario;
  const changes: Change[] = FIGURES.filter(({ key }) => !LEFT_OUT.has(key)).flatMap((figure) => {
    const change = changeOf(figure, figure.samples(old), figure.samples(now), tolerance);
    return change === undefined ? [] : [{ scenario: name, server: now.server, ...change }];
  });
  const ranked = rankedFigure(scenario);
  for (const { value, rounds } of now.sweep ?? []) {
    const before = old.sweep?.find((point) => point.value === value);
    const samples = ranked.samples({ ...old, rounds: before?.rounds ?? [] });
    const change = changeOf(ranked, samples, ranked.samples({ ...now, rounds }), tolerance);
    if (change === undefined) continue;
    changes.push({ scenario: name, server: now.server, at: value, ...change });
  }
  return changes;
}

type Judged = Omit<Change, "scenario" | "server" | "at">;

/** Nothing where one of them has no figure. */
export function changeOf(
  figure: Figure,
  old: readonly number[],
  now: readonly number[],
  tolerance: number,
): Judged | undefined {
  if (old.length === 0 || now.length === 0) return undefined;
  const medians = { figure: figure.key, old: median(old), now: median(now) };
  if (Math.min(...old, ...now) <= 0) {
    return { ...medians, percent: null, low: null, high: null, verdict: byRange(figure, old, now) };
  }
  const { low, middle, high } = ratioOfMedians(old, now);
  const percent = (ratio: number): number | null =>
    Number.isFinite(ratio) ? Number(((ratio - 1) * 100).toFixed(2)) : null;
  return {
    ...medians,
    ...{ percent: percent(middle), low: percent(low), high: percent(high) },
    verdict: verdictOf(figure, low, high, tolerance),
  };
}

function verdictOf({ better }: Figure, low: number, high: number, tolerance: number): Verdict {
  const small = tolerance / 100;
  if (low >= 1 - small && high <= 1 + small) return "unchanged";
  if (low > 1) return better === "more" ? "better" : "worse";
  if (high < 1) return better === "more" ? "worse" : "better";
  return "too noisy";
}

/** Where zeros forbid ratios (error rates): the rounds of one side must all be above those of the other. */
function byRange({ better }: Figure, old: readonly number[], now: readonly number[]): Verdict {
  const values = new Set([...old, ...now]);
  if (values.size === 1) return "unchanged";
  if (Math.min(old.length, now.length) < 2) return "too noisy";
  if (Math.min(...now) > Math.max(...old)) return better === "more" ? "better" : "worse";
  if (Math.max(...now) < Math.min(...old)) return better === "more" ? "worse" : "better";
  return "too noisy";
}
