/**
 * One of two workers gets a request that never ends. How the others fare, and when both workers serve again: from the moment the
 * request is sent until two processes have answered after it was given up.
 */
import { failed, worst } from "./disturb.ts";
import { describeStream, type Measure, openLoop, using } from "./measures.ts";
import type { StreamSpec } from "./openloop.ts";
import type { RunningServer } from "./process-tree.ts";
import type { Measured } from "./types.ts";

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
  const answer = await fetch(server.url, options).catch(() => null);
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
    const answer = await fetch(server.url + path, options).catch(() => null);
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

/** `path`: of the view that hangs. One hang, however long the run. */
export function hungWorker(path: "spin" | "deadlock"): Measure {
  return async (context) => {
    const setup = { ...context.setup, timeoutSeconds: HUNG_TIMEOUT_SECONDS };
    return using({ ...context, setup }, async (server) => {
      // The hang and its end are within the run.
      const durationMs = Math.max(context.seconds, HUNG_TIMEOUT_SECONDS + 3) * 1000;
      const spec = { port: server.port, warmupMs: 1000, durationMs, streams: STEADY };
      const peace = await openLoop(spec);
      const [during, { recovered, status }] = await Promise.all([
        openLoop(spec),
        (async () => {
          await Bun.sleep(spec.warmupMs * 2);
          return hang(server, path);
        })(),
      ]);
      const figures: Measured["figures"] = {
        before: { label: "P99 before", unit: "ms", better: "less", value: worst(peace, "p99Ms") },
        p99: { label: "P99 during", unit: "ms", better: "less", value: worst(during, "p99Ms") },
        max: { label: "worst during", unit: "ms", better: "less", value: worst(during, "maxMs") },
        failed: { label: "others failed", unit: "requests", better: "less", value: failed(during) },
        recovered: { label: "both serve again", unit: "ms", better: "less", value: recovered },
      };
      const ended = status === 0 ? "no answer" : `${status}`;
      const load = `${STEADY.map(describeStream).join("; ")}; POST /${path} once (${ended})`;
      return { figures, errors: failed(peace), load };
    });
  };
}
