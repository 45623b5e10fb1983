/** Numbers with units, nearest names, and that no input whatever makes the parser throw. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { ROWS } from "../../../src/config/config.ts";
import { nearest } from "../../../src/config/names.ts";
import { formatBytes, formatDuration } from "../../../src/config/values.ts";
import { bad, good, run, toml } from "./support.ts";

describe("values", () => {
  test.each([
    ["30", 30_000],
    ["0.25", 250],
    ["250ms", 250],
    ["1.5S", 1500],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["0", 0],
  ])("duration %s", (word, ms) => {
    expect(good(["-t", word]).config.timeoutMs).toBe(ms);
  });

  test.each(["", "s", "1d", "1e3", "Infinity", "1 s", ".5", "1.", "0x10"])(
    "no duration: %p",
    (word) => {
      expect(bad([`--timeout=${word}`])[0]).toContain("is no duration");
    },
  );

  test("a duration that is almost nothing is not the 0 that turns a limit off", () => {
    expect(bad(["-t", "0.0001"])[0]).toContain("is too small");
  });

  test.each([
    ["1000", 1000],
    ["8k", 8192],
    ["8KiB", 8192],
    ["1.5K", 1536],
    ["1M", 1_048_576],
  ])("bytes %s", (word, bytes) => {
    expect(good(["--request-line-max", word]).config.requestLineBytesMax).toBe(bytes);
  });

  test.each(["k", "1t", "1kk", "1,5k", "-k"])("no bytes: %p", (word) => {
    expect(bad([`--body-max=${word}`])[0]).toContain("is no number of bytes");
  });

  test("what is printed reads back as the same value", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 86_400_000 }),
        fc.integer({ min: 1, max: 2 ** 40 }),
        (ms, bytes) => {
          const argv = ["-t", formatDuration(ms), "--body-max", formatBytes(bytes)];
          const { config } = good(argv);
          expect([config.timeoutMs, config.bodyBytesMax]).toEqual([ms, bytes]);
        },
      ),
      { numRuns: 200 },
    );
  });

  test("control characters are refused in text and paths", () => {
    expect(bad(["--chdir", "a\nb"])[0]).toContain("holds a control character");
    expect(bad(["-e", "A=\0"])[0]).toContain("holds a NUL");
    expect(bad(["-e", "novalue"])[0]).toContain("is not NAME=VALUE");
  });
});

describe("nearest", () => {
  const names = ["workers", "worker", "threads", "keep-alive"];
  test.each([
    ["wrokers", "workers"],
    ["WORKERS", "workers"],
    ["thread", "threads"],
    ["keep_alive", "keep-alive"],
    ["xyz", null],
    ["", null],
    ["w".repeat(1000), null],
  ])("%p", (name, expected) => {
    expect(nearest(name, names)).toBe(expected);
  });
});

describe("any input", () => {
  const flags = ROWS.flatMap((row) => [...row.flags, `--no-${row.name}`]);
  const keys = ROWS.map((row) => row.name);
  const variables = ROWS.flatMap((row) => row.variable ?? []);
  const value = fc.oneof(
    fc.string(),
    fc.string({ unit: "binary" }),
    fc.constantFrom(
      "-",
      "--",
      "0",
      "-1",
      "1k",
      "a:b",
      ":80",
      "[::1]:1",
      "auto",
      "true",
      "x=y",
      "__proto__",
    ),
  );

  test("random words, variables and files give a configuration or problems", () => {
    const word = fc.oneof(
      value,
      fc.constantFrom(...flags),
      fc.string({ unit: "binary" }).map((text) => `--${text}`),
      fc.tuple(fc.constantFrom(...flags), value).map(([flag, text]) => `${flag}=${text}`),
    );
    const env = fc.dictionary(
      fc.constantFrom("PORT", "WEB_CONCURRENCY", "KEELBACK_X", ...variables),
      value,
      {
        maxKeys: 4,
      },
    );
    const line = fc
      .tuple(fc.constantFrom("__proto__", "nope", ...keys), fc.oneof(fc.json(), value))
      .map(([key, text]) => `${key} = ${text}`);
    const file = fc.array(line, { maxLength: 4 }).map((lines) => lines.join("\n"));
    fc.assert(
      fc.property(fc.array(word, { maxLength: 8 }), env, file, (argv, variablesSet, text) => {
        const result = run(argv, { env: variablesSet, ...toml(text) });
        if (result.ok) return;
        expect(result.problems.length).toBeGreaterThan(0);
        for (const problem of result.problems) expect(problem.text).not.toMatch(/\p{Cc}/u);
      }),
      { numRuns: 3000 },
    );
  });
});
