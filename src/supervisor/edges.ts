/**
 * The edge processes: started with the listening sockets as descriptors 3, 4, ..., restarted at
 * once when they die, told about workers, asked to drain them. What a new edge does not know (its
 * workers) it learns by their links.
 */
import { rmSync } from "node:fs";
import type { Subprocess } from "bun";
import type { Clock } from "../core/clock.ts";
import type { Config } from "../config/config.ts";
import type { StopOptions } from "../edge/leave.ts";
import type { Listener } from "../net/open-result.ts";
import type { Logger, LogLevel } from "../observe/log.ts";
import type { EdgeStats } from "./edge-load.ts";
import type { RecycleReason } from "./fleet/crew.ts";
import { retryDelay, STABLE_MS } from "./fleet/lifecycle.ts";
import { Pulse } from "./pulse.ts";

/**
 * The runtime lets its heap grow by the memory of the machine: on a large one an edge holds 30 MiB more of garbage after a load than
 * with this figure (bytes), for which it takes no more processor time. It looks seldom by itself whether to collect: the edge asks it to
 * (src/edge/collector.ts). Its allocator gives memory back at once: the thread that does so later wakes several times a second, a quarter
 * of what an idle server takes.
 */
const RUNTIME_ENV = {
  BUN_JSC_forceRAMSize: `${1024 ** 3}`,
  BUN_GC_TIMER_INTERVAL: "10000",
  MIMALLOC_PURGE_DELAY: "0",
};

/** Edges that end before they listen, in a row, before the first one has: the start has failed. */
const FIRST_STARTS_MAX = 3;
const FIRST_DESCRIPTOR = 3;
const STATS_MS = 1000;
/** To answer for the first time; on a busy machine a start may take seconds. */
const START_MS_MIN = 60_000;

export interface StuckReport {
  readonly worker: number;
  readonly stream: number;
  readonly method: string;
  readonly target: string;
  readonly seconds: number;
}

export interface EdgesOptions {
  readonly config: Config;
  /** Program and arguments. */
  readonly command: readonly string[];
  readonly listeners: readonly Listener[];
  readonly descriptorsMax: number;
  readonly lifeline: string;
  socketPath(index: number): string;
  readonly log: Logger;
  readonly clock: Clock;
}

export interface EdgesOwner {
  /** Workers can connect to this edge. */
  edgeListening(path: string): void;
  /** Nothing of this worker is open in any edge. */
  drained(worker: number): void;
  stuck(report: StuckReport): void;
  /** An edge has this worker, and perhaps every one. */
  linked(worker: number, everywhere: boolean): void;
  /** It has had its number of requests. */
  worn(worker: number, why: RecycleReason): void;
  edgeStats(index: number, stats: EdgeStats): void;
  /** All have ended after stop(). */
  edgesStopped(): void;
  /** The first edge cannot be started. */
  edgesFailed(message: string): void;
}

type FromEdge =
  | { readonly t: "listening" | "stopped" | "pong" }
  | { readonly t: "link-up" | "link-down" | "drained"; readonly worker: number }
  | { readonly t: "recycle"; readonly worker: number; readonly why: "requests" | "late" }
  | ({ readonly t: "stuck" } & StuckReport)
  | ({ readonly t: "stats" } & EdgeStats);

type EdgeProcess = Subprocess<"ignore", "inherit", "inherit">;

interface EdgeSlot {
  readonly index: number;
  readonly path: string;
  process: EdgeProcess | null;
  listening: boolean;
  startedAt: number;
  failures: number;
  timer: Timer | null;
  readonly links: Set<number>;
  /** They wait for its stats. */
  readonly askers: ((stats: EdgeStats) => void)[];
}

interface Drain {
  /** Edges that have not said that nothing of the worker is open there. */
  readonly waiting: Set<EdgeSlot>;
  /** When the worker is told to end. */
  readonly deadline: number;
}

export class Edges {
  readonly #options: EdgesOptions;
  readonly #owner: EdgesOwner;
  readonly #slots: EdgeSlot[];
  /** Workers that are being drained. */
  readonly #draining = new Map<number, Drain>();
  readonly #pulse: Pulse<EdgeSlot>;
  #config: Config;
  #everListened = false;
  #ready = true;
  /** Since somebody has changed it. */
  #logLevel: LogLevel | null = null;
  #stopping = false;

  constructor(options: EdgesOptions, owner: EdgesOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#config = options.config;
    this.#pulse = new Pulse({
      clock: options.clock,
      ask: (slot) => this.#send(slot, { t: "ping" }),
      hung: (slot, silentMs) => this.#hung(slot, silentMs),
    });
    this.#slots = Array.from({ length: options.config.edges }, (_, index) => ({
      index,
      path: options.socketPath(index),
      process: null,
      listening: false,
      startedAt: 0,
      failures: 0,
      timer: null,
      links: new Set<number>(),
      askers: [],
    }));
  }

  start(): void {
    for (const slot of this.#slots) this.#start(slot);
    this.#pulse.start(this.#config.edgeTimeoutMs);
  }

  /** Paths that workers can connect to now. */
  get paths(): string[] {
    return this.#slots.filter(({ listening }) => listening).map(({ path }) => path);
  }

  get pids(): number[] {
    return this.#slots.flatMap((slot) => (slot.process === null ? [] : [slot.process.pid]));
  }

  /** Settings that a reload has changed. */
  configure(config: Config): void {
    this.#config = config;
    for (const slot of this.#slots) this.#sendConfig(slot);
    this.#pulse.start(config.edgeTimeoutMs);
    for (const slot of this.#slots) if (slot.listening) this.#watch(slot);
  }

  /** `deadlineMs`: what the worker has until it is told to end. */
  drain(worker: number, deadlineMs: number): void {
    const linked = this.#slots.filter(({ links }) => links.has(worker));
    if (linked.length === 0) return this.#owner.drained(worker);
    this.#draining.set(worker, {
      waiting: new Set(linked),
      deadline: this.#options.clock.now() + deadlineMs,
    });
    for (const slot of linked) this.#tellDrain(slot, worker);
  }

  workerGone(worker: number): void {
    this.#draining.delete(worker);
    this.#broadcast({ t: "worker-gone", worker });
  }

  noWorkers(reason: string): void {
    this.#broadcast({ t: "no-workers", reason });
  }

  /** `edgeStats` gets what they say. */
  askStats(): void {
    this.#broadcast({ t: "stats" });
  }

  reopenLogs(): void {
    this.#broadcast({ t: "reopen-logs" });
  }

  /** What each edge says of itself; one that does not answer in time is left out. */
  async stats(): Promise<EdgeStats[]> {
    const asked = this.#slots.filter(({ listening }) => listening);
    const answers = asked.map((slot) => {
      const { promise, resolve } = Promise.withResolvers<EdgeStats | null>();
      slot.askers.push(resolve);
      setTimeout(resolve, STATS_MS, null).unref();
      this.#send(slot, { t: "stats" });
      return promise;
    });
    return (await Promise.all(answers)).filter((stats) => stats !== null);
  }

  /** Not ready: balancers are told to send their clients elsewhere; all are served as before. */
  setReady(ready: boolean): void {
    this.#ready = ready;
    this.#broadcast({ t: "ready", ready });
  }

  setLogLevel(logLevel: LogLevel): void {
    this.#logLevel = logLevel;
    this.#broadcast({ t: "log-level", logLevel });
  }

  /** They stop accepting and end when what runs is done, at the latest at the deadline. */
  stop(options: StopOptions): void {
    if (this.#stopping) return;
    this.#startNoMore();
    this.#broadcast({ t: "stop", ...options });
    this.#checkStopped();
  }

  kill(): void {
    this.#startNoMore();
    for (const { process } of this.#slots) process?.kill("SIGKILL");
  }

  /** Resolves when no edge is left. */
  async exited(): Promise<void> {
    const running = this.#slots.flatMap(({ process }) => process ?? []);
    await Promise.all(running.map((process) => process.exited));
  }

  #startNoMore(): void {
    this.#stopping = true;
    this.#pulse.stop();
    for (const slot of this.#slots) {
      if (slot.timer !== null) clearTimeout(slot.timer);
      slot.timer = null;
    }
  }

  #start(slot: EdgeSlot): void {
    // Nobody would end it any more.
    if (this.#stopping) return;
    const { listeners, command, clock } = this.#options;
    slot.timer = null;
    slot.startedAt = clock.now();
    // A killed predecessor has left its socket, which nobody can bind again.
    rmSync(slot.path, { force: true });
    const child: EdgeProcess = Bun.spawn([...command], {
      stdio: ["ignore", "inherit", "inherit", ...listeners.map(({ fd }) => fd)],
      // Else it would be the environment of the start, with what has been taken out of it since (LISTEN_FDS).
      env: { ...RUNTIME_ENV, ...process.env },
      detached: true,
      ipc: (message) => this.#receive(slot, message as FromEdge),
      onExit: (exited, status, signal) => {
        if (slot.process === exited || slot.process === null) this.#ended(slot, status, signal);
      },
    });
    slot.process = child;
    this.#sendConfig(slot);
    this.#watch(slot);
  }

  #sendConfig(slot: EdgeSlot): void {
    const { listeners, descriptorsMax, lifeline } = this.#options;
    this.#send(slot, {
      t: "config",
      config: this.#config,
      index: slot.index,
      listeners: listeners.map(({ kind, address, protocol, redirectTo }, at) => {
        return { fd: FIRST_DESCRIPTOR + at, kind, address, protocol, redirectTo };
      }),
      socketPath: slot.path,
      lifelinePath: lifeline,
      descriptorsMax,
    });
    if (!this.#ready) this.#send(slot, { t: "ready", ready: false });
    const logLevel = this.#logLevel;
    if (logLevel !== null) this.#send(slot, { t: "log-level", logLevel });
  }

  #receive(slot: EdgeSlot, message: FromEdge): void {
    switch (message.t) {
      case "listening":
        slot.listening = true;
        this.#everListened = true;
        this.#watch(slot);
        this.#owner.edgeListening(slot.path);
        break;
      case "link-up":
        slot.links.add(message.worker);
        // It had begun to connect before it was to leave.
        this.#draining.get(message.worker)?.waiting.add(slot);
        this.#tellDrain(slot, message.worker);
        this.#owner.linked(message.worker, this.#haveAll(message.worker));
        break;
      case "link-down":
        slot.links.delete(message.worker);
        this.#settleDrain(message.worker, slot);
        break;
      case "drained":
        this.#settleDrain(message.worker, slot);
        break;
      case "stuck":
        this.#owner.stuck(message);
        break;
      case "recycle":
        this.#owner.worn(message.worker, message.why);
        break;
      case "stats":
        this.#owner.edgeStats(slot.index, message);
        for (const resolve of slot.askers.splice(0)) resolve(message);
        break;
      case "pong":
        this.#pulse.heard(slot);
        break;
      case "stopped":
        break;
    }
  }

  #watch(slot: EdgeSlot): void {
    const { edgeTimeoutMs } = this.#config;
    this.#pulse.begin(slot, slot.listening ? edgeTimeoutMs : Math.max(edgeTimeoutMs, START_MS_MIN));
  }

  #hung(slot: EdgeSlot, silentMs: number): void {
    const seconds = Math.round(silentMs / 100) / 10;
    this.#options.log.error(`edge-${slot.index} does not answer and is killed`, { seconds });
    slot.process?.kill("SIGKILL");
  }

  #haveAll(worker: number): boolean {
    return this.#slots.every(({ listening, links }) => !listening || links.has(worker));
  }

  #tellDrain(slot: EdgeSlot, worker: number): void {
    const drain = this.#draining.get(worker);
    if (drain === undefined) return;
    const deadlineMs = Math.max(0, drain.deadline - this.#options.clock.now());
    this.#send(slot, { t: "drain-worker", worker, deadlineMs });
  }

  #settleDrain(worker: number, slot: EdgeSlot): void {
    const waiting = this.#draining.get(worker)?.waiting;
    if (waiting === undefined || !waiting.delete(slot) || waiting.size > 0) return;
    this.#draining.delete(worker);
    this.#owner.drained(worker);
  }

  #ended(slot: EdgeSlot, status: number | null, signal: number | string | null): void {
    const { log, clock } = this.#options;
    const listened = slot.listening;
    slot.process = null;
    slot.listening = false;
    this.#pulse.forget(slot);
    slot.links.clear();
    for (const worker of [...this.#draining.keys()]) this.#settleDrain(worker, slot);
    if (this.#stopping) return this.#checkStopped();
    if (listened && clock.now() - slot.startedAt >= STABLE_MS) slot.failures = 0;
    slot.failures += 1;
    const how = signal === null ? `exited with status ${status}` : `was killed by signal ${signal}`;
    if (!this.#everListened && slot.failures >= FIRST_STARTS_MAX) {
      return this.#owner.edgesFailed(`edge-${slot.index} ${how} before it listened`);
    }
    const delayMs = retryDelay(slot.failures - 1);
    log.error(`edge-${slot.index} ${how}; a new one starts`, { delay_ms: delayMs });
    slot.timer = setTimeout(() => this.#start(slot), delayMs);
  }

  #checkStopped(): void {
    if (this.#slots.every(({ process }) => process === null)) this.#owner.edgesStopped();
  }

  #broadcast(message: object): void {
    for (const slot of this.#slots) this.#send(slot, message);
  }

  #send({ process }: EdgeSlot, message: object): void {
    try {
      process?.send(message);
    } catch {
      // It has just ended: its successor learns everything anew.
    }
  }
}
