/**
 * How an edge leaves, in this order: what waits in the kernel is accepted, the listening sockets are closed, kept connections get a last
 * while for requests that are on their way, and when the last connection is closed it is over. What is still there at the deadline is cut.
 * Before a successor, WebSockets stay until shortly before that, and clients are told to leave one after another: all at once they would
 * all connect to it in the same moment, whose handshakes and cold code the requests of all of them would wait for.
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
  /** Another server has the listening sockets too, and serves. */
  readonly successor: boolean;
}

export interface LeaveOptions extends StopOptions {
  readonly doors: readonly Door[];
  readonly members: () => readonly ClientMember[];
  /** How many there are. */
  readonly count: () => number;
  /** Every client is told to leave, newcomers too from now on. */
  readonly tellAll: () => void;
  /** The time of WebSockets is over. */
  readonly endSockets: () => void;
  readonly done: () => void;
}

/** For handshakes that the kernel has begun: their last packet takes half a round trip. */
const HANDSHAKES_MS = 100;
/** Where newcomers could not be held off there may always be another one. */
const ACCEPT_MS_MAX = 1000;
const LOOK_MS = 10;
/** A connection that had something to read when it was to be closed is looked at again. */
const AGAIN_MS = 100;
/** What apps get to end after their WebSockets were closed, before their worker ends: milliseconds, and of the whole time at most. */
const SOCKETS_LAST_MS = 1000;
const SOCKETS_LAST_SHARE = 0.1;

/** For each client that is sent over (a TLS handshake takes a quarter of that), for all of them at least, and of the whole time at most. */
const MOVE_MS = 1;
const MOVES_MS_MIN = 1000;
const MOVES_SHARE = 0.25;
const MOVE_STEP_MS = 20;

/** How long WebSockets stay when everything is to be over after `deadlineMs`. */
export function socketsMs(deadlineMs: number): number {
  return deadlineMs - Math.min(SOCKETS_LAST_MS, deadlineMs * SOCKETS_LAST_SHARE);
}

/** In how long so many clients are told to leave before a successor. */
export function movesMs(clients: number, deadlineMs: number): number {
  return Math.min(Math.max(MOVES_MS_MIN, clients * MOVE_MS), deadlineMs * MOVES_SHARE);
}

export class Leave {
  readonly #options: LeaveOptions;
  readonly #since: number;
  #doorsOpen: boolean;
  #over = false;
  /** Until all clients have been told to leave. */
  #moveMs = 0;
  #timers: Timer[] = [];
  #again: Timer | undefined;

  constructor(options: LeaveOptions) {
    this.#options = options;
    this.#since = monotonic.now();
    this.#doorsOpen = options.doors.length > 0;
  }

  begin(): void {
    const { deadlineMs, members, successor, tellAll, endSockets } = this.#options;
    if (successor) {
      this.#sendOver(members());
      this.#after(socketsMs(deadlineMs), endSockets);
    } else {
      tellAll();
    }
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
    clearInterval(this.#again);
    this.#options.done();
  }

  #sendOver(members: readonly ClientMember[]): void {
    const { deadlineMs, tellAll } = this.#options;
    this.#moveMs = movesMs(members.length, deadlineMs);
    const from = monotonic.now();
    let told = 0;
    const step = (): void => {
      const spent = monotonic.now() - from;
      if (spent >= this.#moveMs) return tellAll();
      const due = Math.ceil((spent / this.#moveMs) * members.length);
      for (const member of members.slice(told, due)) {
        if (member.sweepIndex >= 0) member.shutdown(false);
      }
      told = due;
      this.#after(MOVE_STEP_MS, step);
    };
    step();
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
    const close = (): void => {
      for (const member of members()) member.shutdown(true);
    };
    this.#after(Math.min(this.#moveMs + lingerMs, deadlineMs / 2), () => {
      this.#again = setInterval(close, AGAIN_MS);
      close();
    });
  }

  #after(ms: number, then: () => void): void {
    this.#timers.push(setTimeout(then, ms));
  }
}
