/**
 * Where the threads of a worker are. A signal makes the interpreter write their tracebacks to its output (`faulthandler`, which works while
 * Python is stuck in C code); they go to the log like all it writes, and are collected here for who asked. Nothing marks the end of them:
 * it has come when nothing more does.
 */

/** The worker registers it (python/keelback/worker.py): a real-time signal that nobody uses, on macOS the one for such questions. */
export const DUMP_SIGNAL = process.platform === "darwin" ? 29 : 59;

const QUIET_MS = 250;
const WAIT_MS = 5000;
const LINES_MAX = 5000;

interface Collection {
  readonly lines: string[];
  timer: Timer;
  readonly done: (lines: readonly string[]) => void;
}

export class Dumps {
  readonly #collections = new Map<string, Set<Collection>>();

  /** A line of a worker's output. */
  heard(name: string, line: string): void {
    for (const one of this.#collections.get(name) ?? []) {
      if (one.lines.push(line) >= LINES_MAX) this.#end(name, one);
      else this.#wait(name, one, QUIET_MS);
    }
  }

  /** What this worker writes from now on, until it is quiet; nothing when it writes nothing in time. */
  collect(name: string): Promise<readonly string[]> {
    const { promise, resolve } = Promise.withResolvers<readonly string[]>();
    const one: Collection = { lines: [], timer: setTimeout(() => {}, 0), done: resolve };
    const all = this.#collections.get(name) ?? new Set();
    this.#collections.set(name, all.add(one));
    this.#wait(name, one, WAIT_MS);
    return promise;
  }

  #wait(name: string, one: Collection, ms: number): void {
    clearTimeout(one.timer);
    one.timer = setTimeout(() => this.#end(name, one), ms);
    one.timer.unref();
  }

  #end(name: string, one: Collection): void {
    clearTimeout(one.timer);
    const all = this.#collections.get(name);
    all?.delete(one);
    if (all?.size === 0) this.#collections.delete(name);
    one.done(one.lines);
  }
}
