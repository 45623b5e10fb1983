/**
 * What the processes of a server take: descriptors, and memory, in which a page that several share counts for each with its part (PSS).
 * Pages of files are left out: these parts change with whatever else runs the same programs on the machine.
 */
import { readFileSync, readlinkSync, readdirSync } from "node:fs";
import { descriptorCount, processOf, treeOf, type Process } from "../apps_life/processes.ts";

export type Role = "supervisor" | "edge" | "zygote" | "worker";

export interface Taken {
  readonly role: Role;
  readonly pid: number;
  /** With the number it names one process for good. */
  readonly started: string;
  readonly bytes: number;
  readonly descriptors: number;
}

export interface Sample {
  readonly seconds: number;
  readonly processes: readonly Taken[];
}

export function sampleOf(server: { readonly pid: number }, seconds: number): Sample {
  const { edges, zygotes, workers } = treeOf(server);
  const own = processOf(server.pid);
  const all: [Role, readonly Process[]][] = [
    ["supervisor", own === undefined ? [] : [own]],
    ["edge", edges],
    ["zygote", zygotes],
    ["worker", workers],
  ];
  const processes = all.flatMap(([role, list]) => list.flatMap((one) => taken(role, one) ?? []));
  return { seconds, processes };
}

/** Undefined: it has just ended. */
function taken(role: Role, { pid, started }: Process): Taken | undefined {
  try {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    const part = (name: string): number =>
      Number(new RegExp(`^Pss_${name}:\\s+(\\d+) kB`, "m").exec(rollup)?.[1]);
    const kilobytes = part("Anon") + part("Shmem");
    if (!(kilobytes > 0)) return undefined;
    return { role, pid, started, bytes: kilobytes * 1024, descriptors: descriptorCount(pid) };
  } catch {
    return undefined;
  }
}

export function bytesOf({ processes }: Sample, role?: Role): number {
  return processes
    .filter((one) => role === undefined || one.role === role)
    .reduce((sum, { bytes }) => sum + bytes, 0);
}

function countsOf({ processes }: Sample): Map<Role, number[]> {
  const counts = new Map<Role, number[]>();
  for (const { role, descriptors } of processes) {
    counts.set(
      role,
      [...(counts.get(role) ?? []), descriptors].sort((a, b) => a - b),
    );
  }
  return counts;
}

/** Descriptors of each process, by role. */
export function descriptorsOf(sample: Sample): string {
  return [...countsOf(sample)].map(([role, counts]) => `${role} ${counts.join("+")}`).join(", ");
}

/** No process more in any role, none with more descriptors than the one of its role that had most: what is opened at first use counts. */
export function isNoMore(now: Sample, before: Sample): boolean {
  const known = countsOf(before);
  return [...countsOf(now)].every(([role, counts]) => {
    const had = known.get(role) ?? [];
    return counts.length <= had.length && counts.at(-1)! <= had.at(-1)!;
  });
}

/** What the descriptors of a process are, for a person who looks for one too many. */
export function descriptorNames(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
    try {
      return `${name} ${readlinkSync(`/proc/${pid}/fd/${name}`)}`;
    } catch {
      return [];
    }
  });
}
