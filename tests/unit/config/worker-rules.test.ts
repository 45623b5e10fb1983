import { describe, expect, test } from "bun:test";
import { parseOverlap, workerNotes } from "../../../src/config/worker-rules.ts";
import { bad, good, toml } from "./support.ts";

describe("settings of workers that contradict each other", () => {
  test.each([
    [["--min-workers", "2"], "min-workers: 2 (from --min-workers) needs max-workers"],
    [["--max-workers", "2"], "max-workers: 2 (from --max-workers) needs min-workers"],
    [
      ["--min-workers", "3", "--max-workers", "2"],
      "min-workers: 3 (from --min-workers) is more than",
    ],
    [
      ["--max-worker-memory", "2g", "--max-worker-memory-hard", "1g"],
      "max-worker-memory-hard: 1g (from --max-worker-memory-hard) is less than max-worker-memory = 2g",
    ],
    [["--reload-overlap", "none"], 'reload-overlap: "none" (from --reload-overlap) is no number'],
    [["--reload-overlap", "0"], "allowed: a number from 1, or a percentage from 1%"],
    [["--reload-overlap", "0%"], "allowed: a number from 1, or a percentage from 1%"],
  ])("%p", (argv, complaint) => {
    expect(bad(argv).join("\n")).toContain(complaint);
  });

  test("the number at the start is brought within its bounds", () => {
    const bounds = ["--min-workers", "2", "--max-workers", "4"];
    expect(good(["--workers", "9", ...bounds]).config.workers).toBe(4);
    expect(good(["--workers", "1", ...bounds]).config.workers).toBe(2);
    expect(good(["--workers", "3", ...bounds]).config.workers).toBe(3);
  });

  test("what has no effect is said", () => {
    expect(good(["--max-requests-jitter", "5"]).notes.join()).toContain("without --max-requests");
    expect(good(["--max-requests", "5", "--max-requests-jitter", "5"]).notes).toEqual([]);
  });

  test("what needs Linux is said elsewhere, wherever it was written", () => {
    const argv = ["--cpu-affinity", "--max-worker-memory", "1g"];
    const given = good(argv, toml('max-worker-memory-hard = "2g"\n'));
    expect(workerNotes(given, "linux")).toEqual([]);
    expect(workerNotes(given, "darwin")).toEqual([
      "cpu-affinity (from --cpu-affinity) has no effect: it needs Linux",
      "max-worker-memory (from --max-worker-memory) has no effect: it needs Linux",
      "max-worker-memory-hard (from keelback.toml line 1) has no effect: it needs Linux",
    ]);
    expect(workerNotes(good([]), "darwin")).toEqual([]);
  });
});

test.each([
  ["1", 1],
  ["3", 3],
  ["25%", 2],
  ["1%", 1],
  ["100%", 5],
  ["300%", 5],
  ["0", null],
  ["0%", null],
  ["-1", null],
  ["1.5", null],
  ["", null],
] as const)("an overlap of %p beside 5 workers is %p", (text, expected) => {
  expect(parseOverlap(text, 5)).toBe(expected);
});
