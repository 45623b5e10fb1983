/**
 * When workers that leave are to be gone. What runs on one may finish until the graceful timeout is over, counted from when it was to
 * leave; with `stop` it learns what is left of that, and what it gets afterwards. One that is there after all that is killed.
 */
import type { Clock } from "../core/clock.ts";
import { Alarm } from "./alarm.ts";
import { CANCEL_MS, END_MS, SHUTDOWN_MS } from "./workers/worker-settings.ts";

/** To a worker (python/keelback/farewell.py); each time begins when the one before is over. */
export interface StopMessage {
  readonly t: "stop";
  /** For running requests, and what apps do after their responses. */
  readonly finishMs: number;
  /** For what is cancelled then. */
  readonly cancelMs: number;
  /** For the app's own shutdown. */
  readonly shutdownMs: number;
}

export class Departures {
  readonly #clock: Clock;
  readonly #kill: (worker: number) => void;
  /** Until when what runs may finish. */
  readonly #until = new Map<number, number>();
  readonly #alarms = new Map<number, Alarm>();
  #allUntil = Infinity;

  constructor(clock: Clock, kill: (worker: number) => void) {
    this.#clock = clock;
    this.#kill = kill;
  }

  begin(worker: number, withinMs: number): void {
    this.#until.set(worker, this.#clock.now() + withinMs);
  }

  /** The server ends. */
  beginAll(withinMs: number): void {
    this.#allUntil = this.#clock.now() + withinMs;
  }

  /** Who has never been asked to leave has nothing to finish. */
  stop(worker: number): StopMessage {
    const now = this.#clock.now();
    const until = Math.min(this.#until.get(worker) ?? Infinity, this.#allUntil);
    const finishMs = until === Infinity ? 0 : Math.max(0, Math.round(until - now));
    const alarm = this.#alarms.get(worker) ?? new Alarm();
    this.#alarms.set(worker, alarm);
    alarm.set(finishMs + END_MS, () => this.#kill(worker));
    return { t: "stop", finishMs, cancelMs: CANCEL_MS, shutdownMs: SHUTDOWN_MS };
  }

  gone(worker: number): void {
    this.#until.delete(worker);
    this.#alarms.get(worker)?.clear();
    this.#alarms.delete(worker);
  }
}
