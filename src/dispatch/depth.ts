/**
 * How many requests a worker may hold that it has not begun. The board tells which one it has begun; what lies between that
 * and the last one sent waits inside the worker. Many may wait when it begins them within microseconds, one when it takes
 * milliseconds, so that a request is hardly ever parked behind a slow one.
 */
import type { SharedMemory } from "./ring.ts";

/** The batch beyond which more brings nothing. */
const DEPTH_MAX = 256;
const DEPTH_START = 8;
/** A request should not wait longer than this inside a worker, milliseconds; what a stuck one holds comes back by itself. */
const WAIT_TARGET_MS = 5;
/**
 * How long a worker that gave requests back is left alone, milliseconds, if it says nothing: what held it up may have ended without a word,
 * and all that it still has may wait for a request that only this worker can get.
 */
const STUCK_MS = 20;

export class Depth {
  /** Requests that may wait. */
  limit = DEPTH_START;
  readonly #shared: SharedMemory;
  #lastSent = 0;
  /** Streams up to this one were given back, begun, or ended unbegun because they had been cancelled. */
  #floor = 0;
  /** After a give-back: what was begun then; -1 none. */
  #stuckAt = -1;
  #gaveBackAt = 0;
  #begunBefore = 0;
  #lookedAt = 0;
  #waitedBefore = false;

  constructor(shared: SharedMemory) {
    this.#shared = shared;
  }

  /** Requests sent so far. */
  get sent(): number {
    return this.#lastSent;
  }

  /** Requests sent and not begun. */
  get waiting(): number {
    const begun = this.#shared.begun;
    const reached = ((begun - this.#floor) | 0) > 0 ? begun : this.#floor;
    const waiting = (this.#lastSent - reached) | 0;
    return waiting > 0 ? waiting : 0;
  }

  /** True when the worker has begun this stream. */
  hasBegun(stream: number): boolean {
    return ((stream - this.#shared.begun) | 0) <= 0;
  }

  /** True for the one that the worker has begun last. */
  isNewest(stream: number): boolean {
    return stream === this.#shared.begun;
  }

  /** True for so long after a give-back, unless the worker has begun something, or said something of a request, since. */
  gaveBackWithin(ms: number, clock: () => number): boolean {
    return (
      this.#stuckAt >= 0 && this.#shared.begun === this.#stuckAt && clock() - this.#gaveBackAt < ms
    );
  }

  /** True for the time in which it gets nothing after that. */
  isStuck(clock: () => number): boolean {
    return this.gaveBackWithin(STUCK_MS, clock);
  }

  /** The number of the next request. */
  next(): number {
    const stream = this.#lastSent === 0xffffffff ? 1 : this.#lastSent + 1;
    this.#lastSent = stream;
    return stream;
  }

  /** This stream is over. */
  ended(stream: number): void {
    if (((stream - this.#floor) | 0) > 0) this.#floor = stream;
  }

  /** The worker answers: it is not stuck. */
  heard(): void {
    this.#stuckAt = -1;
  }

  gaveBack(now: number): void {
    this.#stuckAt = this.#shared.begun;
    this.#gaveBackAt = now;
    this.limit = Math.max(1, this.limit >>> 1);
  }

  /** Adapts the limit to how fast the worker begins requests, measured only while some wait. */
  measure(now: number): void {
    const begun = this.#shared.begun;
    const steps = (begun - this.#begunBefore) | 0;
    const waits = this.waiting > 0;
    if (this.#waitedBefore && steps > 0) {
      const each = (now - this.#lookedAt) / steps;
      const fits = each <= 0 ? DEPTH_MAX : Math.max(1, Math.floor(WAIT_TARGET_MS / each));
      const next = fits > this.limit ? Math.min(fits, this.limit * 2) : (this.limit + fits) >>> 1;
      this.limit = Math.min(DEPTH_MAX, Math.max(1, next));
    } else if (!waits && this.limit < DEPTH_START) {
      this.limit += 1;
    }
    this.#begunBefore = begun;
    this.#lookedAt = now;
    this.#waitedBefore = waits;
  }
}
