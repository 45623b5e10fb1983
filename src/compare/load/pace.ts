/** What the open load generators share: when requests are due, and how long a run awaits what is left at its end. */

/** So long after the end, what is due and waits for a connection is still sent. */
const SEND_MS = 2000;
/** After the last send, answers are awaited so long; those that are still missing then are errors. */
const LINGER_MS = 5000;
const SLEEP_MS = 1;
/** What the clock and sums of gaps are inexact by, in gaps: what would be due at the very end is not. */
const INEXACT = 1e-6;

/** The times at which requests are due: `rate` a second (0: none), from the start until before the end, whatever the answers do. */
export class Schedule {
  readonly #start: number;
  readonly #gap: number;
  readonly #count: number;
  #told = 0;

  constructor(rate: number, start: number, end: number) {
    this.#start = start;
    this.#gap = 1000 / rate;
    this.#count = Math.ceil((end - start) / this.#gap - INEXACT);
  }

  /** Those that have come by `now` and were not told before. */
  by(now: number): number[] {
    const due: number[] = [];
    while (this.#told < this.#count && this.#next <= now) {
      due.push(this.#next);
      this.#told += 1;
    }
    return due;
  }

  get #next(): number {
    return this.#start + this.#told * this.#gap;
  }
}

/**
 * Calls `tick` again and again until the end, and once more behind it: what became due while this process stood still, beyond the end,
 * is sent late and counts as late. Gives the time at which it was over, which is before the end when `over` says so.
 */
export async function run(
  end: number,
  tick: (now: number) => void,
  { spin = true, over = () => false }: { spin?: boolean; over?: () => boolean } = {},
): Promise<number> {
  let now = performance.now();
  for (; now < end && !over(); now = performance.now()) {
    tick(now);
    await turn(spin);
  }
  if (now >= end) tick(now);
  return now;
}

/** Lets events in; without `spin` it sleeps. */
async function turn(spin: boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (spin) setImmediate(resolve);
  else setTimeout(resolve, SLEEP_MS);
  return promise;
}

/** After the end: sends while something waits for a connection, then awaits answers, both within limits. */
export async function finish(
  answersMissing: () => boolean,
  somethingWaits: () => boolean = () => false,
  send: () => void = () => undefined,
): Promise<void> {
  const sendEnd = performance.now() + SEND_MS;
  while (somethingWaits() && performance.now() < sendEnd) {
    send();
    await turn(false);
  }
  const lingerEnd = performance.now() + LINGER_MS;
  while (answersMissing() && performance.now() < lingerEnd) await turn(false);
}
