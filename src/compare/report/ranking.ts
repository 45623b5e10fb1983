/**
 * Who won, by how much, and whether that is more than noise. Teaching baselines and the ceiling are shown in their place but do not
 * compete with servers; neither does a row that fails requests, however fast. Two rows share a rank while the 95 % confidence interval of
 * their ratio holds 1.
 */
import { median, ratioOfMedians } from "../statistics.ts";
import type { Interval } from "../statistics.ts";
import type { Row, ScenarioResult } from "../types.ts";
import { errorKinds, errorRate, rankedFigure, rankedSamples } from "./figures.ts";
import { duration, share, times } from "./numbers.ts";

/** One request in a thousand: more failures than that, and speed is no merit. */
export const ERRORS_RANKED_MAX = 0.001;

export interface Place {
  readonly row: Row;
  /** Median of the ranked column; NaN of a row that failed. */
  readonly figure: number;
  readonly samples: readonly number[];
  /** 1 for the best; several may share it. Left out: it does not compete. */
  readonly rank?: number;
  /** Does another row share the rank? */
  readonly tied: boolean;
  /** Why a server with figures does not compete. */
  readonly unranked?: string;
  /** It would compete, but has one round only: nobody knows its noise. */
  readonly unsure?: boolean;
}

export interface Ranking {
  /** Best first; rows without figures last. */
  readonly places: readonly Place[];
  /** Those of rank 1. */
  readonly winners: readonly Place[];
  /** The best figure of those who compete, sure or not. */
  readonly front?: Place;
  /** How much better the winners' first is than the first place behind them: 1.4 is 40 % more, or 40 % less time. */
  readonly lead?: { readonly over: Place; readonly factor: Interval };
}

/** `a` against `b`: above 1 when `a` is better. */
function advantage(a: Place, b: Place, better: "more" | "less"): Interval {
  return better === "more"
    ? ratioOfMedians(b.samples, a.samples)
    : ratioOfMedians(a.samples, b.samples);
}

export function rankingOf(scenario: ScenarioResult): Ranking {
  const ranked = rankedFigure(scenario);
  const { better } = ranked;
  const sign = better === "more" ? -1 : 1;
  const entries = scenario.rows
    .map((row) => {
      const samples = row.failure === undefined ? rankedSamples(row, ranked) : [];
      return { row, samples, figure: median(samples) };
    })
    .sort((a, b) => worth(sign, a.figure) - worth(sign, b.figure));
  const anyServer = entries.some(({ row, figure }) => row.kind === "server" && figure > 0);
  const places: Place[] = [];
  let leader: Place | undefined;
  let competing = 0;
  for (const { row, samples, figure } of entries) {
    const alone = { row, samples, figure, tied: false };
    const unranked = reasonAgainst(row);
    const competes = row.kind === "server" || (row.kind === "baseline" && !anyServer);
    if (!competes || Number.isNaN(figure) || unranked !== undefined) {
      places.push(unranked !== undefined && competes ? { ...alone, unranked } : alone);
      continue;
    }
    if (samples.length < 2) {
      places.push({ ...alone, unsure: true });
      continue;
    }
    competing++;
    const tied = leader !== undefined && isLevel(leader, alone, better);
    const place: Place = { ...alone, rank: tied ? (leader?.rank ?? 1) : competing, tied };
    if (!tied) leader = place;
    places.push(place);
  }
  return standing(places, better);
}

/** Is their difference within the noise? Of nothing nobody is so many times as good: then their rounds decide. */
function isLevel(leader: Place, other: Place, better: "more" | "less"): boolean {
  if (leader.figure === 0) return Math.min(...other.samples) <= Math.max(...leader.samples);
  return !(advantage(leader, other, better).low > 1);
}

/** Sorts figures best first, and rows without one last. */
function worth(sign: number, figure: number): number {
  return Number.isNaN(figure) ? Number.MAX_VALUE : sign * figure;
}

function reasonAgainst(row: Row): string | undefined {
  const rate = errorRate(row);
  if (!(rate > ERRORS_RANKED_MAX)) return undefined;
  return `${share(rate)} of its requests failed (${errorKinds(row)})`;
}

function standing(found: readonly Place[], better: "more" | "less"): Ranking {
  const shared = new Set(found.filter(({ tied }) => tied).map(({ rank }) => rank));
  const places = found.map((place) => ({ ...place, tied: shared.has(place.rank) }));
  const winners = places.filter(({ rank }) => rank === 1);
  const [first] = winners;
  const front = places.find(({ rank, unsure }) => rank !== undefined || unsure === true);
  const over = places.find(({ rank }) => rank !== undefined && rank > 1);
  const ranking = { places, winners, ...(front === undefined ? {} : { front }) };
  if (first === undefined || over === undefined) return ranking;
  return { ...ranking, lead: { over, factor: advantage(first, over, better) } };
}

/** `keelback wins: 1.42× granian (1.38 to 1.47)`: what a reader takes away. */
export function verdictOf(
  scenario: ScenarioResult,
  ranking: Ranking = rankingOf(scenario),
): string {
  const { winners, lead, front } = ranking;
  const names = winners.map(({ row }) => row.server);
  const [first] = names;
  if (first === undefined) return nobody(ranking);
  if (front?.unsure === true) {
    return `${front.row.server} has the best figure, in its only round; of the others ${first} is the best`;
  }
  if (names.length > 1) {
    const others = lead === undefined ? "" : `; ${leadText(ranking, scenario)}`;
    return `${listed(names)} are level: their difference is within the noise${others}`;
  }
  if (lead === undefined) return `${first} is the only server with figures to rank`;
  return `${first} wins: ${leadText(ranking, scenario)}`;
}

function nobody({ places, front }: Ranking): string {
  if (front !== undefined) {
    return `${front.row.server} has the best figure, but one round says nothing about noise`;
  }
  const some = places.some(({ unranked }) => unranked !== undefined);
  return some
    ? "nobody wins: every server with figures failed too many requests"
    : "nobody wins: no server has figures";
}

/** `1.42× granian (1.38 to 1.47)`; of a latency `3.1 ms against granian's 4.4 ms, 1.42× (1.38 to 1.47)`. */
export function leadText({ lead, winners }: Ranking, scenario: ScenarioResult): string {
  const [first] = winners;
  if (lead === undefined || first === undefined) return "";
  const { over, factor } = lead;
  const best =
    scenario.sweepOf !== undefined && first.row.rounds.length === 0 ? "at its best, " : "";
  const from = winners.length > 1 ? `${first.row.server} ${best}` : best;
  const { better, unit, format } = rankedFigure(scenario);
  if (better === "more") {
    return `${from}${times(factor.middle)} ${over.row.server} (${range(factor)})`;
  }
  const say = (value: number): string =>
    unit === "ms" ? duration(value) : `${format(value)} ${unit}`.trim();
  const both = `${from}${say(first.figure)} against ${over.row.server}'s ${say(over.figure)}`;
  // Of nothing nobody is so many times as good.
  if (first.figure === 0) return both;
  return `${both}, ${times(factor.middle)} (${range(factor)})`;
}

/** The confidence interval, in as many digits as `times`. */
export function range({ low, high }: Interval): string {
  return `${times(low).replace("×", "")} to ${times(high).replace("×", "")}`;
}

/** `a`, `a and b`, `a, b and c`. */
export function listed(names: readonly string[]): string {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
