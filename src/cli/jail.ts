/**
 * `--chroot`: the command goes into another root directory before it reads its settings once more and opens anything, so that all paths
 * mean one thing. What it starts is inside by that.
 */
import { existsSync, realpathSync } from "node:fs";
import { isAbsolute, join, relative } from "node:path";
import { enterRoot } from "../net/this-process.ts";
import { errorText } from "../observe/log.ts";

/** Null: `directory` is the root now. Else what is wrong, and nothing has changed. */
export function enterJail(directory: string): string | null {
  const main = new URL("../main.ts", import.meta.url).pathname;
  try {
    // Whoever is inside already stays where he is.
    const here = relative(realpathSync(directory), process.cwd());
    // The runtime finds its stack by /proc.
    const needed = [process.execPath, main, "/proc/self/maps"];
    const missing = needed.find((path) => !existsSync(join(directory, path)));
    if (missing !== undefined) {
      const what = missing.startsWith("/proc") ? "/proc" : "Keelback, at the same path,";
      return `chroot: ${directory} has no ${missing}: ${what} must be there (mount --bind)`;
    }
    enterRoot(directory);
    if (here !== "" && !here.startsWith("..") && !isAbsolute(here)) process.chdir(`/${here}`);
  } catch (error) {
    const text = errorText(error);
    return `chroot: ${directory} is refused: ${text}${text === "EPERM" ? "; it needs root" : ""}`;
  }
  process.env["PWD"] = process.cwd();
  return null;
}
