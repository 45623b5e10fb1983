/**
 * Closed-loop load over HTTP/2 by h2load on the load core, and its report read into numbers.
 */
import { LOAD_CORE } from "./process-tree.ts";
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

const UNITS: Record<string, number> = { us: 0.001, ms: 1, s: 1000 };

function numberIn(output: string, pattern: RegExp): number {
  const found = pattern.exec(output)?.[1];
  if (found === undefined) throw new Error(`h2load said nothing usable:\n${output.slice(-1500)}`);
  return Number(found);
}

export function parseH2load(
  output: string,
  options: H2loadOptions,
): Omit<H2loadResult, "command" | "busy"> {
  if (!/^Application protocol: h2$/m.test(output)) throw new Error("h2load did not speak h2");
  const succeeded = numberIn(output, /, (\d+) succeeded, /);
  const bad = [/ (\d+) failed, /, / (\d+) errored, /, / (\d+) timeout/].map((pattern) =>
    numberIn(output, pattern),
  );
  const good = numberIn(output, /^status codes: (\d+) 2xx/m);
  const dataBytes = numberIn(output, /\((\d+)\) data$/m);
  // The bytes are counted from the warm-up on, the requests are not; no body may be cut or missing.
  const missing = Math.max(0, succeeded - Math.floor(dataBytes / options.bodyBytes));
  const cut = dataBytes % options.bodyBytes === 0 ? 0 : 1;
  const mean = /^time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)/m.exec(output);
  return {
    requestsPerSecond: numberIn(output, /^finished in [\d.]+s, ([\d.]+) req\/s/m),
    meanMs: Number(mean?.[1] ?? Number.NaN) * (UNITS[mean?.[2] ?? ""] ?? 1),
    errors: bad.reduce((a, b) => a + b, 0) + Math.max(0, succeeded - good) + missing + cut,
  };
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
  const { connections, streams } = options;
  const brief = `h2load -t1 -c${connections} -m${streams}`;
  const headers = Object.entries(options.headers ?? {});
  const command = [
    ...brief.split(" "),
    ...[`--duration=${seconds}`, "--warm-up-time=1"],
    ...headers.map(([name, value]) => `--header=${name}: ${value}`),
    server.url,
  ];
  const start = performance.now();
  const child = Bun.spawn(["taskset", "-c", `${LOAD_CORE}`, ...command], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  const busy = busyShare(child, performance.now() - start);
  const suffix = headers.length > 0 ? ` with ${headers.length} headers` : "";
  return { ...parseH2load(output + errors, options), busy, command: `${brief}${suffix}` };
}
