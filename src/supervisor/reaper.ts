/**
 * The duty of process 1: children of processes that ended are given to it and must be waited for.
 * Children that this program started itself are left alone: the runtime waits for them.
 */
import { readFileSync } from "node:fs";
import { reap } from "../net/libc.ts";

export function reapStrangers(own: ReadonlySet<number>): void {
  for (const pid of children()) if (!own.has(pid)) reap(pid);
}

function children(): number[] {
  try {
    const text = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, "utf8");
    return text.split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
