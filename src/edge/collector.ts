/**
 * When the runtime's collector is asked to run. By itself it lets the heap grow to several times what lives in it, and most of what lives
 * are connections: with thousands of them that is much memory for nothing. Few connections are left to the runtime.
 */

/** With fewer connections the runtime collects soon enough. */
const CONNECTIONS_MIN = 2000;
/** About 30 MiB of garbage; a collection takes some 2 ms for each 1000 connections. */
const REQUESTS_BETWEEN = 100_000;

export class Collector {
  readonly #collect: () => void;
  #requests = 0;

  constructor(collect: () => void = () => Bun.gc(true)) {
    this.#collect = collect;
  }

  /** Once in a while, with the number of connections and that of all requests so far. */
  tick(connections: number, requests: number): void {
    if (connections < CONNECTIONS_MIN) this.#requests = requests;
    else if (requests - this.#requests >= REQUESTS_BETWEEN) {
      this.#requests = requests;
      this.#collect();
    }
  }
}
