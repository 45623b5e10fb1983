/** The processes of a server, as /proc shows them. */
import { readFileSync, readdirSync } from "node:fs";
import { eventually } from "./serve.ts";

export interface Process {
  readonly pid: number;
  readonly parent: number;
  /** In clock ticks since the boot: tells a process from a later one with its number. */
  readonly started: string;
  readonly state: string;
  readonly command: string;
}

export function processOf(pid: number): Process | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name stands in parentheses and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    const [state = "", parent = ""] = fields;
    return { pid, parent: Number(parent), started: fields[19] ?? "", state, command };
  } catch {
    return undefined;
  }
}

/** It runs, and is still the same; a zombie does not. */
export function isAlive(process: Process): boolean {
  const now = processOf(process.pid);
  return now !== undefined && now.started === process.started && !"ZX".includes(now.state);
}

/** Children, their children and so on; a process comes after its parent. */
export function descendants(pid: number): Process[] {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => processOf(Number(name)) ?? []);
  const found: Process[] = [];
  const parents = [pid];
  for (const parent of parents) {
    for (const child of all) {
      if (child.parent !== parent || parents.includes(child.pid)) continue;
      parents.push(child.pid);
      if (child.state !== "Z") found.push(child);
    }
  }
  return found;
}

/** The server's first process, seen from a worker: the parent of its zygote. */
export function supervisorOf(worker: number): number {
  const zygote = processOf(worker)?.parent ?? 0;
  const supervisor = processOf(zygote)?.parent ?? 0;
  if (supervisor <= 1) throw new Error(`process ${worker} has no supervisor`);
  return supervisor;
}

export interface Tree {
  edges: Process[];
  zygotes: Process[];
  workers: Process[];
}

export function treeOf(server: { readonly pid: number }): Tree {
  const all = descendants(server.pid);
  const edges = all.filter(({ command }) => command.includes("__edge"));
  const python = all.filter(({ command }) => /python/.test(command) && !/ -c /.test(command));
  const numbers = new Set(python.map(({ pid }) => pid));
  return {
    edges,
    zygotes: python.filter(({ parent }) => !numbers.has(parent)),
    workers: python.filter(({ parent }) => numbers.has(parent)),
  };
}

function describe({ pid, command }: Process): string {
  return `${pid} ${command}`;
}

/** Waits until none of them runs. */
export async function gone(processes: readonly Process[], deadlineMs?: number): Promise<void> {
  const left = (): Process[] => processes.filter(isAlive);
  const what = (): string => `these still run: ${left().map(describe).join("; ")}`;
  await eventually(what, () => left().length === 0, deadlineMs);
}

/** How many descriptors a process has open. */
export function descriptorCount(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
