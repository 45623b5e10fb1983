/** Does to single workers what the fleet has decided. */
import type { Departures } from "./departures.ts";
import type { FleetEffect } from "./fleet/crew.ts";
import type { Edges } from "./edges.ts";
import type { Generations } from "./workers/generations.ts";
import type { Notices } from "./notices.ts";
import type { WorkerProcesses } from "./workers/processes.ts";

/** The others are about the whole server. */
export type WorkerEffect = Exclude<
  FleetEffect,
  { do: "serving" | "give-up" | "reloaded" | "reload-failed" | "empty" }
>;

export interface EffectTools {
  readonly departures: Departures;
  readonly edges: Edges;
  readonly generations: Generations;
  readonly processes: WorkerProcesses;
  readonly notices: Notices;
  /** What one that leaves gets to finish its requests. */
  readonly drainMs: number;
}

export function carryOut(effect: WorkerEffect, tools: EffectTools): void {
  const { departures, edges, generations, processes, notices } = tools;
  switch (effect.do) {
    case "fork":
      return generations.fork(effect);
    case "drain":
      notices.leaves(effect.worker);
      departures.begin(effect.worker, tools.drainMs);
      return edges.drain(effect.worker, tools.drainMs);
    case "stop":
      return processes.send(effect.worker, departures.stop(effect.worker));
    case "abort":
      return processes.signal(effect.worker, "SIGABRT");
    case "kill":
      return processes.killGroup(effect.worker);
    case "unstick":
      return generations.unstick(effect.worker);
    case "retry":
      return notices.retry(effect.failure, effect.delayMs);
    case "recycle":
      return notices.recycle(effect.worker, effect.successor, effect.why);
    case "recycle-failed":
      return notices.recycleFailed(effect.worker, effect.failure, effect.delayMs);
    case "starved":
      return edges.noWorkers("no worker runs");
  }
}
