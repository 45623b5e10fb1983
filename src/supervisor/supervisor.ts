/**
 * The supervisor of one running server: edges, zygotes and workers, kept alive and replaced. It
 * touches no request. What to do about workers is decided by fleet.ts; here it is done. `done`
 * resolves once, when every process is gone and the private directory is removed.
 */
import { descriptorsMax } from "../net/libc.ts";
import { errorText } from "../observe/log.ts";
import { Alarm } from "./alarm.ts";
import { type ControlServer, serveControl } from "./workers/control.ts";
import {
  type AppFacts,
  Conversation,
  type ConversationOwner,
  NO_FACTS,
} from "./workers/conversation.ts";
import { Departures } from "./departures.ts";
import { makePrivateDirectory, type PrivateDirectory } from "./directory.ts";
import { Dumps } from "./workers/dump.ts";
import type { EdgeStats } from "./edge-load.ts";
import { Edges, type EdgesOwner, type StuckReport } from "./edges.ts";
import { carryOut } from "./effects.ts";
import { Ending } from "./ending.ts";
import { Fleet } from "./fleet/fleet.ts";
import type { Failure } from "./failure.ts";
import type { FleetEffect, RecycleReason } from "./fleet/crew.ts";
import { Generations } from "./workers/generations.ts";
import type { LaunchPlan, Outcome, SupervisorOptions } from "./launch.ts";
import { Linking } from "./linking.ts";
import { Notices } from "./notices.ts";
import { serveOutput } from "./workers/output.ts";
import type { WorkerEvent } from "./fleet/lifecycle.ts";
import type { SupervisorParts } from "./parts.ts";
import { Plans } from "./plans.ts";
import { type ExitStatus, WorkerProcesses } from "./workers/processes.ts";
import { ReloadWatch } from "./reload-watch.ts";
import { Upkeep } from "./upkeep.ts";
import { fleetOptions } from "./workers/worker-settings.ts";

export class Supervisor implements EdgesOwner, ConversationOwner {
  readonly done: Promise<Outcome>;
  readonly #options: SupervisorOptions;
  readonly #notices: Notices;
  readonly #fleet: Fleet;
  readonly #upkeep: Upkeep;
  readonly #edges: Edges;
  readonly #linking: Linking;
  readonly #generations: Generations;
  readonly #processes: WorkerProcesses;
  readonly #departures: Departures;
  readonly #directory: PrivateDirectory;
  readonly #servers: ControlServer[];
  readonly #resolve: (outcome: Outcome) => void;
  readonly #dumps = new Dumps();
  readonly #reloads = new ReloadWatch();
  #facts: AppFacts;
  readonly #plans: Plans;
  readonly #wake = new Alarm();
  readonly #ending: Ending;
  #outcome: Outcome = { code: 0 };

  /** Throws, with a sentence for a person, when the private directory cannot be made. */
  constructor(options: SupervisorOptions) {
    this.#options = options;
    const { log, clock, listeners } = options;
    this.#notices = new Notices(log, clock);
    const { config } = options.plan;
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.done = promise;
    this.#resolve = resolve;
    this.#facts = NO_FACTS;
    this.#directory = makePrivateDirectory(options.runtimeDirectory);
    this.#fleet = new Fleet(fleetOptions(config));
    this.#upkeep = new Upkeep(config, {
      fleet: this.#fleet,
      notices: this.#notices,
      log,
      clock,
      pid: (worker) => this.#processes.pid(worker),
      askEdges: () => this.#edges.askStats(),
      apply: (effects) => this.#apply(effects),
    });
    this.#processes = new WorkerProcesses({ gone: (worker, status) => this.#gone(worker, status) });
    this.#departures = new Departures(clock, (worker) => this.happened(worker, "kill"));
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
    const edges = this.#edges;
    this.#linking = new Linking({ edges, fleet: this.#fleet, processes: this.#processes });
    this.#ending = new Ending({
      listeners,
      departures: this.#departures,
      edges,
      notices: this.#notices,
      config: () => this.#plans.config,
      asked: () => options.noticed("stopping"),
      quiesce: () => this.#quiesce(),
      endWorkers: () => this.edgesStopped(),
      kill: () => this.#kill(),
      finish: () => void this.#finish(),
    });
    this.#generations = new Generations({
      entry: options.pythonEntry,
      line: (text) => log.line("zygote", text),
      ended: (generations, failure) => this.#zygoteEnded(generations, failure),
    });
    this.#plans = new Plans({
      first: options.plan,
      generations: this.#generations,
      directory: this.#directory.path,
      listeners,
      changed: (changed) => edges.configure(changed),
    });
    this.#servers = [
      serveControl(
        this.#directory.control,
        new Conversation(this.#processes, this.#generations, log, this),
      ),
      serveOutput(this.#directory.log, log, (name, line) => this.#dumps.heard(name, line)),
    ];
  }

  /** Processes that this one started and waits for itself. */
  get children(): ReadonlySet<number> {
    return new Set([...this.#edges.pids, ...this.#generations.pids]);
  }

  /** For effects.ts, and for `keelback ctl`. */
  get parts(): SupervisorParts {
    return {
      directory: this.#directory,
      fleet: this.#fleet,
      upkeep: this.#upkeep,
      departures: this.#departures,
      edges: this.#edges,
      generations: this.#generations,
      notices: this.#notices,
      processes: this.#processes,
      dumps: this.#dumps,
      reloads: this.#reloads,
      facts: this.#facts,
      config: this.#plans.config,
      drainMs: this.#plans.config.gracefulTimeoutMs,
      stopping: this.#ending.begun,
    };
  }

  start(): void {
    this.#edges.start();
    if (!this.#options.succeeds) this.#startWorkers();
  }

  /** At first, which for a successor is when an edge has started: all at once would take the processors from those who serve. */
  #startWorkers(): void {
    if (this.#fleet.phase !== "idle") return;
    const generation = this.#plans.open(this.#plans.serving);
    this.#apply(this.#fleet.start(generation, this.#now()));
  }

  /** New workers take over when all are ready; when one fails the old ones stay, and their plan. Returns the generation; 0: it stops. */
  reload(reason: string, plan: LaunchPlan = this.#plans.serving): number {
    if (this.#ending.begun) return 0;
    this.#startWorkers();
    const { config } = plan;
    const before = this.#fleet.pending ?? this.#fleet.generation;
    // Development: the app is imported after the fork, so that the zygote stays as it is.
    const shared = config.reload && !config.preload && plan === this.#plans.newest;
    const generation = this.#plans.open(plan);
    this.#notices.reloading(reason, generation);
    if (shared) this.#generations.share(before, generation);
    else if (this.#fleet.pending !== null) this.#generations.drop(this.#fleet.pending);
    // What was changed by signals or by the load stays, unless the setting is another one now, or all workers rest.
    const same = config.workers === this.#plans.config.workers && this.#fleet.target > 0;
    const options = fleetOptions(config, same ? this.#fleet.target : config.workers);
    this.#giveUpReload("another reload took its place");
    this.#reloads.begin(generation, this.#now());
    this.#apply(this.#fleet.reload(generation, this.#now(), options));
    // Nobody served yet: the edges take clients by these settings from the first worker on.
    if (this.#fleet.generation === generation) this.#plans.adopt();
    return generation;
  }

  /** One worker more, or one fewer. */
  changeWorkers(by: 1 | -1, reason: string): void {
    if (!this.#ending.begun) this.#upkeep.scale(this.#fleet.target + by, reason);
  }

  reopenLogs(): void {
    this.#edges.reopenLogs();
  }

  /** Finishes what runs first; asked again, ends now. */
  stop(hasty: boolean = false): void {
    this.#ending.stop(hasty);
  }

  /** A successor has the listening sockets too, and serves. */
  retire(): void {
    this.#ending.retire();
  }

  stopNow(): void {
    this.#ending.quit();
  }

  #quiesce(): void {
    this.#giveUpReload("the server stops");
    this.#upkeep.stop();
    this.#apply(this.#fleet.quiesce(this.#now()));
  }

  #giveUpReload(why: string): void {
    const given = this.#reloads.giveUp(why);
    if (given !== null) this.#notices.reloadGivenUp(given.generation, why);
  }

  #kill(): void {
    this.#upkeep.stop();
    this.#edges.kill();
    this.#apply(this.#fleet.end("kill", this.#now()));
  }

  // EdgesOwner

  edgeListening(path: string): void {
    this.#startWorkers();
    this.#linking.edgeListening(path);
  }

  drained(worker: number): void {
    this.happened(worker, "drained");
  }

  stuck(report: StuckReport): void {
    this.#notices.stuck(report);
    this.happened(report.worker, "stuck");
  }

  linked(worker: number, everywhere: boolean): void {
    this.#apply(this.#fleet.linked(worker, everywhere, this.#now()));
    this.#options.noticed("accepting");
  }

  worn(worker: number, why: RecycleReason): void {
    this.#upkeep.recycle(worker, why);
  }

  edgeStats(index: number, stats: EdgeStats): void {
    this.#upkeep.edgeStats(index, stats);
  }

  edgesStopped(): void {
    if (this.#ending.graceful) this.#apply(this.#fleet.end("stop", this.#now()));
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
    if (event === "ready") this.#linking.workerReady(worker);
    this.#apply(this.#fleet.event(worker, event, this.#now(), failure));
  }

  #zygoteEnded(generations: readonly number[], failure: Failure | null): void {
    if (this.#ending.over) return;
    const { generation: current, pending, phase } = this.#fleet;
    const serving = phase === "running" && pending === null && generations.includes(current);
    if (serving && !this.#ending.begun) {
      this.#options.log.warning("the zygote has ended; the next fork starts a new one");
    }
    this.#processes.zygoteGone(this.#generations.orphans);
    for (const generation of generations) {
      const reason = failure ?? undefined;
      this.#apply(this.#fleet.zygoteGone(generation, this.#now(), reason));
    }
  }

  #gone(worker: number, status: ExitStatus): void {
    this.#notices.gone(worker, this.#fleet.worker(worker)?.state, status);
    this.#departures.gone(worker);
    this.#generations.workerGone(worker);
    this.#edges.workerGone(worker);
    this.#directory.forget(worker);
    this.happened(worker, "gone");
  }

  // Effects

  #apply(effects: readonly FleetEffect[]): void {
    for (const effect of effects) this.#do(effect);
    const { workers, target } = this.#fleet;
    const finished = this.#reloads.finished(workers, target, this.#now());
    if (finished !== null) this.#notices.reloadFinished(finished);
    this.#schedule();
  }

  #do(effect: FleetEffect): void {
    switch (effect.do) {
      case "serving":
        return this.#serving();
      case "give-up":
        return this.#giveUp(effect.failure);
      case "reloaded":
        return this.#reloaded(effect.generation);
      case "reload-failed":
        return this.#reloadFailed(effect.generation, effect.failure);
      case "empty":
        return void this.#finish();
      default:
        return carryOut(effect, this.parts);
    }
  }

  #serving(): void {
    this.#reloads.serves(this.#fleet.generation, this.#now());
    if (this.#fleet.pending === null) this.#generations.keepOnly(this.#fleet.generation);
    this.#upkeep.start(this.#plans.config);
    this.#options.serving(this.#facts);
  }

  #reloaded(generation: number): void {
    const ms = this.#now() - (this.#reloads.rollout?.startedAt ?? this.#now());
    this.#reloads.serves(generation, this.#now());
    this.#plans.adopt();
    this.#linking.generationServes(generation);
    this.#generations.keepOnly(generation);
    this.#upkeep.start(this.#plans.config);
    this.#notices.reloaded(generation, ms);
    this.#options.noticed("reloaded");
  }

  #reloadFailed(generation: number, failure: Failure): void {
    this.#reloads.failed(generation, failure);
    this.#generations.drop(generation);
    this.#plans.abandon();
    this.#notices.reloadFailed(generation, failure);
    this.#options.noticed("reload-failed");
  }

  #giveUp(failure: Failure): void {
    this.#reloads.failed(this.#fleet.generation, failure);
    if (this.#ending.begun) return;
    if (this.#plans.config.reload && failure.stage !== "edge") {
      this.#edges.noWorkers("the app does not start");
      return this.#options.waiting(failure);
    }
    this.#outcome = { code: 1, failure };
    this.#ending.now();
  }

  // Time and end

  #schedule(): void {
    if (this.#ending.over) return;
    const delayMs = this.#fleet.deadline() - this.#now();
    this.#wake.set(delayMs, () => this.#apply(this.#fleet.tick(this.#now())));
  }

  /** All workers are gone, or have been killed: the rest follows. */
  async #finish(): Promise<void> {
    if (!this.#ending.conclude()) return;
    this.#wake.clear();
    try {
      await Promise.all([this.#edges.exited(), this.#generations.end()]);
      for (const server of this.#servers) server.close();
      this.#directory.remove();
    } catch (error) {
      this.#options.log.error(`while stopping: ${errorText(error)}`);
    }
    this.#ending.close();
    this.#resolve(this.#outcome);
  }

  #now(): number {
    return this.#options.clock.now();
  }
}
