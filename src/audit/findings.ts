/** What stands out in the facts, the costliest first: each with its place and what to do about it. Pure. */
import type { Facts, Finding, RouteFacts, Spot, StackKind } from "./types.ts";
import { number, percent, plural, size, time, where } from "./words.ts";

/** An event loop that is held for as long keeps every other request waiting. */
const BLOCKED_MS = 2;
/** Below this share of what holds it, it may as well be noise of a busy machine. */
const BLOCKED_SHARE = 0.25;
const COMPUTES_MS = 5;
/** A share of a route's calls that makes it more than an accident. */
const OFTEN = 0.05;
const WAITS_MS = 5;
/** Of the time of all requests. */
const WEIGHTY = 0.1;
const REPEATED_MIN = 5;
const QUEUE_MS = 2;
const DATABASE_SHARE = 0.5;
const POOL_WAIT_MS = 5;
/** AnyIO's default. */
const POOL_THREADS = 40;
/** KiB for each 1000 requests. */
const GROWTH_KIB = 512;
const GROWTH_FIT = 0.6;

export function findingsOf(facts: Facts): readonly Finding[] {
  const total = facts.routes.reduce((sum, { wall, count }) => sum + wall * count, 0);
  const found = facts.routes.flatMap((route) => [
    ...loopFindings(facts, route),
    ...databaseFindings(route),
    ...waitFindings(facts, route, total),
    ...poolFindings(facts, route),
    ...failureFindings(route),
  ]);
  return [...found, ...wholeFindings(facts)].sort(order);
}

const RANK = { high: 0, medium: 1, low: 2 };

function order(a: Finding, b: Finding): number {
  return RANK[a.severity] - RANK[b.severity] || b.cost - a.cost;
}

function spotOf(route: RouteFacts, ...kinds: readonly StackKind[]): Spot | null {
  for (const wanted of kinds) {
    const fitting = route.spots.filter(({ kind }) => kind === wanted);
    const spot = fitting.find(({ own }) => own) ?? fitting[0];
    if (spot !== undefined) return spot;
  }
  return null;
}

/** ` in time.sleep(1) at app.py:3`, or nothing where it was not seen. */
function at(spot: Spot | null): string {
  return spot === null ? "" : ` ${where(spot)}`;
}

function loopFindings({ current }: Facts, route: RouteFacts): Finding[] {
  if (current.interface !== "asgi" || route.blockingShare < OFTEN) return [];
  const found: Finding[] = [];
  if (route.blocked >= Math.max(BLOCKED_MS, route.held * BLOCKED_SHARE)) {
    found.push({
      route: route.route,
      severity: "high",
      text: `${route.route} blocks the event loop ${time(route.blocked)}${at(spotOf(route, "wait", "run"))}`,
      remedy:
        "make the view `def`, so that it runs in a thread, or use await with an asynchronous library; a blocking call in an `async def` stops every other request of its worker",
      cost: route.blocked * route.count,
    });
  }
  const computes = Math.min(route.held - route.blocked, route.cpu);
  if (computes >= COMPUTES_MS) {
    found.push({
      route: route.route,
      severity: "medium",
      text: `${route.route} computes ${time(computes)} on the event loop${at(spotOf(route, "cpu"))}`,
      remedy:
        "other requests of its worker wait meanwhile: do less, cache it, or move it to a process pool or a task queue (a thread helps little, for the GIL is held); more workers spread it",
      cost: computes * route.count,
    });
  }
  return found;
}

function databaseFindings(route: RouteFacts): Finding[] {
  const { repeated } = route;
  if (repeated !== null && repeated.times >= REPEATED_MIN) {
    const line = repeated.line === null ? "" : ` at ${repeated.line}`;
    return [
      {
        route: route.route,
        severity: repeated.ms >= route.wall * WEIGHTY ? "high" : "medium",
        text: `${route.route} sends one statement ${repeated.times} times in a request${line} (N+1): ${time(repeated.ms)} in the database; ${shortened(repeated.sql)}`,
        remedy:
          "fetch it with the list: select_related or prefetch_related in Django, joinedload or selectinload in SQLAlchemy",
        cost: repeated.ms * route.count,
      },
    ];
  }
  if (route.query < route.wall * DATABASE_SHARE || route.query < WAITS_MS) return [];
  return [
    {
      route: route.route,
      severity: "medium",
      text: `${route.route} spends ${time(route.query)} of its ${time(route.wall)} in ${plural(route.queries, "query", "queries")}`,
      remedy: "look at the plans of its queries (EXPLAIN): an index, fewer columns, or a cache",
      cost: route.query * route.count,
    },
  ];
}

function shortened(sql: string): string {
  return sql.length > 90 ? `${sql.slice(0, 87)}...` : sql;
}

function waitFindings({ current }: Facts, route: RouteFacts, total: number): Finding[] {
  const cost = route.wait * route.count;
  if (route.query >= route.wait * DATABASE_SHARE && route.query > 0) return [];
  if (route.wait < WAITS_MS || cost < total * WEIGHTY || route.blocked >= BLOCKED_MS) return [];
  const spot = spotOf(route, "pool", "await", "wait");
  if (current.interface === "asgi" && spot?.own !== true) return [];
  if (current.interface === "wsgi" && route.repeated === null) {
    return [
      {
        route: route.route,
        severity: "medium",
        text: `${route.route} waits ${time(route.wait)} of its ${time(route.wall)}${at(spot)}`,
        remedy: `it holds one of the worker's threads meanwhile: enough --threads, a time limit on what it waits for, or a cache`,
        cost,
      },
    ];
  }
  return [
    {
      route: route.route,
      severity: "low",
      text: `${route.route} waits ${time(route.wait)} of its ${time(route.wall)}${at(spot)}; other requests run meanwhile`,
      remedy: "nothing for the server: what it waits for sets its speed",
      cost,
    },
  ];
}

function poolFindings({ poolMax }: Facts, route: RouteFacts): Finding[] {
  if (route.poolWait < POOL_WAIT_MS || route.poolShare < OFTEN) return [];
  // Else what is late is the event loop, and who holds it is a finding of its own.
  if (poolMax < POOL_THREADS) return [];
  return [
    {
      route: route.route,
      severity: "medium",
      text: `${route.route} waits ${time(route.poolWait)} for a free thread`,
      remedy:
        "the thread pool of the event loop is full (40 threads in AnyIO): more workers, or `async def` with await",
      cost: route.poolWait * route.count,
    },
  ];
}

function failureFindings(route: RouteFacts): Finding[] {
  if (route.failed === 0) return [];
  return [
    {
      route: route.route,
      severity: route.failed >= route.count * OFTEN ? "high" : "medium",
      text: `${route.route} failed ${plural(route.failed, "time")} of ${number(route.count)} (500 and above, or an exception)`,
      remedy:
        "figures of failing requests say little: serve it and ask for it once, the log has the traceback",
      cost: route.failed * route.wall,
    },
  ];
}

function wholeFindings(facts: Facts): Finding[] {
  const found: Finding[] = [];
  const { memory, routes, lagP99 } = facts;
  const queued = routes.filter(({ queueP99 }) => queueP99 >= QUEUE_MS);
  if (queued.length > 0) {
    const worst = queued.reduce((a, b) => (b.queueP99 > a.queueP99 ? b : a));
    const cost = queued.reduce((sum, { queue, count }) => sum + queue * count, 0);
    found.push({
      route: null,
      severity: facts.saturated ? "low" : "medium",
      text: `requests wait for a free worker: ${worst.route} ${time(worst.queue)} on average, 1 in 100 ${time(worst.queueP99)} and longer`,
      remedy: facts.saturated
        ? "the clients asked for all that could be answered; --rate asks for what your users do"
        : "see the recommended number of workers and threads",
      cost,
    });
  }
  if (memory !== null && grows(memory.growthKibPer1000, memory.fit)) {
    const leak = leaking(routes);
    found.push({
      route: null,
      severity: "high",
      text: `a worker grows by ${size(memory.growthKibPer1000 * 1024)} in 1000 requests${leak}`,
      remedy:
        "look for what is kept (caches without bound, lists of a module); until then recycle workers",
      cost: 0,
    });
  }
  if (lagP99 !== null && lagP99 >= QUEUE_MS && found.length === 0) {
    found.push({
      route: null,
      severity: "low",
      text: `the event loop gets to what is ready up to ${time(lagP99)} late (P99)`,
      remedy: "shorter steps, or more workers",
      cost: 0,
    });
  }
  return found;
}

export function grows(kibPer1000: number, fit: number): boolean {
  return kibPer1000 >= GROWTH_KIB && fit >= GROWTH_FIT;
}

function leaking(routes: readonly RouteFacts[]): string {
  const grown = routes.filter(({ growthKibPer1000 }) => (growthKibPer1000 ?? 0) >= GROWTH_KIB);
  if (grown.length === 0) return " (--clients 1 tells in which route)";
  const most = grown.reduce((a, b) => {
    return (b.growthKibPer1000 ?? 0) * b.count > (a.growthKibPer1000 ?? 0) * a.count ? b : a;
  });
  const sum = grown.reduce(
    (total, route) => total + (route.growthKibPer1000 ?? 0) * route.count,
    0,
  );
  const share = ((most.growthKibPer1000 ?? 0) * most.count) / sum;
  return `, ${percent(share)} of it in ${most.route}`;
}
