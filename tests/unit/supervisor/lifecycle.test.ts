import { expect, test } from "bun:test";
import {
  retryDelay,
  step,
  TRANSITIONS,
  type WorkerEvent,
  type WorkerState,
} from "../../../src/supervisor/fleet/lifecycle.ts";

const STATES = Object.keys(TRANSITIONS) as WorkerState[];

function walk(events: readonly WorkerEvent[]): [WorkerState, string[]] {
  let state: WorkerState = "spawning";
  const actions: string[] = [];
  for (const event of events) {
    const transition = step(state, event);
    if (transition === null) continue;
    state = transition.to;
    if (transition.action !== undefined) actions.push(transition.action);
  }
  return [state, actions];
}

test.each([
  [["forked", "ready", "drain", "drained", "gone"], "exited", ["drain", "stop"]],
  [["forked", "ready", "stuck", "late", "gone"], "exited", ["abort", "kill"]],
  [["forked", "late", "late"], "terminating", ["abort", "kill"]],
  [["forked", "failed", "gone"], "exited", []],
  [["forked", "ready", "drain", "late", "late"], "terminating", ["drain", "stop", "kill"]],
  [["forked", "stop", "ready"], "terminating", ["stop"]],
  [["stop"], "exited", []],
  [["forked", "ready", "forked", "ready"], "ready", []],
] as [WorkerEvent[], WorkerState, string[]][])("%p ends %s after %p", (events, state, actions) => {
  expect(walk(events)).toEqual([state, actions]);
});

test("every state that is not the end can be left by an end of the process", () => {
  for (const state of STATES) {
    if (state !== "exited") expect(step(state, "gone")?.to).toBe("exited");
  }
  expect(TRANSITIONS.exited).toEqual({});
});

test("whatever waits for something has a deadline, and what it does then", () => {
  for (const state of STATES) {
    for (const transition of Object.values(TRANSITIONS[state])) {
      if (transition.within === undefined) expect(["ready", "exited"]).toContain(transition.to);
      else expect(step(transition.to, "late")).not.toBeNull();
    }
  }
});

test("the wait before a retry doubles up to a bound", () => {
  expect([0, 1, 2, 3].map(retryDelay)).toEqual([0, 100, 200, 400]);
  expect(retryDelay(50)).toBe(30_000);
});
