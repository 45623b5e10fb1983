/** What a command line of `keelback simulate` means, and what is shown. */
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { parseSimulate } from "../../../src/cli/simulate-arguments.ts";
import { renderTable, renderVerdict, SIMULATE_HELP } from "../../../src/cli/simulate-text.ts";
import { HELP_COLUMNS_MAX } from "../../../src/cli/help.ts";
import { type Plan, simulate } from "../../../src/simulate/simulate.ts";
import { Place } from "../../apps_life/serve.ts";
import { planOf, workloadOf } from "../../support/plans.ts";

function plans(...argv: string[]): readonly Plan[] {
  const parsed = parseSimulate(argv);
  if (parsed.kind !== "plans") throw new Error(parsed.kind === "wrong" ? parsed.text : "help");
  return parsed.plans;
}

describe("the command line", () => {
  test("several values give a row for each combination and server", () => {
    const all = plans(
      "--service",
      "5ms",
      "--rate",
      "100,200",
      "--workers=1,2",
      "--server",
      "keelback",
    );
    expect(all.map(({ rate, workers }) => [rate, workers])).toEqual([
      [100, 1],
      [100, 2],
      [200, 1],
      [200, 2],
    ]);
  });

  test("every server of the interface is shown, if none is named", () => {
    const models = (...argv: string[]): string[] =>
      plans("--service", "5ms", "--rate", "9", "--workers", "1", ...argv).map(({ model }) => model);
    expect(models()).toEqual(["keelback", "gthread", "sync"]);
    expect(models("--interface", "asgi")).toEqual(["keelback", "loop"]);
  });

  test("routes have their own share, or that of all", () => {
    const routes = ["service=5ms weight=9 name=/fast", "service=exp:50ms cpu=10% blocking"];
    const [plan] = plans(
      "--rate",
      "9",
      "--cpu",
      "50",
      ...routes.flatMap((route) => ["--route", route]),
    );
    expect(plan?.workload.routes).toMatchObject([
      { name: "/fast", weight: 9, cpuShare: 0.5, blocking: false },
      { name: "/", weight: 1, cpuShare: 0.1, blocking: true },
    ]);
  });

  test("a file of measured times", () => {
    using place = new Place();
    const path = place.of("times");
    writeFileSync(path, "10\n20\n");
    const [plan] = plans("--rate", "9", "--from", path, "--cpu", "20%");
    expect(plan?.workload.meanMs).toBe(15);
    expect(plan?.workload.meanCpuMs).toBe(3);
  });

  test("help", () => {
    expect(parseSimulate(["--rate", "5", "--help"])).toEqual({ kind: "help" });
    const widest = Math.max(...SIMULATE_HELP.split("\n").map(({ length }) => length));
    expect(widest).toBeLessThanOrEqual(HELP_COLUMNS_MAX);
  });

  const five = ["--service", "5ms"];
  test.each([
    [[], "what does a request cost?"],
    [five, "how many requests a second?"],
    [[...five, "--from", "x", "--rate", "1"], "one of these only"],
    [["--service", "fast", "--rate", "1"], '--service "fast" is no time'],
    [["--from", "/nowhere", "--rate", "1"], "cannot be read"],
    [["--route", "cpu=5", "--rate", "1"], "needs service=TIME"],
    [["--route", "service=5ms size=3", "--rate", "1"], '"size=3" is not one of'],
    [["--route", "service=5ms weight=0", "--rate", "1"], "must be above 0"],
    [[...five, "--rate", "many"], '"many" is no number'],
    [[...five, "--rate", "1", "--workers", "1.5"], '"1.5" is no whole number from 1 to 1024'],
    [[...five, "--rate", "1", "--server", "nginx"], "there are keelback, loop, gthread, sync"],
    [[...five, "--rate", "1", "--cpu", "200"], "is no percentage"],
    [[...five, "--rate", "1", "--wrokers", "2"], "did you mean workers?"],
    [[...five, "--rate", "1", "--p99", "soon"], "is no time"],
    [[...five, "--rate"], "--rate needs a value"],
    [[...five, "--rate", "1", "main:app"], '"main:app" is too much'],
    [[...five, "--rate", Array.from({ length: 99 }, () => "1").join(",")], "297 combinations"],
  ])("%j is wrong: %s", (argv, what) => {
    const parsed = parseSimulate(argv);
    expect(parsed.kind).toBe("wrong");
    expect(parsed).toMatchObject({ text: expect.stringContaining(what) });
  });
});

describe("the table", () => {
  const rows = [1, 2].map((workers) => {
    const plan = planOf({ workload: workloadOf("20ms"), rate: 70, workers, cores: 2 });
    return { plan, outcome: simulate(plan), met: workers === 2 };
  });

  test("shows what differs, and which rows can't bear it", () => {
    const [head = "", first = "", second = ""] = renderTable(rows).split("\n");
    expect(head).toMatch(/^server +workers +answered\/s +P50 +P90 +P99 /);
    expect(first).toMatch(/^keelback +1 .* too much$/);
    expect(second).toMatch(/^keelback +2 .* met$/);
  });

  test("the smallest that keeps to the limit is named", () => {
    expect(renderVerdict(rows, 100)).toContain("1 x 2 workers on 2 cores suffice (keelback)");
    const none = rows.map((row) => ({ ...row, met: false }));
    expect(renderVerdict(none, 100)).toContain("no row keeps to it");
  });
});
