/** Shared by the configuration's tests: `parse` with a quiet world around it. */
import type { Config, Sources } from "../../../src/config/config.ts";
import type { ParseInput, ParseResult } from "../../../src/config/parse.ts";
import { parse } from "../../../src/config/parse.ts";

export const CWD = "/srv/shop";

export function run(argv: readonly string[], rest: Partial<ParseInput> = {}): ParseResult {
  return parse({ argv, env: {}, file: null, cwd: CWD, cores: 4, ...rest });
}

export function toml(text: string): Partial<ParseInput> {
  return { file: { name: "keelback.toml", text, pyproject: false } };
}

export interface Good {
  readonly config: Config;
  readonly sources: Sources;
  readonly notes: readonly string[];
}

/** The result, which must be good. */
export function good(argv: readonly string[], rest: Partial<ParseInput> = {}): Good {
  const result = run(argv, rest);
  if (!result.ok) throw new Error(`refused: ${result.problems.map(({ text }) => text).join("\n")}`);
  return result;
}

/** The texts of the problems; the result must be a refusal. */
export function bad(argv: readonly string[], rest: Partial<ParseInput> = {}): string[] {
  const result = run(argv, rest);
  if (result.ok) throw new Error("accepted");
  return result.problems.map(({ text }) => text);
}
