/** How much memory a process takes, from /proc. */
import { readFileSync } from "node:fs";

/**
 * Bytes that count against `max`: pages that several processes share, as after a preload, count for
 * each with its share (PSS). That number is dear, so it is asked for only when the cheap one, which
 * is never smaller, is beyond the bound. Null: not known.
 */
export function memoryOf(pid: number, max: number): number | null {
  const resident = residentBytes(pid);
  if (resident === null || resident <= max) return resident;
  return proportionalBytes(pid) ?? resident;
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
