/**
 * Whether memory grows: the slope is the median of those between all pairs of points (Theil-Sen), which single points that lie far off do
 * not move. Pure.
 */

export interface Point {
  readonly seconds: number;
  readonly bytes: number;
}

const MIB = 1024 * 1024;
const POINTS_MIN = 3;

/**
 * Of points of several lives, each compared with the others of its own only; MiB an hour. Of all pairs the median, in which a pair counts
 * as much as it spans; null: no life has enough points to say.
 */
export function slopeWithin(lives: readonly (readonly Point[])[]): number | null {
  const pairs = lives
    .filter(({ length }) => length >= POINTS_MIN)
    .flatMap((life) =>
      life.flatMap((from, i) => life.slice(i + 1).map((to) => [from, to] as const)),
    )
    .map(([from, to]) => {
      const span = to.seconds - from.seconds;
      return { span, slope: (to.bytes - from.bytes) / span };
    })
    .toSorted((a, b) => a.slope - b.slope);
  let left = pairs.reduce((sum, { span }) => sum + span, 0) / 2;
  for (const { span, slope } of pairs) {
    left -= span;
    if (left <= 0) return (slope * 3600) / MIB;
  }
  return null;
}
