/** Measurements of throughput, latency, memory and idle time: each gives the figures of one round. */
import { httpLoad } from "../../src/compare/load/order.ts";
import type { LoadHost } from "../../src/compare/load/order.ts";
import type { StreamSpec } from "../../src/compare/load/http-load.ts";
import { NO_ERRORS } from "../../src/compare/load/tool.ts";
import { runWrk } from "../../src/compare/load/wrk.ts";
import type { Measurement, Subject } from "../../src/compare/measurement.ts";
import { using } from "../../src/compare/measurement.ts";
import { measureThreads, pssKiB } from "../../src/compare/process-tree.ts";
import { get } from "../../src/compare/scenarios.ts";
import type { RunningServer } from "../../src/compare/server-process.ts";
import type { NamedFigure } from "../../src/compare/types.ts";
import { countsOf, describeStream, less, more, unsorted } from "./figures.ts";
import { root } from "./paths.ts";

const EDGE = /__edge/;
const WORKERS_MORE = 4;
/** Thousands of connections take a while to open: a shorter run would measure little else. */
const CONNECTING_SECONDS = 6;
const IDLE_CPU_MS = 10_000;
const MEMORY_SAMPLE_MS = 500;
/** The last answers of a load are over by then. */
const SETTLE_MS = 2000;

/** Proportional set size of the whole tree, or of those processes that match: zero where none does. */
export function memoryKiB(server: RunningServer, matching = /^/): number {
  const size = pssKiB(server.tree().filter(({ command }) => matching.test(command)));
  return Number.isNaN(size) ? 0 : size;
}

interface WrkOptions {
  connections: number;
  seconds: number;
  /** A connection for each request. */
  fresh?: boolean;
}

function wrkOf(
  server: RunningServer,
  { connections, seconds, fresh = false }: WrkOptions,
  host: LoadHost,
): ReturnType<typeof runWrk> {
  const requests = [{ ...get("/"), check: {} }];
  return runWrk({ origin: server.origin, requests, connections, seconds, fresh }, host);
}

export async function warm(server: RunningServer, seconds: number, host: LoadHost): Promise<void> {
  await wrkOf(server, { connections: 64, seconds }, host);
}

function warmSeconds({ seconds }: Subject): number {
  return Math.max(1, Math.round(seconds / 3));
}

/** Requests a second by wrk: for TLS, which the generator of `keelback compare` does not speak over HTTP/1. */
export const throughput: Measurement = async (subject) =>
  using(subject, async (server) => {
    const { seconds, lab } = subject;
    await warm(server, warmSeconds(subject), lab.load);
    const done = await wrkOf(server, { connections: 64, seconds }, lab.load);
    const figures = {
      rate: more("requests", "/s", done.requestsPerSecond),
      p99: less("P99 of the closed loop", "ms", done.p99Ms),
    };
    return { figures, requests: done.requests, errors: done.errors, load: done.load };
  });

/** Latency of the first stream, measured from when each request was due, with the others as disturbance. */
export function latency(streams: StreamSpec[]): Measurement {
  return async (subject) =>
    using(subject, async (server) => {
      const { seconds, lab } = subject;
      await warm(server, 1, lab.load);
      const spec = { port: server.port, warmupMs: 1000, durationMs: seconds * 1000, streams };
      const results = await httpLoad(spec, lab.load);
      const fast = results[streams[0]?.name ?? ""];
      if (fast === undefined) throw new Error("the load generator gave no result");
      const figures = {
        p50: less("P50", "ms", fast.p50Ms),
        p99: less("P99", "ms", fast.p99Ms),
        p999: less("P99.9", "ms", fast.p999Ms),
      };
      return { figures, ...countsOf(results), load: streams.map(describeStream).join("; ") };
    });
}

export function growth(
  label: string,
  beforeKiB: number,
  afterKiB: number,
  count: number,
): NamedFigure {
  return less(label, "KiB", (afterKiB - beforeKiB) / count);
}

/** Many connections that are all in use: errors, latency, and memory while they are. */
export function busyConnections(connections: number): Measurement {
  return async (subject) =>
    using(subject, async (server) => {
      const { lab } = subject;
      await warm(server, 1, lab.load);
      const before = { all: memoryKiB(server), edge: memoryKiB(server, EDGE) };
      const seconds = Math.max(subject.seconds, CONNECTING_SECONDS);
      const load = wrkOf(server, { connections, seconds }, lab.load);
      const peak = { all: 0, edge: 0 };
      let over = false;
      const watching = (async (): Promise<void> => {
        while (!over) {
          await Bun.sleep(MEMORY_SAMPLE_MS);
          peak.all = Math.max(peak.all, memoryKiB(server));
          peak.edge = Math.max(peak.edge, memoryKiB(server, EDGE));
        }
      })();
      const done = await load;
      over = true;
      await watching;
      const figures = {
        rate: more("requests", "/s", done.requestsPerSecond),
        p99: less("P99 of the closed loop", "ms", done.p99Ms),
        memory: less("memory", "MiB", peak.all / 1024),
        each: growth("each connection", before.all, peak.all, connections),
        ...(peak.edge > 0
          ? { edge: growth("edge, each connection", before.edge, peak.edge, connections) }
          : {}),
      };
      return { figures, requests: done.requests, errors: done.errors, load: done.load };
    });
}

/** Connections that have made one request and now wait. */
export function idleConnections(connections: number): Measurement {
  return async (subject) =>
    using(subject, async (server) => {
      const { load } = subject.lab;
      await warm(server, 1, load);
      const before = memoryKiB(server);
      const program = [process.execPath, `${root}/bench/macro/holders.ts`];
      const holder = Bun.spawn([...load.pin, ...program, `${server.port}`, `${connections}`], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      const { value } = await holder.stdout.getReader().read();
      const opened: { open: number; errors: number } = JSON.parse(
        new TextDecoder().decode(value ?? new Uint8Array()),
      );
      const after = memoryKiB(server);
      await holder.stdin.end();
      await holder.exited;
      const figures = {
        each: growth("each connection", before, after, connections),
        memory: less("memory", "MiB", after / 1024),
      };
      const errors = unsorted(Math.max(opened.errors, connections - opened.open));
      return { figures, requests: connections, errors, load: `${connections} connections` };
    });
}

interface MemoryOf {
  /** Processes by their command. */
  counted: RegExp;
  load(workers: number, seconds: number): WrkOptions;
  described: string;
}

/** PSS with one worker and with five: what a further worker costs, and what all the rest does. */
async function memoryOf(subject: Subject, of: MemoryOf): ReturnType<Measurement> {
  const sizes: number[] = [];
  let command = "";
  for (const workers of [1, 1 + WORKERS_MORE]) {
    const setup = { ...subject.setup, workers };
    const done = await using({ ...subject, setup }, async (server) => {
      await wrkOf(server, of.load(workers, warmSeconds(subject)), subject.lab.load);
      return { size: memoryKiB(server, of.counted) };
    });
    sizes.push(done.size);
    command = done.command;
  }
  const [one = Number.NaN, many = Number.NaN] = sizes;
  const each = (many - one) / WORKERS_MORE;
  const figures = {
    worker: less("a further worker", "MiB", each / 1024),
    rest: less("the rest", "MiB", (one - each) / 1024),
    one: less("all, one worker", "MiB", one / 1024),
  };
  return { figures, requests: 0, errors: NO_ERRORS, load: of.described, command };
}

/** Of the whole tree. */
export const memory: Measurement = async (subject) =>
  memoryOf(subject, {
    counted: /^/,
    load: (_, seconds) => ({ connections: 64, seconds }),
    described: "right after a short load",
  });

/**
 * Of what runs the app, each worker having served as much: over kept connections one worker of a pre-forking server may get them all, and
 * the pages of those that have served nothing are still shared.
 */
export const workerMemory: Measurement = async (subject) =>
  memoryOf(subject, {
    counted: /^\S*python/,
    load: (workers, seconds) => ({ connections: 64, seconds: seconds * workers, fresh: true }),
    described: "right after a short load for each worker, each request on a new connection",
  });

/** CPU of the whole tree while nothing happens. */
export const idleCpu: Measurement = async (subject) =>
  using(subject, async (server) => {
    await warm(server, 1, subject.lab.load);
    await Bun.sleep(SETTLE_MS);
    const used = measureThreads(() => server.tree());
    const start = performance.now();
    await Bun.sleep(IDLE_CPU_MS);
    const share = used() / 1e6 / (performance.now() - start);
    const figures = { cpu: less("of a core", "%", share * 100) };
    const load = `idle for ${IDLE_CPU_MS / 1000} s, ${SETTLE_MS / 1000} s after a load`;
    return { figures, requests: 0, errors: NO_ERRORS, load };
  });
