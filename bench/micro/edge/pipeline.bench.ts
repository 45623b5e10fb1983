/**
 * The edge's own work for a request, without the kernel: bytes of a client in, REQUEST frame to a worker, RESPONSE frame back, bytes to the
 * client. Run: bun bench/micro/edge/pipeline.bench.ts
 */
import { monotonic } from "../../../src/core/clock.ts";
import { WorkerPool } from "../../../src/dispatch/pool.ts";
import { SharedMemory } from "../../../src/dispatch/ring.ts";
import { WorkerLink } from "../../../src/dispatch/worker-link.ts";
import type { ClientSocket } from "../../../src/edge/client-socket.ts";
import { Edge } from "../../../src/edge/edge.ts";
import { frame } from "../../../src/wire/frames.ts";
import { Flag, FrameType } from "../../../src/wire/spec.ts";
import { EDGE_SETTINGS } from "../../../tests/support/edge-settings.ts";

const CONNECTIONS = 64;
const ROUNDS = 4000;
const REPEATS = 7;

const SMALL = "GET /hello HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nAccept: */*\r\n\r\n";
const BROWSER = [
  "GET /articles/17?page=2 HTTP/1.1",
  "Host: example.org",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Cache-Control: max-age=0",
  "Referer: https://example.org/articles",
  "Cookie: sessionid=0123456789abcdef0123456789abcdef; csrftoken=abcdefghijklmnopqrstuvwxyz012345",
  "Sec-Fetch-Dest: document",
  "Sec-Fetch-Mode: navigate",
  "Sec-Fetch-Site: same-origin",
  "Sec-Fetch-User: ?1",
  "Upgrade-Insecure-Requests: 1",
  "DNT: 1",
  "\r\n",
].join("\r\n");

class Client implements ClientSocket {
  readonly remoteAddress = "127.0.0.1";
  readonly remotePort = 50000;
  readonly localAddress = "127.0.0.1";
  readonly localPort = 8000;
  bytes = 0;
  write(data: Buffer, _offset = 0, length: number = data.length): number {
    this.bytes += length;
    return length;
  }
  end(): void {}
  shutdown(): void {}
  terminate(): void {}
  pause(): void {}
  resume(): void {}
}

function responses(count: number, firstStream: number): Buffer {
  const head = Buffer.from(
    "HTTP/1.1 200 OK\r\ndate: Sat, 21 Nov 2026 06:13:00 GMT\r\nserver: keelback\r\ncontent-length: 13\r\n\r\n",
  );
  const size = Buffer.alloc(4);
  size.writeUInt32LE(head.length);
  const payload = Buffer.concat([size, head, Buffer.from("Hello, world!")]);
  const frames: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    frames.push(frame(FrameType.RESPONSE, firstStream + i, Flag.END | Flag.LENGTH, 200, payload));
  }
  return Buffer.concat(frames);
}

/** Nanoseconds for a request. */
function measure(request: string, form: "cgi" | "asgi"): number {
  const events = {
    onLate: () => {},
    onStuck: () => {},
    onDrained: () => {},
    onProtocolError: (_l: unknown, what: string) => {
      throw new Error(what);
    },
  };
  const options = { queueMax: 1000, queueTimeoutMs: 0, interruptMs: 5000, silentMs: 0 };
  const pool = new WorkerPool(options, events, monotonic.now);
  const board = new Uint32Array(16);
  const shared = new SharedMemory(board, null);
  const facts = {
    worker: 1,
    generation: 1,
    pid: 1,
    form,
    concurrency: 1000,
    boardPath: "",
    ringPath: "",
  };
  const link = new WorkerLink(pool, new Client(), facts, shared, 0);
  link.depth.limit = 256;
  pool.add(link);
  const edge = new Edge({
    settings: EDGE_SETTINGS,
    backend: pool,
    accessLog: null,
    tls: null,
    onTick: () => false,
    log: () => {},
  });
  const connections = Array.from({ length: CONNECTIONS }, () => edge.accept(new Client(), ""));
  const bytes = Buffer.from(request, "latin1");
  let stream = 1;
  const round = (): void => {
    for (const connection of connections) connection.data(bytes);
    link.flush();
    stream += CONNECTIONS;
    board[0] = stream - 1;
    pool.received(link, responses(CONNECTIONS, stream - CONNECTIONS));
  };
  const build = (): void => void responses(CONNECTIONS, stream);
  let best = Number.POSITIVE_INFINITY;
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const start = Bun.nanoseconds();
    for (let i = 0; i < ROUNDS; i++) round();
    const middle = Bun.nanoseconds();
    for (let i = 0; i < ROUNDS; i++) build();
    const spent = middle - start - (Bun.nanoseconds() - middle);
    best = Math.min(best, spent / (ROUNDS * CONNECTIONS));
  }
  if (link.open !== 0) throw new Error(`${link.open} requests were not answered`);
  return best;
}

for (const [name, request] of [
  ["2 headers", SMALL],
  ["browser's 14 headers", BROWSER],
] as const) {
  for (const form of ["cgi", "asgi"] as const) {
    process.stdout.write(`${name}, ${form}: ${Math.round(measure(request, form))} ns a request\n`);
  }
}
process.exit(0);
