/**
 * How many workers there should be, between two bounds: quickly more when requests wait for one,
 * slowly fewer when fewer would do. Pure: told at intervals what the edges saw. Up and down are
 * decided by different things, and a decision either way starts the time without need anew, so that
 * a steady load comes to rest.
 */

/** A request that waits longer than this would have gone to a further worker. */
const WAIT_MS_MAX = 5;
/** Looks in a row that must show waiting: one may be a burst. */
const LOOKS_UP = 2;
/** More workers at a time, of those there are; at least one. */
const SHARE_UP = 0.5;
/** Of one worker fewer, so much may be busy on average. */
const LOAD_DOWN = 0.6;

export interface ScalingLimits {
  readonly min: number;
  readonly max: number;
  /** So long there must have been too many before one goes. */
  readonly idleMs: number;
}

/** What the edges saw since the last look. */
export interface Load {
  /** Requests given to workers. */
  readonly dispatched: number;
  /** How long they waited for it, all together. */
  readonly waitedMs: number;
  /** How long the one has waited that is first in the queue; 0: none. */
  readonly oldestMs: number;
  /** Workers with a request, now. */
  readonly busy: number;
}

export class Scaling {
  limits: ScalingLimits;
  #waited = 0;
  #since: number | null = null;
  #looks = 0;
  #busy = 0;

  constructor(limits: ScalingLimits) {
    this.limits = limits;
  }

  /** The number there should be; `ready` of `count` serve already. */
  look(load: Load, workers: { count: number; ready: number }, now: number): number {
    const { min, max, idleMs } = this.limits;
    const { count, ready } = workers;
    if (count < min || count > max) return this.#decided(Math.min(max, Math.max(min, count)), now);
    if (isWaiting(load)) {
      this.#restart(now);
      this.#waited += 1;
      // Those that start already may be enough.
      if (this.#waited < LOOKS_UP || ready < count || count === max) return count;
      return this.#decided(Math.min(max, count + Math.ceil(count * SHARE_UP)), now);
    }
    this.#waited = 0;
    if (this.#since === null) this.#restart(now);
    this.#looks += 1;
    this.#busy += load.busy;
    if (now - (this.#since ?? now) < idleMs) return count;
    const fits = this.#busy / this.#looks <= (count - 1) * LOAD_DOWN;
    return this.#decided(fits && count > min ? count - 1 : count, now);
  }

  #decided(count: number, now: number): number {
    this.#waited = 0;
    this.#restart(now);
    return count;
  }

  #restart(now: number): void {
    this.#since = now;
    this.#looks = 0;
    this.#busy = 0;
  }
}

function isWaiting({ dispatched, waitedMs, oldestMs }: Load): boolean {
  return oldestMs > WAIT_MS_MAX || waitedMs > dispatched * WAIT_MS_MAX;
}
