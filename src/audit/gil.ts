/**
 * An estimate of how long requests wait for the GIL, from outside: now and then it looks what the threads that work for a request (the
 * probe's slots say which) are doing. Who waits for the GIL sleeps in futex(2) on a word of the interpreter's static memory, where its
 * GIL lies; locks of the app are in memory that was allocated. What cannot be read (no /proc, no right to) is left out.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ProbeReport } from "./types.ts";

const LOOK_MS = 10;
/** A look that came later than this (the machine was busy) counts as much as one in time. */
const SPENT_MS_MAX = 50;
const SLOT_BYTES = 16;
/** futex by architecture. */
const FUTEX: Readonly<Record<string, string>> = { x64: "202", arm64: "98" };
const LOOKS_MIN = 20;

interface Worker {
  readonly pid: number;
  readonly slots: string;
  readonly ranges: readonly (readonly [bigint, bigint])[];
  /** Milliseconds by the number of the path. */
  readonly waits: Map<number, number>;
}

export class GilWatch {
  readonly #folder: string;
  readonly #workers = new Map<number, Worker>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #last = 0;
  #looks = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  start(): void {
    if (FUTEX[process.arch] === undefined || process.platform !== "linux") return;
    this.#last = performance.now();
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** By method and path, milliseconds; null where nothing could be seen. */
  waits(probes: readonly ProbeReport[]): ReadonlyMap<string, number> | null {
    if (this.#looks < LOOKS_MIN) return null;
    const all = new Map<string, number>();
    for (const { pid, numbers } of probes) {
      for (const [number, ms] of this.#workers.get(pid)?.waits ?? []) {
        const path = numbers[number - 1];
        if (path !== undefined) all.set(path, (all.get(path) ?? 0) + ms);
      }
    }
    return all;
  }

  #look(): void {
    const now = performance.now();
    const spent = Math.min(SPENT_MS_MAX, now - this.#last);
    this.#last = now;
    // Workers come and go.
    if (this.#looks % 100 === 0) this.#find();
    let seen = this.#workers.size === 0;
    for (const worker of this.#workers.values()) seen = lookAt(worker, spent) || seen;
    if (seen) this.#looks += 1;
  }

  #find(): void {
    for (const name of readdirSync(this.#folder)) {
      const pid = Number(/^slots-(\d+)$/.exec(name)?.[1] ?? 0);
      if (pid === 0 || this.#workers.has(pid)) continue;
      const ranges = staticMemory(read(`/proc/${pid}/maps`));
      const slots = join(this.#folder, name);
      if (ranges.length > 0) this.#workers.set(pid, { pid, slots, ranges, waits: new Map() });
    }
  }
}

/** False where the threads cannot be looked at. */
function lookAt({ pid, slots, ranges, waits }: Worker, spent: number): boolean {
  let bytes: Buffer;
  try {
    bytes = readFileSync(slots);
  } catch {
    return false;
  }
  for (let at = 0; at + SLOT_BYTES <= bytes.length; at += SLOT_BYTES) {
    const thread = Number(bytes.readBigUInt64LE(at));
    if (thread === 0) break;
    const number = Number(bytes.readBigUInt64LE(at + 8));
    if (number === 0) continue;
    const doing = read(`/proc/${pid}/task/${thread}/syscall`);
    if (doing === "") return false;
    if (waitsForGil(doing, ranges)) waits.set(number, (waits.get(number) ?? 0) + spent);
  }
  return true;
}

/** `202 0x55d0c0a8 0x189 ...`: number and arguments of the call the thread is in; `running` where it is in none. */
export function waitsForGil(
  doing: string,
  ranges: readonly (readonly [bigint, bigint])[],
  architecture: string = process.arch,
): boolean {
  const [call, address] = doing.split(" ", 2);
  if (call !== FUTEX[architecture] || address === undefined) return false;
  const word = BigInt(address);
  return ranges.some(([from, to]) => word >= from && word < to);
}

/** Writable memory of the interpreter's file (its program or libpython), with the zeroed part that follows it. */
export function staticMemory(maps: string): readonly (readonly [bigint, bigint])[] {
  const ranges: (readonly [bigint, bigint])[] = [];
  let before: bigint | null = null;
  for (const line of maps.split("\n")) {
    const [, from = "", to = "", rights = "", file = ""] =
      /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+\s*(.*)$/.exec(line) ?? [];
    if (from === "") continue;
    const [start, end] = [BigInt(`0x${from}`), BigInt(`0x${to}`)];
    const own = /\/(?:lib)?python3[^/]*$/.test(file);
    if (rights.startsWith("rw") && (own || (file === "" && start === before))) {
      ranges.push([start, end]);
      before = end;
    } else {
      before = own ? end : null;
    }
  }
  return ranges;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
