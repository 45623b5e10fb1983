/**
 * From the facts to settings: interface, worker kind, workers, threads, timeout, recycling. Every one says which measured figures it rests
 * on, also where it stays as it is. What a change would do is computed from the operational laws: a server does at most
 * cores / CPU requests a second, and at most places / time of a request. Pure.
 */
import { formatDuration } from "../config/values.ts";
import { grows } from "./findings.ts";
import type { Facts, Recommendation, Settings } from "./types.ts";
import { number, percent, plural, size, time } from "./words.ts";

/** Threads beyond what keeps the cores busy, for the unevenness of arrivals. */
const THREADS_MARGIN = 1.25;
const THREADS_MAX = 256;
/** Below this share of waiting an app is bound by the processor. */
const WAIT_SHARE = 0.1;
const GIL_SHARE = 0.2;
const BLOCKED_SHARE = 0.5;
const WORKERS_PER_CORE_MAX = 4;
/** Of the machine's memory, for workers. */
const MEMORY_SHARE = 0.7;
const POOL_SHARE = 0.9;
const TIMEOUT_REQUESTS_MIN = 200;
const TIMEOUT_MIN_MS = 5000;
const RECYCLE_MIN = 500;
const STEADY_REQUESTS_MIN = 2000;

/** Means over all requests, milliseconds. */
interface Request {
  readonly wall: number;
  readonly cpu: number;
  readonly wait: number;
  readonly gil: number;
  readonly core: number;
  readonly held: number;
  readonly blocked: number;
  readonly worst: number;
}

export function adviceOf(facts: Facts): readonly Recommendation[] {
  if (facts.requests === 0) return [];
  const request = meanOf(facts);
  const workers = workersFor(facts, request);
  return [
    interfaceFor(facts),
    kindFor(facts, request),
    workers,
    ...threadsFor(facts, request, Number(workers.recommended)),
    timeoutFor(facts, request),
    ...recyclingFor(facts),
  ];
}

/** What would be set otherwise. */
export function changesOf(advice: readonly Recommendation[]): Settings {
  const changed = advice.filter(({ current, recommended }) => current !== recommended);
  return Object.fromEntries(changed.map(({ setting, recommended }) => [setting, recommended]));
}

function meanOf({ routes, requests }: Facts): Request {
  const mean = (pick: (route: Facts["routes"][number]) => number): number =>
    routes.reduce((sum, route) => sum + pick(route) * route.count, 0) / requests;
  return {
    wall: mean(({ wall }) => wall),
    cpu: mean(({ cpu }) => cpu),
    wait: mean(({ wait }) => wait),
    gil: mean(({ gil }) => gil ?? 0),
    core: mean(({ core }) => core),
    held: mean(({ held }) => held),
    blocked: mean(({ blocked }) => blocked),
    worst: Math.max(0, ...routes.map(({ worst }) => worst)),
  };
}

function keep(setting: string, current: string, because: string): Recommendation {
  return { setting, current, recommended: current, because, effect: "" };
}

function interfaceFor({ current, routes, requests }: Facts): Recommendation {
  const threaded = routes.reduce((sum, { poolShare, count }) => sum + poolShare * count, 0);
  const share = threaded / requests;
  const { app, wsgiTwin } = current;
  if (current.interface === "asgi" && wsgiTwin !== null && share >= POOL_SHARE) {
    return {
      setting: "app",
      current: app,
      recommended: wsgiTwin,
      because: `${percent(share)} of the requests ran in a thread beside the event loop (sync views): under ASGI Django makes a thread and a database connection for each`,
      effect: "as WSGI they run in the worker's own threads, which keep their connections",
    };
  }
  const because =
    current.interface === "asgi"
      ? `ASGI: ${percent(1 - share)} of the requests ran on the event loop itself`
      : "it is a WSGI app";
  return keep("app", app, because);
}

function kindFor({ current }: Facts, { wait, wall }: Request): Recommendation {
  const { kind } = current;
  if (current.interface === "asgi") return keep("worker", kind, "the kind for ASGI");
  const waiting = `requests wait ${time(wait)} of ${time(wall)}`;
  if (kind === "sync" && wait >= wall * WAIT_SHARE) {
    return {
      setting: "worker",
      current: kind,
      recommended: "threads",
      because: waiting,
      effect: "a worker serves others while a request waits, instead of one at a time",
    };
  }
  const why =
    wait >= wall * WAIT_SHARE ? waiting : `${waiting}, and threads cost nothing where none waits`;
  return keep("worker", kind, why);
}

function workersFor(facts: Facts, request: Request): Recommendation {
  const { current, cores, memory, memoryMib } = facts;
  const now = current.workers;
  const share = memory?.pssMib ?? memory?.residentMib ?? 0;
  const roomFor =
    share > 0
      ? Math.max(1, Math.floor((memoryMib * MEMORY_SHARE) / share))
      : Number.MAX_SAFE_INTEGER;
  const ofCores = cores / (request.cpu / 1000);
  const blocks = current.interface === "asgi" && request.blocked >= request.held * BLOCKED_SHARE;
  const per = blocks && request.held > 0 ? request.held / Math.max(request.cpu, 0.01) : 1;
  const fitting = Math.ceil(cores * Math.min(per, WORKERS_PER_CORE_MAX));
  const wanted = Math.min(roomFor, fitting);
  const cpu = `${time(request.cpu)} of CPU a request on ${plural(cores, "core")}`;
  const change = { setting: "workers", current: String(now), recommended: String(wanted) };
  if (wanted > now) {
    const most = (workers: number): number => {
      const loops = blocks ? workers / (request.held / 1000) : ofCores;
      return Math.min(loops, (Math.min(workers, cores) / cores) * ofCores);
    };
    const because = blocks
      ? `a request holds its event loop for ${time(request.held)}, ${percent(request.blocked / request.held)} of it in blocking calls, and needs ${cpu}`
      : cpu;
    const why = blocks ? "; with the blocking calls gone, one for each core is enough" : "";
    return {
      ...change,
      because,
      effect: `at most ${number(most(wanted))} requests a second instead of ${number(most(now))}${why}`,
    };
  }
  const bound = request.wait < request.wall * WAIT_SHARE;
  if (wanted < now && (wanted === roomFor || bound)) {
    const memoryText = share > 0 ? ` and saves ${size((now - wanted) * share * 1024 * 1024)}` : "";
    return {
      ...change,
      because:
        wanted === roomFor ? `${size(share * 1024 * 1024)} a worker` : `${cpu}, hardly any waiting`,
      effect: `more workers than cores do not compute faster: it costs nothing${memoryText}`,
    };
  }
  const peak = facts.peakPerSecond;
  const log = peak === null ? "" : `; ${peakText(peak, (peak * request.cpu) / 1000, cores)}`;
  return keep("workers", String(now), cpu + log);
}

/** `busy`: how many cores a peak of so many requests a second computes on. */
function peakText(peak: number, busy: number, cores: number): string {
  const when = `the log's peak of ${number(peak)} a second`;
  const needed = busy < 0.1 ? "less than 0.1" : number(busy);
  if (busy <= cores) return `${when} keeps ${needed} of them busy`;
  return `${when} needs ${needed} cores, more than there are: requests would wait, whatever is set here`;
}

function threadsFor(facts: Facts, request: Request, workers: number): Recommendation[] {
  const { current, cores, activeMax } = facts;
  if (current.kind === "asyncio") return [];
  const now = current.kind === "sync" ? 1 : current.threads;
  const { wall, cpu, wait, gil, core } = request;
  const busy = Math.max(cpu, 0.01);
  const change = { setting: "threads", current: String(current.threads) };
  // Behind a holder that has no core it is the machine that is waited for.
  if (gil >= wall * GIL_SHARE && core < wall * GIL_SHARE && now > 2) {
    return [
      {
        ...change,
        recommended: String(Math.max(2, Math.ceil(now / 4))),
        because: `a request waits ${time(gil)} of its ${time(wall)} for the GIL (estimated)`,
        effect: "fewer threads contend for it; the work is done by the workers beside each other",
      },
    ];
  }
  const each = Math.min(1, cores / workers);
  const needed = Math.ceil((1 + wait / busy) * each * THREADS_MARGIN) + 1;
  const wanted = Math.min(THREADS_MAX, needed);
  const figures = `a request waits ${time(wait)} and computes ${time(cpu)}`;
  if (wanted > now) {
    const places = (threads: number): number =>
      Math.min(cores / (busy / 1000), (workers * threads) / (wall / 1000));
    return [
      {
        ...change,
        recommended: String(wanted),
        because: `${figures}: ${plural(wanted, "thread")} keep its worker's core busy`,
        effect: `at most ${number(places(wanted))} requests a second instead of ${number(places(now))}`,
      },
    ];
  }
  return [
    keep(
      "threads",
      String(current.threads),
      `${figures}; at most ${activeMax} ran at once in a worker`,
    ),
  ];
}

function timeoutFor({ current, requests }: Facts, { worst }: Request): Recommendation {
  const now = formatDuration(current.timeoutMs);
  const because = `the slowest request took ${time(worst)}`;
  if (current.timeoutMs > 0 && worst * 2 > current.timeoutMs) {
    return {
      setting: "timeout",
      current: now,
      recommended: formatDuration(Math.ceil((worst * 3) / 1000) * 1000),
      because,
      effect: "a request that is a little slower than those seen is not cut off",
    };
  }
  const tight = Math.max(TIMEOUT_MIN_MS, Math.ceil((worst * 10) / 1000) * 1000);
  const loose = current.timeoutMs === 0 || tight * 2 <= current.timeoutMs;
  if (!loose || requests < TIMEOUT_REQUESTS_MIN) return keep("timeout", now, because);
  return {
    setting: "timeout",
    current: now,
    recommended: formatDuration(tight),
    because: `${because}, of ${plural(requests, "request")}`,
    effect: `a request that hangs is given up after ${formatDuration(tight)} instead of ${current.timeoutMs === 0 ? "never" : now}`,
  };
}

function recyclingFor({ current, memory }: Facts): Recommendation[] {
  const now = String(current.maxRequests);
  if (memory === null) return [];
  const { growthKibPer1000, fit, residentMib, requests } = memory;
  if (!grows(growthKibPer1000, fit)) {
    const steady = `memory does not grow steadily, over ${plural(requests, "request")}`;
    if (current.maxRequests === 0) return [keep("max-requests", now, steady)];
    if (requests < STEADY_REQUESTS_MIN) {
      return [keep("max-requests", now, `${steady}: too few to do without`)];
    }
    return [
      {
        setting: "max-requests",
        current: now,
        recommended: "0",
        because: steady,
        effect: "no restarts that nothing asks for",
      },
    ];
  }
  const half = (residentMib * 1024 * 0.5 * 1000) / growthKibPer1000;
  const wanted = Math.max(RECYCLE_MIN, twoDigits(half));
  if (current.maxRequests > 0 && current.maxRequests <= wanted) {
    return [
      keep(
        "max-requests",
        now,
        `a worker grows by ${size(growthKibPer1000 * 1024)} in 1000 requests`,
      ),
    ];
  }
  const because = `a worker of ${number(residentMib)} MiB grows by ${size(growthKibPer1000 * 1024)} in 1000 requests`;
  const effect = `it stays below ${number(residentMib * 1.5)} MiB`;
  const jitter = { setting: "max-requests-jitter", recommended: String(Math.round(wanted / 10)) };
  return [
    { setting: "max-requests", current: now, recommended: String(wanted), because, effect },
    {
      ...jitter,
      current: "0",
      because: "the same",
      effect: "workers are not replaced all at once",
    },
  ];
}

/** 1234 is 1200. */
function twoDigits(value: number): number {
  const scale = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);
  return Math.round(value / scale) * scale;
}
