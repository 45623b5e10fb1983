/**
 * Whether the terminal that this process was started from is still there: closing it sends a SIGHUP
 * too.
 */
import { closeSync, openSync } from "node:fs";

export function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}
