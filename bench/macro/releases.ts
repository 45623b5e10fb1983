/** A day of releases in a minute: reloads and binary upgrades, evenly spread, while requests come at a fixed rate. */
import { rmSync } from "node:fs";
import type { StreamSpec } from "../../src/compare/load/http-load.ts";
import { httpLoad } from "../../src/compare/load/order.ts";
import type { Measurement, Reading, Subject } from "../../src/compare/measurement.ts";
import { using } from "../../src/compare/measurement.ts";
import type { RunningServer } from "../../src/compare/server-process.ts";
import type { Knows } from "./leader.ts";
import { knowing, Leader } from "./leader.ts";
import { countsOf, describeStream, failed, less, unsorted, worst } from "./figures.ts";
import { describeOpen, openByClient } from "./open-client.ts";
import type { OpenOptions } from "./open-client.ts";
import { root } from "./paths.ts";

/** In a minute. */
const RELOADS = 20;
const UPGRADES = 3;
const MINUTE_SECONDS = 60;
/** Longer says nothing more about the server in peace. */
const PEACE_SECONDS_MAX = 15;

export interface LoadSeen {
  failed: number;
  counts: Pick<Reading, "requests" | "errors">;
  p99Ms: number;
  maxMs: number;
  /** Failed ones by kind, where that is known, and the first one in words. */
  kinds?: Record<string, number>;
  problem?: string;
}

/** Something that sends requests for so long. */
export interface Load {
  describe(): string;
  run(server: RunningServer, subject: Pick<Subject, "seconds" | "lab">): Promise<LoadSeen>;
}

export function streamsLoad(streams: StreamSpec[]): Load {
  return {
    describe: () => streams.map(describeStream).join("; "),
    run: async (server, { seconds, lab }) => {
      const spec = { port: server.port, warmupMs: 1000, durationMs: seconds * 1000, streams };
      const results = await httpLoad(spec, lab.load);
      return {
        ...{ failed: failed(results), counts: countsOf(results) },
        ...{ p99Ms: worst(results, "p99Ms"), maxMs: worst(results, "maxMs") },
      };
    },
  };
}

export function clientLoad(options: OpenOptions): Load {
  return {
    describe: () => describeOpen(options),
    run: async (server, subject) => {
      const seen = await openByClient(server, options, subject);
      return { ...seen, counts: { requests: seen.sent, errors: unsorted(seen.failed) } };
    },
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

/** Estimated: the two runs with their warm-ups, a short one before, and the start. */
export function releaseSeconds(seconds: number): number {
  return seconds + Math.min(seconds, PEACE_SECONDS_MAX) + 6;
}

export function releases(load: Load): Measurement {
  return async (subject) => {
    const { seconds, lab } = subject;
    const { name } = subject.contender;
    const knows = knowing[name];
    if (knows === undefined) throw new Error("it can't be reloaded: SIGHUP ends it");
    const pidFile = `${root}/.cache/bench-${name.replaceAll(/\W/g, "-")}.pid`;
    rmSync(pidFile, { force: true });
    const setup = { ...subject.setup, pidFile };
    return using({ ...subject, setup }, async (server) => {
      const leader = new Leader(server, pidFile);
      try {
        await load.run(server, { seconds: 1, lab });
        const short = Math.min(seconds, PEACE_SECONDS_MAX);
        const peace = await load.run(server, { seconds: short, lab });
        const [during, told] = await Promise.all([
          load.run(server, { seconds, lab }),
          release(leader, knows, seconds),
        ]);
        const figures = {
          before: less("P99 before", "ms", peace.p99Ms),
          p99: less("P99 during", "ms", during.p99Ms),
          max: less("worst during", "ms", during.maxMs),
          failed: less("failed", "requests", during.failed),
          unfinished: less("upgrades missed", "", told.unfinished),
        };
        const done = `${load.describe()}; ${describeTold(knows, told)}${describeFailures(during)}`;
        return { figures, ...peace.counts, load: done };
      } finally {
        await leader.stop();
      }
    });
  };
}
