import { beforeEach, describe, expect, test } from "bun:test";
import { WorkerPool, type PoolOptions } from "../../../src/dispatch/pool.ts";
import type { StuckRequest } from "../../../src/dispatch/watchdog.ts";
import { WorkerLink } from "../../../src/dispatch/worker-link.ts";
import { SharedMemory } from "../../../src/dispatch/ring.ts";
import { Stage } from "../../../src/exchange/exchange.ts";
import { CancelReason, Flag, FrameType, RESPONSE_WINDOW_BYTES } from "../../../src/wire/spec.ts";
import { frame } from "../../../src/wire/frames.ts";
import {
  FakeExchange,
  FakeSocket,
  factsOf,
  fakeHead,
  giveBackFrame,
  responseFrame,
} from "../../support/wire.ts";

const CONSTANT = Buffer.from("CONST\0x");
const HEAD = fakeHead("REQUEST_METHOD\0GET\0", "\0HTTP_A\0b");

interface Worker {
  link: WorkerLink;
  socket: FakeSocket;
  board: Uint32Array;
}

let now = 1000;
let pool: WorkerPool;
let stuck: StuckRequest[];
let drained: number[];
let protocolErrors: string[];

function makePool(options: Partial<PoolOptions> = {}): WorkerPool {
  return new WorkerPool(
    { queueMax: 100, queueTimeoutMs: 0, interruptMs: 100, silentMs: 0, ...options },
    {
      onLate: () => {},
      onStuck: (_link, what) => stuck.push(what),
      onDrained: (link) => drained.push(link.facts.worker),
      onProtocolError: (_link, what) => protocolErrors.push(what),
    },
    () => now,
  );
}

function addWorker(id: number, concurrency = 16): Worker {
  const socket = new FakeSocket();
  const board = new Uint32Array(16);
  const shared = new SharedMemory(board, null);
  const link = new WorkerLink(pool, socket, factsOf(id, "cgi", concurrency), shared, now);
  pool.add(link);
  return { link, socket, board };
}

function submit(name: string, method = "GET"): FakeExchange {
  const x = new FakeExchange(name, method);
  pool.submit(x, HEAD, CONSTANT);
  return x;
}

/** What the link has put in its outbox so far. */
function sent(worker: Worker): ReturnType<FakeSocket["takeFrames"]> {
  worker.link.flush();
  return worker.socket.takeFrames();
}

function respond(worker: Worker, stream: number, body = "ok"): void {
  pool.received(worker.link, responseFrame(stream, body, Flag.END | Flag.LENGTH));
}

function giveBack(worker: Worker, ...streams: number[]): void {
  pool.received(worker.link, giveBackFrame(...streams));
}

beforeEach(() => {
  now = 1000;
  stuck = [];
  drained = [];
  protocolErrors = [];
  pool = makePool();
});

describe("dispatch", () => {
  test("a head goes out as first part, constant part, fields", () => {
    const worker = addWorker(1);
    submit("a");
    const [request] = sent(worker);
    expect(request!.type).toBe(FrameType.REQUEST);
    expect(request!.stream).toBe(1);
    expect(request!.payload.toString()).toBe("REQUEST_METHOD\0GET\0CONST\0x\0HTTP_A\0b");
  });

  test("the worker with the fewest requests gets the next one", () => {
    const [one, two] = [addWorker(1), addWorker(2)];
    submit("a");
    submit("b");
    expect([sent(one).length, sent(two).length]).toEqual([1, 1]);
    respond(two, 1);
    submit("c");
    expect(sent(two).length).toBe(1);
    expect(sent(one).length).toBe(0);
  });

  test("equal workers take turns", () => {
    const workers = [addWorker(1), addWorker(2), addWorker(3)];
    for (let i = 0; i < 6; i++) {
      submit(`r${i}`);
      for (const worker of workers) for (const f of sent(worker)) respond(worker, f.stream);
    }
    const highest = workers.map((w) => {
      submit("last");
      return w.link.open;
    });
    expect(Math.max(...highest)).toBe(1);
  });

  test("requests that a worker has not begun are bounded, the rest queue", () => {
    const worker = addWorker(1);
    const many = Array.from({ length: 20 }, (_, i) => submit(`r${i}`));
    const first = sent(worker).length;
    expect(first).toBe(worker.link.depth.limit);
    expect(pool.queueSize).toBe(20 - first);
    worker.board[0] = 3;
    now += 5;
    pool.pump();
    expect(sent(worker).length).toBe(3);
    expect(pool.counts.waitedMs).toBe(15);
    expect(many[0]!.stage).toBe(Stage.SENT);
  });

  test("a full queue refuses, a queued request that waited too long is refused", () => {
    pool = makePool({ queueMax: 2, queueTimeoutMs: 50 });
    const worker = addWorker(1);
    worker.link.depth.limit = 1;
    submit("sent");
    const waits = submit("waits");
    submit("waits too");
    expect(submit("one too many").events).toEqual(["refused queue-full"]);
    now += 49;
    pool.tick(now);
    expect(pool.oldestMs).toBe(49);
    expect(waits.events).toEqual([]);
    now += 1;
    pool.tick(now);
    expect(waits.events).toEqual(["refused queue-timeout"]);
    expect(pool.queueSize).toBe(0);
  });

  test("requests wait for a first worker, and are refused once none will come", () => {
    const early = submit("early");
    expect(early.stage).toBe(Stage.QUEUED);
    pool.giveUp();
    expect(early.events).toEqual(["refused no-workers"]);
    expect(submit("late").events).toEqual(["refused no-workers"]);
    const worker = addWorker(1);
    submit("again");
    expect(sent(worker).length).toBe(1);
  });

  test("a cancelled request in the queue is never sent", () => {
    const x = submit("x");
    pool.cancel(x, CancelReason.CLIENT_GONE);
    const worker = addWorker(1);
    expect(sent(worker)).toEqual([]);
  });
});

describe("give-back", () => {
  test("what a worker gives back goes to another one, not back to it", () => {
    const one = addWorker(1);
    const a = submit("a");
    const b = submit("b");
    const two = addWorker(2);
    sent(one);
    one.board[0] = 1;
    giveBack(one, 2);
    expect(sent(two).map((f) => f.type)).toEqual([FrameType.REQUEST]);
    expect(b.carrier).toBe(two.link);
    expect(a.carrier).toBe(one.link);
    submit("c");
    submit("d");
    expect(sent(one)).toEqual([]);
    respond(one, 1);
    submit("e");
    expect(sent(one).length).toBe(1);
  });

  test("a worker that gave back and then says nothing is tried again after a while", () => {
    const worker = addWorker(1);
    submit("holds");
    submit("parked");
    sent(worker);
    worker.board[0] = 1;
    giveBack(worker, 2);
    pool.pump();
    expect(sent(worker)).toEqual([]);
    now += 50;
    pool.pump();
    expect(sent(worker).map(({ stream }) => stream)).toEqual([3]);
  });

  test("requests that ended unbegun do not count as waiting", () => {
    const worker = addWorker(1);
    for (let i = 1; i <= 100; i += 1) {
      const x = submit(`r${i}`);
      expect(x.stage).toBe(Stage.SENT);
      pool.cancel(x, CancelReason.CLIENT_GONE);
      pool.received(worker.link, frame(FrameType.RESET, i, 0, 3, Buffer.alloc(0)));
    }
  });

  test("with no other worker it waits first in the queue and is sent when the worker moves on", () => {
    const one = addWorker(1);
    submit("a");
    const b = submit("b");
    sent(one);
    one.board[0] = 1;
    giveBack(one, 2);
    const c = submit("c");
    expect(sent(one)).toEqual([]);
    respond(one, 1);
    expect(sent(one).map((f) => f.stream)).toEqual([3, 4]);
    expect([b.stream, c.stream]).toEqual([3, 4]);
  });
});

describe("loss rules", () => {
  test("not begun: sent to another worker, whatever the method", () => {
    const one = addWorker(1);
    const post = submit("post", "POST");
    const two = addWorker(2);
    sent(one);
    pool.remove(one.link);
    expect(sent(two).length).toBe(1);
    expect(post.events).toEqual(["credit"]);
  });

  test("begun and safe: sent again; begun and unsafe: 502", () => {
    const one = addWorker(1);
    const get = submit("get");
    const post = submit("post", "POST");
    const two = addWorker(2);
    sent(one);
    one.board[0] = 2;
    pool.remove(one.link);
    expect(sent(two).length).toBe(1);
    expect(get.carrier).toBe(two.link);
    expect(post.events).toEqual(["refused worker-lost"]);
  });

  test("begun and safe, but the response has started: lost", () => {
    const one = addWorker(1);
    const get = submit("get");
    sent(one);
    one.board[0] = 1;
    const payload = Buffer.from("\x02\0\0\0\r\n");
    pool.received(one.link, frame(FrameType.RESPONSE, 1, 0, 200, payload));
    addWorker(2);
    pool.remove(one.link);
    expect(get.events.at(-1)).toBe("refused worker-lost");
  });

  test("a request that takes workers with it is not tried for ever", () => {
    const killer = submit("killer");
    for (let id = 1; id <= 3; id++) {
      const worker = addWorker(id);
      expect(sent(worker).length).toBe(1);
      worker.board[0] = 1;
      pool.remove(worker.link);
    }
    expect(killer.events.at(-1)).toBe("refused worker-lost");
  });

  test("a body that was sent is sent again, unless the worker has taken some of it", () => {
    const one = addWorker(1);
    const kept = submit("kept", "POST");
    const taken = submit("taken", "POST");
    for (const x of [kept, taken]) {
      x.bodyEnded = false;
      pool.sendBody(x, Buffer.from("part"), false);
      pool.sendBody(x, Buffer.from(" two"), true);
    }
    const credit = Buffer.from([4, 0, 0, 0]);
    pool.received(one.link, frame(FrameType.WORKER_CREDIT, taken.stream, 0, 0, credit));
    const two = addWorker(2);
    sent(one);
    pool.remove(one.link);
    const again = sent(two);
    expect(again.map((f) => [f.type, f.flags])).toEqual([
      [FrameType.REQUEST, Flag.END],
      [FrameType.BODY, 0],
      [FrameType.BODY, Flag.END],
    ]);
    expect(taken.events.at(-1)).toBe("refused worker-lost");
  });
});

describe("cancel, timeouts, drain", () => {
  test("a cancelled stream stays open until the worker ends it, and reaches nobody", () => {
    const one = addWorker(1);
    const x = submit("x");
    pool.cancel(x, CancelReason.CLIENT_GONE);
    expect(sent(one).at(-1)).toMatchObject({ type: FrameType.CANCEL, aux: 1, stream: 1 });
    expect(one.link.open).toBe(1);
    respond(one, 1);
    expect(one.link.open).toBe(0);
    expect(x.events).toEqual([]);
  });

  test("a timed-out request that does not end makes the worker stuck, once for each interval", () => {
    const one = addWorker(1);
    const x = submit("x");
    sent(one);
    pool.cancel(x, CancelReason.TIMEOUT);
    now += 99;
    expect(pool.tick(now)).toBe(true);
    expect(stuck).toEqual([]);
    now += 1;
    pool.tick(now);
    pool.tick(now);
    expect(stuck.map((what) => what.target)).toEqual(["/x"]);
    pool.received(one.link, frame(FrameType.RESET, 1, 0, 4));
    expect(pool.tick(now + 1000)).toBe(false);
  });

  test("what a silent worker has not begun waits for another one", () => {
    pool = makePool({ silentMs: 3000 });
    const one = addWorker(1);
    const posted = submit("posted", "POST");
    const [done, hangs, behind] = [submit("done"), submit("hangs"), submit("behind", "POST")];
    sent(one);
    one.board[0] = hangs.stream;
    one.link.ping(now);
    now += 499;
    expect(pool.waits(behind)).toBe(false);
    now += 1;
    const waiting = [posted, done, hangs, behind].map((x) => pool.waits(x));
    expect(waiting).toEqual([false, true, false, true]);
  });

  test("a draining worker gets nothing new, and DRAIN when its last request is over", () => {
    const one = addWorker(1);
    submit("x");
    sent(one);
    pool.drain(one.link);
    const next = submit("next");
    expect(next.stage).toBe(Stage.QUEUED);
    expect(drained).toEqual([]);
    respond(one, 1);
    expect(drained).toEqual([1]);
    expect(sent(one).map((f) => f.type)).toEqual([FrameType.DRAIN]);
  });
});

describe("protocol errors", () => {
  const wrong: [string, Buffer][] = [
    ["a second head", frame(FrameType.RESPONSE, 1, 0, 200, Buffer.from("\x02\0\0\0\r\n"))],
    [
      "a head that says it is longer than its frame",
      frame(FrameType.RESPONSE, 1, 0, 200, Buffer.from("\xff\0\0\0")),
    ],
    [
      "too much without credit",
      frame(FrameType.DATA, 1, 0, 0, Buffer.alloc(RESPONSE_WINDOW_BYTES)),
    ],
    ["a frame of the edge's own", frame(FrameType.REQUEST, 1, 0, 0)],
    ["a stream that is not open", frame(FrameType.DATA, 9, 0, 0)],
    ["a file without a path", frame(FrameType.FILE, 1, 1, 0, Buffer.alloc(16))],
  ];
  for (const [name, bytes] of wrong) {
    test(name, () => {
      const one = addWorker(1);
      submit("x");
      pool.received(
        one.link,
        frame(FrameType.RESPONSE, 1, 0, 200, Buffer.from("\x03\0\0\0\r\n\n")),
      );
      pool.received(one.link, frame(FrameType.DATA, 1, 0, 0, Buffer.from("x")));
      expect(protocolErrors).toEqual([]);
      pool.received(one.link, bytes);
      expect(protocolErrors).toHaveLength(1);
    });
  }
});
