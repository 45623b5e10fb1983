import { describe, expect, test } from "bun:test";
import {
  commonRate,
  DEFAULT_PACE,
  durationText,
  estimate,
  fit,
} from "../../../src/compare/plan.ts";
import { get, PRESET_NAMES, scenariosOf } from "../../../src/compare/scenarios.ts";

const options = { requests: [get("/")], connections: 64, hasApp: true };
const [app] = scenariosOf(["app"], options);
if (app === undefined) throw new Error("there is no scenario app");
const parts = (contenders: number): Parameters<typeof fit>[0] => [{ scenario: app, contenders }];

describe("a plan", () => {
  test("a newcomer's comparison ends under 3 minutes: Keelback, two development servers and NGINX", () => {
    expect(estimate(parts(4), DEFAULT_PACE)).toBeLessThan(180);
  });

  test("a budget is kept by shorter loads first, then by fewer rounds", () => {
    for (const budget of [60, 90, 120, 300, 900]) {
      const pace = fit(parts(5), budget, {});
      expect(estimate(parts(5), pace)).toBeLessThanOrEqual(budget);
    }
    expect(fit(parts(5), 120, {}).rounds).toBe(3);
    expect(fit(parts(10), 120, {}).rounds).toBeLessThan(3);
  });

  test("a budget that is too small gives the least there is, and a large one no more than is of use", () => {
    expect(fit(parts(10), 5, {})).toEqual({ rounds: 1, seconds: 1 });
    expect(fit(parts(2), 100_000, {})).toEqual({ rounds: 5, seconds: 10 });
  });

  test("what is given is not changed by the budget", () => {
    expect(fit(parts(3), 120, { rounds: 2 }).rounds).toBe(2);
    expect(fit(parts(3), 120, { seconds: 4 }).seconds).toBe(4);
  });

  test("the common rate is half of the median server's, in bounds", () => {
    expect(commonRate([100, 2000, 50_000])).toBe(1000);
    expect(commonRate([4])).toBe(10);
    expect(commonRate([90_000])).toBe(8000);
    expect(commonRate([Number.NaN])).toBe(10);
  });

  test("durations read like a person would say them", () => {
    expect([12, 60, 95, 3600, 3725].map(durationText)).toEqual([
      ...["12 s", "1 min", "1 min 35 s", "1 h 0 min", "1 h 2 min"],
    ]);
  });
});

describe("the presets", () => {
  test("each names scenarios, and all has each but the articles' table once", () => {
    for (const name of PRESET_NAMES) expect(scenariosOf([name], options).length).toBeGreaterThan(0);
    const names = scenariosOf(["all", "hello"], options).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).not.toContain("designing-python-web-servers");
  });

  test("without an app of the user, ours takes its place", () => {
    const scenarios = scenariosOf(["all"], { ...options, hasApp: false });
    expect(scenarios.every(({ own }) => own)).toBe(true);
  });
});
