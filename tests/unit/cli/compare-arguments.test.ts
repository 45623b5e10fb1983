import { describe, expect, test } from "bun:test";
import { parseCompare } from "../../../src/cli/compare-arguments.ts";
import { readSeconds } from "../../../src/cli/flags.ts";
import { HELP_COLUMNS_MAX } from "../../../src/cli/help.ts";

function wrong(...argv: string[]): string {
  const parsed = parseCompare(argv);
  return parsed.kind === "wrong" ? parsed.text : `${parsed.kind} is not wrong`;
}

function right(...argv: string[]): Extract<ReturnType<typeof parseCompare>, { kind: "compare" }> {
  const parsed = parseCompare(argv);
  if (parsed.kind !== "compare") throw new Error(JSON.stringify(parsed));
  return parsed;
}

describe("the command line of keelback compare", () => {
  test("needs nothing: the app is recognised, its path / measured on all that is here", () => {
    const given = right().arguments;
    expect(given).toMatchObject({ app: null, presets: ["app"], servers: null, mode: "equal" });
    expect(given.budgetSeconds).toBeNull();
  });

  test("takes lists, repeated flags, times and both forms of a value", () => {
    const argv = ["main:app", "--path=/a", "--path", "/b", "--servers", "keelback, gunicorn"];
    const given = right(...argv, "--budget", "1m30s", "--preset", "hello,mixed").arguments;
    expect(given).toMatchObject({
      ...{ app: "main:app", paths: ["/a", "/b"], servers: ["keelback", "gunicorn"] },
      ...{ budgetSeconds: 90, presets: ["hello", "mixed"] },
    });
  });

  test("what is mistyped is answered with what was probably meant", () => {
    expect(wrong("--budgt", "2m")).toContain("did you mean --budget?");
    expect(wrong("--servers", "keelback,gunicron")).toContain("did you mean gunicorn?");
    expect(wrong("--preset", "helo")).toContain("did you mean hello?");
    expect(wrong("--load", "wkr")).toContain("did you mean wrk?");
    expect(wrong("-x")).toContain('there is no option "-x"');
  });

  test("wrong values name the flag, the value and what is allowed", () => {
    expect(wrong("--rounds", "0")).toBe('--rounds: "0" is no whole number from 1 to 100');
    expect(wrong("--budget", "soon")).toBe('--budget: "soon" is no time; write 90s or 2m');
    expect(wrong("--rounds")).toBe("--rounds needs a value: --rounds N");
    expect(wrong("--json=yes")).toBe("--json takes no value");
    expect(wrong("--path", "items")).toContain("must begin with /");
    expect(wrong("a:app", "b:app")).toContain("is too much");
    expect(wrong("--path", "/", "--scenario", "x.toml")).toContain("exclude each other");
  });

  test("the help names each flag, fits a terminal and is asked for anywhere", () => {
    const parsed = parseCompare(["main:app", "--help"]);
    if (parsed.kind !== "help") throw new Error("no help");
    for (const flag of ["--path", "--budget", "--against", "--install"]) {
      expect(parsed.text).toContain(flag);
    }
    const wide = parsed.text.split("\n").filter((line) => line.length > HELP_COLUMNS_MAX);
    expect(wide).toEqual([]);
  });

  test("times", () => {
    expect(["90", "90s", "1m30s", "2m", "1.5m", "500ms"].map(readSeconds)).toEqual([
      ...[90, 90, 90, 120, 90, 0.5],
    ]);
    expect([readSeconds("2 m"), readSeconds("m"), readSeconds("")]).toEqual([null, null, null]);
  });
});
