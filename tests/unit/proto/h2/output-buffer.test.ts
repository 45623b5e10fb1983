/** The output: what was taken stays as it is until the taker says that it is written. */
import { expect, test } from "bun:test";
import { OutputBuffer } from "../../../../src/proto/h2/output-buffer.ts";

const LARGE = 200_000;

function put(out: OutputBuffer, bytes: number, value: number): void {
  out.reserve(bytes);
  out.chunk.fill(value, out.at, out.at + bytes);
  out.at += bytes;
}

test.each([100, 20_000, LARGE, 1_000_000])(
  "%d bytes that were taken are not written over",
  (size) => {
    const out = new OutputBuffer();
    put(out, size, 1);
    const taken = out.take();
    for (let i = 0; i < 5; i++) put(out, size, 2);
    expect(out.length).toBe(5 * size);
    expect(taken.equals(Buffer.alloc(size, 1))).toBe(true);
    expect(out.take().equals(Buffer.alloc(5 * size, 2))).toBe(true);
  },
);

test("memory serves again when all that was taken is written, and only then", () => {
  const out = new OutputBuffer();
  put(out, 100, 1);
  const first = out.take();
  put(out, 100, 2);
  out.reuse();
  expect(out.length).toBe(100);
  expect(first.equals(Buffer.alloc(100, 1))).toBe(true);
  expect(out.take().equals(Buffer.alloc(100, 2))).toBe(true);
  out.reuse();
  put(out, 100, 3);
  expect(out.take().byteOffset).toBe(first.byteOffset);
});

test("large chunks go from one connection to the next, never to two at once", () => {
  const outs = [0, 1, 2].map(() => new OutputBuffer());
  put(outs[0]!, LARGE, 1);
  const { buffer } = outs[0]!.take();
  outs[0]!.reuse();
  expect(outs[0]!.chunk).toBeEmpty();
  put(outs[1]!, LARGE, 2);
  put(outs[2]!, LARGE, 3);
  expect(outs[1]!.chunk.buffer).toBe(buffer);
  expect(outs[1]!.take().equals(Buffer.alloc(LARGE, 2))).toBe(true);
  expect(outs[2]!.take().equals(Buffer.alloc(LARGE, 3))).toBe(true);
});
