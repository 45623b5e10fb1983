/** Which of two workers gets the next request when one of them is held up. */
import { beforeEach, describe, expect, test } from "bun:test";
import { WorkerPool } from "../../../src/dispatch/pool.ts";
import { SharedMemory } from "../../../src/dispatch/ring.ts";
import { WorkerLink } from "../../../src/dispatch/worker-link.ts";
import { BOARD_BEGUN, BOARD_COMPUTING, Flag } from "../../../src/wire/spec.ts";
import {
  FakeExchange,
  FakeSocket,
  factsOf,
  fakeHead,
  giveBackFrame,
  responseFrame,
} from "../../support/wire.ts";

const HEAD = fakeHead("REQUEST_METHOD\0GET\0");
const CONSTANT = Buffer.from("");
const nothing = (): void => {};

let now = 1000;
let pool: WorkerPool;

class Worker {
  readonly #board = new Uint32Array(16);
  readonly #link: WorkerLink;

  constructor(id: number) {
    const shared = new SharedMemory(this.#board, null);
    this.#link = new WorkerLink(pool, new FakeSocket(), factsOf(id, "cgi", 40), shared, now);
    pool.add(this.#link);
  }

  get running(): number {
    return this.#link.running;
  }

  /** Its threads get the interpreter late. */
  set computing(yes: boolean) {
    this.#board[BOARD_COMPUTING] = Number(yes);
  }

  begin(stream: number): void {
    this.#board[BOARD_BEGUN] = stream;
  }

  respond(stream: number, flags: number = Flag.END): void {
    pool.received(this.#link, responseFrame(stream, "", flags));
  }

  giveBack(stream: number): void {
    pool.received(this.#link, giveBackFrame(stream));
  }
}

function submit(count = 1): void {
  for (let i = 0; i < count; i++) pool.submit(new FakeExchange(`${i}`), HEAD, CONSTANT);
}

let one: Worker;
let two: Worker;
const running = (): number[] => [one.running, two.running];

/** Each has begun a request. */
beforeEach(() => {
  now = 1000;
  const events = { onLate: nothing, onStuck: nothing, onDrained: nothing };
  pool = new WorkerPool(
    { queueMax: 100, queueTimeoutMs: 0, interruptMs: 100, silentMs: 0 },
    { ...events, onProtocolError: nothing },
    () => now,
  );
  one = new Worker(1);
  two = new Worker(2);
  submit(2);
  for (const worker of [one, two]) worker.begin(1);
});

/** A choice is what looks: from here on a call is known to go on. */
function look(): void {
  submit();
  const worker = one.running > two.running ? one : two;
  worker.begin(2);
  worker.respond(2);
  expect(running()).toEqual([1, 1]);
}

describe("A view that computes for long in one of the threads", () => {
  test("lets eight more go to the other worker, then both take turns", () => {
    one.computing = true;
    look();
    now += 100;
    submit(8);
    expect(running()).toEqual([1, 9]);
    // However many may wait in it.
    two.begin(10);
    submit(4);
    expect(running()).toEqual([3, 11]);
  });

  test("changes nothing before it is long", () => {
    one.computing = true;
    look();
    now += 99;
    submit(4);
    expect(running()).toEqual([3, 3]);
  });

  test("changes nothing where both are in one, or nobody computes", () => {
    one.computing = two.computing = true;
    look();
    now += 100;
    submit(4);
    one.computing = two.computing = false;
    submit(4);
    expect(running()).toEqual([5, 5]);
  });

  test("is over with its answer, and is none that already answers", () => {
    one.computing = true;
    look();
    now += 100;
    one.respond(1, 0);
    submit(4);
    expect(running()).toEqual([3, 3]);
  });
});

describe("A loop that has given requests back", () => {
  beforeEach(() => {
    submit(2);
    two.begin(2);
    one.giveBack(2);
    expect(running()).toEqual([1, 3]);
    // The time in which it gets nothing at all.
    now += 20;
  });

  test("gets others late", () => {
    submit(6);
    expect(running()).toEqual([1, 9]);
    submit(2);
    expect(running().toSorted((a, b) => a - b)).toEqual([2, 10]);
  });

  test("is as good as others once it begins something, or answers", () => {
    one.begin(3);
    submit(2);
    expect(running()).toEqual([3, 3]);
  });

  test("is tried again after a while", () => {
    now += 3000;
    submit(2);
    expect(running()).toEqual([3, 3]);
  });
});
