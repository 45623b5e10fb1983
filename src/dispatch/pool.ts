/**
 * The Backend over workers: gives each request to the worker that can start it soonest, keeps what can't start in one bounded
 * queue, and settles what becomes of requests when a worker goes.
 *
 * Loss rules: a request that a dead worker had not begun is always sent to another one; a begun one only when its method is safe and no
 * byte of the response has come; otherwise the client gets 502. A WebSocket's handshake that was begun is never sent again.
 */
import { copyBytes } from "../core/bytes.ts";
import { CancelReason, Flag, ResetReason } from "../wire/spec.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { HeadForm, RequestHead } from "../proto/events.ts";
import {
  Accepted,
  Stage,
  type Backend,
  type Exchange,
  Handed,
  type HandedCode,
  type PartReader,
} from "../exchange/exchange.ts";
import { DispatchCounts } from "./counts.ts";
import { DispatchQueue } from "./queue.ts";
import { isSilent, type StuckRequest, Watchdog, type WatchdogOptions } from "./watchdog.ts";
import type { LinkOwner, WorkerLink } from "./worker-link.ts";

/** A request that killed two workers is not given a third. */
const ATTEMPTS_MAX = 3;
/** Body bytes that are taken from the client of a request that no worker has yet. */
const QUEUED_BODY_BYTES_MAX = 64 * 1024;
/** RFC 6455 section 7.4.1 and its registry: the client may come again at once. */
const WS_SERVICE_RESTART = 1012;
/** How long a full worker may go unlooked at while requests queue: it may have begun some without saying a word. */
const PUMP_MS = 1;

export interface PoolOptions extends WatchdogOptions {
  queueMax: number;
  /** Milliseconds; 0: requests wait as long as their clients do. */
  queueTimeoutMs: number;
}

export interface PoolEvents {
  /** It does not end a request that was given up; there is no more to be done yet than to get another worker. */
  onLate(link: WorkerLink): void;
  onStuck(link: WorkerLink, what: StuckRequest): void;
  onDrained(link: WorkerLink): void;
  onProtocolError(link: WorkerLink, what: string): void;
}

/** The loss rules, should this worker end now. */
function mayGoAgain(link: WorkerLink, x: Exchange): boolean {
  const begun = link.depth.hasBegun(x.stream);
  const harmless = !begun || (isSafe(x.method) && (x.flags & Flag.UPGRADE) === 0);
  return harmless && x.headBuf !== null && x.replay !== null && x.attempts < ATTEMPTS_MAX;
}

export class WorkerPool implements Backend, LinkOwner {
  form: HeadForm | null = null;
  /** Counters for metrics. */
  readonly counts: DispatchCounts = new DispatchCounts();
  /** May be replaced at any time. */
  options: PoolOptions;
  readonly #events: PoolEvents;
  readonly #now: () => number;
  readonly #links: WorkerLink[] = [];
  readonly #queue: DispatchQueue = new DispatchQueue();
  #dirty: WorkerLink[] = [];
  #next = 0;
  #flushPlanned = false;
  #pumpPlanned = false;
  readonly #watchdog: Watchdog;
  /** Why no worker will come; null while one may. */
  #hopeless = false;

  constructor(options: PoolOptions, events: PoolEvents, now: () => number) {
    this.options = options;
    this.#events = events;
    this.#watchdog = new Watchdog(events);
    this.#now = now;
  }

  get links(): readonly WorkerLink[] {
    return this.#links;
  }

  get queueSize(): number {
    return this.#queue.size;
  }

  /** How long the first in the queue has waited; 0: nothing waits. */
  get oldestMs(): number {
    const x = this.#queue.peek();
    return x === null ? 0 : x.queuedMs + this.#now() - x.submittedAt;
  }

  /** Whether a worker is busy with a request that was given up. */
  get hasStragglers(): boolean {
    return this.#watchdog.waits;
  }

  // Links

  add(link: WorkerLink): void {
    this.#links.push(link);
    this.form = link.facts.form;
    this.#hopeless = false;
    this.pump();
  }

  /** The link is closed: settles its requests. */
  remove(link: WorkerLink): void {
    const at = this.#links.indexOf(link);
    if (at < 0) return;
    this.#links.splice(at, 1);
    this.#watchdog.remove(link);
    const lost = link.abandon();
    for (let i = lost.length - 1; i >= 0; i--) this.#settleLost(link, lost[i]!);
    this.pump();
  }

  /** No more requests go to this worker; `onDrained` says when its last one is over. */
  drain(link: WorkerLink): void {
    link.draining = true;
    this.#checkDrained(link);
  }

  /** Closes the WebSockets of a worker that is about to end (1012); tunnels are cut. */
  closeSockets(link: WorkerLink): void {
    for (const x of link.accepted()) {
      if (x.accepted === Accepted.TUNNEL) {
        this.cancel(x, CancelReason.SHUTDOWN);
        x.onReset(ResetReason.CANCELLED);
      } else {
        this.sendWsClose(x, WS_SERVICE_RESTART, "");
        x.onWsClose(WS_SERVICE_RESTART, "");
      }
    }
  }

  /** There is no worker and none will come: what waits is refused, until a link is added. */
  giveUp(): void {
    this.#hopeless = true;
    for (let x = this.#queue.shift(); x !== null; x = this.#queue.shift())
      this.#refuse(x, "no-workers");
  }

  received(link: WorkerLink, chunk: Buffer): void {
    link.receive(chunk, this.#now());
    if (link.draining) this.#checkDrained(link);
    if (this.#queue.size > 0) this.pump();
  }

  // Backend

  submit(x: Exchange, head: RequestHead, constant: Buffer): void {
    x.attempts = 0;
    x.queuedMs = 0;
    x.requestCredit = QUEUED_BODY_BYTES_MAX;
    const link = this.#queue.size === 0 ? this.#pick(x) : null;
    if (link !== null) {
      this.counts.dispatched += 1;
      link.start(x, head, constant);
      return;
    }
    const refuses = this.#hopeless && this.#links.every(({ draining }) => draining);
    if (refuses) return this.#refuse(x, "no-workers");
    if (this.#queue.size >= this.options.queueMax) return this.#refuse(x, "queue-full");
    this.#enqueue(x, head, constant);
  }

  sendBody(x: Exchange, piece: Buffer, end: boolean): HandedCode {
    if (end) x.bodyEnded = true;
    if (x.stage === Stage.SENT) return (x.carrier as WorkerLink).sendBody(x, piece, end);
    x.requestCredit -= piece.length;
    x.replay?.push(piece);
    return Handed.KEPT;
  }

  receiveBody(x: Exchange, fd: number, max: number, reader?: PartReader): number {
    return x.stage === Stage.SENT ? (x.carrier as WorkerLink).receiveBody(x, fd, max, reader) : 0;
  }

  sendTrailers(x: Exchange, pairs: Uint8Array): void {
    x.bodyEnded = true;
    x.trailers = pairs;
    if (x.stage === Stage.SENT) (x.carrier as WorkerLink).sendTrailers(x, pairs);
  }

  credit(x: Exchange, bytes: number): void {
    if (x.stage === Stage.SENT) (x.carrier as WorkerLink).credit(x, bytes);
  }

  sendMessage(x: Exchange, kind: number, piece: Buffer, last: boolean): HandedCode {
    return x.stage === Stage.SENT ? (x.carrier as WorkerLink).sendMessage(x, kind, piece, last) : 0;
  }

  sendWsClose(x: Exchange, code: number, reason: string): void {
    if (x.stage !== Stage.SENT) return;
    (x.carrier as WorkerLink).sendWsClose(x, code, reason);
    x.stage = Stage.OUT;
  }

  halfClosed(x: Exchange): void {
    if (x.stage === Stage.SENT) (x.carrier as WorkerLink).notify(x, CancelReason.HALF_CLOSED);
  }

  waits(x: Exchange): boolean {
    if (x.stage !== Stage.SENT) return x.stage === Stage.QUEUED;
    const link = x.carrier as WorkerLink;
    // What it began last is what it hangs in. An earlier one may have ended, and its answer be held up with the rest.
    if (link.depth.isNewest(x.stream) || !mayGoAgain(link, x)) return false;
    return isSilent(link, this.#now(), this.options);
  }

  cancel(x: Exchange, reason: number): void {
    if (x.stage === Stage.QUEUED) this.#queue.remove(x);
    else if (x.stage === Stage.SENT) {
      const link = x.carrier as WorkerLink;
      const stream = link.cancel(x, reason);
      if (reason === CancelReason.TIMEOUT) this.#watch(link, stream, x);
    }
    x.stage = Stage.OUT;
    x.headBuf = null;
    x.replay = null;
  }

  // LinkOwner

  onDirty(link: WorkerLink): void {
    this.#dirty.push(link);
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    setImmediate(this.#flush);
  }

  onReturned(_link: WorkerLink, x: Exchange): void {
    this.counts.returned += 1;
    x.attempts -= 1;
    this.#again(x);
  }

  onProtocolError(link: WorkerLink, what: string): void {
    this.#events.onProtocolError(link, what);
  }

  /** Gives waiting requests to workers that have become free. */
  pump(): void {
    for (let x = this.#queue.peek(); x !== null; x = this.#queue.peek()) {
      const link = this.#pick(x);
      if (link === null) break;
      this.#queue.shift();
      const waitedMs = this.#now() - x.submittedAt;
      x.queuedMs += waitedMs;
      this.counts.waitedMs += waitedMs;
      this.counts.dispatched += 1;
      link.resend(x);
      x.onCredit();
    }
    if (this.#queue.size > 0 && this.#links.length > 0) this.#planPump();
  }

  /**
   * Once in a while: deadlines of the queue, of cancelled requests and of silent workers. Returns true while there is something to watch.
   */
  tick(now: number): boolean {
    const { queueTimeoutMs } = this.options;
    if (queueTimeoutMs > 0) {
      for (let x = this.#queue.peek(); x !== null; x = this.#queue.peek()) {
        if (x.queuedMs + now - x.submittedAt < queueTimeoutMs) break;
        this.#queue.shift();
        this.#refuse(x, "queue-timeout");
      }
    }
    return this.#watchdog.tick(this.#links, now, this.options);
  }

  #watch(link: WorkerLink, stream: number, x: Exchange): void {
    const now = this.#now();
    const what = {
      stream,
      method: x.method,
      target: x.target(),
      seconds: (now - x.submittedAt) / 1000,
    };
    this.#watchdog.watch(link, what, now);
  }

  /**
   * The ready worker with the fewest requests, one that is held up after others; equal ones take turns. A WebSocket goes to the one with
   * the fewest of its kind.
   */
  #pick({ form, flags }: Exchange): WorkerLink | null {
    const upgrade = (flags & Flag.UPGRADE) !== 0;
    const links = this.#links;
    const count = links.length;
    let best: WorkerLink | null = null;
    let least = Number.POSITIVE_INFINITY;
    let at = this.#next;
    for (let i = 0; i < count; i++) {
      if (at >= count) at = 0;
      const link = links[at]!;
      at += 1;
      let load = upgrade ? link.open : link.running;
      if (load >= least || link.facts.form !== form || !link.accepts(this.#now)) continue;
      // Nobody else is there: no matter.
      if (!upgrade && count > 1) load = link.heldUp.load(load, this.#now);
      if (load >= least) continue;
      best = link;
      least = load;
      this.#next = at;
      if (link.open === 0) break;
    }
    return best;
  }

  #enqueue(x: Exchange, head: RequestHead, constant: Buffer): void {
    const length = head.blockEnd + constant.length;
    const buf = Buffer.allocUnsafe(length);
    let at = copyBytes(head.block, 0, head.splitAt, buf, 0);
    at = copyBytes(constant, 0, constant.length, buf, at);
    copyBytes(head.block, head.splitAt, head.blockEnd, buf, at);
    x.headBuf = buf;
    x.headStart = 0;
    x.headEnd = length;
    x.submittedAt = this.#now();
    this.counts.queued += 1;
    this.#queue.push(x);
    this.#planPump();
  }

  /** Sends a request that came back: at once when a worker is free, else it goes first in the queue. */
  #again(x: Exchange): void {
    const link = this.#pick(x);
    if (link !== null) {
      link.resend(x);
      x.onCredit();
      return;
    }
    x.submittedAt = this.#now();
    this.#queue.unshift(x);
    this.#planPump();
  }

  #settleLost(link: WorkerLink, x: Exchange): void {
    const again = mayGoAgain(link, x);
    x.stage = Stage.OUT;
    x.carrier = null;
    if (again) {
      this.counts.retried += 1;
      this.#again(x);
      return;
    }
    this.counts.lost += 1;
    this.#refuse(x, "worker-lost");
  }

  #refuse(x: Exchange, code: ErrorCode): void {
    x.stage = Stage.OUT;
    x.headBuf = null;
    x.replay = null;
    x.onRefused(code);
  }

  #checkDrained(link: WorkerLink): void {
    if (link.open > 0 || link.drainSent) return;
    link.drain();
    this.#events.onDrained(link);
  }

  #planPump(): void {
    if (this.#pumpPlanned) return;
    this.#pumpPlanned = true;
    setTimeout(this.#pumpLater, PUMP_MS);
  }

  readonly #pumpLater = (): void => {
    this.#pumpPlanned = false;
    this.pump();
  };

  readonly #flush = (): void => {
    this.#flushPlanned = false;
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const link of dirty) link.flush();
  };
}

/** RFC 9110 section 9.2.1; the methods that may be sent again. */
function isSafe(method: string): boolean {
  return method === "GET" || method === "HEAD" || method === "OPTIONS";
}
