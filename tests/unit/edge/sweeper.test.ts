import { expect, test } from "bun:test";
import { Sweeper, type Swept } from "../../../src/edge/sweeper.ts";

class Member implements Swept {
  deadline = 0;
  sweepIndex = -1;
  fired: number[] = [];
  onFire: (() => void) | null = null;

  onDeadline(now: number): void {
    this.fired.push(now);
    this.deadline = 0;
    this.onFire?.();
  }
}

function setUp(): { clock: { now: () => number; at: number }; sweeper: Sweeper } {
  const clock = { at: 1000, now: (): number => clock.at };
  return { clock, sweeper: new Sweeper(clock, 800, () => false) };
}

test("a deadline never fires early and fires at most a tick late", () => {
  const { clock, sweeper } = setUp();
  const member = new Member();
  sweeper.add(member);
  clock.at += sweeper.tickMs - 1;
  member.deadline = sweeper.in(500);
  const set = clock.at;
  while (member.fired.length === 0 && clock.at < 10_000) {
    clock.at += sweeper.tickMs;
    sweeper.tick();
  }
  const after = member.fired[0]! - set;
  expect(after).toBeGreaterThanOrEqual(500);
  expect(after).toBeLessThanOrEqual(500 + 2 * sweeper.tickMs);
  sweeper.remove(member);
  sweeper.tick();
});

test("members that leave while others fire are neither skipped nor fired", () => {
  const { clock, sweeper } = setUp();
  const members = Array.from({ length: 10 }, () => new Member());
  for (const member of members) {
    sweeper.add(member);
    member.deadline = sweeper.in(10);
  }
  members[7]!.onFire = () => {
    sweeper.remove(members[7]!);
    sweeper.remove(members[2]!);
  };
  clock.at += 10_000;
  sweeper.tick();
  expect(members.map((m) => m.fired.length)).toEqual([1, 1, 0, 1, 1, 1, 1, 1, 1, 1]);
  expect(sweeper.size).toBe(8);
  for (const member of members) sweeper.remove(member);
  sweeper.tick();
});

test("the clock may jump: everything that is due fires once", () => {
  const { clock, sweeper } = setUp();
  const member = new Member();
  sweeper.add(member);
  member.deadline = sweeper.in(1000);
  clock.at += 86_400_000;
  sweeper.tick();
  sweeper.tick();
  expect(member.fired).toHaveLength(1);
  sweeper.remove(member);
  sweeper.tick();
});

test.each([
  [2, 2],
  [3, 3],
  [50, 8],
])("after the process stood still for %d ticks nobody is judged for %d", (stood, held) => {
  const { clock, sweeper } = setUp();
  const member = new Member();
  sweeper.add(member);
  member.deadline = sweeper.now + 1;
  const after = (ticks: number): number => {
    clock.at += ticks * sweeper.tickMs;
    sweeper.onTimer();
    return member.fired.length;
  };
  expect(after(1 + stood)).toBe(0);
  for (let tick = 1; tick < held; tick++) expect(after(1)).toBe(0);
  expect(after(1)).toBe(1);
  sweeper.remove(member);
  sweeper.tick();
});

test("a process that is always late judges all the same", () => {
  const { clock, sweeper } = setUp();
  const member = new Member();
  sweeper.add(member);
  member.deadline = sweeper.now + 1;
  for (let turn = 0; turn < 2; turn++) {
    clock.at += 3.5 * sweeper.tickMs;
    sweeper.onTimer();
  }
  expect(member.fired).toHaveLength(1);
  sweeper.remove(member);
  sweeper.tick();
});

test("a timer that is only somewhat late judges at once", () => {
  const { clock, sweeper } = setUp();
  const member = new Member();
  sweeper.add(member);
  member.deadline = sweeper.now + sweeper.tickMs;
  clock.at += 2 * sweeper.tickMs;
  sweeper.onTimer();
  expect(member.fired).toHaveLength(1);
  sweeper.remove(member);
  sweeper.tick();
});
