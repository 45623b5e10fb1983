/** Closed-loop load by wrk, and its report read into numbers. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ErrorCounts } from "../types.ts";
import type { ClosedResult, ClosedSpec, ClosedTool } from "./closed.ts";
import type { LoadHost } from "./order.ts";
import { patternOf } from "./stream.ts";
import { headerFlags, once, only, programVersion, REQUEST_TIMEOUT_SECONDS } from "./tool.ts";
import { runProgram, shown, urlOf } from "./tool.ts";

export interface WrkFigures {
  readonly requestsPerSecond: number;
  readonly requests: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: ErrorCounts;
}

const UNITS: Record<string, number> = { us: 0.001, ms: 1, s: 1000, m: 60_000 };
/** wrk takes whole seconds only. */
const SECONDS_MIN = 1;

function milliseconds(output: string, percent: string): number {
  const match = new RegExp(`^\\s*${percent}%\\s+([\\d.]+)(us|ms|s|m)$`, "m").exec(output);
  return Number(match?.[1] ?? Number.NaN) * (UNITS[match?.[2] ?? ""] ?? 1);
}

export function parseWrk(output: string): WrkFigures {
  const rate = /^Requests\/sec:\s+([\d.]+)$/m.exec(output)?.[1];
  if (rate === undefined) throw new Error(`wrk said nothing usable:\n${output}`);
  const socket = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(
    output,
  );
  const [connect = 0, read = 0, write = 0, timeout = 0] = (socket?.slice(1) ?? []).map(Number);
  const status = Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0);
  return {
    requestsPerSecond: Number(rate),
    requests: Number(/^\s*(\d+) requests in /m.exec(output)?.[1] ?? Number.NaN),
    p50Ms: milliseconds(output, "50"),
    p99Ms: milliseconds(output, "99"),
    errors: { connection: connect + read + write, timeout, status, body: 0 },
  };
}

export const wrk: ClosedTool = {
  name: "wrk",
  version: once(() => programVersion(["wrk", "-v"])),
  can: ({ streams, count, requests }) =>
    streams === undefined &&
    count === undefined &&
    requests.every(({ bodyBase64 }) => bodyBase64 !== true),
  run: async (spec, host) => {
    const plain = spec.requests.length === 1 && only(spec).method === "GET";
    if (plain && only(spec).body === undefined) return run(spec, host, []);
    const directory = mkdtempSync(join(tmpdir(), "keelback-wrk-"));
    try {
      const script = join(directory, "requests.lua");
      writeFileSync(script, luaOf(spec));
      return await run(spec, host, ["-s", script]);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
};

async function run(
  spec: ClosedSpec,
  host: LoadHost,
  extra: readonly string[],
): Promise<ClosedResult & WrkFigures> {
  const seconds = Math.max(SECONDS_MIN, Math.round(spec.seconds));
  const command = [
    "wrk",
    ...["-t1", `-c${spec.connections}`, `-d${seconds}s`, "--latency"],
    ...["--timeout", `${REQUEST_TIMEOUT_SECONDS}s`],
    ...(spec.fresh ? ["-H", "Connection: close"] : []),
    ...(extra.length === 0 ? headerFlags(only(spec), "-H") : extra),
    urlOf(spec),
  ];
  const { stdout, stderr } = await runProgram(command, host);
  return { ...parseWrk(stdout + stderr), load: shown(command, spec.origin) };
}

/** wrk's `-s` script: the requests in their pattern. */
export function luaOf({ requests, fresh }: Pick<ClosedSpec, "requests" | "fresh">): string {
  const made = requests.map(({ method, path, headers, body }) => {
    const fields = Object.entries({ ...headers, ...(fresh ? { Connection: "close" } : {}) });
    const table = fields.map(([name, value]) => `[${lua(name)}]=${lua(value)}`).join(", ");
    const content = body === undefined ? "nil" : lua(body);
    return `  wrk.format(${lua(method)}, ${lua(path)}, {${table}}, ${content}),`;
  });
  const pattern = patternOf(requests).map((index) => index + 1);
  return [
    "local requests = {}",
    "init = function(args)",
    ` wrk.init(args)`,
    " requests = {",
    ...made,
    " }",
    "end",
    `local pattern = {${pattern.join(", ")}}`,
    "local at = 0",
    "request = function()",
    " at = at % #pattern + 1",
    " return requests[pattern[at]]",
    "end",
    "",
  ].join("\n");
}

/** A Lua string of any bytes. */
function lua(text: string): string {
  const bytes = [...Buffer.from(text)].map((byte) => `\\${byte.toString().padStart(3, "0")}`);
  return /^[\w ./:;,=?&{}[\]()*+-]*$/.test(text) ? `"${text}"` : `"${bytes.join("")}"`;
}

/** For the project's own bars, which want wrk and nothing else. */
export async function runWrk(
  spec: Omit<ClosedSpec, "count" | "streams">,
  host: LoadHost,
): Promise<ClosedResult & WrkFigures> {
  return run(spec, host, []);
}
