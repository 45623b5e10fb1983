import { expect, test } from "bun:test";
import type { ControlPeer } from "../../../src/supervisor/control.ts";
import type { ExitStatus } from "../../../src/supervisor/processes.ts";
import { exitText, wasKilled, WorkerProcesses } from "../../../src/supervisor/processes.ts";

/** No process has so high a number. */
const PID = 2 ** 30;
const PEER: ControlPeer = { send: () => {}, close: () => {} };

function makeProcesses(): { processes: WorkerProcesses; gone: [number, ExitStatus][] } {
  const gone: [number, ExitStatus][] = [];
  const processes = new WorkerProcesses({ gone: (worker, status) => gone.push([worker, status]) });
  return { processes, gone };
}

test("a worker is gone when its zygote and its connection have said so, in either order", () => {
  const { processes, gone } = makeProcesses();
  processes.forked(1, PID);
  processes.connected(1, PID, PEER);
  processes.exited(1, 9);
  expect(gone).toEqual([]);
  processes.disconnected(PEER, true);
  expect(gone).toEqual([[1, 9]]);
  processes.connected(2, PID, PEER);
  processes.disconnected(PEER, true);
  expect(gone.length).toBe(1);
  processes.exited(2, 0x300);
  expect(gone[1]).toEqual([2, 0x300]);
});

test("without a zygote the end of the connection is enough", () => {
  const { processes, gone } = makeProcesses();
  processes.connected(1, PID, PEER);
  processes.disconnected(PEER, false);
  expect(gone).toEqual([[1, null]]);
  expect(processes.workerOf(PEER)).toBeNull();
});

test("one that ended before it connected is gone at once, and once", () => {
  const { processes, gone } = makeProcesses();
  processes.forked(1, PID);
  processes.exited(1, 0);
  processes.exited(1, 0);
  expect(gone).toEqual([[1, 0]]);
});

test.each([
  [0, "exited with status 0"],
  [0x300, "exited with status 3"],
  [9, "was killed by SIGKILL"],
  [6 | 0x80, "was killed by SIGABRT"],
  [null, "ended"],
] as [ExitStatus, string][])("the wait status %p %s", (status, text) => {
  expect(exitText(status)).toBe(text);
  expect(wasKilled(status)).toBe(status === 9);
});
