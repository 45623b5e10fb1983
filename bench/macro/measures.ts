/**
 * The kinds of measurement: each takes a running server (or starts several) and gives figures for one round.
 */
import { existsSync, mkdirSync, truncateSync, writeFileSync } from "node:fs";
import type { OpenLoopSpec, StreamResult, StreamSpec } from "./openloop.ts";
import { httpLoad } from "../../src/compare/load/order.ts";
import { LOAD_CORE, LOAD_PIN, startPinned } from "./process-tree.ts";
import type { RunningServer } from "./process-tree.ts";
import { root } from "./paths.ts";
import type { Measured, Setup } from "./types.ts";
import { runWrk } from "./wrk.ts";
import type { WrkOptions } from "./wrk.ts";

export interface Context {
  server: string;
  setup: Setup;
  /** Length of one measurement. */
  seconds: number;
}

export interface Outcome extends Measured {
  command: string;
}

export type Measure = (context: Context) => Promise<Outcome>;

type Figures = Measured["figures"];

const EDGE = /__edge/;
const WORKERS_MORE = 4;
/** Thousands of connections take a while to open: a shorter run would measure little else. */
const CONNECTING_SECONDS = 6;
const IDLE_CPU_MS = 10_000;
const MEMORY_SAMPLE_MS = 100;
/** The last answers of a load are over by then. */
const SETTLE_MS = 2000;

export async function using<T>(
  context: Context,
  work: (server: RunningServer) => Promise<T>,
): Promise<T & { command: string }> {
  const server = await startPinned(context.server, context.setup);
  try {
    return { ...(await work(server)), command: server.command };
  } finally {
    await server.stop();
  }
}

export async function warm(server: RunningServer, seconds: number): Promise<void> {
  await runWrk(server, { connections: 64, seconds });
}

function warmSeconds(context: Context): number {
  return Math.max(1, Math.round(context.seconds / 3));
}

/** Requests a second by wrk. */
export function throughput(options: Omit<WrkOptions, "seconds"> = { connections: 64 }): Measure {
  return async (context) =>
    using(context, async (server) => {
      await runWrk(server, { ...options, seconds: warmSeconds(context) });
      const result = await runWrk(server, { ...options, seconds: context.seconds });
      const figures: Figures = {
        rate: { label: "requests", unit: "/s", better: "more", value: result.requestsPerSecond },
        p99: { label: "P99", unit: "ms", better: "less", value: result.p99Ms },
      };
      return { figures, errors: result.errors, load: result.command };
    });
}

export async function openLoop(spec: OpenLoopSpec): Promise<Record<string, StreamResult>> {
  return httpLoad(spec, { pin: LOAD_PIN });
}

export function describeStream(stream: StreamSpec): string {
  const pace = stream.rate === 0 ? "closed loop" : `${stream.rate}/s open loop`;
  const over = stream.fresh === true ? "new connections" : `${stream.connections} connections`;
  return `${stream.path} ${pace} over ${over}`;
}

/** Latency of the first stream, measured from when each request was due, with the others as disturbance. */
export function latency(streams: StreamSpec[]): Measure {
  return async (context) =>
    using(context, async (server) => {
      await warm(server, 1);
      const spec = {
        port: server.port,
        warmupMs: 1000,
        durationMs: context.seconds * 1000,
        streams,
      };
      const results = await openLoop(spec);
      const fast = results[streams[0]?.name ?? ""];
      if (fast === undefined) throw new Error("the load generator gave no result");
      const errors = Object.values(results).reduce((total, stream) => total + stream.errors, 0);
      const figures: Figures = {
        p50: { label: "P50", unit: "ms", better: "less", value: fast.p50Ms },
        p99: { label: "P99", unit: "ms", better: "less", value: fast.p99Ms },
        p999: { label: "P99.9", unit: "ms", better: "less", value: fast.p999Ms },
      };
      return { figures, errors, load: streams.map(describeStream).join("; ") };
    });
}

export function growth(
  label: string,
  beforeKiB: number,
  afterKiB: number,
  count: number,
): Figures[string] {
  const value = (afterKiB - beforeKiB) / count;
  return { label, unit: "KiB", better: "less", value };
}

/** Many connections that are all in use: errors, latency, and memory while they are. */
export function busyConnections(connections: number): Measure {
  return async (context) =>
    using(context, async (server) => {
      await warm(server, 1);
      const before = { all: server.pssKiB(), edge: server.pssKiB(EDGE) };
      const seconds = Math.max(context.seconds, CONNECTING_SECONDS);
      const options = { connections, seconds };
      const load = runWrk(server, options);
      const peak = { all: 0, edge: 0 };
      let over = false;
      const watching = (async (): Promise<void> => {
        while (!over) {
          await Bun.sleep(MEMORY_SAMPLE_MS * 5);
          peak.all = Math.max(peak.all, server.pssKiB());
          peak.edge = Math.max(peak.edge, server.pssKiB(EDGE));
        }
      })();
      const result = await load;
      over = true;
      await watching;
      const figures: Figures = {
        rate: { label: "requests", unit: "/s", better: "more", value: result.requestsPerSecond },
        p99: { label: "P99", unit: "ms", better: "less", value: result.p99Ms },
        memory: { label: "memory", unit: "MiB", better: "less", value: peak.all / 1024 },
        each: growth("each connection", before.all, peak.all, connections),
      };
      if (peak.edge > 0) {
        figures.edge = growth("edge, each connection", before.edge, peak.edge, connections);
      }
      return { figures, errors: result.errors, load: result.command };
    });
}

/** Connections that have made one request and now wait. */
export function idleConnections(connections: number): Measure {
  return async (context) =>
    using(context, async (server) => {
      await warm(server, 1);
      const before = server.pssKiB();
      const program = `${root}/bench/macro/holders.ts`;
      const holder = Bun.spawn(
        [
          "taskset",
          ...["-c", `${LOAD_CORE}`, process.execPath, program],
          ...[`${server.port}`, `${connections}`],
        ],
        { stdio: ["pipe", "pipe", "inherit"] },
      );
      const { value } = await holder.stdout.getReader().read();
      const opened: { open: number; errors: number } = JSON.parse(
        new TextDecoder().decode(value ?? new Uint8Array()),
      );
      const after = server.pssKiB();
      await holder.stdin.end();
      await holder.exited;
      const figures: Figures = {
        each: growth("each connection", before, after, connections),
        memory: { label: "memory", unit: "MiB", better: "less", value: after / 1024 },
      };
      const missing = connections - opened.open;
      return {
        figures,
        errors: Math.max(opened.errors, missing),
        load: `${connections} connections`,
      };
    });
}

/** PSS with one worker and with five: what a further worker costs, and what all the rest does. */
export const memory: Measure = async (context) => {
  const setups = [1, 1 + WORKERS_MORE].map((workers) => ({ ...context.setup, workers }));
  const sizes: number[] = [];
  let command = "";
  for (const setup of setups) {
    const done = await using({ ...context, setup }, async (server) => {
      await warm(server, warmSeconds(context));
      return { size: server.pssKiB() };
    });
    sizes.push(done.size);
    command = done.command;
  }
  const [one = Number.NaN, more = Number.NaN] = sizes;
  const each = (more - one) / WORKERS_MORE;
  const figures: Figures = {
    worker: { label: "a further worker", unit: "MiB", better: "less", value: each / 1024 },
    rest: { label: "the rest", unit: "MiB", better: "less", value: (one - each) / 1024 },
    one: { label: "all, one worker", unit: "MiB", better: "less", value: one / 1024 },
  };
  return { figures, errors: 0, load: "right after a short load", command };
};

/** CPU of the whole tree while nothing happens. */
export const idleCpu: Measure = async (context) =>
  using(context, async (server) => {
    await warm(server, 1);
    await Bun.sleep(SETTLE_MS);
    const used = server.measureCpu();
    const start = performance.now();
    await Bun.sleep(IDLE_CPU_MS);
    const share = used() / 1e6 / (performance.now() - start);
    const figures: Figures = {
      cpu: { label: "of a core", unit: "%", better: "less", value: share * 100 },
    };
    return {
      figures,
      errors: 0,
      load: `idle for ${IDLE_CPU_MS / 1000} s, ${SETTLE_MS / 1000} s after a load`,
    };
  });

/** What a program on the load core prints. */
async function run(command: readonly string[]): Promise<string> {
  const child = Bun.spawn(["taskset", "-c", `${LOAD_CORE}`, ...command], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return child.stdout.text();
}

/** A file of zeros without blocks on the disk. */
function sparseFile(bytes: number): string {
  const path = `${root}/.cache/bench-${bytes}.zeros`;
  if (existsSync(path)) return path;
  mkdirSync(`${root}/.cache`, { recursive: true });
  writeFileSync(path, "");
  truncateSync(path, bytes);
  return path;
}

/** One big body in one direction: throughput, and how far the memory rises above idle. */
export function transfer(direction: "upload" | "download", bytes: number): Measure {
  return async (context) =>
    using(context, async (server) => {
      const target = `${server.url}?bytes=${bytes}`;
      const what =
        direction === "upload"
          ? ["-T", sparseFile(bytes), "-H", "Expect:", server.url]
          : ["-o", "/dev/null", target];
      await run(["curl", "-sSk", "-o", "/dev/null", `${server.url}?bytes=1048576`]);
      server.resetPeak();
      const idle = server.peakRssKiB();
      const format = `\n%{http_code} %{size_upload} %{size_download} %{time_total}`;
      const http = context.setup.protocol === "h2" ? "--http2" : "--http1.1";
      const said = (await run(["curl", "-sSk", http, ...what, "-w", format])).trim().split("\n");
      const [status, up, down, seconds = Number.NaN] = (said.at(-1) ?? "").split(" ").map(Number);
      const moved = direction === "upload" ? up : down;
      const whole = direction === "download" || said[0] === `${bytes}`;
      if (status !== 200 || moved !== bytes || !whole) {
        throw new Error(`${direction} failed: status ${status}, ${moved} of ${bytes} bytes`);
      }
      const figures: Figures = {
        speed: {
          ...{ label: "throughput", unit: "MiB/s", better: "more" as const },
          value: bytes / 1024 / 1024 / seconds,
        },
        growth: {
          ...{ label: "peak above idle", unit: "MiB", better: "less" as const },
          value: (server.peakRssKiB() - idle) / 1024,
        },
      };
      return { figures, errors: 0, load: `curl ${http}, ${direction} of ${bytes} bytes` };
    });
}
