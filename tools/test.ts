/**
 * `make test`: every check and every test suite, one after the other, all of them even when one fails. Ends with a
 * line `N passed, N failed`. In CI (CI=true) a skipped test fails unless tests/skips.json lists it with its reason.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { readJunit } from "./junit.ts";
import type { Skip, Tally } from "./junit.ts";
import { root, run, say } from "./process.ts";
import { findPythons } from "./pythons.ts";

const BUN = process.execPath;
const VENV = `${root}/.venv/bin`;
const REPORTS = `${root}/.cache/reports`;
const TEST_TIMEOUT_MS = 60_000;
/** No suite takes that long, the slowest a quarter of an hour on two busy cores; one that does hangs. */
const SUITE_TIMEOUT_MS = 30 * 60_000;

interface Check {
  name: string;
  command: string[];
}

const checks: Check[] = [
  { name: "generated files", command: [BUN, "tools/gen.ts", "--check"] },
  { name: "types (TypeScript)", command: [BUN, "check", "--no-script"] },
  {
    name: "format (TypeScript)",
    command: [BUN, "fmt", "--check", "--no-script", "src", "tests", "tools", "bench"],
  },
  {
    name: "lint (TypeScript)",
    command: [BUN, "node_modules/oxlint/bin/oxlint", "--type-aware", "--deny-warnings"],
  },
  { name: "lint (Python)", command: [`${VENV}/ruff`, "check", "--quiet"] },
  { name: "format (Python)", command: [`${VENV}/ruff`, "format", "--check", "--quiet"] },
  { name: "types (mypy)", command: [`${VENV}/mypy`] },
  {
    name: "types (pyright)",
    command: [BUN, "node_modules/pyright/index.js", "--pythonpath", `${VENV}/python`],
  },
];

const total: Tally = { passed: 0, failed: 0, skipped: [] };
const broken: string[] = [];

function add(name: string, tally: Tally, output: string, seconds: string): void {
  total.passed += tally.passed;
  total.failed += tally.failed;
  total.skipped.push(...tally.skipped);
  const skipped = tally.skipped.length > 0 ? `, ${tally.skipped.length} skipped` : "";
  const counts = `${tally.passed} passed, ${tally.failed} failed${skipped}`;
  say(`${tally.failed > 0 ? "FAIL" : "ok  "} ${name}: ${counts} (${seconds} s)`);
  if (tally.failed === 0) return;
  broken.push(name);
  say(output.trimEnd());
}

function timed<T>(work: () => T): [T, string] {
  const start = performance.now();
  const result = work();
  return [result, ((performance.now() - start) / 1000).toFixed(1)];
}

function runCheck(check: Check): void {
  const [ran, seconds] = timed(() => run(check.command));
  const failed = ran.code === 0 ? 0 : 1;
  add(check.name, { passed: 1 - failed, failed, skipped: [] }, ran.output, seconds);
}

/** A suite that writes JUnit XML. One that fails without a failing test (a crash, no tests) counts as one failure. */
function runSuite(name: string, command: string[], report: string): void {
  rmSync(report, { force: true });
  const [ran, seconds] = timed(() => run(command, { timeoutMs: SUITE_TIMEOUT_MS }));
  const xml = existsSync(report) ? readFileSync(report, "utf8") : "";
  const tally = readJunit(xml);
  if (ran.code !== 0 && tally.failed === 0) tally.failed = 1;
  add(name, tally, ran.output, seconds);
}

function hasTests(folder: string): boolean {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return files.some((file) => /(\.test\.ts|^test_.*\.py|\/test_.*\.py)$/.test(file));
}

/** The folders of tests/, each one suite, and the tests that lie in tests/ itself. */
function runBunSuites(): void {
  const entries = readdirSync(`${root}/tests`, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith(".test.ts"));
  const suites = [
    ...files.map((file) => ({ name: file.name, path: `./tests/${file.name}` })),
    ...folders.sort().map((folder) => ({ name: `${folder} tests`, path: `./tests/${folder}/` })),
  ];
  for (const { name, path } of suites) {
    if (!name.endsWith(".test.ts") && !bunTestsIn(path)) continue;
    const report = `${REPORTS}/${name.replaceAll(/\W+/g, "-")}.xml`;
    const reporter = ["--reporter=junit", `--reporter-outfile=${report}`];
    const timeout = `--timeout=${TEST_TIMEOUT_MS}`;
    runSuite(name, [BUN, "test", path, timeout, "--only-failures", ...reporter], report);
  }
}

function bunTestsIn(path: string): boolean {
  const files = readdirSync(`${root}/${path}`, { recursive: true, encoding: "utf8" });
  return files.some((file) => file.endsWith(".test.ts"));
}

function runPytest(): void {
  if (!hasTests(`${root}/tests/python`)) return;
  for (const { minor } of findPythons()) {
    const report = `${REPORTS}/pytest-${minor}.xml`;
    const python = `${root}/.cache/python-${minor}/bin/python`;
    const command = [python, "-m", "pytest", "-q", `--junit-xml=${report}`];
    runSuite(`pytest on Python ${minor}`, command, report);
  }
}

/** The skips nobody has allowed. */
function unexpectedSkips(skips: readonly Skip[]): Skip[] {
  const path = `${root}/tests/skips.json`;
  const allowed: Record<string, string> = existsSync(path)
    ? JSON.parse(readFileSync(path, "utf8"))
    : {};
  return skips.filter((skip) => allowed[skip.name] === undefined);
}

mkdirSync(REPORTS, { recursive: true });
for (const check of checks) runCheck(check);
runBunSuites();
runPytest();

const unexpected = unexpectedSkips(total.skipped);
for (const skip of total.skipped) say(`skipped: ${skip.name} ${skip.reason}`.trimEnd());
if (process.env.CI === "true" && unexpected.length > 0) {
  say(`${unexpected.length} skipped tests are not in tests/skips.json: in CI they fail`);
  total.failed += unexpected.length;
}
if (broken.length > 0) say(`failed: ${broken.join("; ")}`);
say(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 ? 1 : 0;
