/**
 * How a server ends, step by step: it serves on for the shutdown delay, then what runs may finish,
 * then all is cut. One that a successor has replaced begins with the second step, and keeps its
 * WebSockets for as long as it can. Whoever asks again wants the end now.
 */
import { refuseNewcomers } from "../net/backlog.ts";
import type { Config } from "../config/config.ts";
import type { Listener } from "../net/open-result.ts";
import { closeListeners } from "../net/sockets.ts";
import { Alarm } from "./alarm.ts";
import type { Departures } from "./departures.ts";
import type { Edges } from "./edges.ts";
import type { Notices } from "./notices.ts";
import { CUT_MS, END_MS, HASTY_LINGER_MS, KILL_MS, LINGER_MS } from "./workers/worker-settings.ts";

export interface EndingOptions {
  readonly listeners: readonly Listener[];
  readonly departures: Departures;
  readonly edges: Edges;
  readonly notices: Notices;
  /** Of the generation that serves. */
  config(): Config;
  /** Somebody wants the server to end. */
  asked(): void;
  /** Nothing is replaced any more. */
  quiesce(): void;
  /** No edge has anything for the workers any more, or the time for that is over: they are to end. */
  endWorkers(): void;
  /** All workers and edges are killed. */
  kill(): void;
  /** They have had the time to die. */
  finish(): void;
}

type Step = "none" | "delay" | "retire" | "grace" | "kill";

export class Ending {
  readonly #options: EndingOptions;
  readonly #alarm = new Alarm();
  readonly #cut = new Alarm();
  #step: Step = "none";
  #over = false;

  constructor(options: EndingOptions) {
    this.#options = options;
  }

  get begun(): boolean {
    return this.#step !== "none";
  }

  /** What runs may finish, and then the workers end. */
  get graceful(): boolean {
    return this.#step === "grace" || this.#step === "retire";
  }

  /** No worker is left; edges may be. */
  get over(): boolean {
    return this.#over;
  }

  /** Serves on for the shutdown delay, then finishes what runs; `hasty`: at once. */
  stop(hasty: boolean): void {
    const options = this.#options;
    const { edges, notices } = options;
    if (this.#step === "retire") {
      // Those who upgrade as with other servers send it once the new one serves.
      this.#step = "grace";
      return notices.leavingAlready();
    }
    if (this.begun) return this.now();
    this.#step = "delay";
    options.asked();
    edges.setReady(false);
    const delayMs = hasty ? 0 : options.config().shutdownDelayMs;
    if (delayMs === 0) return this.#leave(hasty ? HASTY_LINGER_MS : LINGER_MS);
    notices.stoppingSoon(delayMs);
    this.#alarm.set(delayMs, () => this.#leave(LINGER_MS));
  }

  /** A successor has the listening sockets too, and serves: finishes what runs. */
  retire(): void {
    if (this.begun) return;
    this.#step = "retire";
    this.#leave(LINGER_MS);
  }

  /** Somebody wants the end now, perhaps without having asked for one before. */
  quit(): void {
    if (!this.begun) this.#options.asked();
    this.now();
  }

  now(): void {
    if (this.#step === "kill") return;
    this.#step = "kill";
    this.#cut.clear();
    this.#alarm.set(KILL_MS, () => this.#options.finish());
    this.#options.kill();
  }

  /** What edges still have they may finish, in the time that there is. False: it was over. */
  conclude(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#cut.clear();
    return true;
  }

  /** No process is left. */
  close(): void {
    this.#alarm.clear();
  }

  #leave(lingerMs: number): void {
    const { departures, edges, listeners, notices } = this.#options;
    const { gracefulTimeoutMs } = this.#options.config();
    const replaced = this.#step === "retire";
    if (!replaced) this.#step = "grace";
    notices.stopping(gracefulTimeoutMs);
    this.#options.quiesce();
    departures.beginAll(gracefulTimeoutMs);
    this.#cut.set(gracefulTimeoutMs + CUT_MS, () => this.#options.endWorkers());
    this.#alarm.set(gracefulTimeoutMs + END_MS, () => {
      notices.graceOver();
      this.now();
    });
    if (!replaced) refuseNewcomers(listeners);
    edges.stop({ deadlineMs: gracefulTimeoutMs, lingerMs, successor: replaced });
    // The edges' own descriptors go too, when they have accepted what waits: who connects then is refused.
    closeListeners(listeners);
  }
}
