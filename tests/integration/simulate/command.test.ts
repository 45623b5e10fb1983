/** `keelback simulate` as it is typed. */
import { expect, test } from "bun:test";

const root = new URL("../../..", import.meta.url).pathname;

function run(...args: string[]): { code: number | null; out: string; err: string } {
  const done = Bun.spawnSync([`${root}keelback`, "simulate", ...args], { cwd: root });
  return { code: done.exitCode, out: done.stdout.toString(), err: done.stderr.toString() };
}

const PLAN = [
  "--service",
  "20ms",
  "--rate",
  "70",
  "--workers",
  "1,2",
  "--cores",
  "2",
  "--seconds",
  "5",
];

test("a table, and the smallest plan that keeps to a P99", () => {
  const { code, out } = run(...PLAN, "--p99", "200ms");
  expect(code).toBe(0);
  expect(out).toStartWith("WSGI: a request takes 20 ms on average, 100 % of it on a core\n");
  expect(out).toMatch(/^keelback +1 .*too much$/m);
  expect(out).toContain("1 x 2 workers on 2 cores suffice");
});

test("JSON for programs, the same for the same seed", () => {
  const first = run(...PLAN, "--json", "--seed", "3");
  const report: { rows: { model: string; workers: number; outcome: { p99: number } }[] } =
    JSON.parse(first.out);
  expect(report.rows.map(({ model, workers }) => `${model} ${workers}`)).toContain("keelback 2");
  expect(run(...PLAN, "--json", "--seed", "3").out).toBe(first.out);
});

test("a mistake is said, with exit code 2", () => {
  const { code, err } = run("--service", "20ms");
  expect(code).toBe(2);
  expect(err).toBe("keelback: simulate: how many requests a second? --rate N\n");
});

test("help", () => {
  const { code, out } = run("--help");
  expect(code).toBe(0);
  expect(out).toStartWith("keelback simulate --rate N");
});
