/** Whatever is simulated: no request is lost or answered twice, none is faster than its service, and a seed gives the same run. */
import { expect, test } from "bun:test";
import { BALANCES, MODELS, type Plan, simulate } from "../../../src/simulate/simulate.ts";
import { planOf, workloadOf } from "../../support/plans.ts";
import { randomOf } from "../../support/random.ts";

const PLANS = 150;
const TEST_TIMEOUT_MS = 120_000;
const LEAST_MS = 1;

function planFrom(seed: number): Plan {
  const random = randomOf(seed);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  const share = { cpuShare: pick([0, 0.3, 1]), blocking: pick([true, false]) };
  const workload = workloadOf(
    { name: "/", weight: 3, service: `uniform:${LEAST_MS}ms:9ms`, cpuShare: pick([0.1, 1]) },
    { name: "/slow", weight: 1, service: pick(["20ms", "uniform:20ms:90ms"]), ...share },
  );
  return planOf({
    ...{ workload, seed, model: pick(MODELS), interface: pick(["wsgi", "asgi"]) },
    ...{ nodes: pick([1, 3]), cores: pick([1, 2, 8]), workers: pick([1, 2, 5]) },
    ...{
      threads: pick([1, 4, 16]),
      rate: pick([20, 150, 600]),
      arrivals: pick(["poisson", "even"]),
    },
    ...{ connections: pick([0, 7, 100]), fresh: pick([0, 0.3]), balance: pick(BALANCES) },
    ...{ seconds: 2, warmupSeconds: 0, queueMax: pick([20, 10_000]) },
  });
}

test(
  "every request has one end, and none is answered before its service is over",
  () => {
    const replay = process.env["KEELBACK_SEED"];
    const seeds =
      replay === undefined ? Array.from({ length: PLANS }, (_, at) => at + 1) : [Number(replay)];
    for (const seed of seeds) {
      const plan = planFrom(seed);
      const first = simulate(plan);
      const { due, answered, refused, p50, p99, worst, coresBusy, workersBusy } = first;
      const what = `KEELBACK_SEED=${seed} shows it again`;
      expect(answered + refused, what).toBeLessThanOrEqual(due);
      // Enough time is left after the end for all, unless more came than can be done.
      if (!first.saturated) expect(answered + refused, what).toBe(due);
      expect(first.throughput * plan.seconds, what).toBeLessThanOrEqual(due);
      if (answered > 0) expect(p50, what).toBeGreaterThanOrEqual(LEAST_MS);
      expect(p50 <= p99 && p99 <= worst, what).toBe(answered > 0);
      expect(coresBusy, what).toBeLessThan(1.0001);
      expect(workersBusy, what).toBeLessThan(1.01);
      if (seed % 5 === 0) expect(simulate(plan), what).toEqual(first);
    }
  },
  TEST_TIMEOUT_MS,
);

test("another seed gives another run", () => {
  const plan = planOf({ workload: workloadOf("exp:20ms"), rate: 40 });
  expect(simulate({ ...plan, seed: 2 }).mean).not.toBe(simulate(plan).mean);
});
