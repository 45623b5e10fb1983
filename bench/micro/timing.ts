/** How the benchmarks of single functions take and tell times. */

const ROUNDS = 7;

/** Nanoseconds of one of `count` calls. */
export function timed(count: number, call: (i: number) => void): number {
  const start = Bun.nanoseconds();
  for (let i = 0; i < count; i++) call(i);
  return (Bun.nanoseconds() - start) / count;
}

/** Prints the median and the best of some rounds, each of which says its nanoseconds. */
export function report(label: string, round: () => number): void {
  const times = Array.from({ length: ROUNDS }, round).sort((a, b) => a - b);
  const median = times[ROUNDS >> 1]!.toFixed(0).padStart(5);
  process.stdout.write(`${label.padEnd(34)} ${median} ns (best ${times[0]!.toFixed(0)})\n`);
}
