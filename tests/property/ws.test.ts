/** Properties of the WebSocket codec over generated input; the seed is fixed so that a failure can be had again. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { WsConnection, WsEvent } from "../../src/proto/ws/connection.ts";
import { randomOf, splitAtRandom } from "../support/h1-reader.ts";
import { type CodecOptions, DEFLATE, frame, pools, runChunks } from "../support/ws-frames.ts";

const PARAMETERS = { seed: 20261121, numRuns: 500 };
const LIMIT = 2000;

/** Frames that are often nearly right. */
const frames = fc.array(
  fc
    .record({
      opcode: fc.constantFrom(0, 0, 1, 1, 2, 2, 8, 9, 10, 3),
      payload: fc.oneof(
        fc.string({ unit: "binary", maxLength: 40 }).map((text) => Buffer.from(text)),
        fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      ),
      fin: fc.boolean(),
      rsv: fc.constantFrom(0, 0, 0, 0, 0x40, 0x20),
      masked: fc.integer({ min: 0, max: 15 }).map((value) => value > 0),
      damaged: fc.option(fc.nat(), { freq: 8 }),
    })
    .map(({ opcode, payload, fin, rsv, masked, damaged }) => {
      const bytes = frame(opcode, payload, { fin, rsv, ...(masked ? {} : { mask: null }) });
      if (damaged !== null) bytes[damaged % bytes.length]! ^= 1 << (damaged & 7);
      return bytes;
    }),
  { maxLength: 12 },
);

const OPTIONS: CodecOptions[] = [
  { messageBytesMax: LIMIT },
  { messageBytesMax: LIMIT, deflate: DEFLATE },
];

describe("frames at random", () => {
  test("it never throws, and how they are split makes no difference", () => {
    const property = fc.property(frames, fc.nat(), (chunks, seed) => {
      const bytes = Buffer.concat(chunks);
      for (const options of OPTIONS) {
        const whole = runChunks([bytes], options);
        expect(runChunks(splitAtRandom(bytes, randomOf(seed)), options)).toEqual(whole);
        const ends = whole.findIndex((event) => /^(error|close)/.test(event));
        if (ends >= 0) expect(ends).toBe(whole.length - 1);
      }
    });
    fc.assert(property, PARAMETERS);
  });

  test("no message is larger than the limit, and all text is UTF-8", () => {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    const property = fc.property(frames, (chunks) => {
      for (const { deflate } of OPTIONS) {
        const connection = new WsConnection({
          messageBytesMax: LIMIT,
          deflate: deflate ?? null,
          inflatePool: pools.inflate,
        });
        connection.feed(Buffer.concat(chunks));
        let pieces: Buffer[] = [];
        for (
          let event = connection.next();
          event !== WsEvent.NEED_DATA;
          event = connection.next()
        ) {
          if (event !== WsEvent.PART && event !== WsEvent.MESSAGE) continue;
          pieces.push(connection.data.subarray(connection.start, connection.end));
          const whole = Buffer.concat(pieces);
          expect(whole.length).toBeLessThanOrEqual(LIMIT);
          if (event === WsEvent.PART) continue;
          if (connection.kind === 1) decoder.decode(whole);
          pieces = [];
        }
        connection.dispose();
      }
    });
    fc.assert(property, PARAMETERS);
  });

  test("bytes that are no frames at all", () => {
    const property = fc.property(fc.uint8Array({ maxLength: 500 }), fc.nat(), (bytes, seed) => {
      for (const options of OPTIONS) {
        const split = runChunks(splitAtRandom(bytes, randomOf(seed)), options);
        expect(split).toEqual(runChunks([bytes], options));
      }
    });
    fc.assert(property, PARAMETERS);
  });
});
