/**
 * What a process and all that descend from it use, read from /proc: memory as PSS, CPU as nanoseconds on a core. Where there is no
 * /proc the figures are NaN, and are left out.
 */
import { readFileSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { statFields } from "../core/proc-stat.ts";

export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // the process has ended since it was listed
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function parents(): Map<number, number> {
  const result = new Map<number, number>();
  for (const name of list("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const fields = statFields(read(`/proc/${name}/stat`));
    result.set(Number(name), Number(fields[1]));
  }
  return result;
}

/** The process itself first. */
export function treeOf(root: number): ProcessInfo[] {
  const parentOf = parents();
  const inside = new Set([root]);
  // A child can have a lower number than its parent after the numbers wrapped: go on until nothing is added.
  for (let before = 0; before !== inside.size;) {
    before = inside.size;
    for (const [pid, parent] of parentOf) if (inside.has(parent)) inside.add(pid);
  }
  return [...inside].map((pid) => ({
    pid,
    parent: parentOf.get(pid) ?? 0,
    command: read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim(),
  }));
}

/** Those that nobody of the tree descends from: workers, not supervisors. */
export function leavesOf(tree: readonly ProcessInfo[]): ProcessInfo[] {
  const having = new Set(tree.map(({ parent }) => parent));
  return tree.filter(({ pid }) => !having.has(pid));
}

function kibOf(text: string, field: string): number {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1];
  return found === undefined ? Number.NaN : Number(found);
}

/**
 * Proportional set size, KiB; of what has ended 0, where the kernel tells none NaN. Of a program that also measures them (Keelback runs on
 * the runtime that this does) they carry all: without us nobody would share it.
 */
export function pssKiB(processes: readonly ProcessInfo[]): number {
  const sizes = processes.map(({ pid }) => kibOf(read(`/proc/${pid}/smaps_rollup`), "Pss"));
  const known = sizes.filter((size) => !Number.isNaN(size));
  if (known.length === 0) return Number.NaN;
  const program = programOf(process.pid);
  const theirs = processes.some(({ pid }) => programOf(pid) === program);
  return known.reduce((sum, size) => sum + size, theirs ? sharedByUs(program) : 0);
}

function programOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return ""; // it has ended, or belongs to somebody else
  }
}

/** Our load generators (src/compare/load/main.ts). */
const LOAD = /__load/;
/** Each begins with its addresses. */
const MAPPINGS = /^(?=[\da-f]+-[\da-f]+ )/m;

/** Our part, and that of our load generators, of what is shared of a program, KiB. */
function sharedByUs(program: string): number {
  const ours = treeOf(process.pid).filter(({ pid, command }) => {
    return pid === process.pid || LOAD.test(command);
  });
  let shared = 0;
  for (const { pid } of ours) {
    for (const mapping of read(`/proc/${pid}/smaps`).split(MAPPINGS)) {
      if (!mapping.slice(0, mapping.indexOf("\n")).endsWith(program)) continue;
      const own = kibOf(mapping, "Private_Clean") + kibOf(mapping, "Private_Dirty");
      shared += kibOf(mapping, "Pss") - own;
    }
  }
  return shared;
}

/** Highest resident size so far, KiB. */
export function peakRssKiB(processes: readonly ProcessInfo[]): number {
  const sizes = processes.map(({ pid }) => kibOf(read(`/proc/${pid}/status`), "VmHWM"));
  return sizes.reduce((sum, size) => sum + (Number.isNaN(size) ? 0 : size), 0);
}

/** From now on `peakRssKiB` speaks of what comes. */
export function resetPeak(processes: readonly ProcessInfo[]): void {
  for (const { pid } of processes) {
    try {
      writeFileSync(`/proc/${pid}/clear_refs`, "5");
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** Nanoseconds on a core so far, by thread. */
function cpuOfThreads(processes: readonly ProcessInfo[]): Map<string, number> {
  const result = new Map<string, number>();
  for (const { pid } of processes) {
    for (const thread of list(`/proc/${pid}/task`)) {
      const stat = read(`/proc/${pid}/task/${thread}/schedstat`);
      if (stat !== "") result.set(`${pid}/${thread}`, Number(stat.split(" ")[0]));
    }
  }
  return result;
}

/**
 * For loads: CPU seconds of a tree since now, with threads and children that have ended meanwhile (threading and forking designs spend
 * nearly all of it there). In steps of a hundredth of a second for each process. NaN where it can't be read.
 */
export function measureCpu(tree: () => readonly ProcessInfo[]): () => number {
  const before = ticksOf(tree());
  return () => (ticksOf(tree()) - before) / TICKS_A_SECOND;
}

/** Linux gives times in these since there is a stable interface: USER_HZ. */
const TICKS_A_SECOND = 100;
/** utime, stime, cutime and cstime, counted from the state. */
const TIMES = [11, 15] as const;

function ticksOf(processes: readonly ProcessInfo[]): number {
  let ticks = Number.NaN;
  for (const { pid } of processes) {
    const stat = read(`/proc/${pid}/stat`);
    if (stat === "") continue;
    const fields = statFields(stat);
    const own = fields.slice(...TIMES).reduce((sum, field) => sum + Number(field), 0);
    ticks = (Number.isNaN(ticks) ? 0 : ticks) + own;
  }
  return ticks;
}

/** For idle servers: nanoseconds on a core since now, exact, of the threads that live. */
export function measureThreads(tree: () => readonly ProcessInfo[]): () => number {
  const before = cpuOfThreads(tree());
  return () => {
    let used = 0;
    for (const [thread, ns] of cpuOfThreads(tree())) used += ns - (before.get(thread) ?? 0);
    return used;
  };
}
