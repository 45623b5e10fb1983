/**
 * A seeded simulation of dispatch: a pool, fake workers that begin, answer, compute, give back, hang and die at any moment, and clients
 * that come and leave, on a fake clock. Half of the schedules have time limits, an edge that gives up what takes too long, and a
 * supervisor that ends workers which are said to be stuck. A failure names its seed; KEELBACK_SEED=<seed> runs that schedule alone.
 */
import { expect, test } from "bun:test";
import { WorkerPool } from "../../../src/dispatch/pool.ts";
import { SharedMemory } from "../../../src/dispatch/ring.ts";
import { WorkerLink } from "../../../src/dispatch/worker-link.ts";
import { frame } from "../../../src/wire/frames.ts";
import { BOARD_COMPUTING, CancelReason, Flag, FrameType } from "../../../src/wire/spec.ts";
import { randomOf } from "../../support/random.ts";
import { FakeExchange, FakeSocket, fakeHead } from "../../support/wire.ts";

const SCHEDULES = 2000;
const STEPS = 120;
const WORKERS_MAX = 4;
const CONCURRENCY = 4;
const ROUNDS_MAX = 1000;
const TEST_TIMEOUT_MS = 120_000;
const RESET_CANCELLED = 4;
/** Milliseconds. */
const TIMEOUT_MS = 1000;
const LIMITS = { queueTimeoutMs: 1500, interruptMs: 300, silentMs: TIMEOUT_MS };
const NO_LIMITS = { queueTimeoutMs: 0, interruptMs: 100, silentMs: 0 };
/** How often an edge looks. */
const TICK_MS = 40;
/** From the moment in which a hung worker has work until somebody is told: it is asked, and then waited for. */
const NOTICED_MS = LIMITS.silentMs + TIMEOUT_MS / 3 + 3 * TICK_MS;
/** A worker that hangs is known to by then. */
const SILENT_MS = (2 * TIMEOUT_MS) / 3 + 3 * TICK_MS;

/** Not at all; in a view that no cancelling ends; in code that keeps the interpreter. */
type Hang = "none" | "view" | "interpreter";

interface Work {
  readonly stream: number;
  readonly name: string;
}

class FakeWorker {
  readonly link: WorkerLink;
  readonly socket = new FakeSocket();
  readonly board = new Uint32Array(16);
  /** Sent and not begun, in order; and begun. */
  waiting: Work[] = [];
  running: Work[] = [];
  hang: Hang = "none";
  /** The request whose view does not end. */
  stubborn = 0;
  /** Since when it has hung with work that it owes, or was given up. */
  owesSince = Infinity;
  stuck = false;

  constructor(pool: WorkerPool, id: number, now: number) {
    const facts = {
      worker: id,
      generation: 1,
      pid: id,
      form: "cgi" as const,
      concurrency: CONCURRENCY,
    };
    const paths = { boardPath: "", ringPath: "" };
    const shared = new SharedMemory(this.board, null);
    this.link = new WorkerLink(pool, this.socket, { ...facts, ...paths }, shared, now);
  }
}

class World {
  readonly #random: () => number;
  readonly #pool: WorkerPool;
  #now = 1000;
  #workers: FakeWorker[] = [];
  #lastWorker = 0;
  readonly #exchanges = new Map<string, FakeExchange>();
  readonly #left = new Set<string>();
  /** With time limits: when the edge gives each up, and those that it has given up. */
  readonly #dueAt = new Map<string, number>();
  readonly #givenUp = new Set<string>();
  readonly #limited: boolean;
  /** How often a worker has begun it; and those whose worker died after that. */
  readonly #begun = new Map<string, number>();
  readonly #bereft = new Set<string>();

  constructor(seed: number) {
    this.#random = randomOf(seed);
    this.#limited = seed % 2 === 0;
    this.#pool = new WorkerPool(
      { queueMax: 30, ...(this.#limited ? LIMITS : NO_LIMITS) },
      {
        onLate: (link) => {
          expect(this.#of(link).hang).not.toBe("none");
          this.#pool.drain(link);
          this.#add();
        },
        onStuck: (link) => {
          const worker = this.#of(link);
          // Nobody who works, or answers to a ping, is said to be stuck.
          expect(worker.owesSince).toBeLessThan(this.#now);
          worker.stuck = true;
        },
        onDrained: () => {},
        onProtocolError: (_link, what) => {
          throw new Error(what);
        },
      },
      () => this.#now,
    );
    this.#add();
  }

  #of(link: WorkerLink): FakeWorker {
    const worker = this.#workers.find((one) => one.link === link);
    if (worker === undefined) throw new Error("it was told of a worker that has gone");
    return worker;
  }

  #pick(count: number): number {
    return Math.floor(this.#random() * count);
  }

  step(): void {
    const worker = this.#workers[this.#pick(this.#workers.length)];
    const chance = this.#pick(100);
    if (chance < 35) return this.#submit();
    if (chance < 45) return this.#pass(this.#pick(30));
    if (chance < 48) return this.#leave();
    if (chance < 52 && this.#workers.length < WORKERS_MAX) return this.#add();
    if (worker === undefined) return;
    if (this.#limited && chance >= 98) return this.#hang(worker);
    worker.board[BOARD_COMPUTING] = this.#pick(8) === 0 ? 1 : 0;
    this.#read(worker);
    if (worker.hang === "interpreter") return;
    if (chance < 70) this.#begin(worker);
    else if (chance < 90) this.#answer(worker);
    else if (chance < 95) this.#giveBack(worker);
    else if (chance < 97) this.#pool.drain(worker.link);
    else this.#die(worker);
  }

  #submit(): void {
    const name = String(this.#exchanges.size + 1);
    const x = new FakeExchange(name, this.#pick(2) === 0 ? "GET" : "POST");
    this.#exchanges.set(name, x);
    this.#dueAt.set(name, this.#now + TIMEOUT_MS);
    this.#pool.submit(x, fakeHead(`NAME\0${name}\0`), Buffer.alloc(0));
  }

  #pass(ms: number): void {
    if (!this.#limited) return this.#look(ms);
    // Everybody but who hangs reads what is sent, in time.
    for (let left = ms * 4; left > 0; left -= TICK_MS) {
      this.#look(Math.min(left, TICK_MS));
      for (const worker of this.#workers) this.#read(worker);
      for (const x of this.#exchanges.values()) this.#checkTime(x);
      for (const worker of this.#workers) {
        const { owesSince, hang } = worker;
        const noticedMs = hang === "view" ? LIMITS.interruptMs + 3 * TICK_MS : NOTICED_MS;
        if (worker.stuck) this.#die(worker);
        else expect(this.#now - owesSince).toBeLessThan(noticedMs);
      }
    }
  }

  #look(ms: number): void {
    this.#now += ms;
    this.#pool.tick(this.#now);
    this.#pool.pump();
  }

  /** As the drivers do when the time of a request is over (src/edge/drivers). */
  #checkTime(x: FakeExchange): void {
    const { name } = x;
    if (outcomes(x).length > 0 || this.#left.has(name) || this.#givenUp.has(name)) return;
    if (this.#now < this.#dueAt.get(name)!) return;
    if (this.#pool.waits(x)) {
      this.#dueAt.set(name, this.#now + TIMEOUT_MS);
      return;
    }
    const worker = this.#workers.find(({ link }) => link === x.carrier);
    const begun = worker?.running.some((work) => work.name === name);
    // What a worker that hangs in the interpreter has not begun is not given up with it.
    const known = this.#now - (worker?.owesSince ?? Infinity) > SILENT_MS;
    if (worker?.hang === "interpreter" && known && x.attempts < 3) expect(begun).toBe(true);
    this.#givenUp.add(name);
    this.#pool.cancel(x, CancelReason.TIMEOUT);
    if (worker?.stubborn === x.stream) worker.owesSince = Math.min(worker.owesSince, this.#now);
  }

  #hang(worker: FakeWorker): void {
    if (worker.hang !== "none") return;
    this.#read(worker);
    if (this.#pick(2) === 0) worker.hang = "interpreter";
    else if (worker.running.length > 0) {
      worker.hang = "view";
      worker.stubborn = worker.running.at(-1)!.stream;
    }
    if (worker.hang === "interpreter" && worker.link.open > 0) worker.owesSince = this.#now;
  }

  /** A client goes before it has its answer. */
  #leave(): void {
    const waiting = [...this.#exchanges.values()].filter((x) => outcomes(x).length === 0);
    const x = waiting[this.#pick(waiting.length)];
    if (x === undefined || this.#left.has(x.name)) return;
    this.#left.add(x.name);
    this.#pool.cancel(x, CancelReason.SHUTDOWN);
  }

  #add(): void {
    this.#lastWorker += 1;
    const worker = new FakeWorker(this.#pool, this.#lastWorker, this.#now);
    this.#workers.push(worker);
    this.#pool.add(worker.link);
  }

  /** The worker reads what was sent to it. */
  #read(worker: FakeWorker): void {
    worker.link.flush();
    if (worker.hang === "interpreter") {
      if (worker.link.open > 0) worker.owesSince = Math.min(worker.owesSince, this.#now);
      return;
    }
    for (const { type, stream, payload } of worker.socket.takeFrames()) {
      if (type === FrameType.REQUEST) {
        const name = payload.toString("latin1").split("\0")[1] ?? "";
        worker.waiting.push({ stream, name });
      } else if (type === FrameType.PING) {
        this.#pool.received(worker.link, frame(FrameType.WORKER_PONG, 0, 0, 0));
      } else if (type === FrameType.CANCEL && stream !== worker.stubborn) {
        const known = [...worker.waiting, ...worker.running].some((work) => work.stream === stream);
        if (!known) continue;
        worker.waiting = worker.waiting.filter((work) => work.stream !== stream);
        worker.running = worker.running.filter((work) => work.stream !== stream);
        this.#pool.received(worker.link, frame(FrameType.RESET, stream, 0, RESET_CANCELLED));
      }
    }
  }

  #begin(worker: FakeWorker): void {
    const work = worker.waiting.shift();
    if (work === undefined) return;
    worker.board[0] = work.stream;
    worker.running.push(work);
    const times = (this.#begun.get(work.name) ?? 0) + 1;
    this.#begun.set(work.name, times);
    const most = this.#exchanges.get(work.name)?.method === "POST" ? 1 : 3;
    expect(times).toBeLessThanOrEqual(most);
  }

  #answer(worker: FakeWorker): void {
    const able = worker.running.filter(({ stream }) => stream !== worker.stubborn);
    const work = able[this.#pick(able.length)];
    if (work === undefined) return;
    worker.running = worker.running.filter((one) => one !== work);
    const head = Buffer.from("HTTP/1.1 200 OK\r\n\r\n");
    const size = Buffer.alloc(4);
    size.writeUInt32LE(head.length);
    const payload = Buffer.concat([size, head, Buffer.from(work.name)]);
    const flags = Flag.END | Flag.LENGTH;
    this.#pool.received(worker.link, frame(FrameType.RESPONSE, work.stream, flags, 200, payload));
  }

  /** All that it has not begun. */
  #giveBack(worker: FakeWorker): void {
    if (worker.waiting.length === 0) return;
    const payload = Buffer.alloc(4 * worker.waiting.length);
    worker.waiting.forEach(({ stream }, at) => payload.writeUInt32LE(stream, 4 * at));
    worker.waiting = [];
    this.#pool.received(worker.link, frame(FrameType.GIVE_BACK, 0, 0, 0, payload));
  }

  #die(worker: FakeWorker): void {
    for (const { name } of worker.running) this.#bereft.add(name);
    this.#workers = this.#workers.filter((one) => one !== worker);
    this.#pool.remove(worker.link);
  }

  /** Nothing bad happens any more: every request has its answer in the end, and only one, its own. */
  settle(): void {
    this.#add();
    const open = (): boolean =>
      [...this.#exchanges.values()].some(
        (x) => outcomes(x).length === 0 && !this.#left.has(x.name) && !this.#givenUp.has(x.name),
      );
    for (let round = 0; round < ROUNDS_MAX && open(); round += 1) {
      for (const worker of this.#workers) {
        this.#read(worker);
        if (worker.hang !== "none") continue;
        while (worker.waiting.length > 0) this.#begin(worker);
        while (worker.running.length > 0) this.#answer(worker);
      }
      this.#pass(25);
    }
    for (const x of this.#exchanges.values()) this.#judge(x);
    expect(this.#pool.queueSize).toBe(0);
  }

  #judge(x: FakeExchange): void {
    const ends = outcomes(x);
    expect(ends.length).toBeLessThanOrEqual(1);
    const [end] = ends;
    if (end === undefined) {
      expect(this.#left.has(x.name) || this.#givenUp.has(x.name)).toBe(true);
    } else if (end.startsWith("head")) {
      expect(end).toEndWith(` ${x.name}`);
    } else if (end === "refused worker-lost") {
      // A begun request goes elsewhere only where that is harmless.
      const tries = this.#begun.get(x.name) ?? 0;
      expect(this.#bereft.has(x.name) || x.attempts >= 3).toBe(true);
      expect(x.method === "POST" || x.attempts >= 3 || tries >= 3).toBe(true);
    } else if (end === "refused queue-timeout") {
      expect(this.#limited).toBe(true);
    } else {
      expect(end).toBe("refused queue-full");
    }
  }
}

/** What the client got; credit is none of that. */
function outcomes({ events }: FakeExchange): string[] {
  return events.filter((event) => event !== "credit");
}

function simulate(seed: number): void {
  try {
    const world = new World(seed);
    for (let i = 0; i < STEPS; i += 1) world.step();
    world.settle();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new Error(`KEELBACK_SEED=${seed} shows it again: ${error.message}`, { cause: error });
  }
}

test(
  "no schedule loses a request, answers one twice, mixes two up, or begins an unsafe one twice",
  () => {
    const replay = process.env["KEELBACK_SEED"];
    if (replay !== undefined) return simulate(Number(replay));
    for (let seed = 1; seed <= SCHEDULES; seed += 1) simulate(seed);
  },
  TEST_TIMEOUT_MS,
);
