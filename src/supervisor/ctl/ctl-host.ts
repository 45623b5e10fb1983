/**
 * What `keelback ctl` can ask of a running server, and the answers. The names of commands and facts are the protocol of the control socket.
 */
import type { Config } from "../../config/config.ts";
import type { LogLevel } from "../../observe/log.ts";
import type { AppFacts } from "../workers/conversation.ts";
import type { WorkerView } from "../fleet/crew.ts";
import type { CtlAnswer, CtlRequest } from "./ctl-server.ts";
import type { Failure } from "../failure.ts";
import { failureText } from "../failure.ts";
import { memoryOf } from "../workers/memory.ts";
import type { Rollout } from "../reload-watch.ts";

/** What an edge says of itself (src/cli/edge.ts). */
type Facts = Readonly<Record<string, unknown>>;

/** The server as the control socket sees it. */
export interface CtlTarget {
  readonly state: string;
  /** The process of the server that this one is to replace, as long as it does not serve. */
  readonly predecessor: number | null;
  /** Not drained. */
  readonly ready: boolean;
  readonly facts: AppFacts;
  readonly config: Config;
  readonly generation: number;
  /** When that one began to serve. */
  readonly servesSince: number;
  /** The reload that is under way. */
  readonly rollout: Rollout | null;
  /** How many workers there shall be. */
  readonly target: number;
  readonly workers: readonly WorkerView[];
  pid(worker: number): number;
  now(): number;
  edgeStats(): Promise<readonly object[]>;
  /** How many there will be, within the bounds of the settings. */
  scale(count: number): number;
  recycle(worker: number): void;
  setReady(ready: boolean): void;
  /** The tracebacks of a worker's threads; null: there is none to ask. */
  dump(worker: number): Promise<readonly string[]> | null;
  setLogLevel(level: LogLevel): void;
  stop(): void;
}

export interface CtlHostOptions {
  readonly target: CtlTarget;
  readonly version: string;
  readonly addresses: readonly string[];
  /** Reads the settings again and starts a reload: the outcome, or why there is none. */
  reload(): Promise<Failure | null> | string;
}

const LEVELS: readonly LogLevel[] = ["debug", "info", "warning", "error"];
const WORKERS_MAX = 1024;

type Command = (request: CtlRequest) => CtlAnswer | Promise<CtlAnswer>;

export class CtlHost {
  readonly #options: CtlHostOptions;
  readonly #startedAt: number;
  readonly #commands: Readonly<Record<string, Command>>;

  constructor(options: CtlHostOptions) {
    this.#options = options;
    this.#startedAt = options.target.now();
    this.#commands = {
      status: () => this.#status(),
      workers: () => this.#workers(),
      reload: () => this.#reload(),
      scale: ({ count }) => this.#scale(count),
      recycle: ({ worker }) => this.#recycle(worker),
      drain: () => this.#ready(false),
      undrain: () => this.#ready(true),
      dump: ({ worker }) => this.#dump(worker),
      "log-level": ({ level }) => this.#logLevel(level),
      stop: () => this.#stop(),
    };
  }

  readonly answer = (request: CtlRequest): CtlAnswer | Promise<CtlAnswer> => {
    const command = Object.hasOwn(this.#commands, request.do)
      ? this.#commands[request.do]
      : undefined;
    if (command !== undefined) return command(request);
    const known = Object.keys(this.#commands).join(", ");
    return fault(`this server does not know the command ${JSON.stringify(request.do)}`, known);
  };

  async #status(): Promise<CtlAnswer> {
    const { target, version, addresses } = this.#options;
    const edges = (await target.edgeStats()) as readonly Facts[];
    const sum = (fact: string): number =>
      edges.reduce((total, edge) => total + numberOf(edge[fact]), 0);
    const { found, interface: spoken, python, freeThreaded } = target.facts;
    return {
      ok: true,
      pid: process.pid,
      version,
      state: target.state,
      succeeds: target.predecessor,
      upSeconds: this.#secondsSince(this.#startedAt),
      app: found,
      interface: spoken,
      python: freeThreaded ? `${python} free-threaded` : python,
      addresses,
      generation: target.generation,
      generationSeconds: this.#secondsSince(target.servesSince),
      reload: this.#rollout(),
      workersTarget: target.target,
      workersReady: target.workers.filter(({ state }) => state === "ready").length,
      edges: edges.length,
      connections: sum("connections"),
      requests: sum("requests"),
      queued: sum("queue"),
    };
  }

  async #workers(): Promise<CtlAnswer> {
    const { target } = this.#options;
    const running = new Map<number, number>();
    for (const edge of await target.edgeStats()) {
      for (const { worker, open } of workersOf(edge as Facts)) {
        running.set(worker, (running.get(worker) ?? 0) + open);
      }
    }
    const workers = target.workers.map(({ id, generation, state, readyAt }) => {
      const pid = target.pid(id);
      return {
        worker: id,
        pid,
        generation,
        state,
        readySeconds: readyAt === null ? null : this.#secondsSince(readyAt),
        requests: running.get(id) ?? 0,
        memoryBytes: memoryOf(pid, Infinity),
      };
    });
    return { ok: true, workers };
  }

  #rollout(): Facts | null {
    const { rollout, workers } = this.#options.target;
    if (rollout === null) return null;
    const { generation, startedAt, serves } = rollout;
    const workersOld = workers.filter((worker) => worker.generation !== generation).length;
    return { generation, seconds: this.#secondsSince(startedAt), serves, workersOld };
  }

  #secondsSince(at: number): number {
    return Math.round((this.#options.target.now() - at) / 1000);
  }

  async #reload(): Promise<CtlAnswer> {
    const outcome = this.#options.reload();
    if (typeof outcome === "string") return fault(outcome, "nothing has changed");
    const failure = await outcome;
    const { generation } = this.#options.target;
    return failure === null
      ? { ok: true, generation }
      : fault(`the reload failed: ${failureText(failure)}`, "the old workers serve on");
  }

  #scale(count: unknown): CtlAnswer {
    if (!isWhole(count) || count < 1 || count > WORKERS_MAX) {
      return fault(`${text(count)} is no number of workers`, `allowed: 1 to ${WORKERS_MAX}`);
    }
    const { target } = this.#options;
    const before = target.target;
    return { ok: true, before, workers: target.scale(count) };
  }

  #recycle(worker: unknown): CtlAnswer {
    const found = this.#find(worker);
    if (found === null) return this.#noWorker(worker);
    if (found.state !== "ready") return fault(`worker ${found.id} is ${found.state}`);
    this.#options.target.recycle(found.id);
    return { ok: true, worker: found.id };
  }

  #ready(ready: boolean): CtlAnswer {
    const { target } = this.#options;
    target.setReady(ready);
    const hint = target.config.readyPath === "" ? "there is no --ready-path to say so" : undefined;
    return { ok: true, ready, ...(hint !== undefined && { hint }) };
  }

  async #dump(worker: unknown): Promise<CtlAnswer> {
    const found = this.#find(worker);
    if (found === null) return this.#noWorker(worker);
    const lines = await (this.#options.target.dump(found.id) ?? []);
    if (lines.length > 0) return { ok: true, worker: found.id, traceback: lines.join("\n") };
    const hint = "its process may be stopped, or not yet begun: see keelback ctl workers";
    return fault(`worker ${found.id} wrote nothing`, hint);
  }

  #logLevel(level: unknown): CtlAnswer {
    const known = LEVELS.find((one) => one === level);
    if (known === undefined) {
      return fault(`${text(level)} is no log level`, `allowed: ${LEVELS.join(", ")}`);
    }
    this.#options.target.setLogLevel(known);
    return { ok: true, level: known };
  }

  #stop(): CtlAnswer {
    this.#options.target.stop();
    return { ok: true, pid: process.pid };
  }

  #find(worker: unknown): WorkerView | null {
    return this.#options.target.workers.find(({ id }) => id === worker) ?? null;
  }

  #noWorker(worker: unknown): CtlAnswer {
    const ids = this.#options.target.workers.map(({ id }) => id);
    return fault(`there is no worker ${text(worker)}`, `there are ${ids.join(", ") || "none"}`);
  }
}

function fault(error: string, hint?: string): CtlAnswer {
  return hint === undefined ? { ok: false, error } : { ok: false, error, hint };
}

function isWhole(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value);
}

function text(value: unknown): string {
  return value === undefined ? "(none)" : JSON.stringify(value);
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

function workersOf(edge: Facts): { worker: number; open: number }[] {
  const { workers } = edge;
  if (!Array.isArray(workers)) return [];
  return workers.map((one: Facts) => {
    return { worker: numberOf(one["worker"]), open: numberOf(one["open"]) };
  });
}
