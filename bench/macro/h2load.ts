/** Closed-loop load over HTTP/2 by h2load on the load core. */
import { runH2load as run } from "../../src/compare/load/h2load.ts";
import { LOAD_PIN } from "./process-tree.ts";
import type { RunningServer } from "./process-tree.ts";

export interface H2loadOptions {
  connections: number;
  /** Requests under way on each connection. */
  streams: number;
  headers?: Readonly<Record<string, string>>;
  /** Length of each answer's body. */
  bodyBytes: number;
}

export interface H2loadResult {
  requestsPerSecond: number;
  /** Of a request, mean. */
  meanMs: number;
  /** Requests that failed, timed out or got no 2xx, and answers whose bodies were not as long as they should be. */
  errors: number;
  /** Share of its core that h2load used: near 1, it and not the server was the limit. */
  busy: number;
  command: string;
}

/** CPU a process that has ended used, of the time it ran. */
export function busyShare(child: Bun.Subprocess, wallMs: number): number {
  return Number(child.resourceUsage()?.cpuTime.total ?? Number.NaN) / 1000 / wallMs;
}

export async function runH2load(
  server: RunningServer,
  options: H2loadOptions,
  seconds: number,
): Promise<H2loadResult> {
  const { connections, streams, bodyBytes } = options;
  const given = Object.entries(options.headers ?? {});
  const headers = given.map(([name, value]) => `--header=${name}: ${value}`);
  const asked = { url: server.url, connections, streams, seconds, headers, bodyBytes };
  const { requestsPerSecond, meanMs, busy, errors } = await run(asked, { pin: LOAD_PIN });
  const suffix = given.length > 0 ? ` with ${given.length} headers` : "";
  return {
    ...{ requestsPerSecond, meanMs, busy },
    errors: Object.values(errors).reduce((total: number, each: number) => total + each, 0),
    command: `h2load -t1 -c${connections} -m${streams}${suffix}`,
  };
}
