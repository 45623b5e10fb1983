/**
 * The supervisor of one running server: edges, zygotes and workers, kept alive and replaced. It
 * touches no request. What to do about workers is decided by fleet.ts; here it is done. `done`
 * resolves once, when every process is gone and the private directory is removed.
 */
import type { Clock } from "../core/clock.ts";
import type { Config } from "../config/config.ts";
import { descriptorsMax } from "../net/libc.ts";
import type { Listener } from "../net/open-result.ts";
import { closeListeners } from "../net/sockets.ts";
import { errorText } from "../observe/log.ts";
import type { Logger } from "../observe/log.ts";
import type { ControlServer } from "./control.ts";
import { serveControl } from "./control.ts";
import type { AppFacts, ConversationOwner } from "./conversation.ts";
import { Conversation } from "./conversation.ts";
import { makePrivateDirectory } from "./directory.ts";
import type { PrivateDirectory } from "./directory.ts";
import { Edges } from "./edges.ts";
import type { EdgesOwner, StuckReport } from "./edges.ts";
import { failureText } from "./failure.ts";
import { Fleet } from "./fleet.ts";
import type { Failure } from "./failure.ts";
import type { FleetEffect } from "./fleet.ts";
import { Generations } from "./generations.ts";
import { serveOutput } from "./output.ts";
import type { WorkerEvent } from "./lifecycle.ts";
import { exitText, wasKilled, WorkerProcesses } from "./processes.ts";
import type { ExitStatus } from "./processes.ts";
import { KILL_MS, SHUTDOWN_MS, workerLimits, workerSettings } from "./worker-settings.ts";

/** Node's and Bun's timers count in 31 bits. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export type Outcome = { readonly code: 0 } | { readonly code: 1; readonly failure: Failure };

/** What a generation of workers is made of; a reload may bring another one. */
export interface LaunchPlan {
  readonly config: Config;
  readonly app: string;
  readonly interpreter: string;
}

export interface SupervisorOptions {
  readonly plan: LaunchPlan;
  readonly listeners: readonly Listener[];
  readonly log: Logger;
  readonly clock: Clock;
  /** Program and arguments of an edge. */
  readonly edgeCommand: readonly string[];
  /** python/keelback/__main__.py */
  readonly pythonEntry: string;
  readonly runtimeDirectory: string | undefined;
  /** The first generation serves. */
  serving(facts: AppFacts): void;
  /** Development: the app does not start, a change is waited for. */
  waiting(failure: Failure): void;
}

export class Supervisor implements EdgesOwner, ConversationOwner {
  readonly done: Promise<Outcome>;
  readonly #options: SupervisorOptions;
  readonly #fleet: Fleet;
  readonly #edges: Edges;
  readonly #generations: Generations;
  readonly #processes: WorkerProcesses;
  readonly #directory: PrivateDirectory;
  readonly #servers: ControlServer[];
  readonly #resolve: (outcome: Outcome) => void;
  #facts: AppFacts;
  /** Of the generation that serves, and of the newest one. */
  #plan: LaunchPlan;
  #nextPlan: LaunchPlan;
  #timer: Timer | null = null;
  #stopTimer: Timer | null = null;
  #nextGeneration = 1;
  #reloadAt = 0;
  #stopping: "no" | "graceful" | "now" | "over" = "no";
  #outcome: Outcome = { code: 0 };

  /** Throws, with a sentence for a person, when the private directory cannot be made. */
  constructor(options: SupervisorOptions) {
    this.#options = options;
    const { log, clock, listeners } = options;
    const { config } = options.plan;
    this.#plan = options.plan;
    this.#nextPlan = options.plan;
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.done = promise;
    this.#resolve = resolve;
    this.#facts = {
      interface: "",
      found: "",
      loop: "",
      threads: 0,
      python: "",
      freeThreaded: false,
    };
    this.#directory = makePrivateDirectory(options.runtimeDirectory);
    this.#fleet = new Fleet({
      count: config.workers,
      limits: workerLimits(config),
    });
    this.#processes = new WorkerProcesses({ gone: (worker, status) => this.#gone(worker, status) });
    this.#edges = new Edges(
      {
        config,
        command: options.edgeCommand,
        listeners,
        descriptorsMax: descriptorsMax(),
        lifeline: this.#directory.lifeline,
        socketPath: (index) => this.#directory.edge(index),
        log,
        clock,
      },
      this,
    );
    this.#generations = new Generations({
      entry: options.pythonEntry,
      line: (text) => log.line("zygote", text),
      ended: (generations, failure) => this.#zygoteEnded(generations, failure),
    });
    this.#servers = [
      serveControl(
        this.#directory.control,
        new Conversation(this.#processes, this.#generations, log, this),
      ),
      serveOutput(this.#directory.log, log),
    ];
  }

  /** Processes that this one started and waits for itself. */
  get children(): ReadonlySet<number> {
    return new Set([...this.#edges.pids, ...this.#generations.pids]);
  }

  start(): void {
    this.#edges.start();
    this.#apply(this.#fleet.start(this.#newGeneration(this.#plan), this.#now()));
  }

  /** New workers take over when all are ready; when one fails the old ones stay, and their plan. */
  reload(reason: string, plan: LaunchPlan = this.#plan): void {
    if (this.#stopping !== "no") return;
    const { config } = plan;
    const before = this.#fleet.pending ?? this.#fleet.generation;
    const generation = this.#newGeneration(plan);
    this.#options.log.info(`reload: ${reason}`, { generation });
    // Development: the app is imported after the fork, so that the zygote stays as it is.
    const shared = config.reload && !config.preload && plan === this.#nextPlan;
    if (shared) this.#generations.share(before, generation);
    else if (this.#fleet.pending !== null) this.#generations.drop(this.#fleet.pending);
    this.#nextPlan = plan;
    this.#reloadAt = this.#now();
    const size = { count: config.workers, limits: workerLimits(config) };
    this.#apply(this.#fleet.reload(generation, this.#now(), size));
  }

  reopenLogs(): void {
    this.#edges.reopenLogs();
  }

  /** Finishes what runs; asked again, ends at once. */
  stop(): void {
    if (this.#stopping !== "no") return this.stopNow();
    this.#stopping = "graceful";
    const { log } = this.#options;
    const { config } = this.#plan;
    log.info("stopping: what runs may finish", { seconds: config.gracefulTimeoutMs / 1000 });
    this.#apply(this.#fleet.quiesce(this.#now()));
    this.#stopTimer = setTimeout(() => {
      log.warning("the graceful timeout is over: what still runs is cut");
      this.stopNow();
    }, config.gracefulTimeoutMs + SHUTDOWN_MS);
    this.#edges.stop(config.gracefulTimeoutMs);
    // The edges' own descriptors go too: who connects now is refused, and does not wait in vain.
    closeListeners(this.#options.listeners);
  }

  stopNow(): void {
    if (this.#stopping === "now" || this.#stopping === "over") return;
    this.#stopping = "now";
    this.#edges.kill();
    this.#restartStopTimer(() => void this.#finish(), KILL_MS);
    this.#apply(this.#fleet.end("kill", this.#now()));
  }

  // EdgesOwner

  edgeListening(path: string): void {
    for (const { id, generation, state } of this.#fleet.workers) {
      const served = state === "ready" || state === "draining";
      if (served && generation <= this.#fleet.generation) {
        this.#processes.send(id, { t: "edges", paths: [path] });
      }
    }
  }

  drained(worker: number): void {
    this.happened(worker, "drained");
  }

  stuck({ worker, method, target, seconds }: StuckReport): void {
    const text = `worker-${worker} does not answer and is killed; its threads follow`;
    this.#options.log.error(text, {
      request: method === "" ? undefined : `${method} ${target}`,
      seconds: Math.round(seconds * 10) / 10,
    });
    this.happened(worker, "stuck");
  }

  edgesStopped(): void {
    if (this.#stopping === "graceful") this.#apply(this.#fleet.end("stop", this.#now()));
  }

  edgesFailed(message: string): void {
    const hint = "its output above says why";
    this.#giveUp({ stage: "edge", message, traceback: "", hint });
  }

  // ConversationOwner

  heard(facts: Partial<AppFacts>): void {
    this.#facts = { ...this.#facts, ...facts };
  }

  knows(worker: number): boolean {
    return this.#fleet.worker(worker) !== null;
  }

  happened(worker: number, event: WorkerEvent, failure?: Failure): void {
    if (event === "ready" && this.#fleet.worker(worker)?.generation === this.#fleet.generation) {
      this.#connect(worker);
    }
    this.#apply(this.#fleet.event(worker, event, this.#now(), failure));
  }

  #connect(worker: number): void {
    this.#processes.send(worker, { t: "edges", paths: this.#edges.paths });
  }

  #zygoteEnded(generations: readonly number[], failure: Failure | null): void {
    if (this.#stopping === "over") return;
    const { generation: current, pending, phase } = this.#fleet;
    const serving = phase === "running" && pending === null && generations.includes(current);
    if (serving && this.#stopping === "no") {
      this.#options.log.warning("the zygote has ended; the next fork starts a new one");
    }
    this.#processes.zygoteGone(this.#generations.orphans);
    for (const generation of generations) {
      const reason = failure ?? undefined;
      this.#apply(this.#fleet.zygoteGone(generation, this.#now(), reason));
    }
  }

  #gone(worker: number, status: ExitStatus): void {
    const state = this.#fleet.worker(worker)?.state;
    if (state === "ready" || state === "draining") {
      const hint = wasKilled(status) ? "; perhaps the system was out of memory" : "";
      this.#options.log.error(`worker-${worker} ${exitText(status)} unexpectedly${hint}`);
    } else {
      this.#options.log.debug(`worker-${worker} ${exitText(status)}`);
    }
    this.#generations.workerGone(worker);
    this.#edges.workerGone(worker);
    this.#directory.forget(worker);
    this.happened(worker, "gone");
  }

  // Effects

  #apply(effects: readonly FleetEffect[]): void {
    for (const effect of effects) this.#do(effect);
    this.#schedule();
  }

  #do(effect: FleetEffect): void {
    switch (effect.do) {
      case "fork":
        return this.#generations.fork(effect.generation, effect.worker);
      case "drain":
        return this.#edges.drain(effect.worker, this.#plan.config.gracefulTimeoutMs);
      case "stop":
        return this.#processes.send(effect.worker, { t: "stop" });
      case "abort":
        return this.#processes.signal(effect.worker, "SIGABRT");
      case "kill":
        return this.#processes.killGroup(effect.worker);
      case "serving":
        return this.#serving();
      case "give-up":
        return this.#giveUp(effect.failure);
      case "reloaded":
        return this.#reloaded(effect.generation);
      case "reload-failed":
        return this.#reloadFailed(effect.generation, effect.failure);
      case "retry":
        return this.#retry(effect.failure, effect.delayMs);
      case "starved":
        return this.#edges.noWorkers("no worker runs");
      case "empty":
        return void this.#finish();
    }
  }

  #serving(): void {
    this.#plan = this.#nextPlan;
    this.#generations.keepOnly(this.#fleet.generation);
    this.#options.serving(this.#facts);
  }

  #reloaded(generation: number): void {
    for (const { id, generation: own } of this.#fleet.workers) {
      if (own === generation) this.#connect(id);
    }
    this.#generations.keepOnly(generation);
    if (this.#plan !== this.#nextPlan) this.#edges.configure(this.#nextPlan.config);
    this.#plan = this.#nextPlan;
    const ms = Math.round(this.#now() - this.#reloadAt);
    this.#options.log.info(`reload: the new workers serve after ${ms} ms`, { generation });
  }

  #reloadFailed(generation: number, failure: Failure): void {
    this.#generations.drop(generation);
    this.#nextPlan = this.#plan;
    const text = `reload failed, the old workers stay: ${failureText(failure)}`;
    this.#options.log.error(text, { generation });
  }

  #retry(failure: Failure | null, delayMs: number): void {
    const why = failure === null ? "" : `: ${failureText(failure)}`;
    const text = `a worker is started anew${why}`;
    const { log } = this.#options;
    if (failure === null) log.info(text, { delay_ms: delayMs });
    else log.error(text, { delay_ms: delayMs });
  }

  #giveUp(failure: Failure): void {
    if (this.#stopping !== "no") return;
    if (this.#plan.config.reload && failure.stage !== "edge") {
      this.#edges.noWorkers("the app does not start");
      return this.#options.waiting(failure);
    }
    this.#outcome = { code: 1, failure };
    this.stopNow();
  }

  // Time and end

  #schedule(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const deadline = this.#fleet.deadline();
    if (deadline === Infinity || this.#stopping === "over") return;
    const delay = Math.min(TIMER_MS_MAX, Math.max(0, deadline - this.#now()));
    this.#timer = setTimeout(() => this.#apply(this.#fleet.tick(this.#now())), delay);
  }

  #restartStopTimer(then: () => void, delayMs: number): void {
    if (this.#stopTimer !== null) clearTimeout(this.#stopTimer);
    this.#stopTimer = setTimeout(then, delayMs);
  }

  /** All workers are gone, or have been killed: the rest follows. */
  async #finish(): Promise<void> {
    if (this.#stopping === "over") return;
    this.#stopping = "over";
    if (this.#stopTimer !== null) clearTimeout(this.#stopTimer);
    if (this.#timer !== null) clearTimeout(this.#timer);
    try {
      await Promise.all([this.#edges.exited(), this.#generations.end()]);
      for (const server of this.#servers) server.close();
      this.#directory.remove();
    } catch (error) {
      this.#options.log.error(`while stopping: ${errorText(error)}`);
    }
    this.#resolve(this.#outcome);
  }

  #newGeneration({ config, app, interpreter }: LaunchPlan): number {
    const generation = this.#nextGeneration++;
    const directory = this.#directory.path;
    const { listeners } = this.#options;
    const settings = workerSettings({ config, app, directory, generation, listeners });
    this.#generations.prepare(generation, { interpreter, settings });
    return generation;
  }

  #now(): number {
    return this.#options.clock.now();
  }
}
