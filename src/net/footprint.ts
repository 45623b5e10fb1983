/**
 * Memory of a process: of the runtime's machine code it touches much that it does not need again (its start, the compilers of its hot
 * functions, whatever lies beside what it needs). Those pages are clean and belong to the program's file, so they can be dropped; what is
 * needed comes back by a page fault.
 */
import { readFileSync } from "node:fs";
import { dropPages } from "./libc.ts";

/** Only what is executable and mapped from a file: nothing else is sure to be unchanged. */
const CODE = /^([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ \d+ +(\/.+)$/;

interface Range {
  readonly start: number;
  readonly bytes: number;
}

let code: readonly Range[] | null = null;

/** Drops the pages of this program's code that have been read so far. Does nothing where there is no /proc. */
export function dropCode(): void {
  code ??= codeRanges();
  for (const { start, bytes } of code) dropPages(start, bytes);
}

function codeRanges(): Range[] {
  let maps: string;
  try {
    maps = readFileSync("/proc/self/maps", "utf8");
  } catch {
    return [];
  }
  const ranges: Range[] = [];
  for (const line of maps.split("\n")) {
    const match = CODE.exec(line);
    if (match === null || match[3] !== process.execPath) continue;
    const start = Number.parseInt(match[1]!, 16);
    ranges.push({ start, bytes: Number.parseInt(match[2]!, 16) - start });
  }
  return ranges;
}
