/**
 * Zygotes by generation. A generation's zygote is started when its first worker is to be forked,
 * and again when it has ended and one is needed; a reload may keep the zygote of the generation
 * before.
 */
import type { ControlPeer } from "./control.ts";
import type { Failure } from "../failure.ts";
import { Zygote } from "./zygote.ts";

/** A zygote that is told to stop and has no workers ends within this time. */
const STOP_MS = 1000;

/** From SIGABRT, which writes where it hangs, to SIGKILL. */
const ABORT_MS = 1000;

/** What the zygote of a generation is started with. */
export interface Launch {
  readonly interpreter: string;
  /** KEELBACK_ZYGOTE. */
  readonly settings: string;
}

export interface Birth {
  readonly generation: number;
  readonly worker: number;
  readonly slot: number;
}

export interface GenerationsOptions {
  readonly entry: string;
  line(text: string): void;
  /** Nothing more will be forked for these generations; the failure, where it told one. */
  ended(generations: readonly number[], failure: Failure | null): void;
}

export class Generations {
  readonly #options: GenerationsOptions;
  readonly #launches = new Map<number, Launch>();
  readonly #byGeneration = new Map<number, Zygote>();
  readonly #all = new Set<Zygote>();
  readonly #byPeer = new Map<ControlPeer, Zygote>();
  /** Of workers: who forked them. */
  readonly #parents = new Map<number, Zygote>();

  constructor(options: GenerationsOptions) {
    this.#options = options;
  }

  get pids(): number[] {
    return [...this.#all].map(({ pid }) => pid);
  }

  /** To be called before the first fork of a generation. */
  prepare(generation: number, launch: Launch): void {
    this.#launches.set(generation, launch);
  }

  /** The new generation is forked by the zygote of another. */
  share(from: number, to: number): void {
    const zygote = this.#byGeneration.get(from);
    if (zygote !== undefined && !zygote.over) this.#byGeneration.set(to, zygote);
  }

  /** `slot`: the place that the worker takes, by which it gets its core. */
  fork({ generation, worker, slot }: Birth): void {
    const launch = this.#launches.get(generation);
    if (launch === undefined) return;
    let zygote = this.#byGeneration.get(generation);
    if (zygote === undefined || zygote.over) {
      try {
        zygote = this.#spawn(generation, launch);
      } catch (error) {
        const failure = cannotRun(launch.interpreter, error);
        queueMicrotask(() => this.#options.ended([generation], failure));
        return;
      }
      this.#byGeneration.set(generation, zygote);
    }
    this.#parents.set(worker, zygote);
    zygote.fork(worker, slot);
  }

  /** A zygote has connected; false: it is none of ours. */
  connected(peer: ControlPeer, pid: number): boolean {
    const zygote = [...this.#all].find((one) => one.pid === pid);
    if (zygote === undefined) return false;
    this.#byPeer.set(peer, zygote);
    zygote.connected(peer);
    return true;
  }

  has(peer: ControlPeer): boolean {
    return this.#byPeer.has(peer);
  }

  failed(peer: ControlPeer, failure: Failure): void {
    const zygote = this.#byPeer.get(peer);
    if (zygote !== undefined) zygote.failure = failure;
  }

  disconnected(peer: ControlPeer): void {
    this.#byPeer.delete(peer);
  }

  /** Whether the zygote of this worker lives: it will say how the worker ended. */
  willReport(worker: number): boolean {
    return this.#parents.get(worker)?.over === false;
  }

  /** This worker should have been forked long ago: its zygote hangs, perhaps while it imports. */
  unstick(worker: number): void {
    const zygote = this.#parents.get(worker);
    this.#parents.delete(worker);
    if (zygote === undefined || zygote.over) return;
    zygote.abort();
    setTimeout(() => zygote.kill(), ABORT_MS).unref();
  }

  workerGone(worker: number): void {
    this.#parents.delete(worker);
  }

  /** Ends every zygote that does not serve this generation, once its workers are gone. */
  keepOnly(generation: number): void {
    for (const number of this.#launches.keys()) {
      if (number !== generation) this.#launches.delete(number);
    }
    const kept = this.#byGeneration.get(generation);
    for (const [number, zygote] of this.#byGeneration) {
      if (number === generation) continue;
      this.#byGeneration.delete(number);
      if (zygote !== kept) zygote.stop();
    }
  }

  /** Ends the zygote of a generation that did not come to serve, unless another shares it. */
  drop(generation: number): void {
    const zygote = this.#byGeneration.get(generation);
    this.#launches.delete(generation);
    this.#byGeneration.delete(generation);
    if (zygote === undefined || [...this.#byGeneration.values()].includes(zygote)) return;
    this.#end(zygote);
  }

  /** Ends all; resolves when none is left. */
  async end(): Promise<void> {
    for (const zygote of this.#all) this.#end(zygote);
    await Promise.all([...this.#all].map(({ exited }) => exited));
  }

  kill(): void {
    for (const zygote of this.#all) zygote.kill();
  }

  /** One that imports the app (preload) does not listen: then it is killed. */
  #end(zygote: Zygote): void {
    zygote.stop();
    setTimeout(() => zygote.kill(), STOP_MS).unref();
  }

  #spawn(generation: number, launch: Launch): Zygote {
    const options = this.#options;
    const zygote = new Zygote({
      ...launch,
      entry: options.entry,
      generation,
      line: (text) => options.line(text),
      ended: (ended) => this.#ended(ended),
    });
    this.#all.add(zygote);
    return zygote;
  }

  #ended(zygote: Zygote): void {
    this.#all.delete(zygote);
    const generations = new Set<number>([zygote.generation]);
    for (const [number, other] of this.#byGeneration) {
      if (other !== zygote) continue;
      generations.add(number);
      this.#byGeneration.delete(number);
    }
    this.#options.ended([...generations], zygote.failure);
  }

  /** Workers whose zygote is gone. */
  get orphans(): number[] {
    return [...this.#parents].filter(([, { over }]) => over).map(([worker]) => worker);
  }
}

function cannotRun(interpreter: string, error: unknown): Failure {
  const reason = error instanceof Error ? error.message : String(error);
  const hint = "name another interpreter with --python";
  return {
    stage: "python",
    message: `${interpreter} cannot be run: ${reason}`,
    traceback: "",
    hint,
  };
}
