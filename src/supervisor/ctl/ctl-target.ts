/** A supervisor as `keelback ctl` sees it. */
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../observe/log.ts";
import type { CtlTarget } from "./ctl-host.ts";
import { DUMP_SIGNAL } from "../workers/dump.ts";
import { handlingOf } from "../workers/handling.ts";
import type { SupervisorParts } from "../parts.ts";
import type { Supervisor } from "../supervisor.ts";

export interface CtlTargetOptions {
  readonly supervisor: Supervisor;
  readonly log: Logger;
  readonly clock: Clock;
  /** The server that this one is to replace; null: none, or this is the server now. */
  readonly predecessor: () => number | null;
}

export function ctlTarget(options: CtlTargetOptions): CtlTarget {
  const { supervisor, log, clock, predecessor } = options;
  let ready = true;
  return {
    get state() {
      return stateOf(supervisor.parts, ready, predecessor() === null);
    },
    get predecessor() {
      return predecessor();
    },
    get ready() {
      return ready;
    },
    get facts() {
      return supervisor.parts.facts;
    },
    get config() {
      return supervisor.parts.config;
    },
    get generation() {
      return supervisor.parts.fleet.generation;
    },
    get servesSince() {
      return supervisor.parts.reloads.servesSince;
    },
    get rollout() {
      return supervisor.parts.reloads.rollout;
    },
    get target() {
      return supervisor.parts.fleet.target;
    },
    get workers() {
      return supervisor.parts.fleet.workers;
    },
    pid: (worker) => supervisor.parts.processes.pid(worker),
    now: () => clock.now(),
    edgeStats: () => supervisor.parts.edges.stats(),
    scale: (count) => supervisor.parts.upkeep.scale(count, "keelback ctl"),
    recycle: (worker) => supervisor.parts.upkeep.recycle(worker, "asked"),
    setReady: (wanted) => {
      const { edges, stopping } = supervisor.parts;
      if (stopping || ready === wanted) return;
      ready = wanted;
      log.info(ready ? "ready again" : "drained: not ready any more, and serving on");
      edges.setReady(ready);
    },
    dump: (worker) => {
      const { processes, dumps } = supervisor.parts;
      // One that has not connected has not registered the signal either, and would die of it.
      if (!processes.isConnected(worker)) return null;
      const handling = handlingOf(processes.pid(worker), DUMP_SIGNAL);
      const collected = dumps.collect(`worker-${worker}`, handling);
      processes.signal(worker, DUMP_SIGNAL);
      return collected;
    },
    setLogLevel: (level) => {
      log.setLevel(level);
      supervisor.parts.edges.setLogLevel(level);
    },
    stop: () => supervisor.stop(),
  };
}

function stateOf({ fleet, stopping }: SupervisorParts, ready: boolean, arrived: boolean): string {
  if (stopping) return "stopping";
  if (fleet.phase === "running" && arrived) {
    if (fleet.pending !== null) return "reloading";
    return ready ? "serving" : "drained";
  }
  return fleet.phase === "failed" ? "failed" : "starting";
}
