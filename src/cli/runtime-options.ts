/**
 * Options of the runtime for the supervisor alone. It does little, and what the optimising compiler would make of that in the course of an
 * hour is megabytes for nothing: without it the supervisor takes 4 MiB less, and no more after a day than after a minute. Looking each
 * second whether to collect, the runtime's default, is most of what it does while idle; freed memory that is given back at once needs no
 * thread that wakes for it. `keelback` (the script) sets them, a successor gets them from its predecessor, and no other process sees them
 * (an edge has its own: src/supervisor/edges.ts).
 */

export const SUPERVISOR_RUNTIME: Readonly<Record<string, string>> = {
  BUN_JSC_useDFGJIT: "0",
  BUN_GC_TIMER_INTERVAL: "10000",
  MIMALLOC_PURGE_DELAY: "0",
};

/** For what this process starts; the runtime itself has read them. */
export function forgetRuntimeOptions(): void {
  for (const [name, value] of Object.entries(SUPERVISOR_RUNTIME)) {
    if (process.env[name] === value) delete process.env[name];
  }
}
