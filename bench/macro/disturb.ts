/** Latency and errors while an operator, or fate, does something to the server again and again. */
import type { StreamSpec } from "../../src/compare/load/http-load.ts";
import { httpLoad } from "../../src/compare/load/order.ts";
import type { Measurement } from "../../src/compare/measurement.ts";
import { using } from "../../src/compare/measurement.ts";
import type { ProcessInfo } from "../../src/compare/process-tree.ts";
import { leavesOf } from "../../src/compare/process-tree.ts";
import type { RunningServer } from "../../src/compare/server-process.ts";
import { median } from "../../src/compare/statistics.ts";
import { countsOf, describeStream, failed, less, unsorted, worst } from "./figures.ts";
import { signal } from "./leader.ts";
import { warm } from "./measures.ts";

export interface Disturbance {
  /** In words, for the table. */
  readonly what: string;
  readonly everyMs: number;
  run(server: RunningServer, turn: number): void;
}

const RESPAWN_MS_MAX = 20_000;
/** Longer than a worker must live so that its death is no crash loop. */
const RESPAWN_PAUSE_MS = 1500;

/** Neither an edge nor a helper of multiprocessing. */
const NO_WORKER = /__edge|resource_tracker/;

/** The processes that run the app: those that nobody descends from. */
function workersOf(server: RunningServer): ProcessInfo[] {
  return leavesOf(server.tree()).filter(({ pid, command }) => {
    return pid !== server.pid && !NO_WORKER.test(command);
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

const RESPAWNS = 5;
/** Estimated: the respawns, and the start. */
export const RESPAWN_SECONDS = (RESPAWNS * RESPAWN_PAUSE_MS) / 1000 + 5;

/** The only worker is killed: how long until a request that is sent at once is answered. */
export const respawn: Measurement = async (subject) =>
  using(subject, async (server) => {
    await warm(server, 1, subject.lab.load);
    const times: number[] = [];
    let errors = 0;
    for (let turn = 0; turn < RESPAWNS; turn++) {
      const [worker] = workersOf(server);
      if (worker === undefined) throw new Error("there is no worker");
      const from = performance.now();
      signal(worker.pid, "SIGKILL");
      const options = { signal: AbortSignal.timeout(RESPAWN_MS_MAX) };
      const answer = await fetch(`${server.origin}/`, options).catch(() => null);
      if (answer?.status === 200) times.push(performance.now() - from);
      else errors += 1;
      await Bun.sleep(RESPAWN_PAUSE_MS);
    }
    const figures = { answer: less("kill -9 to the next answer", "ms", median(times)) };
    const load = `${RESPAWNS} kills of the only worker`;
    return { figures, requests: RESPAWNS, errors: unsorted(errors), load };
  });

/** Two runs of the same length: one in peace, one while the disturbance goes on. */
export function disturbed(streams: StreamSpec[], disturbance: Disturbance): Measurement {
  const { what, everyMs } = disturbance;
  return async (subject) =>
    using(subject, async (server) => {
      const { seconds, lab } = subject;
      await warm(server, 1, lab.load);
      const spec = { port: server.port, warmupMs: 1000, durationMs: seconds * 1000, streams };
      const peace = await httpLoad(spec, lab.load);
      let turn = 0;
      const timer = setInterval(() => disturbance.run(server, turn++), everyMs);
      const during = await httpLoad(spec, lab.load);
      clearInterval(timer);
      const figures = {
        before: less("P99 before", "ms", worst(peace, "p99Ms")),
        p99: less("P99 during", "ms", worst(during, "p99Ms")),
        max: less("worst during", "ms", worst(during, "maxMs")),
        failed: less("failed", "requests", failed(during)),
      };
      const load = `${streams.map(describeStream).join("; ")}; ${what} every ${everyMs} ms`;
      return { figures, ...countsOf(peace), load };
    });
}
