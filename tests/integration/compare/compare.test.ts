/** `keelback compare` from the command line, with real servers: short runs, for what they say and not for their figures. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Report, Row } from "../../../src/compare/types.ts";
import {
  beginCompare,
  canCompare,
  COMPARE_TIMEOUT_MS as TIMEOUT_MS,
  compare,
  rowsOf,
  SHORT,
} from "../../support/comparing.ts";

const scratch = mkdtempSync(join(tmpdir(), "keelback-compare-test-"));

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Every figure of a row over HTTP, from right answers only. */
function expectFigures({ failure, rounds, command, load, version }: Row): void {
  expect(failure).toBeUndefined();
  expect(version).toMatch(/^\d+\.\d+/);
  expect(command).toContain("PORT");
  expect(load).toContain("open loop at");
  const [round] = rounds;
  expect(round?.errors).toEqual({ connection: 0, timeout: 0, status: 0, body: 0 });
  expect(round?.requests).toBeGreaterThan(0);
  expect(round?.requestsPerSecond).toBeGreaterThan(0);
  expect(round?.latency?.p99).toBeGreaterThanOrEqual(round?.latency?.p50 ?? Infinity);
  expect(round?.memoryIdle).toBeGreaterThan(1);
  expect(round?.memoryLoaded).toBeGreaterThan(1);
  expect(round?.cpuPer1000).toBeGreaterThan(0);
  expect(round?.startupMs).toBeGreaterThan(0);
}

describe.skipIf(!canCompare)("keelback compare", () => {
  test(
    "measures the user's app on the servers of its environment, and writes what it found",
    async () => {
      const files = ["--output", scratch, "--markdown", join(scratch, "table.md")];
      const servers = ["--servers", "keelback,gunicorn sync,gunicorn gthread,bjoern"];
      const args = ["app:app", ...servers, ...SHORT, ...files, "--json"];
      const { code, output, errors } = await compare(args);
      expect(errors).toContain("%  keelback: ");
      expect(code).toBe(0);
      const report: Report = JSON.parse(output);
      expect(report).toMatchObject({ schema: 1, app: "app:app", partial: false, rounds: 1 });
      const rows = rowsOf(report).filter(({ kind }) => kind === "server");
      const names = ["keelback", "gunicorn sync", "gunicorn gthread", "bjoern"];
      expect(rows.map(({ server }) => server)).toEqual(names);
      for (const row of rows.slice(0, -1)) expectFigures(row);
      // What was asked for and is not here has a row that says so, and how to get it.
      expect(rows.at(-1)).toMatchObject({ server: "bjoern", rounds: [] });
      expect(rows.at(-1)?.failure).toMatch(/^bjoern is not installed .*--install bjoern/);
      expect(rows.map(({ warnings }) => warnings.join()).join()).not.toContain("body");
      // The page tells visits and the worker's process id.
      expect(report.notes.join("\n")).toContain("without numbers");
      const written: Report = JSON.parse(
        readFileSync(join(scratch, "keelback-compare.json"), "utf8"),
      );
      expect(written).toEqual(report);
      expect(readFileSync(join(scratch, "keelback-compare.html"), "utf8")).toContain("<svg");
      expect(readFileSync(join(scratch, "table.md"), "utf8")).toContain("| keelback");
    },
    TIMEOUT_MS,
  );

  test(
    "an ASGI app on Uvicorn beside Keelback",
    async () => {
      const args = ["main:app", "--servers", "keelback,uvicorn", ...SHORT, "--no-files"];
      const { code, output } = await compare([...args, "--path", "/", "--json"], "fastapi_app");
      expect(code).toBe(0);
      const report: Report = JSON.parse(output);
      const rows = rowsOf(report).filter(({ kind }) => kind === "server");
      expect(rows.map(({ server }) => server)).toEqual(["keelback", "uvicorn"]);
      for (const row of rows) expectFigures(row);
      expect(report.scenarios[0]?.setup.interface).toBe("asgi");
    },
    TIMEOUT_MS,
  );

  test(
    "Ctrl-C keeps what was measured",
    async () => {
      const many = [
        "--rounds",
        "50",
        "--seconds",
        "1",
        "--load",
        "builtin",
        "--no-files",
        "--json",
      ];
      const child = beginCompare(["app:app", "--servers", "keelback,wsgiref", ...many]);
      const decoder = new TextDecoder();
      let errors = "";
      let told = false;
      const watching = (async (): Promise<void> => {
        for await (const chunk of child.stderr) {
          errors += decoder.decode(chunk, { stream: true });
          if (told || !/%  wsgiref: /.test(errors)) continue;
          told = true;
          child.kill("SIGINT");
        }
      })();
      const output = await child.stdout.text();
      await watching;
      expect(errors).toContain("what was measured is kept");
      expect(await child.exited).toBe(0);
      const report: Report = JSON.parse(output);
      expect(report.partial).toBe(true);
      const measured = rowsOf(report).filter(({ rounds }) => rounds.length > 0);
      expect(measured.map(({ server }) => server)).toContain("keelback");
    },
    TIMEOUT_MS,
  );

  test(
    "shows regressions against an older report",
    async () => {
      const first = join(scratch, "first");
      const same = ["app:app", "--servers", "keelback", ...SHORT];
      const before = await compare([...same, "--output", first]);
      expect(before.code).toBe(0);
      expect(before.output).toContain("keelback");
      const old = join(first, "keelback-compare.json");
      const after = await compare([...same, "--no-files", "--against", old]);
      expect([0, 3]).toContain(after.code);
      expect(after.output).toContain("against");
      const elsewhere: Report = JSON.parse(readFileSync(old, "utf8"));
      const machine = { ...elsewhere.machine, cpu: "Another 9000" };
      writeFileSync(old, JSON.stringify({ ...elsewhere, machine }));
      const neither = await compare([...same, "--no-files", "--against", old]);
      expect(neither.code).toBe(4);
      expect(neither.errors).toContain(
        "--against: these two reports cannot be compared, as they differ in machine: cpu",
      );
      expect(neither.output).toContain("machine: cpu: Another 9000, now ");
    },
    TIMEOUT_MS,
  );

  test("--list says what would run and how long it takes, and runs nothing", async () => {
    const { code, output } = await compare(["--list", "--budget", "2m", "--preset", "hello"]);
    expect(code).toBe(0);
    expect(output).toMatch(/hello +keelback, /);
    expect(output).toMatch(/takes +about /);
  });

  test("an app that does not import is said with its traceback, before anything is measured", async () => {
    const { code, errors } = await compare(["nothing:app", "--no-files"]);
    expect(code).toBe(1);
    expect(errors).toContain("there is no module 'nothing'");
  });

  test("what is not installed says so, and how to get it", async () => {
    const { output } = await compare(["app:app", "--list", "--servers", "keelback,bjoern"]);
    expect(output).toContain("bjoern: bjoern is not installed");
    expect(output).toContain("--install bjoern");
  });
});
