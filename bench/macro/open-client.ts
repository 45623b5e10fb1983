/** Open-loop load by the program of bench/macro/clients: HTTP/2, and requests that are numbered. */
import type { Subject } from "../../src/compare/measurement.ts";
import type { RunningServer } from "../../src/compare/server-process.ts";
import { clientProgram } from "./lab.ts";

export interface OpenOptions {
  rate: number;
  /** Kept ones; over HTTP/2 each carries many requests at once. */
  connections: number;
  /** Share of the requests that are each on a new connection. */
  fresh?: number;
  method?: "GET" | "POST";
  http2?: boolean;
  path?: string;
}

/** What the program prints. */
export interface OpenReport {
  sent: number;
  answered: number;
  failed: number;
  /** Failed ones by status, or `no answer`. */
  kinds: Record<string, number>;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  /** Those of the warm-up included. */
  failedIds: number[];
  dials: number;
  problem?: string;
}

const WARMUP_SECONDS = 1;

export async function openByClient(
  server: RunningServer,
  options: OpenOptions,
  { seconds, lab }: Pick<Subject, "seconds" | "lab">,
): Promise<OpenReport> {
  const { rate, connections, fresh = 0, method = "GET", http2 = false, path = "" } = options;
  const flags = [
    ...[`-url=${server.origin}/${path}`, `-rate=${rate}`, `-connections=${connections}`],
    ...[`-fresh=${fresh}`, `-method=${method}`, `-h2=${http2}`],
    ...[`-seconds=${seconds}`, `-warmup=${WARMUP_SECONDS}`],
  ];
  const child = Bun.spawn([...lab.load.pin, clientProgram(), "open", ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const report: OpenReport = JSON.parse(await child.stdout.text());
  await child.exited;
  return report;
}

export function describeOpen(options: OpenOptions): string {
  const { rate, connections, fresh = 0, method = "GET", http2 = false } = options;
  const over = `${connections} ${http2 ? "HTTP/2 " : ""}connections`;
  const rest = fresh > 0 ? `, ${fresh * 100} % on new ones` : "";
  return `${method} ${rate}/s open loop over ${over}${rest}`;
}
