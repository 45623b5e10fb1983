/**
 * Where the threads of a worker are. A signal makes the interpreter write their tracebacks to its output (`faulthandler`, which works while
 * Python is stuck in C code); they go to the log like all it writes, and are collected here for who asked. Nothing in them marks their
 * end: it has come when the signal's handler has returned, or, where the system does not tell that, when nothing more comes.
 */
import type { Handling } from "./handling.ts";

/** The worker registers it (python/keelback/worker.py): a real-time signal that nobody uses, on macOS the one for such questions. */
export const DUMP_SIGNAL = process.platform === "darwin" ? 29 : 59;

const LOOK_MS = 50;
/** Between the two looks, what the worker has written last is read. */
const LOOKS_AFTER = 2;
/** Where nobody tells whether the handler has returned. */
const QUIET_MS = 1000;
/** A worker that writes nothing for so long, from the beginning or in the middle, is given up. */
const WAIT_MS = 5000;
const LINES_MAX = 5000;

interface Collection {
  readonly lines: string[];
  timer: Timer | undefined;
  /** Looks since the last line, and those in a row that found the signal handled. */
  looks: number;
  handled: number;
  readonly done: (lines: readonly string[]) => void;
}

interface Asked {
  /** From before the first of the signals that are under way. */
  readonly handling: Handling;
  readonly collections: Set<Collection>;
}

export class Dumps {
  readonly #asked = new Map<string, Asked>();

  /** A line of a worker's output. */
  heard(name: string, line: string): void {
    for (const one of this.#asked.get(name)?.collections ?? []) {
      one.looks = 0;
      if (one.lines.push(line) >= LINES_MAX) this.#end(name, one);
    }
  }

  /** What this worker writes from now on, until it has handled the signal; nothing when it writes nothing in time. */
  collect(name: string, handling: Handling): Promise<readonly string[]> {
    const { promise, resolve } = Promise.withResolvers<readonly string[]>();
    const asked = this.#asked.get(name) ?? { handling, collections: new Set() };
    this.#asked.set(name, asked);
    const lines: string[] = [];
    const one: Collection = { lines, timer: undefined, looks: 0, handled: 0, done: resolve };
    asked.collections.add(one);
    this.#wait(name, asked, one);
    return promise;
  }

  #wait(name: string, asked: Asked, one: Collection): void {
    one.timer = setTimeout(() => this.#look(name, asked, one), LOOK_MS);
    one.timer.unref();
  }

  #look(name: string, asked: Asked, one: Collection): void {
    one.looks += 1;
    const handles = asked.handling();
    one.handled = handles === false && one.lines.length > 0 ? one.handled + 1 : 0;
    const waitMs = handles === null && one.lines.length > 0 ? QUIET_MS : WAIT_MS;
    const ended = one.handled >= LOOKS_AFTER || one.looks * LOOK_MS >= waitMs;
    if (ended) this.#end(name, one);
    else this.#wait(name, asked, one);
  }

  #end(name: string, one: Collection): void {
    clearTimeout(one.timer);
    const asked = this.#asked.get(name);
    asked?.collections.delete(one);
    if (asked?.collections.size === 0) this.#asked.delete(name);
    one.done(one.lines);
  }
}
