/** Latency and errors while an operator, or fate, does something to the server again and again. */
import { describeStream, type Measure, openLoop, using, warm } from "./measures.ts";
import type { StreamResult, StreamSpec } from "./openloop.ts";
import type { ProcessInfo, RunningServer } from "./process-tree.ts";
import { median } from "./stats.ts";
import type { Measured } from "./types.ts";

export interface Disturbance {
  /** In words, for the table. */
  readonly what: string;
  readonly everyMs: number;
  run(server: RunningServer, turn: number): void;
}

const RESPAWN_MS_MAX = 20_000;
/** Longer than a worker must live so that its death is no crash loop. */
const RESPAWN_PAUSE_MS = 11_000;

/** Neither an edge nor a helper of multiprocessing. */
const NO_WORKER = /__edge|resource_tracker/;

/** The processes that run the app: those that nobody descends from. */
function workersOf(server: RunningServer): ProcessInfo[] {
  const tree = server.tree();
  const parents = new Set(tree.map(({ parent }) => parent));
  return tree.filter(({ pid, command }) => {
    return pid !== server.pid && !parents.has(pid) && !NO_WORKER.test(command);
  });
}

/** As pid files lead to it: taskset has become the server's first process. */
export const reloads: Disturbance = {
  what: "SIGHUP",
  everyMs: 1700,
  run: (server) => signal(server.pid, "SIGHUP"),
};

export const kills: Disturbance = {
  what: "kill -9 of a worker",
  everyMs: 1700,
  run: (server, turn) => {
    const workers = workersOf(server);
    const one = workers[turn % workers.length];
    if (one !== undefined) signal(one.pid, "SIGKILL");
  },
};

export const killsEachSecond: Disturbance = { ...kills, everyMs: 1000 };

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended: what that does to clients is what is measured.
  }
}

/** The first figure of the streams together: the worst. */
export function worst(results: Record<string, StreamResult>, key: "p99Ms" | "maxMs"): number {
  return Math.max(...Object.values(results).map((stream) => stream[key]));
}

export function failed(results: Record<string, StreamResult>): number {
  return Object.values(results).reduce((sum, { errors }) => sum + errors, 0);
}

const RESPAWNS = 5;

/** The only worker is killed: how long until a request that is sent at once is answered. */
export const respawn: Measure = async (context) =>
  using(context, async (server) => {
    await warm(server, 1);
    const times: number[] = [];
    let errors = 0;
    for (let turn = 0; turn < RESPAWNS; turn++) {
      const [worker] = workersOf(server);
      if (worker === undefined) throw new Error("there is no worker");
      const from = performance.now();
      signal(worker.pid, "SIGKILL");
      const answer = await fetch(server.url, { signal: AbortSignal.timeout(RESPAWN_MS_MAX) }).catch(
        () => null,
      );
      if (answer?.status === 200) times.push(performance.now() - from);
      else errors += 1;
      await Bun.sleep(RESPAWN_PAUSE_MS);
    }
    const value = median(times);
    const figures: Measured["figures"] = {
      answer: { label: "kill -9 to the next answer", unit: "ms", better: "less", value },
    };
    return { figures, errors, load: `${RESPAWNS} kills of the only worker` };
  });

/** Two runs of the same length: one in peace, one while the disturbance goes on. */
export function disturbed(streams: StreamSpec[], disturbance: Disturbance): Measure {
  const { what, everyMs } = disturbance;
  return async (context) =>
    using(context, async (server) => {
      await warm(server, 1);
      const durationMs = context.seconds * 1000;
      const spec = { port: server.port, warmupMs: 1000, durationMs, streams };
      const peace = await openLoop(spec);
      let turn = 0;
      const timer = setInterval(() => disturbance.run(server, turn++), everyMs);
      const during = await openLoop(spec);
      clearInterval(timer);
      const figures: Measured["figures"] = {
        before: { label: "P99 before", unit: "ms", better: "less", value: worst(peace, "p99Ms") },
        p99: { label: "P99 during", unit: "ms", better: "less", value: worst(during, "p99Ms") },
        max: { label: "worst during", unit: "ms", better: "less", value: worst(during, "maxMs") },
        failed: { label: "failed", unit: "requests", better: "less", value: failed(during) },
      };
      const load = `${streams.map(describeStream).join("; ")}; ${what} every ${everyMs} ms`;
      return { figures, errors: failed(peace), load };
    });
}
