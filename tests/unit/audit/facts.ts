/** Facts for tests, with what matters put in. */
import type { Facts, RouteFacts, Spot, StackKind } from "../../../src/audit/types.ts";

export function spot(kind: StackKind, code: string, line: number = 31): Spot {
  const at = { file: "app.py", line, function: "view", code };
  return { kind, ms: 1, at, own: true, within: null, stack: [at] };
}

export function route(given: Partial<RouteFacts> = {}): RouteFacts {
  return {
    ...{ route: "GET /", count: 1000, failed: 0, statuses: { "200": 1000 } },
    ...{ wall: 2, p50: 2, p99: 4, worst: 10, cpu: 1, core: 0, wait: 1 },
    ...{ held: 0, blocked: 0, longest: 0, blockingShare: 0 },
    ...{ poolShare: 0, pool: 0, poolWait: 0, queue: 0, queueP99: 0 },
    ...{ bytes: 100, queries: 0, queriesMax: 0, query: 0, repeated: null, spots: [] },
    ...given,
  };
}

export interface Given extends Partial<Omit<Facts, "current">> {
  readonly current?: Partial<Facts["current"]>;
}

export function facts(given: Given = {}): Facts {
  const { current, ...rest } = given;
  const routes = given.routes ?? [route()];
  return {
    ...{ found: "main:app (Flask, WSGI)", python: "3.13.0", freeThreaded: false },
    ...{
      cores: 4,
      memoryMib: 16_000,
      seconds: 10,
      perSecond: 100,
      peakPerSecond: null,
      saturated: false,
    },
    ...{ activeMax: 4, poolMax: 0, lagP99: null, coresBusy: 1, memory: null },
    requests: routes.reduce((sum, { count }) => sum + count, 0),
    ...rest,
    routes,
    current: {
      ...{ app: "main:app", interface: "wsgi", kind: "threads", workers: 4, threads: 16 },
      ...{ timeoutMs: 30_000, maxRequests: 0, wsgiTwin: null },
      ...current,
    },
  };
}

export const ASGI = { interface: "asgi", kind: "asyncio" } as const;
