import { describe, expect, test } from "bun:test";
import { divideCores, pinTo, readCoreList } from "../../../src/compare/machine.ts";
import { Progress } from "../../../src/compare/progress.ts";
import { causeOf, lastWordsOf } from "../../../src/compare/server-process.ts";

describe("the cores", () => {
  test("are divided: the last ones make the load, the others serve", () => {
    expect(divideCores([0, 1], true)).toEqual({ server: [0], load: [1], note: "" });
    const eight = divideCores(readCoreList("0-3,8-11"), true);
    expect(eight).toEqual({ server: [0, 1, 2, 3, 8, 9], load: [10, 11], note: "" });
    expect(pinTo(eight.load)).toEqual(["taskset", "-c", "10,11"]);
  });

  test("of a machine with one, or without taskset, are shared, and the report says so", () => {
    expect(divideCores([0], true)).toMatchObject({ server: [], load: [] });
    expect(divideCores([0], true).note).toContain("one core");
    expect(divideCores([0, 1], false).note).toContain("taskset");
    expect(pinTo([])).toEqual([]);
  });
});

describe("progress", () => {
  test("without a terminal is a line for each row, with how much is done", () => {
    const lines: string[] = [];
    const write = (text: string): void => void lines.push(text);
    const progress = new Progress({ terminal: false, columns: 80, write }, 10);
    progress.begin("keelback (app, round 1 of 1)", 5);
    progress.done("keelback: 5000 requests/s");
    progress.begin("gunicorn sync (app, round 1 of 1)", 5);
    progress.done("gunicorn sync: 900 requests/s");
    progress.end();
    expect(lines).toEqual([
      " 50 %  keelback: 5000 requests/s\n",
      "100 %  gunicorn sync: 900 requests/s\n",
    ]);
  });

  test("on a terminal is one line that fits", () => {
    const progress = new Progress({ terminal: true, columns: 60, write: () => undefined }, 100);
    progress.begin("a server with quite a long name (app, round 1 of 3)", 10);
    const line = progress.line();
    progress.end();
    expect(line).toMatch(/^░{20}   0 %  1 min 40 s left/);
    expect(line.length).toBeLessThan(60);
  });
});

test("the last words of a server begin with a whole line", () => {
  const text = `${"x".repeat(1000)}\nTraceback\nKeyError: 'a'`;
  expect(lastWordsOf(text)).toBe("Traceback\nKeyError: 'a'");
});

test("of a server's traceback the error is told", () => {
  const words =
    "Traceback\n  File \"worker.py\", line 16\nModuleNotFoundError: No module named 'a'\n]";
  expect(causeOf(words)).toBe("ModuleNotFoundError: No module named 'a'");
  expect(causeOf("port 80 is in use")).toBe("port 80 is in use");
});
