/**
 * Installs system packages that only tests and benchmarks need, when this is Debian and we are root. What can't be
 * installed is said; whoever needs it skips, with the reason.
 */
import { existsSync } from "node:fs";
import { download, run, say } from "./process.ts";

/** A machine that has just started may install its updates. */
const LOCK_SECONDS = 300;

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
  const waiting = ["-o", `DPkg::Lock::Timeout=${LOCK_SECONDS}`];
  const install = [
    "apt-get",
    ...waiting,
    "install",
    "-y",
    "-q",
    "--no-install-recommends",
    ...names,
  ];
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  if (run(install, { env }).code === 0) return true;
  download(["apt-get", ...waiting, "update", "-q"], { env });
  const second = download(install, { env });
  if (second.code !== 0) {
    say(`apt-get could not install ${names.join(", ")}:\n${second.output.trimEnd()}`);
  }
  return second.code === 0;
}
