import { expect, test } from "bun:test";
import { memoryOf } from "../../../src/supervisor/workers/memory.ts";
import { Notices } from "../../../src/supervisor/notices.ts";
import { Repeats } from "../../../src/observe/repeats.ts";
import { keptLog } from "../../support/kept-log.ts";

const MINUTE = 60_000;

test("the first is said in full, then the number, ever more rarely", () => {
  const repeats = new Repeats();
  const said: unknown[] = [];
  for (let now = 0; now <= 31 * MINUTE; now += MINUTE / 2) {
    const saying = repeats.hear("crash", now);
    if (saying !== "nothing") said.push(now / MINUTE, saying);
  }
  expect(said).toEqual([
    0,
    "full",
    1,
    { times: 2, withinMs: MINUTE },
    3,
    { times: 4, withinMs: 2 * MINUTE },
    7,
    { times: 8, withinMs: 4 * MINUTE },
    15,
    { times: 16, withinMs: 8 * MINUTE },
    31,
    { times: 32, withinMs: 16 * MINUTE },
  ]);
});

test("another thing is said in full, and one that was long forgotten", () => {
  const repeats = new Repeats();
  expect(repeats.hear("a", 0)).toBe("full");
  expect(repeats.hear("b", 1)).toBe("full");
  expect(repeats.hear("a", 2)).toBe("nothing");
  expect(repeats.hear("a", 20 * MINUTE)).toBe("full");
});

test("some things are said several times", () => {
  const repeats = new Repeats();
  const said = [0, 1, 2, 3].map((now) => repeats.hear("a", now, 3));
  expect(said).toEqual(["full", "full", "full", "nothing"]);
});

test("what is remembered is bounded", () => {
  const repeats = new Repeats();
  for (let i = 0; i < 1000; i += 1) repeats.hear(`thing ${i}`, 0);
  expect(repeats.hear("thing 0", 1)).toBe("full");
  expect(repeats.hear("thing 999", 1)).toBe("nothing");
});

test("a crash loop gives two lines in its first two minutes, with the traceback in one", () => {
  const { log, take } = keptLog("debug");
  let now = 0;
  const notices = new Notices(log, { now: () => now });
  const failure = { stage: "import", message: "no app", traceback: "Traceback\n  boom", hint: "" };
  for (; now < 2 * MINUTE; now += 100) notices.retry(failure, 100);
  const lines = take()
    .split("\n")
    .filter((line) => line !== "");
  expect(lines.length).toBe(2);
  expect(lines[0]).toContain("Traceback\\n  boom");
  expect(lines[1]).toContain("a worker is started anew: no app (600 times in the last 60 s)");
});

test("the memory of a process is read, its shared pages count with its share", () => {
  const resident = memoryOf(process.pid, Infinity) ?? 0;
  const proportional = memoryOf(process.pid, 0) ?? 0;
  expect(resident).toBeGreaterThan(1024 ** 2);
  expect(proportional).toBeGreaterThan(1024 ** 2);
  expect(memoryOf(2 ** 22 + 1, 0)).toBeNull();
});
