/** Where queueing theory knows the answer, the simulation has to agree. */
import { describe, expect, test } from "bun:test";
import { simulate } from "../../../src/simulate/simulate.ts";
import { OVERHEAD_MS } from "../../../src/simulate/job.ts";
import { planOf, workloadOf } from "../../support/plans.ts";

/** What a server of this kind takes on average for a request of the app's `ms`. */
function serviceMs(ms: number): number {
  return ms + OVERHEAD_MS.sync;
}

function off(value: number, wanted: number): number {
  return Math.abs(value / wanted - 1);
}

/** The probability that an arrival has to wait (M/M/c); `load` in erlangs. */
function erlangC(servers: number, load: number): number {
  let blocked = 1;
  for (let n = 1; n <= servers; n++) blocked = (load * blocked) / (n + load * blocked);
  const share = load / servers;
  return blocked / (1 - share + share * blocked);
}

describe("one at a time", () => {
  test("M/M/1: mean and P99 of the time in the system", () => {
    const plan = planOf({ workload: workloadOf("exp:20ms"), rate: 35, seconds: 20_000 });
    const { mean, p99, workersBusy } = simulate({ ...plan, model: "sync" });
    const service = serviceMs(20);
    const wanted = service / (1 - 0.035 * service);
    expect(off(mean, wanted)).toBeLessThan(0.05);
    expect(off(p99, wanted * Math.log(100))).toBeLessThan(0.08);
    expect(off(workersBusy, 0.035 * service)).toBeLessThan(0.02);
  });

  test("M/D/1: half the waiting of M/M/1", () => {
    const plan = planOf({ workload: workloadOf("20ms"), rate: 35, seconds: 20_000 });
    const { mean } = simulate({ ...plan, model: "sync" });
    const service = serviceMs(20);
    const load = 0.035 * service;
    expect(off(mean, service + (load * service) / (2 * (1 - load)))).toBeLessThan(0.03);
  });

  test("M/M/4: the waiting that Erlang's formula gives", () => {
    const workload = workloadOf("exp:20ms");
    const plan = planOf({ workload, rate: 140, workers: 4, cores: 4, seconds: 5000 });
    const { mean } = simulate({ ...plan, model: "sync" });
    const service = serviceMs(20);
    const load = 0.14 * service;
    const wanted = service + (erlangC(4, load) * service) / (4 - load);
    expect(off(mean, wanted)).toBeLessThan(0.05);
  });

  test("M/G/1 with processor sharing: four processes on one core are as slow as M/M/1", () => {
    const plan = planOf({
      workload: workloadOf("exp:20ms"),
      rate: 35,
      workers: 200,
      seconds: 5000,
    });
    const { mean } = simulate({ ...plan, model: "sync" });
    const service = serviceMs(20);
    expect(off(mean, service / (1 - 0.035 * service))).toBeLessThan(0.07);
  });
});

describe("keelback", () => {
  test("its dispatch comes near to one queue for all workers, connections that stay do not", () => {
    const workload = workloadOf("exp:20ms");
    const plan = planOf({ workload, rate: 140, workers: 4, cores: 8, threads: 1, seconds: 400 });
    const ours = simulate({ ...plan, model: "keelback" });
    const pinned = simulate({ ...plan, model: "gthread", connections: 64 });
    const load = 0.14 * 20.9;
    const ideal = 20.9 + (erlangC(4, load) * 20.9) / (4 - load);
    expect(off(ours.mean, ideal)).toBeLessThan(0.3);
    expect(pinned.mean).toBeGreaterThan(ours.mean * 1.3);
  });

  test("requests that wait do not wait for one another, up to the threads", () => {
    const workload = workloadOf({ service: "50ms", cpuShare: 0 });
    const plan = planOf({ workload, rate: 100, workers: 2, threads: 8, seconds: 60 });
    expect(simulate(plan).p99).toBeLessThan(60);
    expect(simulate({ ...plan, threads: 2 }).saturated).toBe(true);
  });

  test("a fast route is not parked behind one that blocks the event loop", () => {
    const fast = { name: "/", weight: 49, service: "200us" };
    const slow = { name: "/block", weight: 1, service: "50ms", cpuShare: 0, blocking: true };
    const workload = workloadOf(fast, slow);
    const plan = planOf({
      workload,
      interface: "asgi",
      rate: 1000,
      workers: 4,
      cores: 4,
      seconds: 60,
    });
    const ours = simulate(plan);
    const pinned = simulate({ ...plan, model: "loop", connections: 64 });
    expect(ours.p90).toBeLessThan(5);
    expect(pinned.p90).toBeGreaterThan(ours.p90 * 3);
  });

  test("a full queue refuses", () => {
    const workload = workloadOf("100ms");
    const plan = planOf({ workload, rate: 100, threads: 1, seconds: 20, queueMax: 10 });
    const { refused, saturated, throughput } = simulate(plan);
    expect(saturated).toBe(true);
    expect(refused).toBeGreaterThan(1000);
    expect(off(throughput, 10)).toBeLessThan(0.1);
  });
});

describe("nodes", () => {
  test("two with half the load each are as one of them with half the rate", () => {
    const workload = workloadOf("exp:20ms");
    const one = simulate(planOf({ workload, rate: 30, seconds: 2000 }));
    const two = simulate(
      planOf({ workload, rate: 60, nodes: 2, balance: "random", seconds: 2000 }),
    );
    expect(off(two.mean, one.mean)).toBeLessThan(0.1);
  });

  test("the one with the fewest requests is better than any, and both than chance", () => {
    const plan = planOf({ workload: workloadOf("exp:20ms"), rate: 140, nodes: 4, seconds: 500 });
    const { mean: least } = simulate({ ...plan, balance: "least" });
    const { mean: turns } = simulate({ ...plan, balance: "round-robin" });
    const { mean: chance } = simulate({ ...plan, balance: "random" });
    expect(least).toBeLessThan(turns);
    expect(turns).toBeLessThan(chance);
  });
});
