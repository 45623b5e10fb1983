/**
 * Who writes next (RFC 9218 section 10): the lowest urgency number that has a stream with DATA to send. Within it, streams that are
 * not incremental are served one after another by their numbers, incremental ones in turn; when there are both, the two kinds alternate.
 */
import { URGENCIES } from "./priority.ts";
import type { Stream } from "./streams.ts";

export class Scheduler {
  /** By priority (twice the urgency, 1 if incremental): the first and the last of a list. */
  readonly #firsts: (Stream | null)[] = new Array<Stream | null>(2 * URGENCIES).fill(null);
  readonly #lasts: (Stream | null)[] = new Array<Stream | null>(2 * URGENCIES).fill(null);
  /** Bit p: the list of priority p is not empty. */
  #used = 0;
  /** Within an urgency the incremental ones are next. */
  #incrementalNext = false;

  get empty(): boolean {
    return this.#used === 0;
  }

  /** `stream` has DATA that its window lets go. */
  add(stream: Stream): void {
    if (stream.listed) return;
    const priority = stream.priority;
    let before = this.#lasts[priority] ?? null;
    if ((priority & 1) === 0) {
      while (before !== null && before.id > stream.id) before = before.before;
    }
    const after = before === null ? (this.#firsts[priority] ?? null) : before.after;
    stream.listed = true;
    stream.before = before;
    stream.after = after;
    if (before === null) this.#firsts[priority] = stream;
    else before.after = stream;
    if (after === null) this.#lasts[priority] = stream;
    else after.before = stream;
    this.#used |= 1 << priority;
  }

  remove(stream: Stream): void {
    if (!stream.listed) return;
    const { priority, before, after } = stream;
    if (before === null) this.#firsts[priority] = after;
    else before.after = after;
    if (after === null) this.#lasts[priority] = before;
    else after.before = before;
    if (before === null && after === null) this.#used &= ~(1 << priority);
    stream.listed = false;
    stream.before = null;
    stream.after = null;
  }

  setPriority(stream: Stream, priority: number): void {
    const listed = stream.listed;
    this.remove(stream);
    stream.priority = priority;
    if (listed) this.add(stream);
  }

  /** The stream that sends one frame now; null when none can. */
  next(): Stream | null {
    const used = this.#used;
    if (used === 0) return null;
    const urgency = (31 - Math.clz32(used & -used)) >> 1;
    const both = (used >> (2 * urgency)) & 3;
    const incremental = both === 3 ? this.#incrementalNext : both === 2;
    this.#incrementalNext = !incremental;
    const stream = this.#firsts[2 * urgency + (incremental ? 1 : 0)]!;
    if (incremental && stream.after !== null) {
      this.remove(stream);
      this.add(stream);
    }
    return stream;
  }
}
