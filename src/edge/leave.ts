/**
 * How an edge leaves, in this order: what waits in the kernel is accepted, the listening sockets are closed, kept connections get a last
 * while for requests that are on their way, and when the last connection is closed it is over. What is still there at the deadline is cut.
 */
import { monotonic } from "../core/clock.ts";
import { isAwaited } from "../net/backlog.ts";
import type { ClientMember } from "./connection.ts";

/** A listening socket. */
export interface Door {
  readonly fd: number;
  stop(): void;
}

export interface StopOptions {
  /** For what is under way. */
  readonly deadlineMs: number;
  /** For requests that are on their way to us on kept connections. */
  readonly lingerMs: number;
}

export interface LeaveOptions extends StopOptions {
  readonly doors: readonly Door[];
  readonly members: () => readonly ClientMember[];
  /** How many there are. */
  readonly count: () => number;
  readonly done: () => void;
}

/** For handshakes that the kernel has begun: their last packet takes half a round trip. */
const HANDSHAKES_MS = 100;
/** Where newcomers could not be held off there may always be another one. */
const ACCEPT_MS_MAX = 1000;
const LOOK_MS = 10;

export class Leave {
  readonly #options: LeaveOptions;
  readonly #since: number;
  #doorsOpen: boolean;
  #over = false;
  #timers: Timer[] = [];

  constructor(options: LeaveOptions) {
    this.#options = options;
    this.#since = monotonic.now();
    this.#doorsOpen = options.doors.length > 0;
  }

  begin(): void {
    const { deadlineMs, members } = this.#options;
    for (const member of members()) member.shutdown(false);
    this.#after(deadlineMs, () => {
      this.#closeDoors();
      for (const member of members()) member.kill();
      this.closed();
    });
    if (this.#doorsOpen) this.#after(LOOK_MS, this.#look);
    else this.#linger();
    this.closed();
  }

  /** A connection is closed. */
  closed(): void {
    if (this.#over || this.#doorsOpen || this.#options.count() > 0) return;
    this.#over = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#options.done();
  }

  readonly #look = (): void => {
    if (!this.#doorsOpen) return;
    const spent = monotonic.now() - this.#since;
    const awaited = this.#options.doors.some(({ fd }) => isAwaited(fd));
    if (spent < HANDSHAKES_MS || (awaited && spent < ACCEPT_MS_MAX)) {
      this.#after(LOOK_MS, this.#look);
      return;
    }
    this.#closeDoors();
    this.#linger();
    this.closed();
  };

  #closeDoors(): void {
    if (!this.#doorsOpen) return;
    this.#doorsOpen = false;
    for (const door of this.#options.doors) door.stop();
  }

  #linger(): void {
    const { lingerMs, deadlineMs, members } = this.#options;
    this.#after(Math.min(lingerMs, deadlineMs / 2), () => {
      for (const member of members()) member.shutdown(true);
    });
  }

  #after(ms: number, then: () => void): void {
    this.#timers.push(setTimeout(then, ms));
  }
}
