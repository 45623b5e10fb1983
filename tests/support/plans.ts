/** Plans for tests of the simulation: one worker on one core, each request on a connection of its own. */
import { parseDistribution } from "../../src/simulate/distribution.ts";
import type { Plan } from "../../src/simulate/simulate.ts";
import { type Route, Workload } from "../../src/simulate/workload.ts";

type Written = Partial<Omit<Route, "service">> & { service: string };

function routeOf({ service, ...rest }: Written): Route {
  const read = parseDistribution(service);
  if (typeof read === "string") throw new Error(read);
  return { name: "/", weight: 1, cpuShare: 1, blocking: false, ...rest, service: read };
}

/** One route by its distribution, or several. */
export function workloadOf(first: string | Written, ...more: readonly Written[]): Workload {
  const written = typeof first === "string" ? { service: first } : first;
  return new Workload([written, ...more].map(routeOf));
}

export function planOf(changes: Partial<Plan> & Pick<Plan, "workload">): Plan {
  return {
    ...{ model: "keelback", interface: "wsgi", nodes: 1, cores: 1, workers: 1, threads: 16 },
    ...{ rate: 10, arrivals: "poisson", connections: 0, fresh: 0, balance: "round-robin" },
    ...{ seconds: 20, warmupSeconds: 5, seed: 1, queueMax: 10_000, queueTimeoutMs: 30_000 },
    ...changes,
  };
}
