import { expect, test } from "bun:test";
import { FileGate } from "../../../src/edge/file-gate.ts";

const MIN = 16;

function gateWith(room: () => boolean): {
  gate: FileGate;
  started: number[];
  enter: (n: number) => () => void;
} {
  const gate = new FileGate(room);
  const started: number[] = [];
  const enter = (n: number): (() => void) => {
    const start = (): void => void started.push(n);
    gate.enter(start);
    return start;
  };
  return { gate, started, enter };
}

test("with room every file starts at once", () => {
  const { gate, started, enter } = gateWith(() => true);
  for (let n = 0; n < 100; n += 1) enter(n);
  expect([started.length, gate.open, gate.waiting]).toEqual([100, 100, 0]);
});

test("without room some are always allowed, the others wait in their order", () => {
  const { gate, started, enter } = gateWith(() => false);
  for (let n = 0; n < MIN + 3; n += 1) enter(n);
  expect([started.length, gate.waiting]).toEqual([MIN, 3]);
  gate.leave();
  expect(started.at(-1)).toBe(MIN);
  expect([gate.open, gate.waiting]).toEqual([MIN, 2]);
});

test("a descriptor that becomes free elsewhere lets one in", () => {
  let free = 0;
  const { gate, started, enter } = gateWith(() => free-- > 0);
  for (let n = 0; n < MIN + 3; n += 1) enter(n);
  free = 1;
  gate.admit();
  expect([started.length, gate.waiting]).toEqual([MIN + 1, 2]);
});

test("one that gives up is not started, and one that has started cannot give up", () => {
  const { gate, started, enter } = gateWith(() => false);
  const starts = Array.from({ length: MIN + 2 }, (_, n) => enter(n));
  expect(gate.giveUp(starts[MIN]!)).toBe(true);
  expect(gate.giveUp(starts[0]!)).toBe(false);
  gate.leave();
  expect(started.at(-1)).toBe(MIN + 1);
  expect(gate.waiting).toBe(0);
});
