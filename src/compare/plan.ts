/** How long a comparison takes, and how many rounds of how many seconds fit into a budget. Pure. */
import type { Scenario } from "./scenarios.ts";

export interface Pace {
  readonly rounds: number;
  /** Of one load. */
  readonly seconds: number;
}

/** One scenario and how many take part in it. */
export interface Part {
  readonly scenario: Scenario;
  readonly contenders: number;
}

/** Seconds of the first look at a server: start, probes, a short load, stop. */
export const LOOK_SECONDS = 3;
/** Seconds of a round besides its loads: start, settling, warm-up, stop. */
const ROUND_SECONDS = 2.2;
/** A warm-up is a third of the load that follows. */
const CLOSED_SHARE = 4 / 3;
/** How long a fixed number of requests takes is not known before: most servers need less. */
const COUNT_SECONDS = 2;

export const DEFAULT_PACE: Pace = { rounds: 3, seconds: 3 };
const ROUNDS_MAX = 5;
const SECONDS = { least: 1, most: 10 };

/** Seconds of one round of one server. */
export function roundSeconds(scenario: Scenario, seconds: number): number {
  const { load, sweepOf, values = [] } = scenario;
  if (sweepOf === "connections")
    return ROUND_SECONDS + (values.length + CLOSED_SHARE - 1) * seconds;
  if (sweepOf !== undefined) {
    return values.length * (ROUND_SECONDS + CLOSED_SHARE * seconds);
  }
  if (load.kind === "measured") return load.duration(seconds);
  if (load.kind === "transfer") return ROUND_SECONDS + seconds;
  if (load.kind === "websocket") return ROUND_SECONDS + 2 * seconds;
  if (load.count !== undefined) return ROUND_SECONDS + COUNT_SECONDS;
  const closed = load.openOnly === true ? 0 : CLOSED_SHARE;
  return ROUND_SECONDS + (closed + (load.closedOnly === true ? 0 : 1)) * seconds;
}

export function estimate(parts: readonly Part[], { rounds, seconds }: Pace): number {
  return parts.reduce((total, { scenario, contenders }) => {
    const first = scenario.load.kind === "measured" ? 0 : LOOK_SECONDS;
    return total + contenders * (first + rounds * roundSeconds(scenario, seconds));
  }, 0);
}

/** What is given stays; the rest is fitted: three rounds are worth more than long ones, and five more than ten seconds. */
export function fit(
  parts: readonly Part[],
  budgetSeconds: number,
  given: { readonly rounds?: number | undefined; readonly seconds?: number | undefined },
): Pace {
  const rounds = given.rounds === undefined ? [3, 2, 1] : [given.rounds];
  let best: Pace = { rounds: rounds.at(-1) ?? 1, seconds: given.seconds ?? SECONDS.least };
  const fits = (pace: Pace): boolean => estimate(parts, pace) <= budgetSeconds;
  for (const count of rounds) {
    const pace = { rounds: count, seconds: given.seconds ?? SECONDS.least };
    if (!fits(pace)) continue;
    best = pace;
    break;
  }
  if (!fits(best)) return best;
  if (given.seconds === undefined) {
    while (best.seconds < SECONDS.most && fits({ ...best, seconds: best.seconds + 1 })) {
      if (best.seconds >= DEFAULT_PACE.seconds && given.rounds === undefined) {
        const more = { ...best, rounds: best.rounds + 1 };
        if (best.rounds < ROUNDS_MAX && fits(more)) {
          best = more;
          continue;
        }
      }
      best = { ...best, seconds: best.seconds + 1 };
    }
  }
  return best;
}

/** Of the open loop: half of what the median server can do, the same for all. */
export function commonRate(rates: readonly number[]): number {
  const known = rates.filter((rate) => Number.isFinite(rate) && rate > 0).sort((a, b) => a - b);
  const middle = known[(known.length - 1) >> 1];
  if (middle === undefined) return RATE.least;
  const half = Math.min(RATE.most, Math.max(RATE.least, middle / 2));
  return Number(half.toPrecision(2));
}

/** The most is what one core can send and check on time. */
const RATE = { least: 10, most: 8000 };

export function durationText(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  const rest = whole % 60;
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return rest === 0 ? `${minutes} min` : `${minutes} min ${rest} s`;
}
