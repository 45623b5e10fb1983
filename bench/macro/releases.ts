/** A day of releases in a minute: reloads and binary upgrades, evenly spread, while requests come at a fixed rate. */
import { rmSync } from "node:fs";
import type { Knows } from "./leader.ts";
import { knowing, Leader } from "./leader.ts";
import { describeStream, type Measure, openLoop, using } from "./measures.ts";
import { describeOpen, openByClient } from "./open-client.ts";
import type { OpenOptions } from "./open-client.ts";
import type { StreamSpec } from "./openloop.ts";
import { root } from "./paths.ts";
import type { RunningServer } from "./process-tree.ts";
import type { Measured } from "./types.ts";

/** In a minute. */
const RELOADS = 20;
const UPGRADES = 3;
const MINUTE_SECONDS = 60;
/** Longer says nothing more about the server in peace. */
const PEACE_SECONDS_MAX = 15;

export interface LoadSeen {
  failed: number;
  p99Ms: number;
  maxMs: number;
  /** Failed ones by kind, where that is known, and the first one in words. */
  kinds?: Record<string, number>;
  problem?: string;
}

/** Something that sends requests for so long. */
export interface Load {
  describe(): string;
  run(server: RunningServer, seconds: number): Promise<LoadSeen>;
}

export function streamsLoad(streams: StreamSpec[]): Load {
  return {
    describe: () => streams.map(describeStream).join("; "),
    run: async (server, seconds) => {
      const spec = { port: server.port, warmupMs: 1000, durationMs: seconds * 1000, streams };
      const results = Object.values(await openLoop(spec));
      return {
        failed: results.reduce((sum, { errors }) => sum + errors, 0),
        p99Ms: Math.max(...results.map(({ p99Ms }) => p99Ms)),
        maxMs: Math.max(...results.map(({ maxMs }) => maxMs)),
      };
    },
  };
}

export function clientLoad(options: OpenOptions): Load {
  return {
    describe: () => describeOpen(options),
    run: async (server, seconds) => openByClient(server, options, seconds),
  };
}

/** What is done, in order: each is an upgrade or a reload. A run shorter than a minute has as many fewer, one of each at least. */
export function plan(seconds: number, upgrades: boolean): ("reload" | "upgrade")[] {
  const share = seconds / MINUTE_SECONDS;
  const some = upgrades ? Math.max(1, Math.round(UPGRADES * share)) : 0;
  const all = Math.max(some + 1, Math.round((RELOADS + UPGRADES) * share));
  const nth = Array.from({ length: some }, (_, index) =>
    Math.floor(((index + 0.5) * all) / Math.max(1, some)),
  );
  return Array.from({ length: all }, (_, at) => (nth.includes(at) ? "upgrade" : "reload"));
}

interface Told {
  reloads: number;
  upgrades: number;
  /** Upgrades that did not come to their end. */
  unfinished: number;
}

async function release(leader: Leader, knows: Knows, seconds: number): Promise<Told> {
  const steps = plan(seconds, knows.upgrade !== undefined);
  const told: Told = { reloads: 0, upgrades: 0, unfinished: 0 };
  const start = performance.now();
  for (const [index, step] of steps.entries()) {
    const due = start + ((index + 0.5) / steps.length) * seconds * 1000;
    await Bun.sleep(Math.max(0, due - performance.now()));
    if (step === "reload") {
      leader.reload();
      told.reloads += 1;
    } else {
      told.upgrades += 1;
      if (!(await leader.upgrade(knows))) told.unfinished += 1;
    }
  }
  return told;
}

function describeTold(knows: Knows, told: Told): string {
  const upgrades =
    knows.upgrade === undefined
      ? "no binary upgrade: it has none"
      : `${told.upgrades} upgrades (${knows.upgrade})`;
  return `${told.reloads} reloads (${knows.reload}), ${upgrades}`;
}

function describeFailures({ kinds = {}, problem }: LoadSeen): string {
  const counts = Object.entries(kinds).map(([kind, count]) => `${count} ${kind}`);
  return counts.length === 0 ? "" : `; failed: ${counts.join(", ")} (first: ${problem})`;
}

export function releases(load: Load): Measure {
  return async (context) => {
    const knows = knowing[context.server];
    if (knows === undefined) throw new Error("it can't be reloaded: SIGHUP ends it");
    const pidFile = `${root}/.cache/bench-${context.server.replaceAll(/\W/g, "-")}.pid`;
    rmSync(pidFile, { force: true });
    const setup = { ...context.setup, pidFile };
    return using({ ...context, setup }, async (server) => {
      const leader = new Leader(server, pidFile);
      try {
        await load.run(server, 1);
        const peace = await load.run(server, Math.min(context.seconds, PEACE_SECONDS_MAX));
        const [during, told] = await Promise.all([
          load.run(server, context.seconds),
          release(leader, knows, context.seconds),
        ]);
        const unfinished = told.unfinished;
        const figures: Measured["figures"] = {
          before: { label: "P99 before", unit: "ms", better: "less", value: peace.p99Ms },
          p99: { label: "P99 during", unit: "ms", better: "less", value: during.p99Ms },
          max: { label: "worst during", unit: "ms", better: "less", value: during.maxMs },
          failed: { label: "failed", unit: "requests", better: "less", value: during.failed },
          unfinished: { label: "upgrades missed", unit: "", better: "less", value: unfinished },
        };
        const done = `${load.describe()}; ${describeTold(knows, told)}${describeFailures(during)}`;
        return { figures, errors: peace.failed, load: done };
      } finally {
        await leader.stop();
      }
    });
  };
}
