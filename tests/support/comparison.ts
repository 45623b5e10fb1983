/**
 * Reports of comparisons as the engine would write them, from a seed: plausible figures with noise, rows that failed, sweeps.
 */
import { generator, histogramOf, knee, latencyOf, median } from "../../src/compare/statistics.ts";
import type { Report, Round, Row, ScenarioResult, Setup } from "../../src/compare/types.ts";

export const HOSTILE = `<script>alert("1")</script>\x1b[31m & 'x' | a\`b\`\n</svg><img src=x onerror=alert(2)>`;

export const SETUP: Setup = {
  interface: "wsgi",
  app: "main:app",
  directory: "/srv/app",
  python: "/srv/app/.venv/bin/python",
  workers: 2,
  threads: 4,
  mode: "equal",
};

export const NO_ERRORS = { connection: 0, timeout: 0, status: 0, body: 0 };

/** Latencies of `count` requests: a body, and a tail that some servers have. */
function latencies(random: () => number, p50: number, tail: number, count: number): number[] {
  return Array.from({ length: count }, () => {
    const body = p50 * Math.exp(0.35 * (random() + random() + random() - 1.5));
    return random() < 0.02 ? body * (1 + tail * -Math.log(1 - random())) : body;
  });
}

export interface Like {
  readonly rate: number;
  /** Half-width of the noise between rounds, as a share. */
  readonly noise?: number;
  readonly p50?: number;
  readonly tail?: number;
  readonly memory?: number;
  readonly rounds?: number;
  readonly seed?: number;
  readonly row?: Partial<Row>;
}

export function rounds(like: Like): Round[] {
  const { rate, noise = 0.02, p50 = 1000 / rate, tail = 3, memory = 40 } = like;
  const random = generator(like.seed ?? Math.round(rate));
  return Array.from({ length: like.rounds ?? 5 }, () => {
    const jitter = 1 + noise * (2 * random() - 1);
    const values = latencies(random, p50 / jitter, tail, 4000);
    return {
      requestsPerSecond: rate * jitter,
      latency: latencyOf(values),
      histogram: histogramOf(values),
      openRate: Math.round(rate * 0.6),
      timeline: Array.from({ length: 10 }, (_, second) => {
        const { p99 } = latencyOf(values.slice(second * 400, second * 400 + 400));
        return { second, p50: median(values.slice(second * 400, second * 400 + 400)), p99 };
      }),
      requests: Math.round(rate * jitter * 5),
      errors: NO_ERRORS,
      cpuPer1000: (850 / rate) * jitter,
      memoryIdle: memory * (1 + 0.01 * random()),
      memoryLoaded: memory * (1.4 + 0.02 * random()),
      memoryPerWorker: memory * 0.6,
      startupMs: 250 + 20 * memory * random(),
    };
  });
}

export function rowOf(server: string, like: Like): Row {
  return {
    server,
    kind: "server",
    version: "1.2.3",
    command: `${server.replaceAll(" ", " -k ")} main:app --bind 127.0.0.1:PORT --workers 2`,
    load: "wrk -t1 -c64 -d5 http://127.0.0.1:PORT/",
    workers: 2,
    threads: 4,
    rounds: rounds(like),
    warnings: [],
    ...like.row,
  };
}

export function failedRow(server: string, failure: string): Row {
  return { ...rowOf(server, { rate: 1, row: { failure, version: "" } }), rounds: [] };
}

/** Throughput that saturates at `top` around `at` connections. */
export function sweepRow(server: string, top: number, at: number): Row {
  const sweep = [1, 4, 16, 64, 256, 1000].map((value) => ({
    value,
    rounds: rounds({ rate: (top * value) / (value + at / 8), rounds: 3, seed: value + top }),
  }));
  const points = sweep.map((point) => ({
    value: point.value,
    figure: median(point.rounds.map(({ requestsPerSecond = 0 }) => requestsPerSecond)),
  }));
  const found = knee(points);
  const row = rowOf(server, { rate: top });
  return { ...row, rounds: [], sweep, ...(found === undefined ? {} : { knee: found }) };
}

export function scenarioOf(
  rows: readonly Row[],
  more: Partial<ScenarioResult> = {},
): ScenarioResult {
  return {
    name: "hello",
    title: "Hello, world",
    about: "A view that does nothing: what the server itself costs, on connections that stay open.",
    ranked: "requestsPerSecond",
    setup: SETUP,
    connections: 64,
    rows,
    ...more,
  };
}

export function reportOf(scenarios: readonly ScenarioResult[], more: Partial<Report> = {}): Report {
  return {
    schema: 1,
    tool: { name: "keelback", version: "0.1.0" },
    date: "2026-11-21T18:00:00.000Z",
    command: "keelback compare main:app",
    app: "main:app",
    rounds: 5,
    seconds: 5,
    partial: false,
    machine: {
      cpu: "AMD EPYC 7B13",
      cores: "2",
      memory: "8 GiB",
      system: "Linux 6.1.0 x64",
      "load average before": "0.31",
      "server cores": "0",
      "load cores": "1",
      bun: "1.4.5",
    },
    loadTools: [
      { name: "wrk", version: "4.2.0" },
      { name: "keelback", version: "0.1.0" },
    ],
    notes: ["Server and load generator share the 2 cores: differences below 3 % mean nothing."],
    scenarios,
    ...more,
  };
}

const WRONG = { ...NO_ERRORS, body: 240, timeout: 3 };

/** Everything a report can hold, at the size of a default run. */
export function fullReport(): Report {
  const hello = scenarioOf([
    rowOf("gunicorn sync", { rate: 2900, tail: 9, memory: 48 }),
    rowOf("gunicorn gthread", { rate: 3350, noise: 0.06, tail: 12, memory: 52 }),
    rowOf("keelback", { rate: 9300, noise: 0.02, tail: 2, memory: 61 }),
    rowOf("granian", { rate: 8950, noise: 0.05, tail: 4, memory: 55 }),
    rowOf("waitress", { rate: 2450, tail: 20, memory: 34 }),
    rowOf("uwsgi", { rate: 5400, tail: 6, memory: 31 }),
    rowOf("bjoern", { rate: 7100, tail: 3, memory: 22 }),
    rowOf("cheroot", {
      ...{ rate: 9900, tail: 5, memory: 37 },
      row: { rounds: rounds({ rate: 9900 }).map((round) => ({ ...round, errors: WRONG })) },
    }),
    rowOf("wsgiref", { rate: 1100, tail: 30, memory: 24 }),
    rowOf("threading (pool)", { rate: 1900, memory: 20, row: { kind: "baseline" } }),
    rowOf("select", { rate: 2100, memory: 19, row: { kind: "baseline" } }),
    rowOf("nginx", { rate: 41_000, tail: 1, memory: 9, row: { kind: "ceiling" } }),
    failedRow("mod_wsgi-express", "not installed: pip install mod_wsgi needs Apache's headers"),
    failedRow("daphne", "speaks ASGI only"),
  ]);
  const tails = scenarioOf(
    [
      rowOf("gunicorn gthread", { rate: 410, p50: 9, tail: 25, noise: 0.08 }),
      rowOf("keelback", { rate: 420, p50: 8.5, tail: 4, noise: 0.03 }),
      rowOf("granian", { rate: 415, p50: 8.7, tail: 9, noise: 0.05 }),
      rowOf("waitress", { rate: 400, p50: 11, tail: 30, noise: 0.1 }),
    ],
    {
      ...{ name: "mixed", title: "Fast and slow views mixed", ranked: "p99" as const },
      about: "One request in fifty takes 50 ms: how long the others wait behind it.",
    },
  );
  const sweep = scenarioOf(
    [
      sweepRow("gunicorn gthread", 3400, 40),
      sweepRow("keelback", 9400, 60),
      sweepRow("granian", 9100, 100),
    ],
    {
      ...{ name: "connections", title: "From 1 to 1000 connections" },
      ...{ sweepOf: "connections" as const, about: "Where more connections no longer help." },
    },
  );
  const hostile = scenarioOf(
    [
      rowOf("uwsgi", { rate: 300, row: { warnings: [`said ${HOSTILE}`], version: HOSTILE } }),
      failedRow("hypercorn asyncio", HOSTILE),
    ],
    { name: "upload", title: `Upload ${HOSTILE}`, about: HOSTILE },
  );
  return reportOf([hello, tails, sweep, hostile], { notes: [`The load was noisy. ${HOSTILE}`] });
}
