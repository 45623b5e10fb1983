/**
 * Judges whether a request body arrives in time: never silent for too long, and not below the minimum rate once the first seconds
 * are over.
 */
import type { EdgeContext } from "../context.ts";

/** A body's rate is judged from so many milliseconds on. */
const RATE_GRACE_MS = 5000;

export const Slowness = { NONE: 0, SILENT: 1, SLOW: 2 } as const;
export type SlownessCode = (typeof Slowness)[keyof typeof Slowness];

export class BodyClock {
  readonly #ctx: EdgeContext;
  #lastAt: number;
  /** The rate is measured from here on: time in which the app does not read is not the client's. */
  #ratedAt: number;
  #ratedBytes = 0;

  constructor(ctx: EdgeContext) {
    this.#ctx = ctx;
    this.#lastAt = ctx.sweeper.now;
    this.#ratedAt = this.#lastAt;
  }

  /** Measures from now on. */
  restart(): void {
    this.#lastAt = this.#ctx.sweeper.now;
    this.#ratedAt = this.#lastAt;
    this.#ratedBytes = 0;
  }

  count(bytes: number): void {
    this.#lastAt = this.#ctx.sweeper.now;
    this.#ratedBytes += bytes;
  }

  /** Milliseconds until `judge` is to be asked; 0 never. */
  get nextMs(): number {
    const { bodyIdleTimeoutMs: idleMs, bodyRateBytesMin } = this.#ctx.settings;
    const rated = bodyRateBytesMin > 0 && (idleMs === 0 || idleMs > RATE_GRACE_MS);
    return rated ? RATE_GRACE_MS : idleMs;
  }

  judge(now: number): SlownessCode {
    const { bodyIdleTimeoutMs: idleMs, bodyRateBytesMin } = this.#ctx.settings;
    if (idleMs > 0 && now - this.#lastAt >= idleMs) return Slowness.SILENT;
    const spent = now - this.#ratedAt;
    const slow =
      bodyRateBytesMin > 0 &&
      spent >= RATE_GRACE_MS &&
      this.#ratedBytes * 1000 < bodyRateBytesMin * spent;
    return slow ? Slowness.SLOW : Slowness.NONE;
  }
}
