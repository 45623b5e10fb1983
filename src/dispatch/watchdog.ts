/**
 * Workers that do not do what they were told: a cancelled request that does not end, and no word, not even to a ping, from one that
 * has work. They are stuck, and said to be again and again until somebody ends them.
 */
import type { WorkerLink } from "./worker-link.ts";

/** A worker that has work and has said nothing for so long is asked whether it is there. */
const SILENT_MS = 500;

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

/** A stream that was told to end and has not. */
interface Straggler {
  link: WorkerLink;
  since: number;
  what: StuckRequest;
}

export class Watchdog {
  readonly #onStuck: (link: WorkerLink, what: StuckRequest) => void;
  #stragglers: Straggler[] = [];

  constructor(onStuck: (link: WorkerLink, what: StuckRequest) => void) {
    this.#onStuck = onStuck;
  }

  /** This request was cancelled. */
  watch(link: WorkerLink, what: StuckRequest, now: number): void {
    this.#stragglers.push({ link, since: now, what });
  }

  remove(link: WorkerLink): void {
    this.#stragglers = this.#stragglers.filter((one) => one.link !== link);
  }

  /** True while there is something to watch closely. */
  tick(links: readonly WorkerLink[], now: number, options: WatchdogOptions): boolean {
    const { interruptMs, silentMs } = options;
    if (this.#stragglers.length > 0) {
      this.#stragglers = this.#stragglers.filter((one) => one.link.isOpen(one.what.stream));
      for (const one of this.#stragglers) {
        if (now - one.since < interruptMs) continue;
        one.since = now;
        this.#onStuck(one.link, one.what);
      }
    }
    if (silentMs > 0) for (const link of links) this.#checkSilent(link, now, silentMs);
    return this.#stragglers.length > 0;
  }

  #checkSilent(link: WorkerLink, now: number, silentMs: number): void {
    if (link.open === 0) return;
    if (link.pingedAt === 0) {
      if (now - link.heardAt > Math.min(SILENT_MS, silentMs / 3)) link.ping(now);
    } else if (now - link.pingedAt > silentMs) {
      link.pingedAt = now;
      this.#onStuck(link, { stream: 0, method: "", target: "", seconds: silentMs / 1000 });
    }
  }
}
