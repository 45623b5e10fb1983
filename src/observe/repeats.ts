/**
 * Says a thing that happens over and over once, and then, ever more rarely, how often it happened
 * meanwhile: a crash loop, or a flood of requests that are refused, must not fill the log. Pure.
 */

/** When the first count follows; each further one takes twice as long. */
const COUNT_MS_FIRST = 60_000;
const COUNT_MS_MAX = 3_600_000;
/** What was not heard for so long is new again. */
const FORGET_MS = 600_000;
/** Different things that are remembered; the oldest are forgotten first. */
const KEYS_MAX = 64;

interface Heard {
  /** In full. */
  said: number;
  unsaid: number;
  since: number;
  lastAt: number;
  countAt: number;
  waitMs: number;
}

/** In full; not at all; or so many times within so long. */
export type Saying = "full" | "nothing" | { readonly times: number; readonly withinMs: number };

export function timesText(saying: { readonly times: number; readonly withinMs: number }): string {
  return `${saying.times} times in the last ${Math.round(saying.withinMs / 1000)} s`;
}

export class Repeats {
  readonly #heard = new Map<string, Heard>();

  /** What to say about this; it is said in full so often. */
  hear(key: string, now: number, often: number = 1): Saying {
    const heard = this.#known(key, now);
    heard.lastAt = now;
    if (heard.said < often) {
      heard.said += 1;
      heard.since = now;
      heard.countAt = now + heard.waitMs;
      return "full";
    }
    heard.unsaid += 1;
    if (now < heard.countAt) return "nothing";
    const saying = { times: heard.unsaid, withinMs: now - heard.since };
    heard.unsaid = 0;
    heard.since = now;
    heard.waitMs = Math.min(COUNT_MS_MAX, heard.waitMs * 2);
    heard.countAt = now + heard.waitMs;
    return saying;
  }

  #known(key: string, now: number): Heard {
    const known = this.#heard.get(key);
    this.#heard.delete(key);
    const fresh = { said: 0, unsaid: 0, since: now, lastAt: now, countAt: 0 };
    const recent = known !== undefined && now - known.lastAt < FORGET_MS;
    const heard = recent ? known : { ...fresh, waitMs: COUNT_MS_FIRST };
    this.#heard.set(key, heard);
    for (const oldest of this.#heard.keys()) {
      if (this.#heard.size <= KEYS_MAX) break;
      this.#heard.delete(oldest);
    }
    return heard;
  }
}
