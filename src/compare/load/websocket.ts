/** WebSocket echo: closed for messages a second, open for latency from when a message was due. Every echo is compared. */
import type { ErrorCounts, Histogram, Latency, Round } from "../types.ts";
import { Latencies } from "./latencies.ts";
import { finish, run, Schedule } from "./pace.ts";

export interface WebSocketSpec {
  readonly url: string;
  readonly connections: number;
  readonly bytes: number;
  readonly warmupMs: number;
  readonly durationMs: number;
  /** Messages a second over all connections; 0: each connection sends when its echo has come. */
  readonly rate: number;
}

export interface WebSocketResult {
  readonly perSecond: number;
  readonly messages: number;
  readonly kinds: ErrorCounts;
  readonly latency: Latency | null;
  readonly histogram: Histogram;
  readonly timeline: NonNullable<Round["timeline"]>;
}

const OPEN_TIMEOUT_MS = 10_000;

interface Peer {
  readonly socket: WebSocket;
  /** When the message under way was due; NaN: none is under way. */
  due: number;
}

async function open(url: string): Promise<WebSocket | null> {
  const { promise, resolve } = Promise.withResolvers<WebSocket | null>();
  const socket = new WebSocket(url);
  const timer = setTimeout(() => resolve(null), OPEN_TIMEOUT_MS);
  socket.addEventListener("open", () => resolve(socket));
  socket.addEventListener("error", () => resolve(null));
  socket.addEventListener("close", () => resolve(null));
  const opened = await promise;
  clearTimeout(timer);
  return opened;
}

export async function runWebSocketLoad(spec: WebSocketSpec): Promise<WebSocketResult> {
  const sockets = await Promise.all(
    Array.from({ length: spec.connections }, async () => open(spec.url)),
  );
  const load = new WebSocketRun(spec, sockets);
  await load.run();
  return load.result();
}

class WebSocketRun {
  readonly #spec: WebSocketSpec;
  readonly #message: string;
  readonly #peers: readonly Peer[];
  readonly #free: Peer[] = [];
  readonly #latencies = new Latencies();
  readonly #errors = { connection: 0, timeout: 0, status: 0, body: 0 };
  readonly #start = performance.now();
  readonly #measureFrom: number;
  readonly #end: number;
  /** Due messages that wait for a connection. */
  readonly #waiting: number[] = [];
  #inTime = 0;
  #over = false;

  constructor(spec: WebSocketSpec, sockets: readonly (WebSocket | null)[]) {
    this.#spec = spec;
    this.#message = "keelback ".repeat(Math.ceil(spec.bytes / 9)).slice(0, spec.bytes);
    this.#measureFrom = this.#start + spec.warmupMs;
    this.#end = this.#measureFrom + spec.durationMs;
    this.#peers = sockets.flatMap((socket): Peer[] =>
      socket === null ? [] : [{ socket, due: Number.NaN }],
    );
    this.#errors.connection = sockets.length - this.#peers.length;
  }

  async run(): Promise<void> {
    const { rate } = this.#spec;
    for (const peer of this.#peers) this.#begin(peer);
    const schedule = new Schedule(rate, this.#start, this.#end);
    const tick = (now: number): void => {
      for (const due of schedule.by(now)) this.#waiting.push(due);
      this.#sendWaiting();
    };
    await run(this.#end, tick, { over: () => this.#peers.length === 0 });
    // What an open run still sends may lose its connection too.
    this.#over = rate === 0;
    await finish(
      () => this.#peers.some(({ due }) => due >= 0),
      () => this.#waiting.length > 0,
      () => this.#sendWaiting(),
    );
    this.#over = true;
    const now = performance.now();
    const lost = rate === 0 ? [] : [...this.#peers.map(({ due }) => due), ...this.#waiting];
    for (const due of lost.filter((each) => each >= this.#measureFrom)) {
      this.#errors.timeout += 1;
      this.#latencies.add(due - this.#measureFrom, now - due);
    }
    for (const { socket } of this.#peers) socket.close();
  }

  #begin(peer: Peer): void {
    peer.socket.addEventListener("message", (event) => this.#arrived(peer, event.data));
    peer.socket.addEventListener("close", () => {
      if (!this.#over) this.#errors.connection += 1;
      peer.due = Number.NaN;
    });
    if (this.#spec.rate === 0) this.#send(peer, this.#start);
    else this.#free.push(peer);
  }

  #sendWaiting(): void {
    while (this.#waiting.length > 0) {
      const peer = this.#free.shift();
      if (peer === undefined) return;
      if (peer.socket.readyState === WebSocket.OPEN) this.#send(peer, this.#waiting.shift() ?? 0);
    }
  }

  #send(peer: Peer, due: number): void {
    peer.due = due;
    peer.socket.send(this.#message);
  }

  #arrived(peer: Peer, data: unknown): void {
    const now = performance.now();
    const { due } = peer;
    const { rate } = this.#spec;
    peer.due = Number.NaN;
    if (due >= this.#measureFrom && (rate > 0 || now <= this.#end)) {
      if (data === this.#message) this.#inTime += now <= this.#end ? 1 : 0;
      else this.#errors.body += 1;
      this.#latencies.add(due - this.#measureFrom, now - due);
    }
    if (this.#over) return;
    if (rate === 0) this.#send(peer, now);
    else this.#free.push(peer);
  }

  result(): WebSocketResult {
    const { durationMs } = this.#spec;
    return {
      perSecond: (this.#inTime / durationMs) * 1000,
      messages: this.#inTime,
      kinds: this.#errors,
      latency: this.#latencies.figures(),
      histogram: this.#latencies.histogram(),
      timeline: this.#latencies.timeline(durationMs),
    };
  }
}
