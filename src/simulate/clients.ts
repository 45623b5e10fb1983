/**
 * The clients of one node: a fixed number of kept connections, one request at a time on each, and new ones. A request that has no
 * connection waits for one; its time counts from when it was due, as the open-loop generator counts it.
 */
import type { Events } from "./events.ts";
import type { Node } from "./job.ts";
import type { Random } from "./random.ts";
import type { Cost } from "./workload.ts";

interface Due {
  readonly cost: Cost;
  readonly at: number;
}

export class Clients {
  /** Requests under way or waiting. */
  open = 0;
  readonly #events: Events;
  readonly #node: Node;
  readonly #fresh: number;
  readonly #random: Random;
  readonly #over: (dueAt: number, refused: boolean) => void;
  /** The one that has been free longest comes first. */
  readonly #free: Ring<number> = new Ring();
  readonly #waiting: Ring<Due> = new Ring();

  constructor(
    events: Events,
    node: Node,
    settings: { connections: number; fresh: number; random: Random },
    over: (dueAt: number, refused: boolean) => void,
  ) {
    this.#events = events;
    this.#node = node;
    this.#fresh = settings.connections === 0 ? 1 : settings.fresh;
    this.#random = settings.random;
    this.#over = over;
    for (let index = 0; index < settings.connections; index++) this.#free.push(index);
  }

  ask(cost: Cost): void {
    this.open += 1;
    const due = { cost, at: this.#events.now };
    if (this.#fresh > 0 && this.#random() < this.#fresh) return this.#send(due, -1);
    const connection = this.#free.shift();
    if (connection === undefined) this.#waiting.push(due);
    else this.#send(due, connection);
  }

  #send({ cost, at }: Due, connection: number): void {
    const done = (refused: boolean): void => {
      this.open -= 1;
      if (connection >= 0) this.#release(connection);
      this.#over(at, refused);
    };
    this.#node.submit({ cost, connection, done });
  }

  #release(connection: number): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(connection);
    else this.#send(next, connection);
  }
}

/** A queue that does not move what it holds. */
class Ring<T> {
  #items: (T | undefined)[] = [];
  #first = 0;

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.#first === this.#items.length) return undefined;
    const item = this.#items[this.#first];
    this.#items[this.#first++] = undefined;
    if (this.#first > 1024 && this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }
}
