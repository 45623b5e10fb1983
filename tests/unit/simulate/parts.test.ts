/** The clock, the cores and the interpreters of the simulation. */
import { describe, expect, test } from "bun:test";
import { Cores } from "../../../src/simulate/cores.ts";
import { Events } from "../../../src/simulate/events.ts";
import { Interpreter } from "../../../src/simulate/interpreter.ts";
import { randomOf } from "../../../src/simulate/random.ts";

const END_MS = 1000;

describe("events", () => {
  test("happen by time, and in the order asked for at the same time", () => {
    const events = new Events();
    const random = randomOf(5);
    const seen: [number, number][] = [];
    for (let order = 0; order < 500; order++) {
      const at = Math.floor(random() * 50);
      events.at(at, () => seen.push([at, order]));
    }
    events.run(END_MS);
    expect(seen).toEqual([...seen].sort((a, b) => a[0] - b[0] || a[1] - b[1]));
    expect([seen.length, events.now]).toEqual([500, END_MS]);
  });

  test("later ones stay until they are due", () => {
    const events = new Events();
    let happened = 0;
    events.after(10, () => (happened += 1));
    events.run(9);
    expect(happened).toBe(0);
    events.run(10);
    expect(happened).toBe(1);
  });
});

describe("cores", () => {
  test("are shared evenly by what wants to run", () => {
    const events = new Events();
    const cores = new Cores(events, 2);
    const ends: Record<string, number> = {};
    const run = (name: string, ms: number): void => cores.run(ms, () => (ends[name] = events.now));
    run("a", 10);
    run("b", 10);
    // From 4 on three share two: each gets two thirds.
    events.after(4, () => run("c", 2));
    events.run(END_MS);
    expect(ends["c"]).toBeCloseTo(7);
    expect(ends["a"]).toBeCloseTo(11);
    expect(ends["b"]).toBeCloseTo(11);
    expect(cores.usedMs).toBeCloseTo(22);
  });
});

describe("an interpreter", () => {
  function started(switches: boolean): { events: Events; interpreter: Interpreter } {
    const events = new Events();
    return { events, interpreter: new Interpreter(events, new Cores(events, 4), switches) };
  }

  function endsOf(switches: boolean): Record<string, number> {
    const { events, interpreter } = started(switches);
    const ends: Record<string, number> = {};
    interpreter.run(20, () => (ends["long"] = events.now));
    interpreter.run(3, () => (ends["short"] = events.now));
    events.run(END_MS);
    expect(interpreter.busyMs).toBeCloseTo(23);
    return ends;
  }

  test("lets threads take turns of five milliseconds", () => {
    expect(endsOf(true)).toEqual({ short: 8, long: 23 });
  });

  test("lets the task of an event loop finish first", () => {
    expect(endsOf(false)).toEqual({ long: 20, short: 23 });
  });

  test("is held by a call that blocks, and skips what was taken back", () => {
    const { events, interpreter } = started(false);
    const seen: string[] = [];
    const say = (what: string) => (): void => void seen.push(`${what} ${events.now}`);
    interpreter.run(1, say("blocked until"), null, 50);
    const given = interpreter.run(1, say("never"));
    interpreter.run(1, say("done"), say("begun"));
    given.cancelled = true;
    events.run(END_MS);
    expect(seen).toEqual(["blocked until 51", "begun 51", "done 52"]);
  });
});
