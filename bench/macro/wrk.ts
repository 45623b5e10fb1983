/**
 * Closed-loop load by wrk on the load core, and its report read into numbers.
 */
import { LOAD_CORE } from "./process-tree.ts";
import type { RunningServer } from "./process-tree.ts";

export interface WrkOptions {
  connections: number;
  seconds: number;
  headers?: Readonly<Record<string, string>>;
  path?: string;
}

export interface WrkResult {
  requestsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** Connect, read and write errors, timeouts, and answers that are neither 2xx nor 3xx. */
  errors: number;
  command: string;
}

const WRK_TIMEOUT_SECONDS = 10;
const UNITS: Record<string, number> = { us: 0.001, ms: 1, s: 1000, m: 60_000 };

function milliseconds(output: string, percent: string): number {
  const match = new RegExp(`^\\s*${percent}%\\s+([\\d.]+)(us|ms|s|m)$`, "m").exec(output);
  return Number(match?.[1] ?? Number.NaN) * (UNITS[match?.[2] ?? ""] ?? 1);
}

export function parseWrk(output: string): Omit<WrkResult, "command"> {
  const rate = /^Requests\/sec:\s+([\d.]+)$/m.exec(output)?.[1];
  if (rate === undefined) throw new Error(`wrk said nothing usable:\n${output}`);
  const socket = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(
    output,
  );
  const status = /Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? "0";
  const counts = [...(socket?.slice(1) ?? []), status];
  return {
    requestsPerSecond: Number(rate),
    p50Ms: milliseconds(output, "50"),
    p99Ms: milliseconds(output, "99"),
    errors: counts.reduce((total, count) => total + Number(count), 0),
  };
}

export async function runWrk(server: RunningServer, options: WrkOptions): Promise<WrkResult> {
  const url = new URL(options.path ?? "/", server.url).href;
  const headers = Object.entries(options.headers ?? {});
  const command = [
    "wrk",
    ...["-t1", `-c${options.connections}`, `-d${options.seconds}s`, "--latency"],
    ...["--timeout", `${WRK_TIMEOUT_SECONDS}s`],
    ...headers.flatMap(([name, value]) => ["-H", `${name}: ${value}`]),
    url,
  ];
  const child = Bun.spawn(["taskset", "-c", `${LOAD_CORE}`, ...command], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [output, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  await child.exited;
  const brief = `wrk -t1 -c${options.connections} -d${options.seconds}s`;
  const suffix = headers.length > 0 ? ` with ${headers.length} headers` : "";
  return { ...parseWrk(output + errors), command: brief + suffix };
}
