/** What waits of a request body comes back as it went in, and nothing of it stays. */
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { BodySpool } from "../../../src/edge/body-spool.ts";
import { FileGate } from "../../../src/edge/file-gate.ts";

const PIECE_BYTES = 10_000;

/** Byte `n` of the stream that the tests send. */
function byteAt(n: number): number {
  return (n * 7 + Math.floor(n / 251)) & 255;
}

function pieceAt(at: number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => byteAt(at + i)));
}

class Reader {
  readonly spool: BodySpool;
  readonly gate: FileGate;
  sent = 0;
  got = 0;
  failed = "";
  #ready = Promise.withResolvers<void>();

  constructor(hasRoom: boolean = true) {
    this.gate = new FileGate(() => hasRoom);
    const owner = {
      onSpooled: (): void => this.#ready.resolve(),
      onSpoolFailed: (why: string): void => {
        this.failed = why;
      },
    };
    this.spool = new BodySpool(owner, this.gate);
  }

  push(bytes: number): void {
    for (let left = bytes; left > 0; left -= PIECE_BYTES) {
      const piece = pieceAt(this.sent, Math.min(PIECE_BYTES, left));
      expect(this.spool.push(piece)).toBeNull();
      this.sent += piece.length;
    }
  }

  /** Takes so many bytes and compares them. */
  async take(bytes: number): Promise<void> {
    const until = this.got + bytes;
    while (this.got < until) {
      const piece = this.spool.take(Math.min(until - this.got, 7777));
      if (piece === null) {
        await this.#ready.promise;
        this.#ready = Promise.withResolvers<void>();
        continue;
      }
      expect(piece.equals(pieceAt(this.got, piece.length))).toBe(true);
      this.got += piece.length;
    }
    expect(this.spool.size).toBe(this.sent - this.got);
  }
}

function files(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith(`keelback-body-${process.pid}-`));
}

describe("a spool", () => {
  test("gives a little back from memory", async () => {
    const reader = new Reader();
    reader.push(100_000);
    expect(reader.gate.open).toBe(0);
    await reader.take(100_000);
    expect(reader.spool.take(1)).toBeNull();
  });

  test("gives much back from a file without a name, in order", async () => {
    const reader = new Reader();
    reader.push(1_500_000);
    expect(reader.gate.open).toBe(1);
    expect(files()).toEqual([]);
    await reader.take(700_000);
    reader.push(900_000);
    await reader.take(1_700_000);
    // Empty, it begins anew.
    reader.push(600_000);
    await reader.take(600_000);
    reader.spool.close();
    expect(reader.failed).toBe("");
  });

  test("closes its file, also while it is read", async () => {
    const reader = new Reader();
    reader.push(1_000_000);
    await reader.take(200_000);
    reader.spool.close();
    while (reader.gate.open > 0) await new Promise(setImmediate);
    expect(reader.spool.size).toBe(0);
  });

  test("says that there is no descriptor for a file", () => {
    const gate = new FileGate(() => false);
    for (let i = 0; i < 16; i++) gate.enter(() => {});
    const spool = new BodySpool({ onSpooled() {}, onSpoolFailed() {} }, gate);
    let why: string | null = null;
    while (why === null) why = spool.push(Buffer.alloc(PIECE_BYTES));
    expect(why).toContain("descriptor");
    spool.close();
    expect(gate.waiting).toBe(0);
  });
});
