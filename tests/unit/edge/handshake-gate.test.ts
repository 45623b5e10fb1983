import { expect, test } from "bun:test";
import { type Gated, HandshakeGate } from "../../../src/edge/handshake-gate.ts";

const UNDER_WAY_MAX = 1000;

class Handshake implements Gated {
  held = false;
  gone = false;
  readonly #gate: HandshakeGate;
  readonly #begun: Handshake[];

  constructor(gate: HandshakeGate, begun: Handshake[]) {
    this.#gate = gate;
    this.#begun = begun;
    gate.enter(this);
    if (!this.held) begun.push(this);
  }

  hold(): void {
    this.held = true;
  }

  begin(): void {
    this.#begun.push(this);
  }

  makeRoom(): void {
    this.gone = true;
    this.#gate.leave(this);
  }
}

function make(count: number): { gate: HandshakeGate; all: Handshake[]; begun: Handshake[] } {
  const gate = new HandshakeGate();
  const begun: Handshake[] = [];
  const all = Array.from({ length: count }, () => new Handshake(gate, begun));
  return { gate, all, begun };
}

/** Resolves after the gate's next turn, which was scheduled before. */
function turn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setImmediate(resolve);
  return promise;
}

test("the first begins at once, the others in later turns and in their order", async () => {
  const { all, begun } = make(50);
  expect(begun).toEqual(all.slice(0, 1));
  for (let turns = 0; begun.length < 50; turns += 1) {
    const before = begun.length;
    await turn();
    expect(begun.length - before).toBeLessThanOrEqual(16);
    expect(turns).toBeLessThan(60);
  }
  expect(begun).toEqual(all);
});

test("one that leaves while it waits is not begun", async () => {
  const { gate, all, begun } = make(3);
  gate.leave(all[1]!);
  for (let turns = 0; turns < 5; turns += 1) await turn();
  expect(begun).toEqual([all[0]!, all[2]!]);
});

test("too many under way: the one that has taken longest goes", () => {
  const { gate, all, begun } = make(UNDER_WAY_MAX);
  gate.leave(all[0]!);
  const within = new Handshake(gate, begun);
  expect(all.filter(({ gone }) => gone)).toEqual([]);
  const beyond = new Handshake(gate, begun);
  expect(all.filter(({ gone }) => gone)).toEqual([all[1]!]);
  expect([within.gone, beyond.gone]).toEqual([false, false]);
});
