/**
 * Requests a second that H2Connection takes and answers by itself, without sockets or workers, one core:
 *   hello    ten requests in a chunk as h2load -m10 sends them (everything in HPACK's table), a small answer to each
 *   browser  the same with a browser's fields and another path each time
 * and megabytes a second of bodies: `upload` in DATA frames of 16 KiB, `download` of 1 MiB responses.
 * Run: bun bench/micro/proto/h2/connection.bench.ts [hello|browser|upload|download]
 */
import { H2Connection, H2Event } from "../../../../src/proto/h2/connection.ts";
import { CLIENT_PREFACE, FrameFlag, FrameType } from "../../../../src/proto/h2/frames.ts";
import {
  frame,
  headerBlock,
  settings,
  windowUpdate,
} from "../../../../tests/support/h2-connection.ts";

const ROUNDS = 7;
const BATCH = 10;
const BATCHES = 30_000;
const HEAD = Buffer.from(
  "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 12\r\n" +
    "date: Sat, 21 Nov 2026 10:00:00 GMT\r\nserver: keelback\r\n\r\n",
);
const BODY = Buffer.from("Hello, world");
const BROWSER_FIELDS = [
  'sec-ch-ua: "Chromium";v="126", "Not/A)Brand";v="8"',
  "sec-ch-ua-mobile: ?0",
  'sec-ch-ua-platform: "Linux"',
  "upgrade-insecure-requests: 1",
  "user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0",
  "accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  "sec-fetch-site: same-origin",
  "sec-fetch-mode: navigate",
  "accept-encoding: gzip, deflate, br, zstd",
  "accept-language: en-GB,en;q=0.9,de;q=0.8",
  "cookie: sessionid=k3jd93kd02kd93kd0; csrftoken=9sk3kd93ks",
  "priority: u=0, i",
];

function connection(): H2Connection {
  const h2 = new H2Connection({
    form: "asgi",
    requestLineBytesMax: 8190,
    headerBytesMax: 65536,
    headerFieldBytesMax: 16384,
    headerCountMax: 100,
    underscoreHeaders: "drop",
    bodyBytesMax: 0,
    connectProtocol: true,
    streamsMax: 128,
    streamWindowBytes: 512 * 1024,
    connectionWindowBytes: 1024 * 1024,
    now: () => performance.now(),
  });
  h2.feed(Buffer.concat([CLIENT_PREFACE, settings([4, 2 ** 30]), windowUpdate(0, 2 ** 30)]));
  h2.next();
  h2.pull(65_536);
  return h2;
}

/** Literals that go to the table; the index of the first one is then 61 + how many there are. */
function indexed(fields: readonly string[]): Buffer {
  const block = fields.map((line) => {
    const at = line.indexOf(":", 1);
    const literal = headerBlock([[line.slice(0, at), line.slice(at + 1).trim()]]);
    literal[0] = 0x40;
    return literal;
  });
  return Buffer.concat(block);
}

function answer(h2: H2Connection, stream: number): void {
  h2.sendHead(stream, 200, HEAD, 0, HEAD.length, false);
  h2.sendData(stream, BODY, 0, BODY.length, true);
}

/** Takes all events; answers each request. */
function serve(h2: H2Connection): number {
  let served = 0;
  for (;;) {
    switch (h2.next()) {
      case H2Event.NEED_DATA:
        return served;
      case H2Event.END:
        answer(h2, h2.stream);
        served++;
        break;
      case H2Event.ERROR:
        throw new Error(h2.detail);
      default:
    }
  }
}

/** Writes the next numbers of streams into the HEADERS frames of a chunk. */
function renumber(chunk: Buffer, frameBytes: number, stream: number): number {
  let next = stream;
  for (let at = 0; at < chunk.length; at += frameBytes) {
    chunk.writeUInt32BE(next, at + 5);
    next += 2;
  }
  return next;
}

/** Nanoseconds a request. */
function requests(fields: readonly string[], paths: boolean): number {
  const h2 = connection();
  const first = Buffer.concat([Buffer.from([0x82, 0x86, 0x84]), indexed(fields)]);
  h2.feed(frame(FrameType.HEADERS, 5, 1, first));
  serve(h2);
  const known = fields.map((_, i) => 0x80 | (61 + fields.length - i));
  const path = (i: number): Buffer =>
    paths ? Buffer.from(`\x04\x0e/articles/${1000 + i}`, "latin1") : Buffer.from([0x84]);
  const heads = Array.from({ length: BATCH }, (_, i) => {
    const block = Buffer.concat([Buffer.from([0x82, 0x86]), path(i), Buffer.from(known)]);
    return frame(FrameType.HEADERS, FrameFlag.END_STREAM | FrameFlag.END_HEADERS, 0, block);
  });
  const chunk = Buffer.concat(heads);
  const grow = windowUpdate(0, BATCH * BODY.length);
  let stream = 3;
  const started = Bun.nanoseconds();
  for (let i = 0; i < BATCHES; i++) {
    stream = renumber(chunk, heads[0]!.length, stream);
    h2.feed(chunk);
    if (serve(h2) !== BATCH) throw new Error("not served");
    h2.pull(65_536);
    if (i % 100 === 0) h2.feed(grow);
  }
  return (Bun.nanoseconds() - started) / (BATCH * BATCHES);
}

/** Megabytes a second. */
function upload(): number {
  const h2 = connection();
  h2.feed(
    frame(
      FrameType.HEADERS,
      4,
      1,
      Buffer.concat([Buffer.from([0x83, 0x86, 0x84]), indexed(["host: a"])]),
    ),
  );
  h2.next();
  // Chunks as the socket gives them: frames lie across their borders.
  const frames = Buffer.concat(
    Array.from({ length: 32 }, () => frame(FrameType.DATA, 0, 1, Buffer.alloc(16_384))),
  );
  const chunks = Array.from({ length: Math.ceil(frames.length / 65_536) }, (_, i) =>
    frames.subarray(65_536 * i, 65_536 * (i + 1)),
  );
  const started = Bun.nanoseconds();
  let bytes = 0;
  while (bytes < 2 ** 31) {
    for (const chunk of chunks) {
      h2.feed(chunk);
      while (h2.next() === H2Event.BODY) {
        bytes += h2.dataEnd - h2.dataStart;
        h2.consumed(1, h2.dataEnd - h2.dataStart);
      }
      h2.pull(65_536);
    }
  }
  return (bytes * 1000) / (Bun.nanoseconds() - started);
}

function download(): number {
  const h2 = connection();
  h2.feed(
    frame(
      FrameType.HEADERS,
      5,
      1,
      Buffer.concat([Buffer.from([0x82, 0x86, 0x84]), indexed(["host: a"])]),
    ),
  );
  h2.next();
  h2.sendHead(1, 200, HEAD, 0, HEAD.length, false);
  const piece = Buffer.alloc(256 * 1024);
  const grow = Buffer.concat([windowUpdate(0, 2 ** 20), windowUpdate(1, 2 ** 20)]);
  const started = Bun.nanoseconds();
  let bytes = 0;
  while (bytes < 2 ** 31) {
    for (let i = 0; i < 4; i++) h2.sendData(1, piece, 0, piece.length, false);
    while (h2.pull(256 * 1024) !== null);
    bytes += 2 ** 20;
    h2.feed(grow);
    h2.next();
  }
  return (bytes * 1000) / (Bun.nanoseconds() - started);
}

function median(measure: () => number): number {
  return Array.from({ length: ROUNDS }, measure).sort((a, b) => a - b)[ROUNDS >> 1]!;
}

const HELLO_FIELDS = [":authority: 127.0.0.1:8000", "user-agent: h2load nghttp2/1.59.0"];
const measures: Record<string, () => string> = {
  hello: () => rate(median(() => requests(HELLO_FIELDS, false))),
  browser: () => rate(median(() => requests([HELLO_FIELDS[0]!, ...BROWSER_FIELDS], true))),
  upload: () => `${median(upload).toFixed(0)} MB/s`,
  download: () => `${median(download).toFixed(0)} MB/s`,
};

function rate(nanoseconds: number): string {
  const thousands = (1e6 / nanoseconds).toFixed(0);
  return `${thousands}k requests/s (${nanoseconds.toFixed(0)} ns each)`;
}

const chosen = process.argv.slice(2);
for (const [name, measure] of Object.entries(measures)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  process.stdout.write(`${name.padEnd(9)} ${measure()}\n`);
}
