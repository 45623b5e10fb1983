/**
 * A node of ours: the very pool of the edge (src/dispatch), with its queue, its depths and what is given back, before workers that
 * speak the wire to it but only pretend to work. Their rules are those of python/keelback: threads.py and asgi_monitor.py.
 */
import type { FrameSink } from "../wire/frames.ts";
import { FrameDecoder, frame } from "../wire/frames.ts";
import { Flag, FrameType } from "../wire/spec.ts";
import { WorkerPool } from "../dispatch/pool.ts";
import { SharedMemory } from "../dispatch/ring.ts";
import type { LinkOwner } from "../dispatch/worker-link.ts";
import { WorkerLink } from "../dispatch/worker-link.ts";
import { bareHead } from "../proto/bare-head.ts";
import type { HeadForm, RequestHead } from "../proto/events.ts";
import { Cores } from "./cores.ts";
import type { Events } from "./events.ts";
import { Interpreter } from "./interpreter.ts";
import type { Job, Node } from "./job.ts";
import { burdened, MONITOR_SHARE, OVERHEAD_MS } from "./job.ts";
import { LoopRunner, ThreadsRunner } from "./runners.ts";
import type { Owner, Runner } from "./runners.ts";
import { SimulatedExchange } from "./simulated-exchange.ts";

/** As in pool.ts: how long until queued requests are looked at again without a word from a worker. */
const PUMP_MS = 1;
const TICK_MS = 250;
/** From one process to the other, with waking it. */
const HOP_MS = 0.03;
/** Nothing hangs here. */
const NEVER_MS = 1e12;
const NO_CONSTANT = Buffer.alloc(0);
const BOARD_WORDS = 16;
/** A job's number. */
const JOB_BYTES = 4;

export interface NodeSettings {
  readonly form: HeadForm;
  readonly cores: number;
  readonly workers: number;
  /** Threads of a worker, or tasks of an event loop. */
  readonly concurrency: number;
  readonly queueMax: number;
  readonly queueTimeoutMs: number;
}

export class KeelbackNode implements Node, LinkOwner {
  readonly cores: Cores;
  readonly interpreters: readonly Interpreter[];
  readonly #events: Events;
  readonly #form: HeadForm;
  readonly #edge: Interpreter;
  readonly #pool: WorkerPool;
  /** What a request's frame holds: the job's number. */
  readonly #head: RequestHead;
  readonly #jobs: Map<number, Job> = new Map();
  #lastJob = 0;
  #dirty: WorkerLink[] = [];
  #pumpPlanned = false;
  #tickPlanned = false;
  #closed = false;

  constructor(events: Events, settings: NodeSettings) {
    const { form, queueMax, queueTimeoutMs } = settings;
    this.#events = events;
    this.#form = form;
    this.cores = new Cores(events, settings.cores);
    this.#edge = new Interpreter(events, this.cores, false);
    this.#head = bareHead(new Uint8Array(JOB_BYTES), JOB_BYTES);
    const nothing = (): void => undefined;
    this.#pool = new WorkerPool(
      { queueMax, queueTimeoutMs, interruptMs: NEVER_MS, silentMs: 0 },
      {
        onLate: nothing,
        onStuck: nothing,
        onDrained: nothing,
        onProtocolError: (_, what) => fail(what),
      },
      () => events.now,
    );
    this.interpreters = Array.from({ length: settings.workers }, (_, index) => {
      const interpreter = new Interpreter(events, this.cores, form === "cgi");
      this.#add(index + 1, interpreter, settings.concurrency);
      return interpreter;
    });
  }

  submit(job: Job): void {
    this.#edge.run(OVERHEAD_MS.edgeIn, () => {
      this.#lastJob += 1;
      const number = this.#lastJob;
      this.#jobs.set(number, burdened(job, OVERHEAD_MS.keelback, MONITOR_SHARE));
      const x = new SimulatedExchange(this.#form, (refused) => this.#settle(number, refused));
      x.submittedAt = this.#events.now;
      Buffer.from(this.#head.block.buffer).writeUInt32LE(number);
      this.#pool.submit(x, this.#head, NO_CONSTANT);
      this.#after();
    });
  }

  close(): void {
    this.#closed = true;
    this.#pool.giveUp();
  }

  onDirty(link: WorkerLink): void {
    this.#dirty.push(link);
  }

  onReturned(link: WorkerLink, x: SimulatedExchange): void {
    this.#pool.onReturned(link, x);
  }

  onProtocolError(_link: WorkerLink, what: string): void {
    fail(what);
  }

  #add(id: number, interpreter: Interpreter, concurrency: number): void {
    const board = new Uint32Array(BOARD_WORDS);
    const socket = new SimulatedSocket((stream, job) =>
      this.#events.after(HOP_MS, () => runner.arrive({ stream, cost: this.#jobs.get(job)!.cost })),
    );
    const facts = { worker: id, generation: 1, pid: id, form: this.#form, concurrency };
    const paths = { boardPath: "", ringPath: "" };
    const shared = new SharedMemory(board, null);
    const link = new WorkerLink(this, socket, { ...facts, ...paths }, shared, this.#events.now);
    const hear = (bytes: Buffer): void => this.#events.after(HOP_MS, () => this.#hear(link, bytes));
    const owner: Owner = {
      events: this.#events,
      interpreter,
      concurrency,
      begun: (stream) => (board[0] = stream),
      answer: (stream) => hear(answerFrame(stream)),
      giveBack: (streams) => hear(giveBackFrame(streams)),
    };
    const runner: Runner = this.#form === "cgi" ? new ThreadsRunner(owner) : new LoopRunner(owner);
    this.#pool.add(link);
  }

  #hear(link: WorkerLink, bytes: Buffer): void {
    if (this.#closed) return;
    this.#pool.received(link, bytes);
    this.#after();
  }

  #settle(number: number, refused: boolean): void {
    const job = this.#jobs.get(number);
    this.#jobs.delete(number);
    if (job === undefined || this.#closed) return;
    this.#edge.run(OVERHEAD_MS.edgeOut, () => job.done(refused));
  }

  /** What an edge does at the end of a tick, and by its timers. */
  #after(): void {
    for (let link = this.#dirty.pop(); link !== undefined; link = this.#dirty.pop()) link.flush();
    if (this.#pool.queueSize === 0 || this.#closed) return;
    if (!this.#pumpPlanned) {
      this.#pumpPlanned = true;
      this.#events.after(PUMP_MS, () => {
        this.#pumpPlanned = false;
        this.#pool.pump();
        this.#after();
      });
    }
    if (!this.#tickPlanned) {
      this.#tickPlanned = true;
      this.#events.after(TICK_MS, () => {
        this.#tickPlanned = false;
        this.#pool.tick(this.#events.now);
        this.#after();
      });
    }
  }
}

/** Takes everything, and tells which requests there were. */
class SimulatedSocket implements FrameSink {
  readonly #decoder: FrameDecoder = new FrameDecoder(this);
  readonly #onRequest: (stream: number, job: number) => void;

  constructor(onRequest: (stream: number, job: number) => void) {
    this.#onRequest = onRequest;
  }

  write(data: Buffer, byteOffset = 0, byteLength: number = data.length - byteOffset): number {
    const wrong = this.#decoder.push(data.subarray(byteOffset, byteOffset + byteLength));
    if (wrong !== null) fail(wrong);
    return byteLength;
  }

  onFrame(
    type: number,
    stream: number,
    _flags: number,
    _aux: number,
    buf: Buffer,
    start: number,
  ): void {
    if (type === FrameType.REQUEST) this.#onRequest(stream, buf.readUInt32LE(start));
  }
}

const ANSWER = Buffer.from("\x02\0\0\0\r\n");

function answerFrame(stream: number): Buffer {
  return frame(FrameType.RESPONSE, stream, Flag.END | Flag.LENGTH, 200, ANSWER);
}

function giveBackFrame(streams: readonly number[]): Buffer {
  const payload = Buffer.alloc(4 * streams.length);
  streams.forEach((stream, at) => payload.writeUInt32LE(stream, 4 * at));
  return frame(FrameType.GIVE_BACK, 0, 0, 0, payload);
}

function fail(what: string): never {
  throw new Error(`the simulated wire is wrong: ${what}`);
}
