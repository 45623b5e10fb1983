/**
 * The table of presets: what is measured, on whom, and the bar that Keelback has to clear. Every figure that the project claims comes
 * from a row of this table.
 */
import { best, faultlessBar, medianOf, OURS, ratioBar, valueBar } from "./bars.ts";
import { setupOf } from "./lab.ts";
import { lifePresets } from "./life.ts";
import * as measure from "./measures.ts";
import { requests, measured } from "./preset.ts";
import type { Preset } from "./preset.ts";
import { BROWSER_HEADERS, protocolPresets } from "./protocol-presets.ts";
import { steadyPresets } from "./life-steady.ts";
import { transfer } from "./transfer.ts";

const GIB = 1024 ** 3;
const ASGI_SERVERS = ["keelback", "granian", "uvicorn", "gunicorn asgi", "hypercorn"];
const WSGI_SERVERS = [
  ...["keelback", "granian", "gunicorn sync", "gunicorn gthread", "waitress", "bjoern"],
];

const throughput: readonly Preset[] = [
  {
    name: "wsgi-hello",
    title: "WSGI hello",
    about: "The smallest WSGI app there is: what is left is the server.",
    setup: setupOf("wsgi", "wsgi_hello"),
    servers: WSGI_SERVERS,
    ranked: "requestsPerSecond",
    load: requests(),
    bars: [ratioBar("requestsPerSecond", ["granian"], 1.1)],
  },
  {
    name: "asgi-hello",
    title: "ASGI hello",
    about: "The smallest ASGI app there is: what is left is the server.",
    setup: setupOf("asgi", "asgi_hello"),
    servers: ASGI_SERVERS,
    ranked: "requestsPerSecond",
    load: requests(),
    bars: [ratioBar("requestsPerSecond", ["granian", "uvicorn"], 1.4)],
  },
  {
    name: "wsgi-browser",
    title: "WSGI hello with a browser's 14 headers",
    about: "Requests as browsers send them cost more to parse and to hand on.",
    setup: setupOf("wsgi", "wsgi_hello"),
    servers: ["keelback", "granian", "bjoern"],
    ranked: "requestsPerSecond",
    load: requests(BROWSER_HEADERS),
    bars: [ratioBar("requestsPerSecond", ["granian"], 1.1)],
  },
  {
    name: "asgi-browser",
    title: "ASGI hello with a browser's 14 headers",
    about: "Requests as browsers send them cost more to parse and to hand on.",
    setup: setupOf("asgi", "asgi_hello"),
    servers: ["keelback", "granian", "uvicorn"],
    ranked: "requestsPerSecond",
    load: requests(BROWSER_HEADERS),
    bars: [ratioBar("requestsPerSecond", ["granian"], 1.05)],
  },
  {
    name: "flask-json",
    title: "Flask JSON",
    about: "A view as people write them: what the server adds to Flask.",
    setup: setupOf("wsgi", "flask_json"),
    servers: WSGI_SERVERS,
    ranked: "requestsPerSecond",
    load: requests(),
    bars: [ratioBar("requestsPerSecond", "all", 1)],
  },
  {
    name: "fastapi-json",
    title: "FastAPI JSON",
    about: "A view as people write them: what the server adds to FastAPI.",
    setup: setupOf("asgi", "fastapi_json"),
    servers: ASGI_SERVERS,
    ranked: "requestsPerSecond",
    load: requests(),
    bars: [ratioBar("requestsPerSecond", "all", 1)],
  },
];

const latency: readonly Preset[] = [
  {
    name: "asgi-blocking",
    title: "Fast ASGI route at 1000/s while a view blocks 50 ms at 20/s, 4 workers",
    about: "One blocking view on the event loop: who has to wait behind it?",
    setup: setupOf("asgi", "compare_asgi", { workers: 4 }),
    servers: ASGI_SERVERS,
    ranked: "figures.p99",
    load: measured(
      measure.latency([
        { name: "fast", path: "/", connections: 64, rate: 1000 },
        { name: "block", path: "/block", connections: 16, rate: 20 },
      ]),
      { connections: 80 },
    ),
    bars: [
      valueBar("p99", 3),
      (rows) => {
        const ours = medianOf(rows, OURS, "p99");
        const theirs = best(rows, ["granian", "uvicorn"], "p99");
        return {
          bar: "P99 <= 1/10 of uvicorn's and granian's",
          measured: `1/${(theirs / ours).toFixed(1)}`,
          met: ours <= theirs / 10,
        };
      },
    ],
  },
  {
    name: "wsgi-sleeping",
    title:
      "Fast WSGI route at 500/s while 8 connections sit in a 50 ms sleep, 2 workers of 16 threads",
    about: "Views that wait for a database: do the fast ones find a thread?",
    setup: setupOf("wsgi", "compare_wsgi", { workers: 2, threads: 16 }),
    servers: ["keelback", "granian", "gunicorn gthread", "gunicorn sync", "bjoern"],
    ranked: "figures.p99",
    load: measured(
      measure.latency([
        { name: "fast", path: "/", connections: 32, rate: 500 },
        { name: "sleep", path: "/wait", connections: 8, rate: 0 },
      ]),
      { connections: 40 },
    ),
    bars: [valueBar("p99", 5)],
  },
];

const connections: readonly Preset[] = [
  {
    name: "busy-connections",
    title: "8000 busy keep-alive connections, ASGI hello",
    about: "As many clients at once as some servers have room for: errors, latency, memory.",
    setup: setupOf("asgi", "asgi_hello"),
    servers: ["keelback", "granian", "uvicorn"],
    ranked: "figures.p99",
    load: measured(measure.busyConnections(8000), { connections: 8000 }),
    bars: [faultlessBar, ratioBar("p99", ["granian", "uvicorn"], 1), valueBar("edge", 12)],
  },
  {
    name: "idle-connections",
    title: "10,000 idle keep-alive connections, ASGI hello",
    about: "What a client costs that has asked once and stays.",
    setup: setupOf("asgi", "asgi_hello"),
    servers: ["keelback", "granian", "uvicorn"],
    ranked: "figures.each",
    load: measured(measure.idleConnections(10_000), { connections: 10_000, duration: () => 8 }),
    bars: [valueBar("each", 8)],
  },
];

const transfers = (["upload", "download"] as const).flatMap((direction): Preset[] => {
  const rest = {
    about: "One big body: how fast it passes, and how far memory rises meanwhile.",
    ranked: "figures.speed" as const,
    load: measured(transfer(direction, GIB), { connections: 1, duration: () => 6 }),
    bars: [ratioBar("speed", "all", 1), valueBar("growth", 64)],
  };
  return [
    {
      ...rest,
      name: `${direction}-asgi`,
      title: `1 GiB ${direction} through an ASGI app`,
      setup: setupOf("asgi", "compare_asgi"),
      servers: ["keelback", "granian", "uvicorn", "hypercorn"],
    },
    {
      ...rest,
      name: `${direction}-wsgi`,
      title: `1 GiB ${direction} through a WSGI app`,
      setup: setupOf("wsgi", "compare_wsgi"),
      servers: ["keelback", "granian", "gunicorn gthread", "waitress"],
    },
    {
      ...rest,
      name: `h2-${direction}`,
      title: `1 GiB ${direction} over HTTP/2 (TLS) through an ASGI app`,
      setup: setupOf("asgi", "compare_asgi", { protocol: "h2" }),
      servers: ["keelback", "granian", "hypercorn"],
      bars: [ratioBar("speed", ["granian"], 1), valueBar("growth", 64)],
    },
  ];
});

const MEMORY = {
  about: "PSS of the whole tree right after a short load, with one worker and with five.",
  ranked: "figures.one" as const,
  load: measured(measure.memory, { duration: (seconds) => 8 + seconds }),
};

const costs: readonly Preset[] = [
  {
    ...MEMORY,
    name: "memory",
    title: "Memory (PSS), WSGI hello",
    setup: setupOf("wsgi", "wsgi_hello"),
    servers: ["keelback", "granian", "gunicorn sync", "gunicorn gthread"],
    bars: [valueBar("worker", 6), valueBar("rest", 80)],
  },
  {
    ...MEMORY,
    name: "memory-asgi",
    title: "Memory (PSS), ASGI hello",
    setup: setupOf("asgi", "asgi_hello"),
    servers: ["keelback", "granian", "uvicorn"],
    bars: [valueBar("worker", 6), valueBar("rest", 80)],
  },
  {
    name: "memory-django",
    title: "Memory of Django workers, with and without preload",
    about:
      "PSS of all Python processes with one worker and with five, when each has served as much: a worker that has served nothing still shares everything.",
    ranked: "figures.worker",
    load: measured(measure.workerMemory, { duration: (seconds) => 8 + 2 * seconds }),
    setup: setupOf("wsgi", "django_hello"),
    servers: ["keelback preload", "keelback", "gunicorn preload", "gunicorn gthread", "granian"],
    bars: [
      (rows) => {
        const ours = medianOf(rows, "keelback preload", "worker");
        const without = medianOf(rows, OURS, "worker");
        const theirs = medianOf(rows, "gunicorn preload", "worker");
        const figures = [ours, without, theirs].map((value) => value.toPrecision(3));
        return {
          bar: "a further worker: at most half of without preload, at most gunicorn's",
          measured: `${figures.join(", ")} MiB (preload, without, gunicorn)`,
          met: ours <= without / 2 && ours <= theirs,
        };
      },
    ],
  },
  {
    name: "idle-cpu",
    title: "CPU of the whole tree while idle, 2 workers",
    about: "What a server takes that nobody asks anything.",
    setup: setupOf("asgi", "asgi_hello", { workers: 2 }),
    servers: ["keelback", "granian", "uvicorn", "gunicorn asgi"],
    ranked: "figures.cpu",
    load: measured(measure.idleCpu, { duration: () => 16 }),
    bars: [valueBar("cpu", 0.3)],
  },
];

/** By name of the group. */
export const groups: Readonly<Record<string, readonly Preset[]>> = {
  throughput,
  latency,
  connections,
  transfers,
  costs,
  protocols: protocolPresets,
  life: lifePresets,
  steady: steadyPresets,
};

export const presets: readonly Preset[] = Object.values(groups).flat();
