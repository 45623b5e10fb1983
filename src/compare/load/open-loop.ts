/**
 * A load generator whose latencies are free of coordinated omission. An open stream sends at a fixed rate, whatever the answers do, and
 * counts each latency from the moment the request was due, so that a stall of the server (or a wait for a free connection) counts for
 * every request it delays. A closed stream sends the next request when the answer is here. Every answer's status and body are checked.
 *
 * Runs in a process of its own (`__load`) and spins instead of sleeping between sends, to be on time to some microseconds.
 */
import type { OpenLoopSpec, StreamResult } from "./http-load.ts";
import { Stream } from "./stream.ts";

/** So long after the end, what is due and waits for a connection is still sent. */
const SEND_MS = 2000;
/** After the last send, answers are awaited so long; those that are still missing then are errors. */
const LINGER_MS = 5000;
const SLEEP_MS = 1;
/** A server that accepts few connections at a time must not keep the run from beginning. */
const CONNECT_MS_MAX = 3000;

async function turn(spin: boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (spin) setImmediate(resolve);
  else setTimeout(resolve, SLEEP_MS);
  return promise;
}

/**
 * Each stream as often as it has connections, evenly mixed, to be opened all at once: workers that accept for
 * themselves then all get some, and the same mixture. (One after the other, one idle worker would win them all.)
 */
function mixed(streams: readonly Stream[]): Stream[] {
  const entries = streams.flatMap((stream) =>
    Array.from({ length: stream.keptConnections }, (_, index) => ({
      stream,
      at: (index + 0.5) / stream.spec.connections,
    })),
  );
  return entries.sort((a, b) => a.at - b.at).map((entry) => entry.stream);
}

async function finish(streams: readonly Stream[]): Promise<void> {
  const some = (count: (stream: Stream) => number): boolean =>
    streams.some((stream) => count(stream) > 0);
  const sendEnd = performance.now() + SEND_MS;
  while (some(({ waiting }) => waiting) && performance.now() < sendEnd) {
    for (const stream of streams) stream.sendWaiting();
    await turn(false);
  }
  const lingerEnd = performance.now() + LINGER_MS;
  while (some(({ awaited }) => awaited) && performance.now() < lingerEnd) await turn(false);
}

export async function runOpenLoop(spec: OpenLoopSpec): Promise<Record<string, StreamResult>> {
  const spin = spec.spin ?? true;
  const streams = spec.streams.map((stream) => new Stream(stream, spec.port));
  // Without a warm-up all requests are measured, from the first connection on.
  const counts = spec.warmupMs === 0;
  const begun = performance.now();
  if (counts) for (const stream of streams) stream.measureFrom(begun, begun + spec.durationMs);
  const connecting = Promise.all(mixed(streams).map(async (stream) => stream.connect()));
  await Promise.race([connecting, Bun.sleep(CONNECT_MS_MAX)]);
  const start = counts ? begun : performance.now() + 1;
  const measureFrom = start + spec.warmupMs;
  const end = measureFrom + spec.durationMs;
  for (const stream of streams) stream.begin(start, measureFrom, end);
  const [first] = streams;
  let now = performance.now();
  for (; now < end && first?.finished !== true; now = performance.now()) {
    for (const stream of streams) stream.tick(now);
    await turn(spin);
  }
  // What became due while this process stood still, beyond the end, is sent late and counts as late.
  if (now >= end) for (const stream of streams) stream.tick(end - SLEEP_MS);
  const durationMs = Math.min(now, end) - measureFrom;
  for (const stream of streams) stream.stop();
  await finish(streams);
  for (const stream of streams) stream.close();
  return Object.fromEntries(streams.map((stream) => [stream.spec.name, stream.result(durationMs)]));
}
