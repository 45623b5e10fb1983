/** `keelback compare` from the command line, with real servers: short runs, for what they say and not for their figures. */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Report, Row } from "../../../src/compare/types.ts";
import { repository } from "../../support/server.ts";

/** An environment with Flask and Hypercorn, which serves WSGI apps too. */
const python = `${repository}/.cache/python-3.13/bin/python`;
const TIMEOUT_MS = 120_000;
const scratch = mkdtempSync(join(tmpdir(), "keelback-compare-test-"));

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

function begin(args: readonly string[]): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  return Bun.spawn([`${repository}/keelback`, "compare", ...args], {
    cwd: `${repository}/examples/flask_app`,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, KEELBACK_EXECUTABLE: undefined, VIRTUAL_ENV: undefined },
  });
}

async function compare(...args: string[]): Promise<Ended> {
  const child = begin(["--python", python, ...args]);
  const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, output, errors };
}

function rowsOf(report: Report): readonly Row[] {
  return report.scenarios.flatMap(({ rows }) => rows);
}

const short = ["--rounds", "1", "--seconds", "1", "--load", "builtin", "--connections", "8"];

describe.skipIf(!existsSync(python))("keelback compare", () => {
  test(
    "measures the user's app on the servers of its environment, and writes what it found",
    async () => {
      const files = ["--output", scratch, "--markdown", join(scratch, "table.md")];
      const servers = ["--servers", "keelback,hypercorn asyncio"];
      const { code, output, errors } = await compare(
        "app:app",
        ...servers,
        ...short,
        ...files,
        "--json",
      );
      expect(errors).toContain("%  keelback: ");
      expect(code).toBe(0);
      const report: Report = JSON.parse(output);
      expect(report).toMatchObject({ schema: 1, app: "app:app", partial: false, rounds: 1 });
      const rows = rowsOf(report).filter(({ kind }) => kind === "server");
      expect(rows.map(({ server }) => server)).toEqual(["keelback", "hypercorn asyncio"]);
      for (const { failure, rounds, command, load } of rows) {
        expect(failure).toBeUndefined();
        expect(command).toContain("PORT");
        expect(load).toContain("open loop at");
        const [round] = rounds;
        expect(round?.errors).toEqual({ connection: 0, timeout: 0, status: 0, body: 0 });
        expect(round?.requestsPerSecond).toBeGreaterThan(0);
        expect(round?.latency?.p99).toBeGreaterThanOrEqual(round?.latency?.p50 ?? Infinity);
        expect(round?.memoryIdle).toBeGreaterThan(1);
        expect(round?.cpuPer1000).toBeGreaterThan(0);
        expect(round?.startupMs).toBeGreaterThan(0);
      }
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
      const args = ["app:app", "--python", python, "--servers", "keelback,wsgiref", ...many];
      const child = begin(args);
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
      const same = ["app:app", "--servers", "keelback", ...short];
      const before = await compare(...same, "--output", first);
      expect(before.code).toBe(0);
      expect(before.output).toContain("keelback");
      const old = join(first, "keelback-compare.json");
      const after = await compare(...same, "--no-files", "--against", old);
      expect([0, 3]).toContain(after.code);
      expect(after.output).toContain("against");
    },
    TIMEOUT_MS,
  );

  test("--list says what would run and how long it takes, and runs nothing", async () => {
    const { code, output } = await compare("--list", "--budget", "2m", "--preset", "hello");
    expect(code).toBe(0);
    expect(output).toMatch(/hello +keelback, /);
    expect(output).toMatch(/takes +about /);
  });

  test("an app that does not import is said with its traceback, before anything is measured", async () => {
    const { code, errors } = await compare("nothing:app", "--no-files");
    expect(code).toBe(1);
    expect(errors).toContain("there is no module 'nothing'");
  });

  test("what is not installed says so, and how to get it", async () => {
    const { output } = await compare("app:app", "--list", "--servers", "keelback,bjoern");
    expect(output).toContain("bjoern: bjoern is not installed");
    expect(output).toContain("--install bjoern");
  });
});
