/**
 * When the runtime's collector is asked to run. By itself it lets the heap grow to several times what lives in it, and most of what lives
 * are connections: with thousands of them that is much memory for nothing. Its own look each second would keep that small, but would be
 * most of what an idle edge does: here it is asked while requests come, once more after the last of them, and then no more.
 */
import { dropCode } from "../net/footprint.ts";

/** Garbage of a load is collected after so many milliseconds, with few connections sooner after so many requests. */
const EVERY_MS = 1000;
const REQUESTS_EVERY = 10_000;
/** With fewer connections the runtime collects soon enough. */
const CONNECTIONS_MIN = 2000;
/** About 30 MiB of garbage; a collection takes some 2 ms for each 1000 connections. */
const REQUESTS_BETWEEN = 100_000;

/** Code goes, too, that the load has needed once: the compilers of hot functions above all. */
function collectGarbage(now: boolean): void {
  Bun.gc(now);
  dropCode();
}

export class Collector {
  readonly #collect: (now: boolean) => void;
  /** Of requests: when a whole collection was made, and when any was. */
  #whole = 0;
  #seen = 0;
  #lookedAt = 0;

  /** `collect`: at once and whole, or as soon as the runtime likes. */
  constructor(collect: (now: boolean) => void = collectGarbage) {
    this.#collect = collect;
  }

  /** Once in a while, with the number of connections and that of all requests so far; true: there is something left to collect. */
  tick(now: number, connections: number, requests: number): boolean {
    const few = connections < CONNECTIONS_MIN;
    if (few) this.#whole = requests;
    else if (requests - this.#whole >= REQUESTS_BETWEEN) {
      this.#whole = requests;
      this.#collected(true, now, requests);
    }
    const since = requests - this.#seen;
    const enough = few && since >= REQUESTS_EVERY;
    if (enough || (since > 0 && now - this.#lookedAt >= EVERY_MS)) {
      this.#collected(false, now, requests);
    }
    return requests !== this.#seen;
  }

  #collected(whole: boolean, now: number, requests: number): void {
    this.#seen = requests;
    this.#lookedAt = now;
    this.#collect(whole);
  }
}
