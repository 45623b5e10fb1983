/** Runs of `keelback compare` in tests: the examples' apps on the servers of the peers' environment. */
import { existsSync, readdirSync } from "node:fs";
import type { Report, Row } from "../../src/compare/types.ts";
import { examplesPython, repository } from "./server.ts";

/** The examples' interpreter has the frameworks, the peers' packages (of the same Python: tools/setup.ts) have the servers. */
const python = examplesPython() ?? "python3";
const peers = packagesOf(`${repository}/.cache/peers-venv/lib`);

/** False: `make setup-test` has not been run. */
export const canCompare: boolean = examplesPython() !== undefined && peers !== null;

export const COMPARE_TIMEOUT_MS = 120_000;

/** One round, as short as can be, by what comes with Keelback. */
export const SHORT: readonly string[] = [
  ...["--rounds", "1", "--seconds", "1", "--load", "builtin", "--connections", "8"],
];

export interface Compared {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

function packagesOf(directory: string): string | null {
  if (!existsSync(directory)) return null;
  const [version] = readdirSync(directory);
  return version === undefined ? null : `${directory}/${version}/site-packages`;
}

export function beginCompare(
  args: readonly string[],
  example: string = "flask_app",
): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  const { KEELBACK_EXECUTABLE: _, VIRTUAL_ENV: __, ...env } = process.env;
  return Bun.spawn([`${repository}/keelback`, "compare", "--python", python, ...args], {
    cwd: `${repository}/examples/${example}`,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...env, PYTHONPATH: peers ?? "", PYTHONDONTWRITEBYTECODE: "1" },
  });
}

export async function compare(args: readonly string[], example?: string): Promise<Compared> {
  const child = beginCompare(args, example);
  const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, output, errors };
}

export function rowsOf(report: Report): readonly Row[] {
  return report.scenarios.flatMap(({ rows }) => rows);
}
