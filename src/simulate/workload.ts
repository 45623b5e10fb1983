/** What clients ask for: routes, how often each, and what a request of each costs. */
import type { Distribution } from "./distribution.ts";
import type { Random } from "./random.ts";

export interface Route {
  readonly name: string;
  readonly weight: number;
  /** From the first line of the view to its last, on a machine with nothing else to do. */
  readonly service: Distribution;
  /** The share of it that is computing; the rest waits: for a database, for another server. */
  readonly cpuShare: number;
  /** What waits holds the event loop: a blocking call in an `async def`. */
  readonly blocking: boolean;
}

/** One request's cost, in the order in which it comes: computing, waiting, computing. */
export interface Cost {
  readonly cpuMs: number;
  readonly waitMs: number;
  readonly blocking: boolean;
}

export class Workload {
  readonly routes: readonly Route[];
  readonly #weights: number;

  constructor(routes: readonly Route[]) {
    this.routes = routes;
    this.#weights = routes.reduce((sum, { weight }) => sum + weight, 0);
  }

  /** Of a request, on average. */
  get meanMs(): number {
    return this.#average(({ service }) => service.mean);
  }

  get meanCpuMs(): number {
    return this.#average(({ service, cpuShare }) => service.mean * cpuShare);
  }

  sample(random: Random): Cost {
    const { service, cpuShare, blocking } = this.#pick(random);
    const ms = service.sample(random);
    return { cpuMs: ms * cpuShare, waitMs: ms * (1 - cpuShare), blocking };
  }

  #pick(random: Random): Route {
    const { routes } = this;
    let left = routes.length === 1 ? 0 : random() * this.#weights;
    for (const route of routes) {
      left -= route.weight;
      if (left < 0) return route;
    }
    return routes.at(-1)!;
  }

  #average(value: (route: Route) => number): number {
    return this.routes.reduce((sum, route) => sum + route.weight * value(route), 0) / this.#weights;
  }
}
