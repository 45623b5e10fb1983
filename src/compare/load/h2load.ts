/** Closed-loop load by h2load, over HTTP/2 or HTTP/1.1, and its report read into numbers. */
import type { ErrorCounts } from "../types.ts";
import type { ClosedSpec, ClosedTool } from "./closed.ts";
import type { LoadHost } from "./order.ts";
import { headerFlags, once, only, programVersion, runProgram, shown, urlOf } from "./tool.ts";

export interface H2loadFigures {
  readonly requestsPerSecond: number;
  readonly requests: number;
  /** Of a request, mean. */
  readonly meanMs: number;
  readonly errors: ErrorCounts;
}

const UNITS: Record<string, number> = { us: 0.001, ms: 1, s: 1000 };

function numberIn(output: string, pattern: RegExp): number {
  const found = pattern.exec(output)?.[1];
  if (found === undefined) throw new Error(`h2load said nothing usable:\n${output.slice(-1500)}`);
  return Number(found);
}

/** `bodyBytes`: length of each answer's body, where all have the same; then cut and missing ones are counted. */
export function parseH2load(
  output: string,
  { protocol, bodyBytes }: { protocol: "h2" | "http/1.1"; bodyBytes?: number },
): H2loadFigures {
  if (!new RegExp(`^Application protocol: ${protocol}$`, "m").test(output)) {
    throw new Error(`h2load did not speak ${protocol}:\n${output.slice(-600)}`);
  }
  const succeeded = numberIn(output, /, (\d+) succeeded, /);
  const [failed = 0, errored = 0, timeout = 0] = [
    / (\d+) failed, /,
    / (\d+) errored, /,
    / (\d+) timeout/,
  ].map((pattern) => numberIn(output, pattern));
  const good = numberIn(output, /^status codes: (\d+) 2xx/m);
  const redirects = numberIn(output, /^status codes: .* (\d+) 3xx/m);
  let body = 0;
  if (bodyBytes !== undefined && bodyBytes > 0) {
    // The bytes are counted from the warm-up on, the requests are not; no body may be cut or missing.
    const dataBytes = numberIn(output, /\((\d+)\) data$/m);
    const missing = Math.max(0, succeeded - Math.floor(dataBytes / bodyBytes));
    body = missing + (dataBytes % bodyBytes === 0 ? 0 : 1);
  }
  const mean = /^time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)/m.exec(output);
  return {
    requestsPerSecond: numberIn(output, /^finished in [\d.]+m?s, ([\d.]+) req\/s/m),
    requests: succeeded,
    meanMs: Number(mean?.[1] ?? Number.NaN) * (UNITS[mean?.[2] ?? ""] ?? 1),
    errors: {
      connection: failed + errored,
      timeout,
      status: Math.max(0, succeeded - good - redirects),
      body,
    },
  };
}

export interface H2loadOptions {
  readonly url: string;
  readonly connections: number;
  readonly streams: number;
  readonly seconds: number;
  readonly headers: readonly string[];
  /** Length of each answer's body. */
  readonly bodyBytes?: number;
  readonly http1?: boolean;
}

export async function runH2load(
  options: H2loadOptions,
  host: LoadHost,
): Promise<H2loadFigures & { busy: number; command: readonly string[] }> {
  const { url, connections, streams, seconds, headers, bodyBytes, http1 } = options;
  const command = [
    "h2load",
    ...["-t1", `-c${connections}`, `-m${streams}`],
    ...(http1 === true ? ["--h1"] : []),
    ...[`--duration=${Math.max(1, Math.round(seconds))}`, "--warm-up-time=1", ...headers, url],
  ];
  const { stdout, stderr, busy } = await runProgram(command, host);
  const expected = bodyBytes === undefined ? {} : { bodyBytes };
  const protocol = http1 === true ? "http/1.1" : "h2";
  return { ...parseH2load(stdout + stderr, { protocol, ...expected }), busy, command };
}

export const h2load: ClosedTool = {
  name: "h2load",
  version: once(() => programVersion(["h2load", "--version"])),
  can: (spec) =>
    spec.count === undefined &&
    !spec.fresh &&
    spec.requests.length === 1 &&
    only(spec).method === "GET" &&
    only(spec).body === undefined,
  run: async (spec: ClosedSpec, host) => {
    const { origin, connections, seconds, streams } = spec;
    const headers = headerFlags(only(spec), "-H");
    const options = { url: urlOf(spec), connections, seconds, headers, streams: streams ?? 1 };
    const done = await runH2load({ ...options, http1: streams === undefined }, host);
    const { requestsPerSecond, requests, errors, command } = done;
    return { requestsPerSecond, requests, errors, load: shown(command, origin) };
  },
};
