/**
 * Installs system packages that only tests and benchmarks need, when this is Debian and we are root. What can't be
 * installed is said; whoever needs it skips, with the reason.
 */
import { existsSync } from "node:fs";
import { run, say } from "./process.ts";

export interface SystemPackage {
  package: string;
  /** What shows that it is there: a command's name or a file's path; without it the package is asked for. */
  sign?: string;
}

function isThere(sign: string): boolean {
  return sign.startsWith("/") ? existsSync(sign) : Bun.which(sign) !== null;
}

/** Whether everything is there now. */
export function aptInstall(wanted: readonly SystemPackage[]): boolean {
  const missing = wanted.filter((entry) => entry.sign === undefined || !isThere(entry.sign));
  if (missing.length === 0) return true;
  const names = missing.map((entry) => entry.package);
  if (process.getuid?.() !== 0 || Bun.which("apt-get") === null) {
    say(`missing: ${names.join(", ")} (not root, or not Debian: not installed)`);
    return false;
  }
  say(`installing ${names.join(", ")}`);
  const install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", ...names];
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  if (run(install, { env }).code === 0) return true;
  run(["apt-get", "update", "-q"], { env });
  const second = run(install, { env });
  if (second.code !== 0) {
    say(`apt-get could not install ${names.join(", ")}:\n${second.output.trimEnd()}`);
  }
  return second.code === 0;
}
