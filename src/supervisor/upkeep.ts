/**
 * Looks after workers that serve: those that have had their number of requests or take too much
 * memory are replaced, or killed, and their number follows the load where it may. Without such
 * settings nothing is looked at, and no timer runs.
 */
import type { Config } from "../config/config.ts";
import { boundedWorkers } from "../config/worker-rules.ts";
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../observe/log.ts";
import type { FleetEffect, RecycleReason } from "./fleet/crew.ts";
import { EdgeLoad } from "./edge-load.ts";
import type { EdgeStats } from "./edge-load.ts";
import type { Fleet } from "./fleet/fleet.ts";
import { memoryOf } from "./workers/memory.ts";
import type { Notices } from "./notices.ts";
import { judgeMemory } from "./fleet/recycling.ts";
import { Scaling } from "./fleet/scaling.ts";
import type { ScalingLimits } from "./fleet/scaling.ts";

const LOOK_MS = 250;
/** Memory grows over seconds: so many looks later. */
const LOOKS_PER_WEIGHING = 4;

export interface UpkeepOptions {
  readonly fleet: Fleet;
  readonly notices: Notices;
  readonly log: Logger;
  readonly clock: Clock;
  pid(worker: number): number;
  /** The edges are to send their stats. */
  askEdges(): void;
  apply(effects: readonly FleetEffect[]): void;
}

export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #load = new EdgeLoad();
  #config: Config;
  #scaling: Scaling | null = null;
  #timer: Timer | null = null;
  #looks = 0;
  /** Workers that were said to be beyond the soft bound. */
  readonly #outgrown = new Set<number>();

  constructor(config: Config, options: UpkeepOptions) {
    this.#config = config;
    this.#options = options;
  }

  /** From now on, by these settings. */
  start(config: Config): void {
    this.stop();
    this.#config = config;
    const limits = scalingLimits(config);
    if (limits === null) this.#scaling = null;
    else if (this.#scaling === null) this.#scaling = new Scaling(limits);
    else this.#scaling.limits = limits;
    if (this.#scaling === null && !watchesMemory(config)) return;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** So many workers there shall be; answers how many there will be. */
  scale(wanted: number, why: string): number {
    const { fleet, log, clock } = this.#options;
    const before = fleet.target;
    const count = boundedWorkers(this.#config, wanted);
    if (count !== before) {
      log.info(`${count} worker${count === 1 ? "" : "s"} instead of ${before}: ${why}`);
      this.#options.apply(fleet.scale(count, clock.now()));
    }
    return count;
  }

  /** No worker at all, until a reload or scale() brings them back. */
  rest(why: string): void {
    const { fleet, log, clock } = this.#options;
    log.info(`no workers from now on: ${why}; SIGHUP or SIGTTIN brings them back`);
    this.#options.apply(fleet.rest(clock.now()));
  }

  recycle(worker: number, why: RecycleReason): void {
    const { fleet, clock } = this.#options;
    this.#options.apply(fleet.recycle(worker, why, clock.now()));
  }

  edgeStats(edge: number, stats: EdgeStats): void {
    this.#load.heard(edge, stats);
  }

  #look(): void {
    this.#looks += 1;
    if (watchesMemory(this.#config) && this.#looks % LOOKS_PER_WEIGHING === 0) this.#weigh();
    const { fleet, clock } = this.#options;
    const count = fleet.target;
    if (this.#scaling === null || count === 0) return;
    const ready = fleet.workers.filter(({ state }) => state === "ready").length;
    const wanted = this.#scaling.look(this.#load.take(), { count, ready }, clock.now());
    this.scale(wanted, wanted > count ? "requests wait" : "so many are enough");
    this.#options.askEdges();
  }

  #weigh(): void {
    const { fleet, notices, clock } = this.#options;
    const { maxWorkerMemoryBytes: soft, maxWorkerMemoryBytesHard: hard } = this.#config;
    const { workers } = fleet;
    for (const { id, state } of workers) {
      if (state !== "ready" && state !== "draining") continue;
      const bytes = memoryOf(this.#options.pid(id), soft === 0 ? hard : soft) ?? 0;
      const verdict = judgeMemory(bytes, { soft, hard });
      if (verdict === "kill") {
        notices.memory(id, bytes, { max: hard, name: "max-worker-memory-hard" });
        this.#options.apply(fleet.outgrown(id, clock.now()));
      } else if (verdict === "recycle" && !this.#outgrown.has(id)) {
        this.#outgrown.add(id);
        notices.memory(id, bytes, { max: soft, name: "max-worker-memory" });
        this.recycle(id, "memory");
      }
    }
    const present = new Set(workers.map(({ id }) => id));
    for (const id of this.#outgrown) if (!present.has(id)) this.#outgrown.delete(id);
  }
}

function watchesMemory(config: Config): boolean {
  return config.maxWorkerMemoryBytes > 0 || config.maxWorkerMemoryBytesHard > 0;
}

function scalingLimits({ minWorkers, maxWorkers, workerIdleMs }: Config): ScalingLimits | null {
  if (minWorkers === 0 || maxWorkers === 0) return null;
  return { min: minWorkers, max: maxWorkers, idleMs: workerIdleMs };
}
