/**
 * `--check-config` beyond what parsing finds: what the settings name must exist on this machine.
 * Reads, changes nothing.
 */
import { accessSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Config } from "../config/config.ts";
import { publicName } from "../config/config.ts";
import type { Problem } from "../config/problem.ts";
import { problem, quote } from "../config/problem.ts";
import { resolveOwner } from "../net/owner.ts";
import { ciphersComplaint, makeTlsContext } from "../net/tls-context.ts";
import { type Identity, readIdentities } from "../net/tls-files.ts";
import { dateWarnings } from "../net/tls-store.ts";
import { findIdentity } from "../supervisor/process/privileges.ts";

/** `running`: its sockets and its PID file are there, and it may be another user by now than the one who made them. */
export function checkConfig(config: Config, running: boolean = false): readonly Problem[] {
  return [
    ...directoryProblems("chdir", [config.chdir]),
    ...directoryProblems("reload-dir", config.reload ? config.reloadDir : []),
    ...importPathProblems(config.pythonpath),
    ...logProblems("access-log", config.accessLog),
    ...logProblems("log-file", config.logFile),
    ...(config.pid === null || running ? [] : newFileProblems("pid", config.pid)),
    // A link that every successor makes anew, and the end removes: unlike the PID file it needs its directory for good.
    ...(config.control === null ? [] : newFileProblems("control", config.control)),
    ...identityProblems(config),
    ...(running ? [] : socketProblems(config)),
    ...ownerProblems(config.unixOwner),
    ...tlsProblems(config),
  ];
}

/** What is no reason not to start: certificates that are not valid now, or not for long. */
export function certificateWarnings(config: Config): readonly string[] {
  const read = config.certfile.length === 0 ? null : readIdentities(config);
  return read?.ok === true ? dateWarnings(read.identities, Date.now()) : [];
}

function tlsProblems(config: Config): Problem[] {
  if (config.certfile.length === 0) return [];
  const complaint = config.ciphers === null ? null : ciphersComplaint(config.ciphers);
  if (complaint !== null)
    return [problem("ciphers", `${quote(config.ciphers ?? "")} ${complaint}`)];
  const read = readIdentities(config);
  return read.ok
    ? read.identities.flatMap((identity) => usageProblems(config, identity, read.ca))
    : read.problems.map(({ setting, text }) => problem(publicName(setting), text));
}

/** The runtime refuses some that are well formed, such as those with keys that are too small. */
function usageProblems(config: Config, identity: Identity, ca: string | null): Problem[] {
  try {
    makeTlsContext({ identities: [identity, identity], settings: config, ca, alpn: [] });
    return [];
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [problem("certfile", `${identity.file} cannot be used: ${why}`)];
  }
}

function directoryProblems(setting: string, paths: readonly string[]): Problem[] {
  return paths.flatMap((path) => {
    const kind = kindOf(path);
    if (kind === "directory") return [];
    return [problem(setting, `${path} ${kind === null ? "does not exist" : "is no directory"}`)];
  });
}

function importPathProblems(paths: readonly string[]): Problem[] {
  // Python imports from zip files too: any existing path will do.
  return paths.flatMap((path) =>
    kindOf(path) === null ? [problem("pythonpath", `${path} does not exist`)] : [],
  );
}

/** When root's rights are given up: what the server opens from then on. */
export function problemsOfUser(config: Config): readonly Problem[] {
  const suffix = ` (as user ${process.getuid?.() ?? 0})`;
  return checkConfig(config, true).map(({ setting, text }) => ({ setting, text: text + suffix }));
}

function identityProblems({ user, group }: Config): Problem[] {
  const found = findIdentity(user, group);
  return "identity" in found ? [] : [problem(found.setting, found.complaint)];
}

function logProblems(setting: string, path: string | null): Problem[] {
  if (path === null || path === "-") return [];
  const kind = kindOf(path);
  if (kind === "directory") return [problem(setting, `${path} is a directory`)];
  if (kind === "other") {
    return isWritable(path) ? [] : [problem(setting, `${path} cannot be written by this user`)];
  }
  return newFileProblems(setting, path);
}

function socketProblems(config: Config): Problem[] {
  return config.bind.flatMap((bind) => {
    if (bind.kind !== "unix") return [];
    if (kindOf(bind.path) === "directory")
      return [problem("bind", `unix:${bind.path} is a directory`)];
    return newFileProblems("bind", bind.path);
  });
}

function ownerProblems(owner: string | null): Problem[] {
  const resolved = owner === null ? null : resolveOwner(owner);
  if (owner === null || resolved === null || !("complaint" in resolved)) return [];
  return [problem("unix-owner", `${quote(owner)} ${resolved.complaint}`)];
}

function newFileProblems(setting: string, path: string): Problem[] {
  const directory = dirname(path);
  if (kindOf(directory) !== "directory")
    return [problem(setting, `${directory} is no directory (for ${path})`)];
  return isWritable(directory)
    ? []
    : [problem(setting, `${directory} cannot be written by this user (for ${path})`)];
}

function kindOf(path: string): "directory" | "other" | null {
  try {
    return statSync(path).isDirectory() ? "directory" : "other";
  } catch {
    return null;
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
