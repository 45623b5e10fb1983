/** The server at rest: no request, no client. Then it has as many processes and descriptors, role by role, as it had at first. */
import { eventually } from "../apps_life/serve.ts";
import type { Scene } from "./fault.ts";
import { descriptorNames, descriptorsOf, isNoMore, type Sample, sampleOf } from "./footprint.ts";

const SETTLE_MS = 30_000;

export interface Rest {
  readonly sample: Sample;
  /** In words; empty: nothing is left over. */
  readonly broken: readonly string[];
}

/** `first`: what it had before anything was done to it; null: this is that. `say` gets what helps to find a leak. */
export async function restOf(
  { server, workers, edges }: Scene,
  first: Sample | null,
  say: (line: string) => void,
  seconds: number = 0,
): Promise<Rest> {
  const look = (): Sample => sampleOf(server, seconds);
  const isWhole = ({ processes }: Sample): boolean =>
    processes.filter(({ role }) => role === "worker").length === workers &&
    processes.filter(({ role }) => role === "edge").length === edges;
  let sample = look();
  try {
    const isAtRest = (): boolean => {
      sample = look();
      return isWhole(sample) && (first === null || isNoMore(sample, first));
    };
    await eventually("rest", isAtRest, SETTLE_MS);
  } catch {
    const was =
      first === null ? `${workers} workers and ${edges} edges wanted` : descriptorsOf(first);
    for (const { role, pid } of sample.processes) {
      say(`${role} ${pid}: ${descriptorNames(pid).join("; ")}`);
    }
    return { sample, broken: [`descriptors at rest: ${descriptorsOf(sample)}; at first ${was}`] };
  }
  // Nothing of it runs beside its tree, either.
  const known = new Set(sample.processes.map(({ pid }) => pid));
  const strangers = server.processes().filter(({ pid, state }) => !known.has(pid) && state !== "Z");
  return { sample, broken: strangers.map(({ pid, command }) => `${pid} ${command} is left over`) };
}
