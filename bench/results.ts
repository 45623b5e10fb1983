/** Writes a result where all of them lie, formatted as the checks want it. */
import { mkdirSync, writeFileSync } from "node:fs";

const root = new URL("..", import.meta.url).pathname;

export interface Result {
  /** ISO 8601. */
  readonly date: string;
  readonly name: string;
  readonly report: unknown;
  readonly markdown: string;
}

/** Gives the path within the repository, without its ending. */
export function writeResult({ date, name, report, markdown }: Result): string {
  const stem = `bench/results/${date.slice(0, 10)}-${name}`;
  mkdirSync(`${root}bench/results`, { recursive: true });
  writeFileSync(`${root}${stem}.json`, JSON.stringify(report));
  writeFileSync(`${root}${stem}.md`, markdown);
  const files = [`${stem}.json`, `${stem}.md`];
  Bun.spawnSync([process.execPath, "fmt", "--no-script", ...files], { cwd: root });
  return stem;
}
