/** permessage-deflate against two other implementations: what they compress is read here, what is compressed here they read. */
import { expect, test } from "bun:test";
import { WsConnection, WsEvent } from "../../../../src/proto/ws/connection.ts";
import {
  chooseDeflate,
  type DeflateParams,
  parseOffers,
} from "../../../../src/proto/ws/extensions.ts";
import { WsWriter } from "../../../../src/proto/ws/writer.ts";
import { createStreamPools } from "../../../../src/edge/zlib.ts";
import { randomOf, splitAtRandom } from "../../../support/h1-reader.ts";

const ROOT = new URL("../../../..", import.meta.url).pathname;

type Message = [kind: "text" | "binary", parts: string[]];
type Pools = ReturnType<typeof createStreamPools>;

const WORDS = ["alpha ", "beta ", "gamma, ", "δέλτα ", "0123456789 ", "😀 ", "e", "{}"];
const SIZES = [0, 1, 5, 60, 70, 300, 5000, 40_000, 0, 64, 100, 200, 100_000, 63, 65, 250];

/** Messages of all sizes, some in parts, some of noise that cannot be compressed. */
function messages(random: () => number, count: number): Message[] {
  return Array.from({ length: count }, (_, index) => {
    const size = SIZES[index % SIZES.length]!;
    const isText = random() < 0.5;
    const noise = !isText && random() < 0.4;
    let bytes = Buffer.alloc(0);
    if (noise) bytes = Buffer.from(Uint8Array.from({ length: size }, () => random() * 256));
    else {
      let words = "";
      while (words.length < size) words += WORDS[Math.floor(random() * WORDS.length)]!;
      bytes = Buffer.from(words);
    }
    return [isText ? "text" : "binary", split(bytes, isText, random)];
  });
}

/** wsproto wants whole characters in each part of a text. */
function split(bytes: Buffer, isText: boolean, random: () => number): string[] {
  if (random() < 0.6) return [bytes.toString("hex")];
  const parts: string[] = [];
  let at = 0;
  for (let i = 0; i < 3; i++) {
    let to = Math.min(bytes.length, at + Math.floor(random() * bytes.length));
    while (isText && to < bytes.length && (bytes[to]! & 0xc0) === 0x80) to++;
    parts.push(bytes.toString("hex", at, to));
    at = to;
  }
  return [...parts, bytes.toString("hex", at)];
}

const whole = ([kind, parts]: Message): [string, string] => [kind, parts.join("")];

/** Writes as the session does. */
function write(list: readonly Message[], deflate: DeflateParams, pools: Pools): Buffer {
  const out: Buffer[] = [];
  const keep = (buf: Buffer, start: number, end: number): void => {
    out.push(Buffer.from(buf.subarray(start, end)));
  };
  const writer = new WsWriter({ write: keep, writeBorrowed: keep }, deflate, pools.deflate);
  for (const [kind, parts] of list) {
    for (const [index, part] of parts.entries()) {
      const bytes = Buffer.concat([Buffer.alloc(12), Buffer.from(part, "hex")]);
      const last = index === parts.length - 1;
      writer.message(kind === "text" ? 1 : 2, bytes, 12, bytes.length, last, false);
    }
  }
  writer.dispose();
  return Buffer.concat(out);
}

function readFrames(
  chunks: readonly Uint8Array[],
  deflate: DeflateParams,
  pools: Pools,
): [string, string][] {
  const connection = new WsConnection({ messageBytesMax: 0, deflate, inflatePool: pools.inflate });
  const found: [string, string][] = [];
  let parts = "";
  for (const chunk of chunks) {
    connection.feed(Buffer.from(chunk));
    for (let event = connection.next(); event !== WsEvent.NEED_DATA; event = connection.next()) {
      expect(event === WsEvent.PART || event === WsEvent.MESSAGE).toBe(true);
      parts += connection.data.toString("hex", connection.start, connection.end);
      if (event === WsEvent.PART) continue;
      found.push([connection.kind === 1 ? "text" : "binary", parts]);
      parts = "";
    }
  }
  connection.dispose();
  return found;
}

const WEBSOCKETS: object[] = [
  {},
  { client_max_window_bits: true },
  { client_max_window_bits: 9, server_max_window_bits: 9 },
  { client_max_window_bits: 15, server_max_window_bits: 8 },
  { server_no_context_takeover: true, client_no_context_takeover: true },
  { server_no_context_takeover: true, client_max_window_bits: 12 },
];

const CASES: [string, object][] = [
  ...WEBSOCKETS.map((options): [string, object] => ["websockets", options]),
  ...[
    {},
    { client_max_window_bits: 10, server_max_window_bits: 10 },
    { server_no_context_takeover: true },
    { client_no_context_takeover: true },
  ].map((options): [string, object] => ["wsproto", options]),
];

test.concurrent.each(CASES)(
  "%s with %j",
  async (library, options) => {
    const peer = Bun.spawn(
      [
        `${ROOT}.venv/bin/python`,
        `${ROOT}tests/support/ws_peer.py`,
        library,
        JSON.stringify(options),
      ],
      { stdin: "pipe", stdout: "pipe", stderr: "inherit" },
    );
    const reader = peer.stdout.getReader();
    let output = "";
    while (!output.includes("\n")) output += Buffer.from((await reader.read()).value!).toString();
    const deflate = chooseDeflate(parseOffers(output.trim())!);
    expect(deflate).not.toBe(null);
    const random = randomOf(JSON.stringify(options).length);
    const theirs = messages(random, 48);
    const ours = messages(random, 48);
    // One stream of each kind for two connections: it is taken away again and again.
    const pools = createStreamPools(random() < 0.5 ? 1 : 8);
    const bytes = write(ours, deflate!, pools);
    const task = { answer: deflate!.answer, messages: theirs, bytes: bytes.toString("hex") };
    await peer.stdin.write(JSON.stringify(task) + "\n");
    await peer.stdin.end();
    let rest = "";
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      rest += Buffer.from(next.value).toString();
    }
    const result = JSON.parse(rest) as { frames: string; received: [string, string][] };
    expect(result.received).toEqual(ours.map(whole));
    const frames = Buffer.from(result.frames, "hex");
    const expected = theirs.map(whole);
    expect(readFrames([frames], deflate!, pools)).toEqual(expected);
    expect(readFrames(splitAtRandom(frames, random), deflate!, pools)).toEqual(expected);
    expect(await peer.exited).toBe(0);
  },
  60_000,
);
