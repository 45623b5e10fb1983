import { expect, test } from "bun:test";
import { isSilent, Watchdog } from "../../../src/dispatch/watchdog.ts";
import type { WorkerLink } from "../../../src/dispatch/worker-link.ts";

const what = { stream: 1, method: "GET", target: "/x", seconds: 3 };
const OPTIONS = { interruptMs: 5000, silentMs: 3000 };
const NOW = 1000;

interface Watched {
  said: string[];
  link: { pingedAt: number; heardAt: number; isOpen(): boolean };
  /** At so many milliseconds after the request was cancelled. */
  readonly tick: (after: number) => boolean;
}

/** A worker with one request that has been cancelled and does not end. */
function watched(): Watched {
  const said: string[] = [];
  const link = {
    ...{ open: 1, pingedAt: 0, toldAt: 0, heardAt: Infinity, isOpen: () => true },
    ping: (now: number) => {
      said.push("ping");
      link.pingedAt = now;
    },
  };
  const watchdog = new Watchdog({
    onLate: () => said.push("late"),
    onStuck: (_, { target }) => said.push(`stuck ${target}`),
  });
  watchdog.watch(link as unknown as WorkerLink, what, NOW);
  const links = [link as unknown as WorkerLink];
  return { said, link, tick: (after) => watchdog.tick(links, NOW + after, OPTIONS) };
}

test("a worker is late once, and stuck when its time is over", () => {
  const { said, tick } = watched();
  expect(tick(249)).toBe(true);
  expect(said).toEqual([]);
  tick(250);
  tick(4999);
  expect(said).toEqual(["late"]);
  tick(5000);
  tick(5001);
  expect(said).toEqual(["late", "stuck /x"]);
});

test("one that does not even answer a ping is stuck at once", () => {
  const { said, link, tick } = watched();
  link.pingedAt = NOW - 500;
  tick(0);
  tick(1);
  expect(said).toEqual(["stuck /x"]);
});

test("one that has work and says nothing is asked, and stuck when it does not answer", () => {
  const { said, link, tick } = watched();
  link.isOpen = () => false;
  link.heardAt = NOW;
  tick(500);
  expect(said).toEqual([]);
  tick(501);
  tick(3501);
  expect(said).toEqual(["ping"]);
  tick(3502);
  expect(said).toEqual(["ping", "stuck "]);
  // It is silent until it ends: what it holds and has not begun waits for that.
  expect(isSilent(link as unknown as WorkerLink, NOW + 3503, OPTIONS)).toBe(true);
  tick(6502);
  expect(said).toEqual(["ping", "stuck "]);
  tick(6503);
  expect(said).toEqual(["ping", "stuck ", "stuck "]);
});
