import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { readdirSync, readFileSync } from "node:fs";
import { FRAME_BYTES_MAX, FrameType } from "../../../src/wire/spec.ts";
import { FrameDecoder, frame } from "../../../src/wire/frames.ts";
import { decodeAll, type SeenFrame } from "../../support/wire.ts";

interface VectorFrame {
  stream: number;
  type: number;
  flags: number;
  aux: number;
  payload: string;
}
interface Vector {
  name: string;
  /** The input whole, or in the reads named by `pieces`, after which `counts` frames are complete. */
  bytes?: string;
  pieces?: string[];
  counts?: number[];
  frames?: VectorFrame[];
  error?: string;
}

const folder = new URL("../../vectors/wire/", import.meta.url).pathname;
const vectors: Vector[] = readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .flatMap((name) => JSON.parse(readFileSync(folder + name, "utf8")) as Vector[]);

/** Decodes `bytes` in pieces that end at `cuts`. */
function decodePieces(
  bytes: Buffer,
  cuts: number[],
): { frames: SeenFrame[]; error: string | null } {
  const frames: SeenFrame[] = [];
  let error: string | null = null;
  const decoder = new FrameDecoder({
    onFrame(type, stream, flags, aux, buf, start, end) {
      frames.push({ type, stream, flags, aux, payload: Buffer.from(buf.subarray(start, end)) });
    },
  });
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    error ??= decoder.push(Buffer.from(bytes.subarray(from, cut)));
    from = cut;
  }
  return { frames, error };
}

describe("shared vectors", () => {
  test("there are some, of both kinds", () => {
    expect(vectors.some((v) => v.error === undefined)).toBe(true);
    expect(vectors.some((v) => v.error !== undefined)).toBe(true);
  });
  for (const vector of vectors) {
    test(vector.name, () => {
      const bytes = Buffer.from(vector.bytes ?? vector.pieces!.join(""), "hex");
      const everyByte = [...bytes.keys()].slice(1);
      for (const cuts of [[], everyByte]) {
        const { frames, error } = decodePieces(bytes, cuts);
        expect(error !== null).toBe(vector.error !== undefined);
        if (vector.frames === undefined) continue;
        expect(frames.map((f) => ({ ...f, payload: f.payload.toString("hex") }))).toEqual(
          vector.frames.map(({ stream, type, flags, aux, payload }) => ({
            type,
            stream,
            flags,
            aux,
            payload,
          })),
        );
      }
    });
  }
});

test("frames are given out as soon as they are complete", () => {
  const inPieces = vectors.filter((v) => v.pieces !== undefined);
  expect(inPieces.length).toBeGreaterThan(5);
  for (const vector of inPieces) {
    let seen = 0;
    const decoder = new FrameDecoder({ onFrame: () => (seen += 1) });
    const counts = vector.pieces!.map((piece) => {
      decoder.push(Buffer.from(piece, "hex"));
      return seen;
    });
    let total = 0;
    expect(counts).toEqual(vector.counts!.map((count) => (total += count)));
  }
});

describe("FrameDecoder", () => {
  const types = fc.constantFrom(...Object.values(FrameType));
  const frames = fc.array(
    fc.record({
      type: types,
      stream: fc.nat(0xffffffff),
      flags: fc.nat(255),
      aux: fc.nat(65535),
      payload: fc.uint8Array({ maxLength: 300 }),
    }),
    { maxLength: 12 },
  );

  test("gives back what frame() wrote, however it is split", () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(4000), { maxLength: 8 }), (list, at) => {
        const bytes = Buffer.concat(
          list.map((f) => frame(f.type, f.stream, f.flags, f.aux, f.payload)),
        );
        const cuts = at.filter((cut) => cut < bytes.length).sort((a, b) => a - b);
        const result = decodePieces(bytes, cuts);
        expect(result.error).toBeNull();
        expect(result.frames).toEqual(list.map((f) => ({ ...f, payload: Buffer.from(f.payload) })));
      }),
    );
  });

  test("never throws on random bytes, and says nothing after an error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const { error } = decodePieces(
          Buffer.from(bytes),
          [3, 50].filter((n) => n < bytes.length),
        );
        expect(error === null || error.length > 0).toBe(true);
      }),
    );
  });

  test("refuses a frame longer than the limit before it arrives", () => {
    const header = frame(FrameType.DATA, 1, 0, 0);
    header.writeUInt32LE(FRAME_BYTES_MAX + 1, 0);
    const decoder = new FrameDecoder({ onFrame: () => {} });
    expect(decoder.push(header)).toContain(String(FRAME_BYTES_MAX + 1));
    expect(decoder.push(frame(FrameType.PING, 0, 0, 0))).not.toBeNull();
  });

  test("decodes a whole frame without copying it", () => {
    const bytes = frame(FrameType.DATA, 7, 1, 2, Buffer.from("abc"));
    let same = false;
    new FrameDecoder({
      onFrame: (_t, _s, _f, _a, buf) => {
        same = buf === bytes;
      },
    }).push(bytes);
    expect(same).toBe(true);
    expect(decodeAll(bytes)).toHaveLength(1);
  });
});
