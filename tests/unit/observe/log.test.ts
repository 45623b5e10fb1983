import { describe, expect, test } from "bun:test";
import type { LogFormat, Logger, LogLevel } from "../../../src/observe/log.ts";
import { openLogger } from "../../../src/observe/log.ts";

interface Fake {
  readonly log: Logger;
  readonly lines: () => string[];
  /** What the next writes do: take so many bytes, or fail. */
  behave: (how: "take" | "busy" | "full" | number) => void;
  /** Resolves when a loss has been told. */
  lossTold: Promise<void>;
}

function fakeLog(level: LogLevel = "info", format: LogFormat = "json"): Fake {
  let written = "";
  const { promise: lossTold, resolve } = Promise.withResolvers<void>();
  let how: "take" | "busy" | "full" | number = "take";
  const target = {
    ready: () => how !== "busy",
    write: (bytes: Uint8Array): number => {
      if (how === "full") throw Object.assign(new Error("no space"), { code: "ENOSPC" });
      const taken = typeof how === "number" ? Math.min(how, bytes.length) : bytes.length;
      written += Buffer.from(bytes.subarray(0, taken)).toString();
      if (written.includes("dropped")) resolve();
      return taken;
    },
  };
  const log = openLogger({ level, format, target, time: () => 1_000 });
  return {
    log,
    lines: () => written.split("\n").slice(0, -1),
    behave: (next) => (how = next),
    lossTold,
  };
}

function messages({ lines }: Fake): unknown[] {
  return lines().map((line) => (JSON.parse(line) as { message: unknown }).message);
}

describe("what is written", () => {
  test("messages below the level are not", () => {
    const fake = fakeLog("warning");
    fake.log.info("quiet");
    fake.log.error("loud");
    expect(messages(fake)).toEqual(["loud"]);
    expect(fake.log.shows("info")).toBe(false);
  });

  test.each(["text", "json"] as const)(
    "%s: no value forges a line or drives a terminal",
    (format) => {
      const fake = fakeLog("info", format);
      fake.log.line("worker-1", "\x1b[31mred\rover\u2028\x85\x7f");
      fake.log.info("x", { path: "/a\nerror forged \x1b[0m" });
      expect(fake.lines().length).toBe(2);
      // oxlint-disable-next-line no-control-regex -- control characters must not be there
      expect(fake.lines().join("")).not.toMatch(/[\x00-\x1f\x7f-\x9f\u2028]/);
    },
  );

  test("JSON lines can be read back with their fields", () => {
    const fake = fakeLog();
    fake.log.warning("late", { seconds: 3, request: 'GET /"x"', left: undefined });
    expect(JSON.parse(fake.lines()[0] ?? "")).toEqual({
      time: "1970-01-01T00:00:01.000Z",
      level: "warning",
      message: "late",
      seconds: 3,
      request: 'GET /"x"',
    });
  });

  test("further lines of a text message stand below it, indented", () => {
    const fake = fakeLog("info", "text");
    fake.log.error("failed\nTraceback\n  here");
    expect(fake.lines()[0]).toEndWith("error   failed");
    expect(fake.lines().slice(1)).toEqual(["    Traceback", "      here"]);
  });
});

describe("when writing fails", () => {
  test("a disk that is full loses lines, and the loss is told later", () => {
    const fake = fakeLog();
    fake.behave("full");
    fake.log.info("lost 1");
    fake.log.info("lost 2");
    fake.behave("take");
    fake.log.info("kept");
    expect(messages(fake)).toEqual(["kept", "2 log lines were dropped"]);
  });

  test("a notice that cannot be written is not lost itself", () => {
    const fake = fakeLog();
    fake.behave("full");
    for (let n = 0; n < 3; n += 1) fake.log.info("lost");
    fake.behave("take");
    fake.log.info("kept");
    expect(messages(fake)).toEqual(["kept", "3 log lines were dropped"]);
  });

  test("a reader that takes pieces gets whole lines in order", () => {
    const fake = fakeLog();
    fake.behave(7);
    fake.log.info("first");
    fake.log.info("second");
    expect(messages(fake)).toEqual(["first", "second"]);
  });

  test("a reader that is slow: lines wait, up to a bound", async () => {
    const fake = fakeLog();
    fake.behave("busy");
    const long = "x".repeat(100_000);
    for (let n = 0; n < 20; n += 1) fake.log.info(long);
    expect(fake.lines()).toEqual([]);
    fake.behave("take");
    await fake.lossTold;
    expect(fake.lines().length).toBeGreaterThan(5);
    expect(fake.lines().length).toBeLessThan(15);
  });
});
