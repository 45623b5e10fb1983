/** How this very program is started once more, from what is on disk by then. */
import { statSync } from "node:fs";

/** `argv` is without the program's name. */
export function ownCommand(argv: readonly string[]): readonly string[] {
  const main = new URL("../main.ts", import.meta.url).pathname;
  return [process.execPath, ...process.execArgv, main, ...argv];
}

/**
 * The current directory as the shell calls it: where a deployment swaps a symbolic link, the name
 * leads to the new release.
 */
export function ownDirectory(pwd: string | undefined): string {
  const real = process.cwd();
  if (pwd === undefined || pwd === real) return real;
  const named = statSync(pwd, { throwIfNoEntry: false });
  const here = statSync(real, { throwIfNoEntry: false });
  return named !== undefined && named.ino === here?.ino && named.dev === here.dev ? pwd : real;
}
