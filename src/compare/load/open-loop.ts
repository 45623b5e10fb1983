/**
 * A load generator whose latencies are free of coordinated omission. An open stream sends at a fixed rate, whatever the answers do, and
 * counts each latency from the moment the request was due, so that a stall of the server (or a wait for a free connection) counts for
 * every request it delays. A closed stream sends the next request when the answer is here. Every answer's status and body are checked.
 *
 * Runs in a process of its own (`__load`) and spins instead of sleeping between sends, to be on time to some microseconds.
 */
import type { OpenLoopSpec, StreamResult } from "./http-load.ts";
import { finish, run } from "./pace.ts";
import { Stream } from "./stream.ts";

/** A server that accepts few connections at a time must not keep the run from beginning. */
const CONNECT_MS_MAX = 3000;

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
  const tick = (now: number): void => {
    for (const stream of streams) stream.tick(now);
  };
  const stopped = await run(end, tick, { spin, over: () => first?.finished === true });
  const durationMs = Math.min(stopped, end) - measureFrom;
  for (const stream of streams) stream.stop();
  await finish(
    () => streams.some(({ awaited }) => awaited > 0),
    () => streams.some(({ waiting }) => waiting > 0),
    () => {
      for (const stream of streams) stream.sendWaiting();
    },
  );
  for (const stream of streams) stream.close();
  return Object.fromEntries(streams.map((stream) => [stream.spec.name, stream.result(durationMs)]));
}
