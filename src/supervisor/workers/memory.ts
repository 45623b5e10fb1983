/** How much memory a worker takes, with the processes that it has started, from /proc. */
import { readdirSync, readFileSync } from "node:fs";

/** A worker that starts ever more is found too large long before. */
const FAMILY_MAX = 1000;

/**
 * Bytes of a process and its descendants that count against `max`: pages that several processes
 * share, as after a preload or a fork, count for each with its share (PSS). That number is dear, so
 * it is asked for only when the cheap one, which is never smaller, is beyond the bound. Null: not
 * known.
 */
export function memoryOf(pid: number, max: number): number | null {
  const own = residentBytes(pid);
  if (own === null) return null;
  const family = descendantsOf(pid);
  const resident = family.reduce((sum, child) => sum + (residentBytes(child) ?? 0), own);
  if (resident <= max) return resident;
  return [pid, ...family].reduce((sum, one) => sum + weigh(one), 0);
}

/** Those that are its children, and theirs. Whose parent has ended does not belong to it any more. */
function descendantsOf(pid: number): number[] {
  const found: number[] = [];
  for (let at = -1; at < found.length && found.length < FAMILY_MAX; at++) {
    found.push(...childrenOf(found[at] ?? pid));
  }
  return found;
}

/** The kernel lists them for each thread that has started some. */
function childrenOf(pid: number): number[] {
  const children: number[] = [];
  for (const thread of threadsOf(pid)) {
    const line = read(`/proc/${pid}/task/${thread}/children`);
    if (line !== null) children.push(...line.split(" ").filter(Boolean).map(Number));
  }
  return children;
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

function weigh(pid: number): number {
  return proportionalBytes(pid) ?? residentBytes(pid) ?? 0;
}

function residentBytes(pid: number): number | null {
  return kilobytes(/^VmRSS:\s+(\d+) kB/m, `/proc/${pid}/status`);
}

function proportionalBytes(pid: number): number | null {
  return kilobytes(/^Pss:\s+(\d+) kB/m, `/proc/${pid}/smaps_rollup`);
}

function kilobytes(pattern: RegExp, path: string): number | null {
  const found = pattern.exec(read(path) ?? "");
  return found === null ? null : Number(found[1]) * 1024;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // It has ended, or this is no Linux.
    return null;
  }
}
