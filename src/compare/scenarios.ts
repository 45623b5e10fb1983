/** The scenarios of `keelback compare`, and the presets that name them: one table. */
import type { Measurement } from "./measurement.ts";
import type { Interface, Protocol, RequestSpec, ScenarioResult } from "./types.ts";

/** Something that goes on beside the measured requests. */
export interface Beside {
  /** In words, for the reader. */
  readonly title: string;
  readonly path: string;
  readonly connections: number;
  /** Requests a second; 0: each connection sends when its answer has come. */
  readonly rate: number;
  /** Milliseconds between two bytes of a request. */
  readonly trickleMs?: number;
}

export interface HttpLoad {
  readonly kind: "http";
  readonly requests: readonly RequestSpec[];
  readonly connections: number;
  /** Each request on a connection of its own. */
  readonly fresh?: boolean;
  /** HTTP/2: requests under way on each connection. */
  readonly streams?: number;
  /** The closed loop is left out: the scenario is about latency at a rate that every server can take. */
  readonly openOnly?: boolean;
  /** The open loop is left out: throughput alone is asked for. */
  readonly closedOnly?: boolean;
  /** A fixed number of requests in a closed loop, as the articles did it; there is no open loop then. */
  readonly count?: number;
  /** Of the open loop; left out: half of the median throughput. */
  readonly rate?: number;
  readonly beside?: readonly Beside[];
}

export interface TransferLoad {
  readonly kind: "transfer";
  readonly direction: "upload" | "download";
  readonly bytes: number;
  readonly connections: number;
}

export interface WebSocketLoad {
  readonly kind: "websocket";
  readonly connections: number;
  readonly bytes: number;
}

/** What no other kind can say: a function does to the server what it is about, and gives figures by name. */
export interface MeasuredLoad {
  readonly kind: "measured";
  /** In use at once; 0: it is not about connections. */
  readonly connections: number;
  /** Estimated seconds of one round with loads of so many seconds. */
  duration(seconds: number): number;
  readonly measure: Measurement;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly ranked: ScenarioResult["ranked"];
  /** Runs a small app of our own, not the user's. */
  readonly own: boolean;
  readonly protocol?: Protocol;
  /** Only this interface has it (WebSockets), or the scenario is made for it. */
  readonly interface?: Interface;
  /** The teaching designs take part. */
  readonly baselines?: boolean;
  readonly load: HttpLoad | TransferLoad | WebSocketLoad | MeasuredLoad;
  readonly sweepOf?: "connections" | "workers" | "threads";
  readonly values?: readonly number[];
}

export interface ScenarioOptions {
  /** What is asked of the user's app. */
  readonly requests: readonly RequestSpec[];
  readonly connections: number;
  /** Of the open loop, where the user names one. */
  readonly rate?: number | undefined;
  /** Without an app of the user, our own takes its place. */
  readonly hasApp: boolean;
}

const MIB = 1024 ** 2;
const FAST_RATE = 200;
const SLOW_CLIENTS = 8;
const TRICKLE_MS = 100;
const BLOCKING_RATE = 10;
const CPU_RATE = 20;
const MIXED_RATE = 20;
const TRANSFER_BYTES = 16 * MIB;
const TRANSFERS = 4;
const WEBSOCKETS = 100;
const MESSAGE_BYTES = 64;
const STREAMS = 10;
const ARTICLE = { requests: 2000, connections: 50 };
const SWEEPS = {
  connections: [1, 4, 16, 64, 256, 1000],
  workers: [1, 2, 3, 4, 6, 8],
  threads: [1, 2, 4, 8, 16, 32],
} as const;

export function get(path: string): RequestSpec {
  return { method: "GET", path, headers: {}, weight: 1 };
}

type Make = (options: ScenarioOptions) => Scenario;

function http(
  facts: Omit<Scenario, "load" | "ranked"> & { readonly ranked?: Scenario["ranked"] },
  load: Omit<HttpLoad, "kind">,
): Scenario {
  return { ranked: "requestsPerSecond", ...facts, load: { kind: "http", ...load } };
}

/** Fast requests at a rate, with something else going on. */
function disturbed(name: string, title: string, about: string, beside: Beside): Make {
  return ({ connections }) =>
    http(
      { name, title, about, own: true, ranked: "p99" },
      { requests: [get("/")], connections, openOnly: true, rate: FAST_RATE, beside: [beside] },
    );
}

function sweep(of: "connections" | "workers" | "threads"): Make {
  return ({ requests, connections, hasApp }) =>
    http(
      {
        ...{ name: `sweep-${of}`, own: !hasApp, sweepOf: of, values: SWEEPS[of] },
        title: `Throughput by number of ${of}`,
        about: `Where more ${of} stop helping: beyond the knee they cost memory and latency and give nothing.`,
        ...(of === "threads" ? { interface: "wsgi" as const } : {}),
      },
      { requests, connections },
    );
}

function transfer(direction: "upload" | "download"): Make {
  return () => ({
    ...{ name: direction, own: true, ranked: "throughput" },
    title: `${TRANSFER_BYTES / MIB} MiB ${direction}s over ${TRANSFERS} connections`,
    about: `How fast large bodies pass ${direction === "upload" ? "to" : "from"} the app, and what memory that takes.`,
    load: { kind: "transfer", direction, bytes: TRANSFER_BYTES, connections: TRANSFERS },
  });
}

const SCENARIOS: Readonly<Record<string, Make>> = {
  app: ({ requests, connections, rate, hasApp }) =>
    http(
      {
        ...{ name: "app", own: !hasApp },
        title: hasApp ? "Your app" : "Hello",
        about: "Requests to your app over connections that are kept: what the server adds to it.",
      },
      { requests, connections, ...(rate === undefined ? {} : { rate }) },
    ),
  hello: ({ connections, rate }) =>
    http(
      {
        ...{ name: "hello", own: true },
        title: "Hello",
        about: "The smallest app there is: what is left is the server.",
      },
      { requests: [get("/")], connections, ...(rate === undefined ? {} : { rate }) },
    ),
  "keep-alive": ({ requests, connections, hasApp }) =>
    http(
      {
        ...{ name: "keep-alive", own: !hasApp },
        title: "Connections that are kept",
        about: "Many requests on each connection, as behind a proxy or from one page of a browser.",
      },
      { requests, connections },
    ),
  "new-connections": ({ requests, connections, hasApp }) =>
    http(
      {
        ...{ name: "new-connections", own: !hasApp },
        title: "A new connection for each request",
        about:
          "What it costs to accept clients that come once, as bots, webhooks and simple proxies do.",
      },
      { requests, connections, fresh: true },
    ),
  "slow-clients": disturbed(
    "slow-clients",
    `Fast requests at ${FAST_RATE}/s beside ${SLOW_CLIENTS} clients that send a byte every ${TRICKLE_MS} ms`,
    "Phones on bad networks, and attackers: whoever waits for them keeps others waiting.",
    {
      title: `${SLOW_CLIENTS} slow clients`,
      ...{ path: "/", connections: SLOW_CLIENTS, rate: 0, trickleMs: TRICKLE_MS },
    },
  ),
  mixed: disturbed(
    "mixed",
    `Fast requests at ${FAST_RATE}/s beside views that wait 50 ms, ${MIXED_RATE}/s`,
    "Most apps: some views wait for a database. The fast ones should not feel it.",
    { title: "waiting views", path: "/wait", connections: SLOW_CLIENTS, rate: MIXED_RATE },
  ),
  blocking: disturbed(
    "blocking",
    `Fast requests at ${FAST_RATE}/s beside a view that blocks for 50 ms, ${BLOCKING_RATE}/s`,
    "One blocking view, in ASGI on the event loop: who has to wait behind it?",
    { title: "a blocking view", path: "/block", connections: SLOW_CLIENTS, rate: BLOCKING_RATE },
  ),
  cpu: disturbed(
    "cpu",
    `Fast requests at ${FAST_RATE}/s beside a view that computes, ${CPU_RATE}/s`,
    "A view that computes in Python holds the interpreter's lock: how evenly is the core shared?",
    { title: "a computing view", path: "/cpu", connections: SLOW_CLIENTS, rate: CPU_RATE },
  ),
  upload: transfer("upload"),
  download: transfer("download"),
  websocket: () => ({
    ...{ name: "websocket", own: true, ranked: "messagesPerSecond", interface: "asgi" },
    title: `WebSocket echo, ${WEBSOCKETS} connections, ${MESSAGE_BYTES} bytes`,
    about: "Messages there and back: what a chat or a live page costs.",
    load: { kind: "websocket", connections: WEBSOCKETS, bytes: MESSAGE_BYTES },
  }),
  http2: ({ requests, connections, hasApp }) =>
    http(
      {
        ...{ name: "http2", own: !hasApp, protocol: "h2" },
        title: `HTTP/2 over TLS, ${STREAMS} requests under way on each connection`,
        about: "Without a proxy in front: TLS and HTTP/2 by the server itself.",
      },
      { requests, connections: Math.min(connections, 16), streams: STREAMS },
    ),
  "sweep-connections": sweep("connections"),
  "sweep-workers": sweep("workers"),
  "sweep-threads": sweep("threads"),
  "designing-python-web-servers": () =>
    http(
      {
        ...{ name: "designing-python-web-servers", own: true, interface: "wsgi", baselines: true },
        title: `Designing Python Web Servers: ${ARTICLE.requests} requests, ${ARTICLE.connections} connections`,
        about:
          "The articles' table: each design of a server, and the servers, on the same app. Latencies are of the closed loop, as there.",
      },
      { requests: [get("/")], connections: ARTICLE.connections, count: ARTICLE.requests },
    ),
};

/** Presets that are several scenarios. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  all: Object.keys(SCENARIOS).filter((name) => name !== "designing-python-web-servers"),
  latency: ["slow-clients", "mixed", "blocking", "cpu"],
  transfers: ["upload", "download"],
  sweeps: ["sweep-connections", "sweep-workers", "sweep-threads"],
};

export const PRESET_NAMES: readonly string[] = [...Object.keys(SCENARIOS), ...Object.keys(GROUPS)];

/** Each scenario once, in the order of the table. */
export function scenariosOf(presets: readonly string[], options: ScenarioOptions): Scenario[] {
  const wanted = new Set(presets.flatMap((name) => GROUPS[name] ?? [name]));
  return Object.entries(SCENARIOS)
    .filter(([name]) => wanted.has(name))
    .map(([, make]) => make(options));
}
