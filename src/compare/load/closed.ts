/**
 * Closed-loop load for throughput: a load generator that is installed drives the server as hard as its connections allow. The first
 * of the list that is here and can make these requests is used; the last one is our own, which can make all of them.
 */
import type { ErrorCounts, Latency, LoadTool } from "../types.ts";
import { autocannon } from "./autocannon.ts";
import { builtin } from "./builtin.ts";
import { h2load } from "./h2load.ts";
import { hey } from "./hey.ts";
import type { LoadRequest } from "./http-load.ts";
import { oha } from "./oha.ts";
import type { LoadHost } from "./order.ts";
import { wrk } from "./wrk.ts";

export interface ClosedSpec {
  /** Scheme, host and port. */
  readonly origin: string;
  readonly requests: readonly LoadRequest[];
  readonly connections: number;
  readonly seconds: number;
  /** Each request on a connection of its own. */
  readonly fresh: boolean;
  /** HTTP/2 over TLS, with so many requests under way on each connection. */
  readonly streams?: number;
  /** So many requests instead of so many seconds. */
  readonly count?: number;
}

export interface ClosedResult {
  readonly requestsPerSecond: number;
  /** Answers. */
  readonly requests: number;
  readonly errors: ErrorCounts;
  /** Counted from when a request was sent: not for latency columns, where they are of the open loop. */
  readonly latency?: Latency | undefined;
  /** What was run, the port replaced by PORT. */
  readonly load: string;
}

export interface ClosedTool {
  readonly name: string;
  /** Null: not installed. */
  version(): string | null;
  can(spec: ClosedSpec): boolean;
  run(spec: ClosedSpec, host: LoadHost): Promise<ClosedResult>;
}

export const TOOLS: readonly ClosedTool[] = [wrk, oha, hey, h2load, autocannon, builtin];

/** The tools of this machine, in order of preference; `named` (the setting `load`) comes first. */
export function installedTools(named: string | null): readonly ClosedTool[] {
  const here = TOOLS.filter((tool) => tool.version() !== null);
  const first = here.filter((tool) => tool.name === named);
  return [...first, ...here.filter((tool) => !first.includes(tool))];
}

export function toolFor(spec: ClosedSpec, tools: readonly ClosedTool[]): ClosedTool {
  return tools.find((tool) => tool.can(spec)) ?? builtin;
}

export function described(tool: ClosedTool): LoadTool {
  return { name: tool.name, version: tool.version() ?? "none" };
}
