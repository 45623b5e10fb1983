/** The order in which an edge leaves, with sockets and connections that write down what is done to them. */
import { expect, test } from "bun:test";
import type { ClientMember } from "../../../src/edge/connection.ts";
import { Leave, movesMs, type StopOptions } from "../../../src/edge/leave.ts";

/** No descriptor: nobody ever waits there. */
const NOBODY = -1;

interface Wishes extends StopOptions {
  doors: number;
  members: number;
  /** What makes a connection close. */
  closesAt: "first" | "last" | "second last" | "kill";
}

/** What was done until it was over. */
function leave({ doors, members, closesAt, ...options }: Wishes): Promise<string[]> {
  const { promise, resolve } = Promise.withResolvers<string[]>();
  const done: string[] = [];
  const open = new Set<ClientMember>();
  const close = (member: ClientMember): void => {
    open.delete(member);
    leaving.closed();
  };
  for (let i = 0; i < members; i++) {
    const member = {
      sweepIndex: i,
      shutdown: (last: boolean) => {
        done.push(last ? "last" : "first");
        if (closesAt === (last ? "last" : "first")) close(member);
        else if (closesAt === "second last" && done.filter((step) => step === "last").length > 1) {
          close(member);
        }
      },
      kill: () => {
        done.push("kill");
        close(member);
      },
    } as ClientMember;
    open.add(member);
  }
  const leaving = new Leave({
    ...options,
    doors: Array.from({ length: doors }, () => ({
      fd: NOBODY,
      stop: () => void done.push("door"),
    })),
    members: () => [...open],
    count: () => open.size,
    tellAll: () => {
      done.push("all");
      for (const member of [...open]) member.shutdown(false);
    },
    endSockets: () => done.push("sockets"),
    done: () => resolve([...done, "done"]),
  });
  leaving.begin();
  return promise;
}

const GRACE = { deadlineMs: 15_000, lingerMs: 5, successor: false };

test("doors are closed before connections get their last word", async () => {
  expect(await leave({ ...GRACE, doors: 2, members: 1, closesAt: "last" })).toEqual([
    "all",
    "first",
    "door",
    "door",
    "last",
    "done",
  ]);
});

test("who has something to be read first is asked again", async () => {
  const done = await leave({ ...GRACE, doors: 1, members: 1, closesAt: "second last" });
  expect(done).toEqual(["all", "first", "door", "last", "last", "done"]);
});

test("it is not over while a door is open", async () => {
  const done = await leave({ ...GRACE, doors: 1, members: 2, closesAt: "first" });
  expect(done).toEqual(["all", "first", "first", "door", "done"]);
});

test("with nothing to wait for it is over at once", async () => {
  expect(await leave({ ...GRACE, doors: 0, members: 0, closesAt: "last" })).toEqual([
    "all",
    "done",
  ]);
});

test("what is there at the deadline is cut", async () => {
  const short = { ...GRACE, deadlineMs: 1, lingerMs: 5000 };
  const cut = await leave({ ...short, doors: 1, members: 1, closesAt: "kill" });
  expect(cut.filter((step) => step !== "last")).toEqual(["all", "first", "door", "kill", "done"]);
});

test("without any time it is over all the same", async () => {
  const none = { ...GRACE, deadlineMs: 0, lingerMs: 5000 };
  expect(await leave({ ...none, doors: 1, members: 0, closesAt: "last" })).toEqual([
    "all",
    "door",
    "done",
  ]);
});

test("before a successor clients are told one after another, and when all are gone it is over", async () => {
  const done = await leave({ ...GRACE, successor: true, doors: 0, members: 5, closesAt: "first" });
  expect(done).toEqual(["first", "first", "first", "first", "first", "done"]);
});

test("before a successor who stays is told once more, and has its last while after that", async () => {
  const short = { ...GRACE, deadlineMs: 400, successor: true };
  const done = await leave({ ...short, doors: 0, members: 3, closesAt: "last" });
  const last = done.indexOf("last");
  expect(done.slice(0, last).filter((step) => step === "first").length).toBeGreaterThan(3);
  expect(done.slice(0, last)).toContain("all");
  expect(done.slice(last)).toEqual(["last", "last", "last", "done"]);
});

test.each([
  [32, 15_000, 1000],
  [3000, 15_000, 3000],
  [100_000, 15_000, 3750],
  [32, 0, 0],
])("%d clients with %d ms left are sent over in %d ms", (clients, deadlineMs, ms) => {
  expect(movesMs(clients, deadlineMs)).toBe(ms);
});
