/** What a comparison ran on, and which cores servers and load get. */
import { readFileSync } from "node:fs";
import { arch, availableParallelism, cpus, loadavg, release, totalmem, type } from "node:os";
import type { Pinning } from "./load/order.ts";

export interface Cores {
  /** Empty: not pinned. */
  readonly server: readonly number[];
  readonly load: readonly number[];
  /** Why they are as they are, for the reader; empty when each has its own. */
  readonly note: string;
}

const GIB = 1024 ** 3;
/** One in so many cores makes the load. */
const CORES_A_LOAD_CORE = 4;

function read(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

/** `0-2,5` */
export function readCoreList(text: string): number[] {
  return text.split(",").flatMap((part) => {
    const [first = Number.NaN, last = first] = part.split("-").map(Number);
    if (Number.isNaN(first)) return [];
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** The last of the allowed cores make the load, the others serve. */
export function divideCores(allowed: readonly number[], canPin: boolean): Cores {
  if (allowed.length < 2) {
    const note =
      "there is one core: servers and load share it, so every figure is lower than alone";
    return { server: [], load: [], note };
  }
  if (!canPin) {
    const note = "taskset is not installed: servers and load wander over the same cores";
    return { server: [], load: [], note };
  }
  const load = Math.max(1, Math.floor(allowed.length / CORES_A_LOAD_CORE));
  return { server: allowed.slice(0, -load), load: allowed.slice(-load), note: "" };
}

export function findCores(): Cores {
  const status = /^Cpus_allowed_list:\s*(\S+)$/m.exec(read("/proc/self/status"))?.[1];
  const all = Array.from({ length: availableParallelism() }, (_, core) => core);
  const allowed = status === undefined ? all : readCoreList(status);
  return divideCores(allowed, Bun.which("taskset") !== null);
}

export function pinTo(cores: readonly number[]): Pinning {
  return cores.length === 0 ? [] : ["taskset", "-c", cores.join(",")];
}

export function describeMachine(cores: Cores): Record<string, string> {
  const processors = cpus();
  const governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  const pinned = (list: readonly number[]): string => (list.length === 0 ? "any" : list.join(", "));
  return {
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: `${processors.length}`,
    memory: `${Math.round(totalmem() / GIB)} GiB`,
    system: `${type()} ${release()} ${arch()}`,
    ...(governor === "" ? {} : { governor }),
    "load average before": (loadavg()[0] ?? 0).toFixed(2),
    "server cores": pinned(cores.server),
    "load cores": pinned(cores.load),
    bun: Bun.version,
  };
}
