/**
 * A load generator whose latencies are free of coordinated omission. An open stream sends at a fixed rate, whatever the
 * answers do, and counts each latency from the moment the request was due, so that a stall of the server (or a wait for
 * a free connection) counts for every request it delays. A closed stream sends the next request when the answer is here.
 *
 * `bun openloop.ts SPEC` (JSON, below) prints a JSON result. It spins instead of sleeping between sends, to be on time
 * to some microseconds: give it a core of its own.
 */
import type { Socket } from "bun";

export interface StreamSpec {
  name: string;
  path: string;
  connections: number;
  /** Requests a second; 0: closed, each connection sends when its answer has come. */
  rate: number;
  /** Each request on a connection of its own; `connections` counts for nothing then. */
  fresh?: boolean;
}

export interface OpenLoopSpec {
  port: number;
  warmupMs: number;
  durationMs: number;
  streams: StreamSpec[];
}

export interface StreamResult {
  sent: number;
  answered: number;
  errors: number;
  p50Ms: number;
  p99Ms: number;
  p999Ms: number;
  maxMs: number;
}

/** After the last send, answers are awaited so long; those that are still missing then are errors. */
const LINGER_MS = 5000;
/** A connection that is refused is tried again after this time. */
const RETRY_MS = 20;
const CLOSES = /\r\nconnection: *close\r\n/i;
const BODY_LENGTH = /\r\ncontent-length: *(\d+)/i;

interface Link {
  socket: Socket<Link> | undefined;
  stream: Stream;
  /** When the request under way was due; NaN: none is under way. */
  due: number;
  received: string;
}

class Stream {
  spec: StreamSpec;
  request: string;
  /** Free connections, the one that has been free longest first: load spreads over all of them. */
  free: Link[] = [];
  /** Due requests that wait for a connection. */
  waiting: number[] = [];
  next = 0;
  latencies: number[] = [];
  sent = 0;
  errors = 0;
  underWay = 0;

  readonly port: number;

  constructor(spec: StreamSpec, port: number) {
    this.spec = spec;
    this.port = port;
    const last = spec.fresh === true ? "Connection: close\r\n" : "";
    this.request = `GET ${spec.path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${last}\r\n`;
  }

  send(link: Link, due: number): void {
    link.due = due;
    link.received = "";
    this.underWay += 1;
    this.sent += 1;
    link.socket?.write(this.request);
  }

  /** Sends what has become due by `now`. */
  tick(now: number): void {
    if (this.spec.rate === 0) {
      for (let link = this.free.shift(); link !== undefined; link = this.free.shift()) {
        this.send(link, now);
      }
      return;
    }
    const gap = 1000 / this.spec.rate;
    for (; this.next <= now; this.next += gap) this.waiting.push(this.next);
    if (this.spec.fresh === true) {
      for (const due of this.waiting) void connect(this, this.port, due);
      this.waiting = [];
    }
    while (this.waiting.length > 0) {
      const link = this.free.shift();
      if (link === undefined) return;
      this.send(link, this.waiting.shift() ?? now);
    }
  }
}

let measureFrom = Number.POSITIVE_INFINITY;

function received(link: Link, bytes: Uint8Array): void {
  link.received += Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  const headEnd = link.received.indexOf("\r\n\r\n");
  if (headEnd < 0) return;
  const length = Number(BODY_LENGTH.exec(link.received.slice(0, headEnd + 2))?.[1] ?? 0);
  if (link.received.length < headEnd + 4 + length) return;
  const { stream } = link;
  const now = performance.now();
  const good = link.received.startsWith("HTTP/1.1 2");
  if (link.due >= measureFrom) {
    if (good) stream.latencies.push(now - link.due);
    else stream.errors += 1;
  }
  stream.underWay -= 1;
  link.due = Number.NaN;
  if (CLOSES.test(link.received.slice(0, headEnd + 2))) link.socket?.end();
  else if (stream.spec.fresh !== true) stream.free.push(link);
}

/** `due`: of the one request that the connection is for; left out, it serves many. */
async function connect(stream: Stream, port: number, due: number = Number.NaN): Promise<void> {
  const once = !Number.isNaN(due);
  const link: Link = { socket: undefined, stream, due: Number.NaN, received: "" };
  const lost = (): void => {
    if (!Number.isNaN(link.due)) {
      stream.errors += 1;
      stream.underWay -= 1;
    }
    stream.free = stream.free.filter((other) => other !== link);
    link.due = Number.NaN;
    if (!over && !once) void connect(stream, port);
  };
  try {
    link.socket = await Bun.connect<Link>({
      hostname: "127.0.0.1",
      port,
      data: link,
      socket: {
        data: (socket, bytes) => received(socket.data, bytes),
        close: lost,
        error: () => undefined,
      },
    });
    if (once) stream.send(link, due);
    else stream.free.push(link);
  } catch {
    stream.errors += 1;
    if (!over && !once) setTimeout(() => void connect(stream, port), RETRY_MS);
  }
}

let over = false;

function resultOf(stream: Stream): StreamResult {
  const sorted = Float64Array.from(stream.latencies).sort();
  const at = (fraction: number): number =>
    sorted[Math.max(0, Math.ceil(sorted.length * fraction) - 1)] ?? Number.NaN;
  return {
    sent: stream.sent,
    answered: sorted.length,
    errors: stream.errors + stream.underWay + stream.waiting.length,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    p999Ms: at(0.999),
    maxMs: at(1),
  };
}

async function turn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setImmediate(resolve);
  return promise;
}

/**
 * Each stream as often as it has connections, evenly mixed, to be opened all at once: workers that accept for
 * themselves then all get some, and the same mixture. (One after the other, one idle worker would win them all.)
 */
function mixed(streams: readonly Stream[]): Stream[] {
  const entries = streams.flatMap((stream) =>
    Array.from(
      { length: stream.spec.fresh === true ? 0 : stream.spec.connections },
      (_, index) => ({
        stream,
        at: (index + 0.5) / stream.spec.connections,
      }),
    ),
  );
  return entries.sort((a, b) => a.at - b.at).map((entry) => entry.stream);
}

async function main(spec: OpenLoopSpec): Promise<Record<string, StreamResult>> {
  const streams = spec.streams.map((stream) => new Stream(stream, spec.port));
  await Promise.all(mixed(streams).map(async (stream) => connect(stream, spec.port)));
  const start = performance.now() + 1;
  measureFrom = start + spec.warmupMs;
  const end = measureFrom + spec.durationMs;
  for (const stream of streams) stream.next = start;
  for (let now = performance.now(); now < end; now = performance.now()) {
    for (const stream of streams) stream.tick(now);
    await turn();
  }
  const lingerEnd = end + LINGER_MS;
  const busy = (): boolean => streams.some((stream) => stream.underWay > 0);
  while (busy() && performance.now() < lingerEnd) await turn();
  over = true;
  return Object.fromEntries(streams.map((stream) => [stream.spec.name, resultOf(stream)]));
}

if (import.meta.main) {
  const spec: OpenLoopSpec = JSON.parse(process.argv[2] ?? "{}");
  process.stdout.write(`${JSON.stringify(await main(spec))}\n`);
  process.exit(0);
}
