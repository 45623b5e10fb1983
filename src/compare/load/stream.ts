/** One stream of requests of the built-in load generator: its connections, what is due, and what came of it. */
import type { Socket } from "bun";
import type { ErrorCounts } from "../types.ts";
import type { Check, LoadRequest, StreamResult, StreamSpec } from "./http-load.ts";
import { bodyHash, requestBytes } from "./http-load.ts";
import { Latencies } from "./latencies.ts";
import { Schedule } from "./pace.ts";
import { ResponseReader } from "./response-reader.ts";

/** A connection that is refused is tried again after this time. */
const RETRY_MS = 20;

interface Ready {
  readonly bytes: Buffer;
  readonly toHead: boolean;
  readonly check: Check;
}

interface Link {
  socket: Socket<Link> | undefined;
  readonly reader: ResponseReader;
  /** When the request under way was due; NaN: none is under way. */
  due: number;
  request: Ready | undefined;
  /** What the socket has not taken yet. */
  unsent: Buffer | undefined;
  /** Of one request only. */
  readonly once: boolean;
}

export class Stream {
  readonly spec: StreamSpec;
  readonly #port: number;
  readonly #ready: readonly Ready[];
  /** Index into `#ready` for each turn: weights as an even pattern. */
  readonly #pattern: readonly number[];
  #turn = 0;
  /** Free connections, the one that has been free longest first: load spreads over all of them. */
  #free: Link[] = [];
  readonly #links = new Set<Link>();
  /** Due requests that wait for a connection. */
  #waiting: number[] = [];
  #schedule = new Schedule(0, 0, 0);
  #measureFrom = Number.POSITIVE_INFINITY;
  #end = Number.POSITIVE_INFINITY;
  #over = false;
  #closed = false;
  #sent = 0;
  /** With those whose connection is still being made. */
  #started = 0;
  #answered = 0;
  /** Right answers that came before the end. */
  #inTime = 0;
  #underWay = 0;
  /** Due requests that never got a connection. */
  #unsent = 0;
  readonly #latencies = new Latencies();
  readonly #errors: { -readonly [Kind in keyof ErrorCounts]: number } = {
    ...{ connection: 0, timeout: 0, status: 0, body: 0 },
  };

  constructor(spec: StreamSpec, port: number) {
    this.spec = spec;
    this.#port = port;
    const plain = { method: "GET", path: spec.path, headers: {}, weight: 1, check: {} };
    const requests = spec.requests ?? [plain];
    this.#ready = requests.map((request) => ({
      bytes: requestBytes(request, port, spec.fresh === true),
      toHead: request.method === "HEAD",
      check: request.check,
    }));
    this.#pattern = patternOf(requests);
  }

  /** Connections that are opened before the start. */
  get keptConnections(): number {
    return this.spec.fresh === true ? 0 : this.spec.connections;
  }

  /** Answers that are still to come. */
  get awaited(): number {
    return this.spec.trickleMs === undefined ? this.#underWay : 0;
  }

  /** Due requests that wait for a connection. */
  get waiting(): number {
    return this.#waiting.length;
  }

  get finished(): boolean {
    return this.#allSent() && this.#underWay === 0;
  }

  begin(start: number, measureFrom: number, end: number): void {
    this.#measureFrom = measureFrom;
    this.#end = end;
    this.#schedule = new Schedule(this.spec.rate, start, end);
    if (this.spec.rate > 0) return;
    if (this.spec.fresh === true) {
      const now = performance.now();
      for (let slot = 0; slot < this.spec.connections; slot += 1) this.#sendFresh(now);
    }
  }

  /** What is due from then on counts, and of a closed stream what is answered until the end: connecting may take longer than that. */
  measureFrom(time: number, end: number): void {
    this.#measureFrom = time;
    this.#end = end;
  }

  /** Sends what has become due by `now`. */
  tick(now: number): void {
    for (const due of this.#schedule.by(now)) this.#waiting.push(due);
    this.sendWaiting();
  }

  /** Nothing more becomes due; what waits for a connection is still sent. */
  stop(): void {
    this.#over = true;
  }

  /** Sends what waits while there are free connections. */
  sendWaiting(): void {
    const { fresh, connections } = this.spec;
    while (fresh === true && this.#waiting.length > 0) {
      if (connections > 0 && this.#underWay >= connections) return;
      void this.connect(this.#waiting.shift());
    }
    while (this.#waiting.length > 0) {
      const link = this.#free.shift();
      if (link === undefined) return;
      this.#begin(link, this.#waiting.shift() ?? 0);
    }
  }

  /** What has no answer by now never gets one: it counts with the time it has waited, and as a timeout if it was sent. */
  close(): void {
    this.#closed = true;
    const now = performance.now();
    // A closed stream's last requests were cut off by us.
    const lost = this.spec.rate === 0 ? [] : [...this.#links].map(({ due }) => due);
    for (const due of lost) if (this.#waitsStill(due, now)) this.#errors.timeout += 1;
    for (const due of this.#waiting) if (this.#waitsStill(due, now)) this.#unsent += 1;
    for (const { socket } of this.#links) socket?.end();
  }

  #waitsStill(due: number, now: number): boolean {
    if (!(due >= this.#measureFrom)) return false;
    this.#latencies.add(due - this.#measureFrom, now - due);
    return true;
  }

  result(durationMs: number): StreamResult {
    const latency = this.#latencies.figures();
    const { connection, timeout, status, body } = this.#errors;
    return {
      sent: this.#sent,
      answered: this.#answered,
      errors: connection + timeout + status + body + this.#unsent,
      unsent: this.#unsent,
      kinds: { connection, timeout, status, body },
      perSecond: (this.#inTime / durationMs) * 1000,
      p50Ms: latency?.p50 ?? Number.NaN,
      p99Ms: latency?.p99 ?? Number.NaN,
      p999Ms: latency?.p999 ?? Number.NaN,
      maxMs: latency?.worst ?? Number.NaN,
      latency,
      histogram: this.#latencies.histogram(),
      timeline: this.#latencies.timeline(durationMs),
    };
  }

  /** `due`: of the one request that the connection is for; left out, it serves many. */
  async connect(due: number = Number.NaN): Promise<void> {
    const once = !Number.isNaN(due);
    const reader = new ResponseReader();
    const link: Link = {
      ...{ socket: undefined, reader, due, request: undefined, unsent: undefined, once },
    };
    this.#links.add(link);
    if (once) this.#underWay += 1;
    try {
      link.socket = await Bun.connect<Link>({
        hostname: "127.0.0.1",
        port: this.#port,
        data: link,
        socket: {
          data: (socket, bytes) => this.#received(socket.data, bytes),
          drain: (socket) => this.#flush(socket.data),
          close: (socket) => this.#lost(socket.data),
          error: () => undefined,
        },
      });
    } catch {
      this.#refused(link);
      return;
    }
    // It may have been closed before we got it.
    if (!this.#links.has(link)) return;
    if (this.#closed) link.socket.end();
    else if (once) this.#write(link);
    // At once: a server that has one connection at a time would wait for the first one's request for ever.
    else if (this.spec.rate === 0) this.#send(link, performance.now());
    else this.#free.push(link);
  }

  #refused(link: Link): void {
    this.#links.delete(link);
    if (this.#closed) return;
    if (link.once) this.#underWay -= 1;
    if (!link.once || link.due >= this.#measureFrom) this.#errors.connection += 1;
    if (this.#over) return;
    if (!link.once) setTimeout(() => void this.connect(), RETRY_MS);
    else if (this.spec.rate === 0) {
      setTimeout(() => this.#sendFresh(performance.now()), RETRY_MS);
    }
  }

  #sendFresh(now: number): void {
    if (this.#over || this.#allSent()) return;
    this.#started += 1;
    void this.connect(now);
  }

  #allSent(): boolean {
    return this.spec.count !== undefined && this.#started >= this.spec.count;
  }

  #send(link: Link, due: number): void {
    if (this.#over || this.#allSent()) {
      this.#free.push(link);
      return;
    }
    this.#begin(link, due);
  }

  #begin(link: Link, due: number): void {
    link.due = due;
    this.#started += 1;
    this.#underWay += 1;
    this.#write(link);
  }

  #write(link: Link): void {
    const index = this.#pattern[this.#turn++ % this.#pattern.length] ?? 0;
    const request = this.#ready[index];
    if (request === undefined) return;
    link.request = request;
    link.reader.begin(request.toHead);
    this.#sent += 1;
    if (this.spec.trickleMs !== undefined) {
      this.#trickle(link, request.bytes, 0);
      return;
    }
    link.unsent = request.bytes;
    this.#flush(link);
  }

  #flush(link: Link): void {
    if (link.unsent === undefined) return;
    const taken = Math.max(0, link.socket?.write(link.unsent) ?? 0);
    link.unsent = taken < link.unsent.length ? link.unsent.subarray(taken) : undefined;
  }

  #trickle(link: Link, bytes: Buffer, at: number): void {
    if (this.#over || at >= bytes.length || !this.#links.has(link)) return;
    link.socket?.write(bytes.subarray(at, at + 1));
    setTimeout(() => this.#trickle(link, bytes, at + 1), this.spec.trickleMs);
  }

  #received(link: Link, bytes: Uint8Array): void {
    if (Number.isNaN(link.due)) return;
    const progress = link.reader.feed(bytes);
    if (progress === "more") return;
    const keeps = progress === "done" && link.reader.keepsAlive && this.spec.fresh !== true;
    this.#settle(link, progress === "done");
    if (!keeps) {
      link.socket?.end();
      return;
    }
    if (this.spec.rate === 0) this.#send(link, performance.now());
    else this.#free.push(link);
  }

  /** The request of this connection is over. */
  #settle(link: Link, complete: boolean): void {
    const now = performance.now();
    const { due, request, reader } = link;
    link.due = Number.NaN;
    link.unsent = undefined;
    this.#underWay -= 1;
    if (due < this.#measureFrom) return;
    // What a closed stream gets after its end is neither success nor failure: the end cut it off.
    if (this.spec.rate === 0 && this.spec.count === undefined && now > this.#end) return;
    const fault = complete ? faultOf(reader, request?.check ?? {}) : "connection";
    if (fault === "connection") {
      this.#errors.connection += 1;
      return;
    }
    this.#answered += 1;
    this.#latencies.add(due - this.#measureFrom, now - due);
    if (fault === null) this.#inTime += 1;
    else this.#errors[fault] += 1;
  }

  #lost(link: Link): void {
    if (!this.#links.delete(link) || this.#closed) return;
    if (!Number.isNaN(link.due)) this.#settle(link, link.reader.end());
    this.#free = this.#free.filter((other) => other !== link);
    if (this.#closed || (this.#over && this.#waiting.length === 0)) return;
    if (!link.once) void this.connect();
    else if (this.spec.rate === 0) this.#sendFresh(performance.now());
  }
}

function faultOf(reader: ResponseReader, check: Check): "status" | "body" | null {
  const { status } = reader;
  if (check.status === undefined ? status >= 400 : status !== check.status) return "status";
  const { body } = check;
  if (body === undefined || body.how === "any") return null;
  return bodyHash(reader.body, body.how) === body.hash ? null : "body";
}

/** Weights 3 and 1 become 0 0 1 0: each as early as its share allows. */
export function patternOf(requests: readonly Pick<LoadRequest, "weight">[]): number[] {
  const whole = requests.map(({ weight }) => Math.max(1, Math.round(weight)));
  const total = whole.reduce((sum, weight) => sum + weight, 0);
  const credit = whole.map(() => 0);
  return Array.from({ length: total }, () => {
    let best = 0;
    for (const [index, weight] of whole.entries()) {
      credit[index] = (credit[index] ?? 0) + weight;
      if ((credit[index] ?? 0) > (credit[best] ?? 0)) best = index;
    }
    credit[best] = (credit[best] ?? 0) - total;
    return best;
  });
}
