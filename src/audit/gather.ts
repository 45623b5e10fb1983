/** From what the probes of all workers and the access log have recorded to one picture of each route. Pure. */
import { quantile } from "../compare/statistics.ts";
import type { Current, Facts, Frame, MemoryFacts, ProbeReport, ProbeRoute } from "./types.ts";
import type { ProbeStack, RouteFacts, Spot } from "./types.ts";

/** Of one request, as the edge measured it. */
export interface EdgeLine {
  readonly method: string;
  readonly target: string;
  readonly status: number;
  readonly bytes: number;
  readonly queueMs: number;
}

export interface Recorded {
  readonly probes: readonly ProbeReport[];
  readonly lines: readonly EdgeLine[];
  /** Estimated milliseconds of waiting for the GIL of all requests, by method and path; null: it cannot be known. */
  readonly gil: ReadonlyMap<string, number> | null;
  /** Seconds of load. */
  readonly seconds: number;
  readonly cores: number;
  readonly memoryMib: number;
  readonly peakPerSecond: number | null;
  readonly saturated: boolean;
  readonly current: Current;
}

/** Fewer requests that ran alone say nothing about memory. */
const ALONE_MIN = 50;
/** Points at the beginning that are warm-up: caches fill. */
const WARM_SHARE = 0.3;
const MEMORY_POINTS_MIN = 6;
const MEMORY_REQUESTS_MIN = 500;
const SPOTS_MAX = 5;
/** A spot is worth a line from this share of its route's time on. */
const SPOT_SHARE_MIN = 0.02;

export function gather(recorded: Recorded): Facts {
  const { probes, seconds, lines } = recorded;
  const names = new Set(probes.flatMap(({ routes }) => routes.map(({ route }) => route)));
  const queues = queuesOf(lines, probes);
  const routes = [...names].map((name) => routeFacts(name, recorded, queues.get(name) ?? []));
  routes.sort((a, b) => b.wall * b.count - a.wall * a.count);
  const requests = routes.reduce((sum, { count }) => sum + count, 0);
  const cpu = routes.reduce((sum, route) => sum + route.cpu * route.count, 0);
  const lags = probes.flatMap(({ lagsMs }) => lagsMs);
  const [first] = probes;
  return {
    found: first?.found ?? "",
    python: first?.python ?? "",
    freeThreaded: first?.freeThreaded ?? false,
    cores: recorded.cores,
    memoryMib: recorded.memoryMib,
    seconds,
    requests,
    perSecond: requests / seconds,
    peakPerSecond: recorded.peakPerSecond,
    saturated: recorded.saturated,
    activeMax: Math.max(0, ...probes.map(({ activeMax }) => activeMax)),
    poolMax: Math.max(0, ...probes.map(({ poolMax }) => poolMax)),
    lagP99: lags.length === 0 ? null : quantile(lags, 0.99),
    coresBusy: cpu / 1000 / seconds,
    current: recorded.current,
    routes,
    memory: memoryOf(probes),
  };
}

interface Queued {
  readonly queueMs: number;
  readonly bytes: number;
}

/** A line's route is that of its path; the probe has seen the same path. */
function queuesOf(
  lines: readonly EdgeLine[],
  probes: readonly ProbeReport[],
): ReadonlyMap<string, Queued[]> {
  const routes = new Map(probes.flatMap(({ paths }) => Object.entries(paths)));
  const queues = new Map<string, Queued[]>();
  for (const { method, target, queueMs, bytes } of lines) {
    const route = routes.get(`${method} ${target.split("?", 1)[0] ?? ""}`);
    if (route === undefined) continue;
    const list = queues.get(route) ?? [];
    list.push({ queueMs, bytes });
    queues.set(route, list);
  }
  return queues;
}

type Counted = Exclude<
  { [K in keyof ProbeRoute]: ProbeRoute[K] extends number ? K : never }[keyof ProbeRoute],
  undefined
>;

function routeFacts(name: string, recorded: Recorded, queued: readonly Queued[]): RouteFacts {
  const parts = recorded.probes.flatMap(({ routes }) => {
    return routes.filter(({ route }) => route === name);
  });
  const sum = (key: Counted): number => parts.reduce((total, part) => total + part[key], 0);
  const most = (key: Counted): number => Math.max(0, ...parts.map((part) => part[key]));
  const count = sum("count");
  const walls = parts.flatMap(({ wallsMs }) => wallsMs);
  const statuses = statusesOf(parts);
  const cpu = sum("cpuMs") / count;
  const core = sum("coreMs") / count;
  const wall = sum("wallMs") / count;
  const gil =
    recorded.gil === null ? undefined : gilOf(name, recorded.gil, recorded.probes) / count;
  const alone = sum("alone");
  const queues = queued.map(({ queueMs }) => queueMs);
  return {
    ...{ route: name, count, statuses, wall, cpu, core },
    failed: Math.max(sum("failed"), failuresOf(statuses)),
    p50: quantile(walls, 0.5),
    p99: quantile(walls, 0.99),
    worst: most("wallMaxMs"),
    wait: Math.max(0, wall - cpu - core - (gil ?? 0)),
    ...(gil === undefined ? {} : { gil }),
    held: sum("heldMs") / count,
    blocked: Math.max(0, sum("blockedMs") / count - (gil ?? 0)),
    longest: most("longestMs"),
    blockingShare: sum("blockingCalls") / count,
    poolShare: sum("poolCalls") / count,
    pool: sum("poolMs") / count,
    poolWait: sum("poolWaitMs") / count,
    queue: queues.length === 0 ? 0 : queues.reduce((a, b) => a + b, 0) / queues.length,
    queueP99: queues.length === 0 ? 0 : quantile(queues, 0.99),
    bytes:
      queued.length === 0
        ? sum("bytes") / count
        : queued.reduce((total, { bytes }) => total + bytes, 0) / queued.length,
    queries: sum("queries") / count,
    queriesMax: most("queriesMax"),
    query: sum("queryMs") / count,
    repeated: parts
      .map(({ repeated }) => repeated)
      .reduce((a, b) => ((b?.times ?? 0) > (a?.times ?? 0) ? b : a), null),
    ...(alone < ALONE_MIN ? {} : { growthKibPer1000: (sum("grownKib") / alone) * 1000 }),
    spots: spotsOf(
      recorded.probes.flatMap(({ stacks }) => stacks.filter(({ route }) => route === name)),
      { count, wall },
    ),
  };
}

function gilOf(
  name: string,
  waits: ReadonlyMap<string, number>,
  probes: readonly ProbeReport[],
): number {
  const paths = new Map(probes.flatMap(({ paths: known }) => Object.entries(known)));
  return [...waits].reduce((sum, [path, ms]) => (paths.get(path) === name ? sum + ms : sum), 0);
}

function statusesOf(parts: readonly ProbeRoute[]): Record<string, number> {
  const all: Record<string, number> = {};
  for (const { statuses } of parts) {
    for (const [status, count] of Object.entries(statuses)) {
      all[status] = (all[status] ?? 0) + count;
    }
  }
  return all;
}

function failuresOf(statuses: Readonly<Record<string, number>>): number {
  return Object.entries(statuses).reduce((sum, [status, count]) => {
    return Number(status) >= 500 ? sum + count : sum;
  }, 0);
}

function spotsOf(
  stacks: readonly ProbeStack[],
  { count, wall }: { readonly count: number; readonly wall: number },
): readonly Spot[] {
  const spots = new Map<string, { first: ProbeStack; ms: number; at: Frame }>();
  for (const stack of stacks) {
    const at = stack.frames[stack.app ?? 0];
    if (at === undefined) continue;
    const key = `${stack.kind} ${at.file}:${at.line}`;
    const known = spots.get(key);
    if (known === undefined) spots.set(key, { first: stack, ms: stack.ms, at });
    else known.ms += stack.ms;
  }
  return [...spots.values()]
    .map(({ first, ms, at }): Spot => {
      const [innermost] = first.frames;
      const within = first.app === 0 || first.app === null ? null : (innermost ?? null);
      const own = first.app !== null;
      return { kind: first.kind, ms: ms / count, at, own, within, stack: first.frames };
    })
    .filter(({ ms }) => ms >= wall * SPOT_SHARE_MIN)
    .sort((a, b) => b.ms - a.ms)
    .slice(0, SPOTS_MAX);
}

/**
 * The slope of resident memory over requests, after the warm-up, of the worker that grew most. Of the slopes of all of it and of its halves
 * the least: what levels off is no leak.
 */
export function memoryOf(probes: readonly ProbeReport[]): MemoryFacts | null {
  const all = probes.flatMap((probe): MemoryFacts[] => {
    const last = probe.memory.at(-1);
    if (last === undefined) return [];
    const points = probe.memory.slice(Math.floor(probe.memory.length * WARM_SHARE));
    const requests = last[0] - (points[0]?.[0] ?? 0);
    const enough = points.length >= MEMORY_POINTS_MIN && requests >= MEMORY_REQUESTS_MIN;
    const whole = enough ? line(points) : { slope: 0, fit: 0 };
    const half = points.length >> 1;
    const slope = enough
      ? Math.min(whole.slope, line(points.slice(0, half)).slope, line(points.slice(half)).slope)
      : 0;
    return [
      {
        pssMib: probe.pssKib === null ? null : probe.pssKib / 1024,
        residentMib: last[1] / 1024,
        growthKibPer1000: slope * 1000,
        fit: whole.fit,
        requests,
      },
    ];
  });
  return all.reduce<MemoryFacts | null>((most, one) => {
    return most === null || one.growthKibPer1000 > most.growthKibPer1000 ? one : most;
  }, null);
}

/** Least squares. */
function line(points: readonly (readonly [number, number])[]): { slope: number; fit: number } {
  const count = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count;
  let xx = 0;
  let xy = 0;
  let yy = 0;
  for (const [x, y] of points) {
    xx += (x - meanX) ** 2;
    xy += (x - meanX) * (y - meanY);
    yy += (y - meanY) ** 2;
  }
  if (xx === 0 || yy === 0) return { slope: 0, fit: 0 };
  return { slope: xy / xx, fit: xy ** 2 / (xx * yy) };
}
