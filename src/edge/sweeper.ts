/**
 * Deadlines of client connections, coarse and almost free: a connection sets a number, one timer looks at all of them. Being late by
 * one tick is within the contract of every timeout here (they are seconds; a tick is at most half a second).
 */
import type { Clock } from "../core/clock.ts";

export interface Swept {
  /** Milliseconds of the sweeper's clock; 0 none. */
  deadline: number;
  /** Its place in the sweeper; kept by the sweeper, -1 outside. */
  sweepIndex: number;
  onDeadline(now: number): void;
}

const TICK_MS_MAX = 500;
const TICK_MS_MIN = 20;
/** The shortest timeout in ticks. */
const TICKS_PER_TIMEOUT = 8;

export class Sweeper {
  /** When the timer was last here. */
  now: number;
  readonly tickMs: number;
  readonly #clock: Clock;
  readonly #members: Swept[] = [];
  readonly #alsoEachTick: (now: number) => boolean;
  #timer: Timer | null = null;
  /** Nobody is judged before; 0: they are. */
  #heldUntil = 0;

  /**
   * `shortestMs`: the smallest timeout in use; the tick is an eighth of it, within bounds. `alsoEachTick` returns true while it wants to
   * be called though there are no members.
   */
  constructor(clock: Clock, shortestMs: number, alsoEachTick: (now: number) => boolean) {
    this.#clock = clock;
    this.now = clock.now();
    this.tickMs = Math.min(TICK_MS_MAX, Math.max(TICK_MS_MIN, shortestMs / TICKS_PER_TIMEOUT));
    this.#alsoEachTick = alsoEachTick;
  }

  get size(): number {
    return this.#members.length;
  }

  add(member: Swept): void {
    if (this.#timer === null) {
      this.now = this.#clock.now();
      this.#timer = setInterval(() => this.onTimer(), this.tickMs);
    }
    member.sweepIndex = this.#members.length;
    this.#members.push(member);
  }

  remove(member: Swept): void {
    const at = member.sweepIndex;
    if (at < 0) return;
    const last = this.#members.pop()!;
    if (last !== member) {
      this.#members[at] = last;
      last.sweepIndex = at;
    }
    member.sweepIndex = -1;
  }

  /** The deadline that is `ms` from now: never early, at most a tick late. */
  in(ms: number): number {
    return this.now + ms + this.tickMs;
  }

  /** Members, for a look at all of them; not to be changed while it is iterated. */
  members(): readonly Swept[] {
    return this.#members;
  }

  /**
   * Late by more than a tick: this process stood still, and for all it knows the whole machine did (a virtual machine that is moved). For
   * as long again nobody is judged, so that what was under way can end and what has come is read, but no longer than the shortest timeout.
   * One that is only always late does judge in between.
   */
  onTimer(): void {
    const now = this.#clock.now();
    const heldMost = TICKS_PER_TIMEOUT * this.tickMs;
    const late = now - this.now - this.tickMs;
    const lateMost = this.#heldUntil === 0 ? this.tickMs : heldMost;
    if (late > lateMost) this.#heldUntil = now + Math.min(late, heldMost);
    if (now < this.#heldUntil) {
      this.now = now;
      return;
    }
    this.#heldUntil = 0;
    this.tick(now);
  }

  tick(now = this.#clock.now()): void {
    this.now = now;
    // Backwards: a member that leaves is replaced by one that has been looked at.
    for (let i = this.#members.length - 1; i >= 0; i--) {
      const member = this.#members[i];
      if (member !== undefined && member.deadline !== 0 && now >= member.deadline) {
        member.onDeadline(now);
      }
    }
    const wanted = this.#alsoEachTick(now);
    if (!wanted && this.#members.length === 0 && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }
}
