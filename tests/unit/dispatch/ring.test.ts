import { expect, test } from "bun:test";
import fc from "fast-check";
import { SharedMemory } from "../../../src/dispatch/ring.ts";
import { BOARD_REQUEST_READ, BOARD_RINGS_MAPPED, RING_BYTES } from "../../../src/wire/spec.ts";

function memory(): { board: Uint32Array; rings: Uint8Array; shared: SharedMemory } {
  const board = new Uint32Array(16);
  const rings = new Uint8Array(2 * RING_BYTES);
  return { board, rings, shared: new SharedMemory(board, rings) };
}

test("without rings nothing is put, and the worker is told of none", () => {
  const board = new Uint32Array(16);
  const shared = new SharedMemory(board, null);
  expect(shared.put(Buffer.alloc(100))).toBe(-1);
  expect(shared.holds(16, 0)).toBe(false);
  expect(board[BOARD_RINGS_MAPPED]).toBe(0);
  expect(memory().board[BOARD_RINGS_MAPPED]).toBe(1);
});

test("what is put is there until it has been read, for any sequence of sizes", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1, maxLength: 120 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 9 }), (list, lag) => {
      const { board, rings, shared } = memory();
      const unread: { at: number; piece: Buffer; after: number }[] = [];
      const read = (): void => {
        const one = unread.shift()!;
        const seen = Buffer.from(rings.buffer, RING_BYTES + one.at, one.piece.length);
        expect(seen.equals(one.piece)).toBe(true);
        board[BOARD_REQUEST_READ] = one.after;
      };
      list.forEach((size, i) => {
        const piece = Buffer.alloc(size, i + 1);
        let at = shared.put(piece);
        while (at < 0) {
          expect(unread.length).toBeGreaterThan(0);
          read();
          at = shared.put(piece);
        }
        unread.push({ at, piece, after: shared.used });
        if (unread.length > lag) read();
      });
      while (unread.length > 0) read();
    }),
    { numRuns: 60 },
  );
});

test("what is put behind a part is there with it, for any sequence of sizes", () => {
  const sizes = fc.array(fc.tuple(fc.integer({ min: 1, max: 200_000 }), fc.boolean()), {
    minLength: 1,
    maxLength: 200,
  });
  fc.assert(
    fc.property(sizes, (list) => {
      const { board, rings, shared } = memory();
      const unread: { at: number; pieces: Buffer[]; after: number }[] = [];
      const read = (): void => {
        const { at, pieces, after } = unread.shift()!;
        const whole = Buffer.concat(pieces);
        expect(at + whole.length + 16).toBeLessThanOrEqual(RING_BYTES);
        expect(Buffer.from(rings.buffer, RING_BYTES + at, whole.length).equals(whole)).toBe(true);
        board[BOARD_REQUEST_READ] = after;
      };
      list.forEach(([size, behind], i) => {
        const piece = Buffer.alloc(size, i + 1);
        const last = unread.at(-1);
        if (behind && last !== undefined && shared.extend(piece)) {
          last.pieces.push(piece);
          last.after = shared.used;
          return;
        }
        let at = shared.put(piece);
        for (; at < 0; at = shared.put(piece)) read();
        unread.push({ at, pieces: [piece], after: shared.used });
      });
      while (unread.length > 0) read();
    }),
    { numRuns: 60 },
  );
});

test("only what lies inside of the ring, margins included, is accepted", () => {
  const { shared } = memory();
  expect(shared.holds(16, RING_BYTES - 32)).toBe(true);
  expect(shared.holds(15, 1)).toBe(false);
  expect(shared.holds(16, RING_BYTES - 31)).toBe(false);
  expect(shared.holds(0xffffffff, 0xffffffff)).toBe(false);
});

test("what a socket gives goes straight into the ring, after what was put before", async () => {
  const { board, rings, shared } = memory();
  const sent = Buffer.alloc(60_000, "0123456789");
  const accepted = Promise.withResolvers<Bun.Socket>();
  using listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { open: (socket) => accepted.resolve(socket), data() {} },
  });
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: listener.port,
    socket: { open: (self) => self.pause(), data() {} },
  });
  expect((await accepted.promise).write(sent)).toBe(sent.length);
  const { fd } = socket as unknown as { fd: number };
  shared.put(Buffer.alloc(100, "x"));
  let read = 0;
  while (read < sent.length) {
    const at = shared.putFrom(fd, 25_000);
    // On a busy machine the kernel delivers what was sent a moment later.
    await new Promise(setImmediate);
    if (at < 0) continue;
    const seen = Buffer.from(rings.buffer, RING_BYTES + at, shared.received);
    expect(seen.equals(sent.subarray(read, read + shared.received))).toBe(true);
    read += shared.received;
    board[BOARD_REQUEST_READ] = shared.used;
  }
  expect(read).toBe(sent.length);
  expect(shared.putFrom(fd, 25_000)).toBe(-1);
  socket.terminate();
});

test("when the link is over nothing is left of the rings, and nothing is put or read any more", () => {
  const { shared } = memory();
  expect(shared.put(Buffer.alloc(1000))).toBeGreaterThanOrEqual(0);
  shared.release();
  expect(shared.responses).toBe(null);
  expect(shared.holds(16, 0)).toBe(false);
  expect(shared.put(Buffer.alloc(1000))).toBe(-1);
  expect(shared.extend(Buffer.alloc(10))).toBe(false);
  expect(shared.putFrom(0, 1000)).toBe(-1);
  expect(shared.extendFrom(0, 1000)).toBe(-1);
  expect(shared.roomMax).toBe(0);
});
