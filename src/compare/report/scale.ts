/** Axes: where a value lies, in percent, and which ticks are worth a label. Pure. */

export interface Scale {
  /** Percent of the axis, clamped to it. */
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

function clamped(share: number): number {
  return Math.min(100, Math.max(0, share * 100));
}

const STEPS = [[1, 2, 5], [1, 3], [1]];
const TICKS_MAX = 7;

/** Logarithmic from just below the least to just above the most; ticks at 1, 2 and 5 of each decade where there is room. */
export function logarithmic(values: Iterable<number>): Scale {
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const value of values) {
    if (!(value > 0) || !Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (high === 0) [low, high] = [1, 10];
  const room = Math.max(high / low, 1.5) ** 0.04;
  const [from, to] = [Math.log10(low / room), Math.log10(high * room)];
  const at = (value: number): number => clamped((Math.log10(value) - from) / (to - from));
  let ticks: number[] = [];
  for (const steps of STEPS) {
    ticks = [];
    for (let decade = Math.floor(from); decade <= Math.ceil(to); decade++) {
      for (const step of steps) {
        const tick = Number((step * 10 ** decade).toPrecision(1));
        if (Math.log10(tick) >= from && Math.log10(tick) <= to) ticks.push(tick);
      }
    }
    if (ticks.length <= TICKS_MAX) break;
  }
  return { at, ticks };
}

/** `values` themselves are the ticks: the points of a sweep, by their logarithm. */
export function logarithmicAt(values: readonly number[]): Scale {
  const { at } = logarithmic(values);
  return { at, ticks: values };
}
