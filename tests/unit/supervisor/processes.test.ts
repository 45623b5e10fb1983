import { expect, test } from "bun:test";
import type { ControlPeer } from "../../../src/supervisor/workers/control.ts";
import type { ExitStatus } from "../../../src/supervisor/workers/processes.ts";
import { exitText, wasKilled, WorkerProcesses } from "../../../src/supervisor/workers/processes.ts";

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

test("one that ended before it was heard is given the time to say why", () => {
  const { processes, gone } = makeProcesses();
  processes.forked(1, PID);
  processes.exited(1, 0x300);
  expect(gone).toEqual([]);
  processes.connected(1, PID, PEER);
  processes.disconnected(PEER, true);
  expect(gone).toEqual([[1, 0x300]]);
});

test("one that never connected is gone all the same, and once", async () => {
  const { promise, resolve } = Promise.withResolvers<[number, ExitStatus]>();
  const gone: number[] = [];
  const processes = new WorkerProcesses({
    gone: (worker, status) => {
      gone.push(worker);
      resolve([worker, status]);
    },
  });
  processes.forked(1, PID);
  processes.exited(1, 0);
  processes.exited(1, 0);
  expect(await promise).toEqual([1, 0]);
  expect(gone).toEqual([1]);
});

test("what is sent before a worker has connected reaches it then", () => {
  const { processes } = makeProcesses();
  const sent: object[] = [];
  processes.forked(1, PID);
  processes.send(1, { t: "stop" });
  processes.connected(1, PID, { ...PEER, send: (message) => void sent.push(message) });
  expect(sent).toEqual([{ t: "stop" }]);
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
