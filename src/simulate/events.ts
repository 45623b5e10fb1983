/** The clock of a simulation: what is to happen, by time; at the same time, in the order in which it was asked for. */

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

export class Events {
  /** Milliseconds. */
  now = 0;
  #heap: Event[] = [];
  #order = 0;

  after(ms: number, run: () => void): void {
    this.at(this.now + ms, run);
  }

  at(time: number, run: () => void): void {
    const heap = this.#heap;
    const event = { at: Math.max(time, this.now), order: this.#order++, run };
    let hole = heap.length;
    heap.push(event);
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (isBefore(heap[parent]!, event)) break;
      heap[hole] = heap[parent]!;
      hole = parent;
    }
    heap[hole] = event;
  }

  /** Until nothing is left to happen, or `end`. */
  run(end: number): void {
    for (let event = this.#heap[0]; event !== undefined && event.at <= end; event = this.#heap[0]) {
      this.#drop();
      this.now = event.at;
      event.run();
    }
    this.now = Math.max(this.now, end);
  }

  /** Takes out the first. */
  #drop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    const count = heap.length;
    if (count === 0) return;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= count) break;
      if (child + 1 < count && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[hole] = heap[child]!;
      hole = child;
    }
    heap[hole] = last;
  }
}
