/** What a soak says of memory: its slope, from samples at rest. Pure. */
import { bytesOf, type Role, type Sample } from "./footprint.ts";
import { type Point, slopeWithin } from "./slope.ts";

/** MiB an hour, of what is not backed by files; null: there are too few samples to say. */
export type Slopes = Readonly<Record<"all" | Role, number | null>>;

/** A process that is younger still makes what it keeps. */
const GROWN_UP_SECONDS = 90;

export function slopes(rests: readonly Sample[], warmUpSeconds: number): Slopes {
  const warm = rests.filter(({ seconds }) => seconds >= warmUpSeconds);
  const inSum = (role: Role): number | null =>
    slopeWithin([
      warm.map((sample) => ({ seconds: sample.seconds, bytes: bytesOf(sample, role) })),
    ]);
  const own = (role: Role): number | null => slopeWithin(livesOf(warm, rests, role));
  const roles = { supervisor: own("supervisor"), edge: own("edge") };
  const children = { zygote: inSum("zygote"), worker: inSum("worker") };
  const found: Record<Role, number | null> = { ...roles, ...children };
  const edges = Math.max(1, ...warm.map((sample) => count(sample, "edge")));
  const values = Object.values(found);
  const all = values.includes(null)
    ? null
    : values.reduce<number>((sum, one) => sum + one!, 0) + (edges - 1) * found.edge!;
  return { ...found, all };
}

/** What each process of a role took, from when it was grown up. */
function livesOf(warm: readonly Sample[], rests: readonly Sample[], role: Role): Point[][] {
  const born = new Map<string, number>();
  for (const { seconds, processes } of rests) {
    for (const { pid, started } of processes) {
      const key = `${pid} ${started}`;
      if (!born.has(key)) born.set(key, seconds);
    }
  }
  const lives = new Map<string, Point[]>();
  for (const { seconds, processes } of warm) {
    for (const { pid, started, bytes } of processes.filter((one) => one.role === role)) {
      const key = `${pid} ${started}`;
      if (seconds - born.get(key)! < GROWN_UP_SECONDS) continue;
      lives.set(key, [...(lives.get(key) ?? []), { seconds, bytes }]);
    }
  }
  return [...lives.values()];
}

function count({ processes }: Sample, role: Role): number {
  return processes.filter((one) => one.role === role).length;
}
