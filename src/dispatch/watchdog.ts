/**
 * Workers that do not do what they were told: a cancelled request that does not end, and no word, not even to a ping, from one that
 * has work. They are stuck, and said to be again and again until somebody ends them. One whose request does not end soon is said to
 * be late before that: another can take its place meanwhile.
 */
import type { WorkerLink } from "./worker-link.ts";

/** A worker that has work and has said nothing for so long is asked whether it is there. */
const SILENT_MS = 500;
/** An app that can be interrupted ends within milliseconds, if it has nothing to roll back. */
const LATE_MS = 250;

export interface StuckRequest {
  stream: number;
  method: string;
  target: string;
  seconds: number;
}

export interface WatchdogOptions {
  /** After a cancelled request has not ended for so long the worker counts as stuck. */
  interruptMs: number;
  /** A worker that has work and says nothing for so long counts as stuck; 0 never. */
  silentMs: number;
}

function patience(silentMs: number): number {
  return Math.min(SILENT_MS, silentMs / 3);
}

/** Whether not even the thread that answers pings runs: nothing there can be interrupted, or begin. */
export function isSilent(
  { open, pingedAt }: WorkerLink,
  now: number,
  { silentMs }: WatchdogOptions,
): boolean {
  return open > 0 && pingedAt > 0 && silentMs > 0 && now - pingedAt >= patience(silentMs);
}

/** A stream that was told to end and has not. */
interface Straggler {
  link: WorkerLink;
  since: number;
  /** Something has been said of the worker before its time is over. */
  told: boolean;
  what: StuckRequest;
}

export interface WatchdogEvents {
  /** The worker does not end a request that was given up, for now. */
  onLate(link: WorkerLink): void;
  onStuck(link: WorkerLink, what: StuckRequest): void;
}

export class Watchdog {
  readonly #events: WatchdogEvents;
  #stragglers: Straggler[] = [];

  constructor(events: WatchdogEvents) {
    this.#events = events;
  }

  /** Whether a request that was given up has not ended. */
  get waits(): boolean {
    return this.#stragglers.length > 0;
  }

  /** This request was cancelled. */
  watch(link: WorkerLink, what: StuckRequest, now: number): void {
    this.#stragglers.push({ link, since: now, told: false, what });
  }

  remove(link: WorkerLink): void {
    this.#stragglers = this.#stragglers.filter((one) => one.link !== link);
  }

  /** True while there is something to watch closely. */
  tick(links: readonly WorkerLink[], now: number, options: WatchdogOptions): boolean {
    const { silentMs } = options;
    if (this.#stragglers.length > 0) {
      this.#stragglers = this.#stragglers.filter((one) => one.link.isOpen(one.what.stream));
      for (const one of this.#stragglers) {
        this.#check(one, now, options);
      }
    }
    if (silentMs > 0) for (const link of links) this.#checkSilent(link, now, silentMs);
    return this.waits;
  }

  #check(one: Straggler, now: number, options: WatchdogOptions): void {
    const { link, what, since, told } = one;
    const silent = !told && isSilent(link, now, options);
    if (silent || now - since >= options.interruptMs) {
      one.since = now;
      one.told = true;
      this.#events.onStuck(link, what);
    } else if (!told && now - since >= LATE_MS) {
      one.told = true;
      this.#events.onLate(link);
    }
  }

  #checkSilent(link: WorkerLink, now: number, silentMs: number): void {
    if (link.open === 0) return;
    if (link.pingedAt === 0) {
      if (now - link.heardAt > patience(silentMs)) link.ping(now);
    } else if (now - Math.max(link.pingedAt, link.toldAt) > silentMs) {
      // Its ping stays unanswered: what it holds and another may have is not given up while it is ended.
      link.toldAt = now;
      this.#events.onStuck(link, { stream: 0, method: "", target: "", seconds: silentMs / 1000 });
    }
  }
}
