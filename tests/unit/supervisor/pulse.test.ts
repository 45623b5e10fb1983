import { afterEach, beforeEach, expect, test } from "bun:test";
import { Pulse } from "../../../src/supervisor/pulse.ts";

const TIMEOUT_MS = 10_000;
const LOOK_MS = 2000;

let now = 0;
let asked: string[] = [];
let hung: [string, number][] = [];
let pulse: Pulse<string>;

beforeEach(() => {
  now = 0;
  asked = [];
  hung = [];
  pulse = new Pulse({
    clock: { now: () => now },
    ask: (one) => void asked.push(one),
    hung: (one, silentMs) => void hung.push([one, silentMs]),
  });
  // Its own looks are seconds away.
  pulse.start(TIMEOUT_MS);
  pulse.begin("edge", TIMEOUT_MS);
});

afterEach(() => pulse.stop());

function look(afterMs: number): void {
  now += afterMs;
  pulse.look();
}

test("one that does not answer in time is hung, once", () => {
  for (let i = 0; i < 5; i++) look(LOOK_MS);
  expect([asked, hung]).toEqual([["edge"], []]);
  look(LOOK_MS);
  for (let i = 0; i < 9; i++) look(LOOK_MS);
  expect([asked, hung]).toEqual([["edge"], [["edge", TIMEOUT_MS]]]);
});

test("one that answers is asked again and again", () => {
  for (let i = 0; i < 20; i++) {
    look(LOOK_MS);
    if (i % 4 === 3) pulse.heard("edge");
  }
  expect(hung).toEqual([]);
  expect(asked.length).toBe(5);
});

test("time in which nobody could look counts for two looks at most", () => {
  look(LOOK_MS);
  look(3_600_000);
  look(LOOK_MS);
  look(LOOK_MS);
  look(LOOK_MS - 1);
  expect(hung).toEqual([]);
  look(1);
  expect(hung).toEqual([["edge", TIMEOUT_MS]]);
});

test("each has its own limit, and begins anew with a new process", () => {
  pulse.begin("slow", 3 * TIMEOUT_MS);
  for (let i = 0; i < 5; i++) look(LOOK_MS);
  pulse.begin("edge", TIMEOUT_MS);
  for (let i = 0; i < 5; i++) look(LOOK_MS);
  expect(hung).toEqual([]);
  pulse.forget("edge");
  for (let i = 0; i < 6; i++) look(LOOK_MS);
  expect(hung).toEqual([["slow", 3 * TIMEOUT_MS]]);
});
