/** Whether a comparison finds out: servers made for the test, one honest, one slow, one that lies, one that ends, one that never starts. */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Contender } from "../../../src/compare/contender.ts";
import { installedTools } from "../../../src/compare/load/closed.ts";
import { findCores, pinTo } from "../../../src/compare/machine.ts";
import type { Lab } from "../../../src/compare/measure.ts";
import { Progress } from "../../../src/compare/progress.ts";
import { rankingOf } from "../../../src/compare/report/ranking.ts";
import { run } from "../../../src/compare/run.ts";
import { scenariosOf } from "../../../src/compare/scenarios.ts";
import type { Report, Row, Setup } from "../../../src/compare/types.ts";
import { repository } from "../../support/server.ts";

const python = `${repository}/.venv/bin/python`;
const program = `${repository}/tests/apps/compare_judged.py`;
const TIMEOUT_MS = 120_000;
const scratch = mkdtempSync(join(tmpdir(), "keelback-judges-test-"));

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function contender(name: string, ...how: string[]): Contender {
  return {
    ...{ name, kind: "server", version: "1", threaded: false },
    refuses: () => null,
    resources: () => ({ workers: 1 }),
    command: (_, { port }) => ({ argv: [python, program, `${port}`, ...how] }),
  };
}

const setup: Setup = {
  ...{ interface: "wsgi", app: "hello", directory: scratch, python, workers: 1, mode: "equal" },
};

async function compare(contenders: readonly Contender[]): Promise<Report["scenarios"][number]> {
  const [scenario] = scenariosOf(["hello"], { requests: [], connections: 4, hasApp: false });
  if (scenario === undefined) throw new Error("there is no scenario hello");
  const cores = findCores();
  const lab: Lab = {
    ...{ serverPin: pinTo(cores.server), load: { pin: pinTo(cores.load) }, scratch },
    ...{ spin: cores.load.length > 0, tools: installedTools("keelback") },
  };
  const quiet = { terminal: false, columns: 80, write: (): void => undefined };
  const progress = new Progress(quiet, 1);
  const options = { pace: { rounds: 2, seconds: 1 }, lab, progress };
  const outcome = await run([{ scenario, setup, contenders }], options);
  const [result] = outcome.scenarios;
  if (result === undefined) throw new Error("nothing was measured");
  return result;
}

function row(rows: readonly Row[], name: string): Row {
  const found = rows.find(({ server }) => server === name);
  if (found === undefined) throw new Error(`no row of ${name}`);
  return found;
}

describe.skipIf(!existsSync(python))("a comparison", () => {
  test(
    "ranks a slowed server last, flags one with wrong bodies, and says why one does not start",
    async () => {
      const result = await compare([
        contender("slowed", "--sleep-ms", "20"),
        contender("honest"),
        contender("liar", "--body", "hullo"),
        contender("broken", "--fail"),
        contender("honest too"),
      ]);
      const { rows } = result;
      expect(row(rows, "broken").failure).toContain("broken on purpose");
      expect(row(rows, "broken").rounds).toEqual([]);
      const liar = row(rows, "liar");
      expect(liar.warnings.join("\n")).toContain(
        'counted as wrong: "hullo", where slowed, honest and 1 more answer "hello"',
      );
      const [lied] = liar.rounds;
      expect(lied?.errors.body).toBe(lied?.requests ?? -1);
      expect(row(rows, "honest").rounds[0]?.errors.body).toBe(0);
      const { places } = rankingOf(result);
      const ranked = places.filter(({ rank }) => rank !== undefined).map((one) => one.row.server);
      expect(ranked.at(-1)).toBe("slowed");
      expect(ranked).not.toContain("liar");
      const slow = row(rows, "slowed").rounds[0]?.latency?.p50 ?? 0;
      expect(slow).toBeGreaterThan(row(rows, "honest").rounds[0]?.latency?.p50 ?? Infinity);
    },
    TIMEOUT_MS,
  );

  test(
    "a server that lies only now and then is found out by the loads",
    async () => {
      const sometimes = contender("sometimes", "--body", "hullo", "--every", "7");
      const { rows } = await compare([contender("honest"), sometimes]);
      const bodies = row(rows, "sometimes").rounds.map(({ errors }) => errors.body);
      expect(Math.min(...bodies)).toBeGreaterThan(0);
      expect(row(rows, "sometimes").warnings.join("\n")).toContain("answers had a wrong body");
    },
    TIMEOUT_MS,
  );

  test(
    "a server that ends under load keeps its row, with its last words",
    async () => {
      const { rows } = await compare([contender("mortal", "--end-after", "300")]);
      const { failure = "" } = row(rows, "mortal");
      expect(failure).toMatch(/ended under load.*that was enough/s);
    },
    TIMEOUT_MS,
  );
});
