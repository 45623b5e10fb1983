/**
 * Whether memory grows, seen through the saw teeth of garbage collection: only the least of each window counts, and the slope is the
 * median of those between all pairs (Theil-Sen), which single windows that lie far off do not move. Pure.
 */

export interface Point {
  readonly seconds: number;
  readonly bytes: number;
}

const MIB = 1024 * 1024;
const WINDOWS_MIN = 3;

/** The least point of each window that has one. */
export function envelope(points: readonly Point[], windowSeconds: number): readonly Point[] {
  const least = new Map<number, Point>();
  for (const point of points) {
    const window = Math.floor(point.seconds / windowSeconds);
    const known = least.get(window);
    if (known === undefined || point.bytes < known.bytes) least.set(window, point);
  }
  return [...least.values()];
}

/** MiB an hour; null when there are too few windows to say. */
export function slopeOf(points: readonly Point[], windowSeconds: number): number | null {
  const least = envelope(points, windowSeconds);
  if (least.length < WINDOWS_MIN) return null;
  const slopes = least.flatMap((from, i) =>
    least.slice(i + 1).map((to) => (to.bytes - from.bytes) / (to.seconds - from.seconds)),
  );
  return (middle(slopes) * 3600) / MIB;
}

function middle(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
