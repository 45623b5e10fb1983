/** One run: so many nodes, so many requests a second, and what clients would see. Pure; the same seed gives the same run. */
import { Clients } from "./clients.ts";
import { Events } from "./events.ts";
import type { Node } from "./job.ts";
import { KeelbackNode } from "./keelback.ts";
import { PinnedNode } from "./pinned.ts";
import { exponential, type Random, randomOf } from "./random.ts";
import type { Workload } from "./workload.ts";

/** Keelback, with event loops or threads; and what others do (pinned.ts). */
export const MODELS = ["keelback", "loop", "gthread", "sync"] as const;
export type Model = (typeof MODELS)[number];

export const BALANCES = ["round-robin", "random", "least"] as const;
export type Balance = (typeof BALANCES)[number];

export interface Plan {
  readonly model: Model;
  /** Of keelback: what its workers are. */
  readonly interface: "wsgi" | "asgi";
  readonly nodes: number;
  /** Of each node. */
  readonly cores: number;
  readonly workers: number;
  readonly threads: number;
  /** Of all nodes. */
  readonly rate: number;
  readonly arrivals: "poisson" | "even";
  /** Kept ones, of all nodes; 0: every request on its own. */
  readonly connections: number;
  /** Share of the requests that are each on a new connection. */
  readonly fresh: number;
  /** How requests come to the nodes. */
  readonly balance: Balance;
  readonly workload: Workload;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly seed: number;
  /** Of keelback: most requests that wait, and how long. */
  readonly queueMax: number;
  readonly queueTimeoutMs: number;
}

/** Milliseconds, from when a request was due. */
export interface Outcome {
  /** Requests that were due, answered and refused in the measured time; of the rest nothing was heard until its end. */
  readonly due: number;
  readonly answered: number;
  readonly refused: number;
  readonly throughput: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly worst: number;
  /** Least and most of the P99 of five equal parts of the run: how much chance is in it. */
  readonly p99Spread: readonly [number, number];
  /** Shares, 0 to 1. */
  readonly coresBusy: number;
  readonly workersBusy: number;
  /** More came than was answered. */
  readonly saturated: boolean;
}

const PARTS = 5;
/** What may be missing at the end without being a sign of more than the server can do. */
const SATURATED_SHARE = 0.98;
/** How long the last ones are waited for after the end. */
const LINGER_MS = 10_000;
/** Tasks of an event loop (--concurrency). */
const TASKS_MAX = 1000;

export function simulate(plan: Plan): Outcome {
  const random = randomOf(plan.seed);
  const events = new Events();
  const from = plan.warmupSeconds * 1000;
  const end = from + plan.seconds * 1000;
  const tally = new Tally(from, end);
  const connections = Math.ceil(plan.connections / plan.nodes);
  const nodes = Array.from({ length: plan.nodes }, () => nodeOf(plan, events, connections, random));
  const clients = nodes.map((node) => {
    const settings = { connections, fresh: plan.fresh, random };
    return new Clients(events, node, settings, (dueAt, refused) =>
      tally.add(dueAt, events.now, refused),
    );
  });
  const choose = balancer(plan.balance, clients, random);
  const gap = 1000 / plan.rate;
  const next = (): void => {
    tally.came(events.now);
    choose().ask(plan.workload.sample(random));
    const after = plan.arrivals === "even" ? gap : gap * exponential(random);
    if (events.now + after < end) events.after(after, next);
  };
  events.after(plan.arrivals === "even" ? gap : gap * exponential(random), next);
  events.run(from);
  const before = usage(nodes);
  events.run(end);
  const used = usage(nodes);
  events.run(end + LINGER_MS);
  for (const node of nodes) node.close();
  const wallMs = plan.seconds * 1000 * plan.nodes;
  return {
    ...tally.outcome(plan.seconds),
    coresBusy: (used.cores - before.cores) / (wallMs * plan.cores),
    workersBusy: (used.workers - before.workers) / (wallMs * plan.workers),
  };
}

function nodeOf(plan: Plan, events: Events, connections: number, random: Random): Node {
  const { model, cores, workers, threads, queueMax, queueTimeoutMs } = plan;
  if (model !== "keelback") {
    const kind = model === "gthread" ? "threads" : model;
    return new PinnedNode(events, { kind, cores, workers, threads, connections }, random);
  }
  const asgi = plan.interface === "asgi";
  return new KeelbackNode(events, {
    ...{ form: asgi ? "asgi" : "cgi", concurrency: asgi ? TASKS_MAX : threads },
    ...{ cores, workers, queueMax, queueTimeoutMs },
  });
}

function balancer(balance: Balance, clients: readonly Clients[], random: Random): () => Clients {
  if (clients.length === 1) return () => clients[0]!;
  let turn = 0;
  switch (balance) {
    case "random":
      return () => clients[Math.floor(random() * clients.length)]!;
    case "least":
      return () => clients.reduce((best, one) => (one.open < best.open ? one : best));
    case "round-robin":
      return () => clients[turn++ % clients.length]!;
  }
}

/** Milliseconds of cores and of interpreters so far. */
function usage(nodes: readonly Node[]): { cores: number; workers: number } {
  let cores = 0;
  let workers = 0;
  for (const node of nodes) {
    cores += node.cores.usedMs;
    for (const { busyMs } of node.interpreters) workers += busyMs;
  }
  return { cores, workers };
}

/** What clients saw of the requests that were due between two moments. */
class Tally {
  readonly #from: number;
  readonly #end: number;
  readonly #parts: number[][] = Array.from({ length: PARTS }, () => []);
  #due = 0;
  #refused = 0;
  /** Answered within the time, whenever they were due. */
  #within = 0;

  constructor(from: number, end: number) {
    this.#from = from;
    this.#end = end;
  }

  came(now: number): void {
    if (now >= this.#from) this.#due += 1;
  }

  add(dueAt: number, now: number, refused: boolean): void {
    if (!refused && now >= this.#from && now < this.#end) this.#within += 1;
    if (dueAt < this.#from) return;
    if (refused) this.#refused += 1;
    else {
      const part = Math.floor(((dueAt - this.#from) / (this.#end - this.#from)) * PARTS);
      this.#parts[Math.min(part, PARTS - 1)]!.push(now - dueAt);
    }
  }

  outcome(seconds: number): Omit<Outcome, "coresBusy" | "workersBusy"> {
    const parts = this.#parts.map((part) => Float64Array.from(part).sort());
    const all = Float64Array.from(this.#parts.flat()).sort();
    const tails = parts.filter(({ length }) => length > 0).map((part) => quantile(part, 0.99));
    const sum = all.reduce((total, ms) => total + ms, 0);
    return {
      due: this.#due,
      answered: all.length,
      refused: this.#refused,
      throughput: this.#within / seconds,
      mean: all.length === 0 ? Number.NaN : sum / all.length,
      p50: quantile(all, 0.5),
      p90: quantile(all, 0.9),
      p99: quantile(all, 0.99),
      p999: quantile(all, 0.999),
      worst: quantile(all, 1),
      p99Spread: [Math.min(...tails), Math.max(...tails)],
      saturated: this.#within < this.#due * SATURATED_SHARE,
    };
  }
}

/** Nearest rank, of ascending values. */
function quantile(sorted: Float64Array, fraction: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * fraction) - 1)] ?? Number.NaN;
}
