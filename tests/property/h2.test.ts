/** Properties of H2Connection over random frames and calls; the seed is fixed so that a failure can be had again. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { CLIENT_PREFACE, FrameFlag, FrameType, Setting } from "../../src/proto/h2/frames.ts";
import {
  bytewise,
  data,
  END,
  type Field,
  frame,
  GET,
  H2Probe,
  headerBlock,
  headers,
  HELLO,
  paddedData,
  parseFrames,
  ping,
  POST,
  priorityUpdate,
  randomOf,
  reset,
  settings,
  splitAtRandom,
  u32,
  windowUpdate,
} from "../support/h2-connection.ts";

const PARAMETERS = { seed: 20260911, numRuns: 1500 };

const stream = fc.constantFrom(0, 1, 1, 1, 3, 3, 5, 7, 2, 2 ** 31 - 1);
const number = fc.constantFrom(0, 1, 5, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1);
const FIELDS: readonly (readonly Field[])[] = [
  GET,
  POST,
  GET.slice(1),
  [["a", "b"]],
  [...POST, ["content-length", "3"]],
  [...GET, ["priority", "u=1, i"]],
  [...POST, ["x-large", "y".repeat(300)]],
];

/** A frame that is often right, or nearly. */
const anyFrame = fc.oneof(
  fc
    .tuple(stream, fc.constantFrom(...FIELDS), fc.constantFrom(0, END))
    .map(([id, fields, flags]) => headers(id, fields, flags)),
  fc
    .tuple(stream, fc.string({ maxLength: 12 }), fc.constantFrom(0, END))
    .map(([id, text, flags]) => data(id, text, flags)),
  fc
    .tuple(stream, fc.string({ maxLength: 3 }), fc.nat(255))
    .map(([id, text, padding]) => paddedData(id, text, padding)),
  stream.map((id) => reset(id)),
  fc.tuple(stream, number).map(([id, bytes]) => windowUpdate(id, bytes)),
  fc
    .tuple(fc.constantFrom(...Object.values(Setting)), number)
    .map(([name, value]) => settings([name, value])),
  fc.constantFrom(0, 1).map((flags) => ping(flags)),
  fc.tuple(stream, fc.constantFrom("u=0", "i", "")).map(([id, value]) => priorityUpdate(id, value)),
  fc
    .tuple(stream, fc.constantFrom(...FIELDS), fc.nat(60), fc.boolean())
    .map(([id, fields, cut, ends]) => {
      const block = headerBlock(fields);
      const at = Math.min(cut, block.length);
      return Buffer.concat([
        frame(FrameType.HEADERS, END, id, block.subarray(0, at)),
        frame(FrameType.CONTINUATION, ends ? FrameFlag.END_HEADERS : 0, id, block.subarray(at)),
      ]);
    }),
  fc
    .tuple(fc.nat(17), fc.nat(63), stream, fc.uint8Array({ maxLength: 20 }))
    .map(([type, flags, id, payload]) => frame(type, flags, id, payload)),
  fc
    .tuple(stream, fc.uint8Array({ maxLength: 40 }))
    .map(([id, block]) => frame(FrameType.HEADERS, 5, id, block)),
  fc.tuple(stream, stream).map(([id, on]) => {
    return frame(FrameType.PRIORITY, 0, id, Buffer.concat([u32(on), Buffer.from([1])]));
  }),
);
const frames = fc.array(anyFrame, { maxLength: 25 }).map((list) => Buffer.concat([HELLO, ...list]));
const anyBytes = fc
  .uint8Array({ maxLength: 200 })
  .map((bytes) => Buffer.concat([CLIENT_PREFACE, bytes]));

function outcome(chunks: readonly Buffer[]): unknown {
  const probe = new H2Probe({ headerFieldBytesMax: 200 });
  for (const chunk of chunks) {
    if (!failed(probe)) probe.feed(chunk);
  }
  return { events: probe.events, bodies: [...probe.bodies], sent: probe.sent() };
}

function failed(probe: H2Probe): boolean {
  return probe.events.at(-1)?.startsWith("ERROR") === true;
}

describe("any frames", () => {
  test("are read the same however they are split, and never throw", () => {
    fc.assert(
      fc.property(fc.oneof({ weight: 4, arbitrary: frames }, anyBytes), fc.nat(), (bytes, seed) => {
        const whole = outcome([bytes]);
        expect(outcome(bytewise(bytes))).toEqual(whole);
        expect(outcome(splitAtRandom(bytes, randomOf(seed)))).toEqual(whole);
      }),
      PARAMETERS,
    );
  });

  const act = fc.record({
    input: anyFrame,
    stream: fc.constantFrom(1, 3, 5, 7),
    kind: fc.nat(8),
    bytes: fc.constantFrom(0, 1, 100, 5000, 70_000),
    ends: fc.boolean(),
  });

  test("and any answers give whole frames within the windows, and bounded streams", () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 40 }), (acts) => {
        const probe = H2Probe.greeted({ streamsMax: 3 });
        const { h2 } = probe;
        let allowed = 65_535;
        for (const { input, stream: id, kind, bytes, ends } of acts) {
          if (!failed(probe)) probe.feed(input);
          if (kind < 3) probe.head(id, kind === 0);
          else if (kind < 6) probe.body(id, bytes, ends);
          else if (kind === 6) h2.sendTrailers(id, Buffer.from("a\0b"));
          else if (kind === 7) h2.reset(id, 8);
          else h2.consumed(id, bytes);
          expect(h2.openStreams).toBeLessThanOrEqual(3);
          if (failed(probe)) break;
          allowed += credit(input);
          const out = h2.pull(10_000);
          for (const { type, payload } of out === null ? [] : parseFrames(out)) {
            if (type === "DATA") allowed -= payload.length;
          }
          expect(allowed).toBeGreaterThanOrEqual(0);
          expect(h2.queuedBytes).toBeLessThanOrEqual(40 * 70_000);
        }
      }),
      PARAMETERS,
    );
  });

  /** What the frames of an input add to the connection's window. */
  function credit(input: Buffer): number {
    return parseFrames(input)
      .filter(({ type, stream: id }) => type === "WINDOW_UPDATE" && id === 0)
      .reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
  }
});

test("an endless connection keeps nothing of its streams", () => {
  const probe = H2Probe.greeted({ streamsMax: 100 });
  const body = Buffer.alloc(64, 1);
  const sizes: number[] = [];
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 20_000; i++) {
      const id = 2 * (20_000 * round + i) + 1;
      probe.feed(headers(id, POST, 0), data(id, body, END));
      probe.answer(id);
      if (i % 7 === 0) probe.sent();
      probe.feed(windowUpdate(0, 2));
    }
    probe.events.length = 0;
    probe.bodies.clear();
    Bun.gc(true);
    sizes.push(process.memoryUsage().heapUsed);
  }
  expect(probe.h2.openStreams).toBe(0);
  expect(sizes[2]! - sizes[1]!).toBeLessThan(2_000_000);
});
