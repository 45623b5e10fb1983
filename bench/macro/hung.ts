/**
 * One of two workers gets a request that never ends. How the others fare, and when both workers serve again: from the moment the
 * request is sent until two processes have answered after it was given up.
 */
import { loadHost } from "../../src/compare/guard.ts";
import type { StreamSpec } from "../../src/compare/load/http-load.ts";
import { httpLoad } from "../../src/compare/load/order.ts";
import type { Lab } from "../../src/compare/measure.ts";
import type { Measurement } from "../../src/compare/measurement.ts";
import { using } from "../../src/compare/measurement.ts";
import type { RunningServer } from "../../src/compare/server-process.ts";
import { countsOf, describeStream, failed, less, worst } from "./figures.ts";

export const HUNG_TIMEOUT_SECONDS = 3;
/** A server that has not recovered by then is said to take as long. */
const RECOVERY_MS_MAX = 15_000;
const ASK_MS = 20;
/** What a client base looks like: most keep their connections. */
const STEADY: StreamSpec[] = [
  { name: "kept", path: "/", connections: 32, rate: 400 },
  { name: "new", path: "/", connections: 0, rate: 100, fresh: true },
];

async function processOf(server: RunningServer): Promise<string | null> {
  const options = { signal: AbortSignal.timeout(1000), headers: { connection: "close" } };
  const answer = await fetch(`${server.origin}/`, options).catch(() => null);
  return answer?.status === 200 ? answer.text() : null;
}

interface Hang {
  /** Milliseconds until both workers served again. */
  recovered: number;
  /** Of the request that hung: 0 none came. */
  status: number;
}

async function hang(server: RunningServer, path: string): Promise<Hang> {
  const from = performance.now();
  const signal = AbortSignal.timeout(RECOVERY_MS_MAX);
  // Not safe: nobody may try it a second time.
  const options = { method: "POST", signal, headers: { connection: "close" } };
  let over = false;
  let status = 0;
  const asked = (async (): Promise<void> => {
    const answer = await fetch(`${server.origin}/${path}`, options).catch(() => null);
    status = answer?.status ?? 0;
    over = true;
  })();
  const seen = new Set<string>();
  while (seen.size < 2 && performance.now() - from < RECOVERY_MS_MAX) {
    await Bun.sleep(ASK_MS);
    if (!over) continue;
    const pid = await processOf(server);
    if (pid !== null) seen.add(pid);
  }
  const recovered = Math.min(RECOVERY_MS_MAX, performance.now() - from);
  await asked;
  return { recovered, status };
}

/** The hang and its end are within each of the two runs. */
function runSeconds(seconds: number): number {
  return Math.max(seconds, HUNG_TIMEOUT_SECONDS + 3);
}

/** Estimated: two runs with their warm-ups, and the start. */
export function hungSeconds(seconds: number): number {
  return 2 * (runSeconds(seconds) + 1) + 2;
}

/** Nobody is pinned, and so the load may not spin. */
function unpinned(lab: Lab): Lab {
  return { ...lab, serverPin: [], load: loadHost([], lab.signal), spin: false };
}

/**
 * `path`: of the view that hangs. One hang, however long the run. `on`: the server's one core, which the view then shares with
 * everybody, or all, as where there is a core for each worker.
 */
export function hungWorker(path: "spin" | "deadlock", on: "one core" | "all cores"): Measurement {
  return async (subject) => {
    const setup = { ...subject.setup, timeoutSeconds: HUNG_TIMEOUT_SECONDS };
    const lab = on === "one core" ? subject.lab : unpinned(subject.lab);
    return using({ ...subject, setup, lab }, async (server) => {
      const host = lab.load;
      const durationMs = runSeconds(subject.seconds) * 1000;
      const timing = { warmupMs: 1000, durationMs, spin: lab.spin };
      const spec = { port: server.port, ...timing, streams: STEADY };
      const peace = await httpLoad(spec, host);
      const [during, { recovered, status }] = await Promise.all([
        httpLoad(spec, host),
        (async () => {
          await Bun.sleep(spec.warmupMs * 2);
          return hang(server, path);
        })(),
      ]);
      const figures = {
        before: less("P99 before", "ms", worst(peace, "p99Ms")),
        p99: less("P99 during", "ms", worst(during, "p99Ms")),
        max: less("worst during", "ms", worst(during, "maxMs")),
        failed: less("others failed", "requests", failed(during)),
        recovered: less("both serve again", "ms", recovered),
      };
      const ended = status === 0 ? "no answer" : `${status}`;
      const load = `${STEADY.map(describeStream).join("; ")}; POST /${path} once (${ended})`;
      return { figures, ...countsOf(peace), load };
    });
  };
}
