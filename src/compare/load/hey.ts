/** Closed-loop load by hey, which the articles used: each answer's time is read from its CSV. */
import { latencyOf } from "../statistics.ts";
import type { ErrorCounts, Latency } from "../types.ts";
import type { ClosedTool } from "./closed.ts";
import { headerFlags, isSimple, once, only, REQUEST_TIMEOUT_SECONDS } from "./tool.ts";
import { runProgram, shown, urlOf } from "./tool.ts";

export interface HeyFigures {
  readonly requestsPerSecond: number;
  readonly requests: number;
  readonly latency: Latency;
  readonly errors: ErrorCounts;
}

/** `response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset`, in seconds. */
export function parseHey(csv: string, sent: number | undefined): HeyFigures {
  const lines = csv.split("\n").filter((line) => /^\d/.test(line));
  if (lines.length === 0) throw new Error(`hey got no answer:\n${csv.slice(0, 600)}`);
  const rows = lines.map((line) => line.split(",").map(Number));
  const times = rows.map(([time = 0]) => time * 1000);
  const bad = rows.filter((row) => (row[6] ?? 0) >= 400).length;
  const lastEnd = rows.reduce((end, row) => Math.max(end, (row[7] ?? 0) + (row[0] ?? 0)), 0);
  return {
    requestsPerSecond: (rows.length - bad) / lastEnd,
    requests: rows.length,
    latency: latencyOf(times),
    // Requests without an answer have no line.
    errors: {
      connection: sent === undefined ? 0 : Math.max(0, sent - rows.length),
      ...{ timeout: 0, status: bad, body: 0 },
    },
  };
}

/** hey has no --version: what Go wrote into it says which it is. */
function version(): string | null {
  const program = Bun.which("hey");
  if (program === null) return null;
  const { stderr } = Bun.spawnSync([program, "-h"], { timeout: 5000 });
  if (!stderr.toString().includes("-disable-keepalive")) return null;
  const go = Bun.which("go");
  if (go === null) return "unknown";
  const said = Bun.spawnSync([go, "version", "-m", program], { timeout: 5000 }).stdout.toString();
  return /\bmod\s+\S+\s+v?(\d\S*)/.exec(said)?.[1] ?? "unknown";
}

export const hey: ClosedTool = {
  name: "hey",
  version: once(version),
  can: isSimple,
  run: async (spec, host) => {
    const request = only(spec);
    const { count, seconds, connections } = spec;
    // hey rounds down to a multiple of the connections.
    const sent = count === undefined ? undefined : Math.floor(count / connections) * connections;
    const command = [
      "hey",
      ...(count === undefined ? ["-z", `${seconds}s`] : ["-n", `${count}`]),
      ...["-c", `${connections}`, "-m", request.method, "-t", `${REQUEST_TIMEOUT_SECONDS}`],
      ...(spec.fresh ? ["-disable-keepalive"] : []),
      ...(request.body === undefined ? [] : ["-d", request.body]),
      ...headerFlags(request, "-H"),
      ...["-o", "csv", urlOf(spec)],
    ];
    const { stdout } = await runProgram(command, host);
    return { ...parseHey(stdout, sent), load: shown(command, spec.origin) };
  },
};
