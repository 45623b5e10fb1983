/** Closed-loop load by wrk on the load core. */
import { runWrk as run } from "../../src/compare/load/wrk.ts";
import { LOAD_PIN } from "./process-tree.ts";
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

export async function runWrk(server: RunningServer, options: WrkOptions): Promise<WrkResult> {
  const { connections, seconds, headers = {}, path = "/" } = options;
  const request = { method: "GET", path, headers, weight: 1, check: {} };
  const origin = new URL(server.url).origin;
  const spec = { origin, requests: [request], connections, seconds, fresh: false };
  const { errors, ...figures } = await run(spec, { pin: LOAD_PIN });
  const count = Object.keys(headers).length;
  const suffix = count > 0 ? ` with ${count} headers` : "";
  return {
    ...figures,
    errors: Object.values(errors).reduce((total: number, each: number) => total + each, 0),
    command: `wrk -t1 -c${connections} -d${seconds}s${suffix}`,
  };
}
