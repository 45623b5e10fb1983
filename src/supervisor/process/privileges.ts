/**
 * Who the server runs as. Root is needed to bind low ports and for nothing else: once the sockets
 * are there, the supervisor itself becomes the user, and all that it starts is that user from the
 * first instruction on.
 */
import { existsSync, readFileSync } from "node:fs";
import { errno, groupId } from "../../net/libc.ts";
import { findUser, forbidNewPrivileges } from "../../net/this-process.ts";

export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Null: the number is no user's of this system; it has no groups but one. */
  readonly name: string | null;
  readonly home: string | null;
}

export type IdentityResult =
  | { readonly identity: Identity | null }
  | { readonly setting: "user" | "group"; readonly complaint: string };

/** Whom the settings name; null: whom this process is already. */
export function findIdentity(user: string | null, group: string | null): IdentityResult {
  if (user === null && group === null) return { identity: null };
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  const found = user === null ? findUser(uid) : findUser(numberOr(user));
  const number = user === null ? uid : (found?.uid ?? numberOr(user));
  if (typeof number !== "number") {
    return { setting: "user", complaint: `${user} is no user of this system` };
  }
  const wanted = group === null ? (found?.gid ?? null) : groupNumber(group);
  if (wanted === null && group !== null) {
    return { setting: "group", complaint: `${group} is no group of this system` };
  }
  if (wanted === null) {
    return { setting: "user", complaint: `${user} has no entry in this system; name a group too` };
  }
  if (uid !== 0 && (number !== uid || wanted !== gid)) {
    const setting = number === uid ? "group" : "user";
    const complaint = `${setting === "user" ? user : group} needs root, and this is user ${uid}`;
    return { setting, complaint: `${complaint}; start as root, or leave it out` };
  }
  if (number === uid && wanted === gid && uid !== 0) return { identity: null };
  const { name = null, home = null } = found ?? {};
  return { identity: { uid: number, gid: wanted, name, home } };
}

function numberOr(text: string): string | number {
  return /^\d{1,10}$/.test(text) ? Number(text) : text;
}

function groupNumber(text: string): number | null {
  const group = numberOr(text);
  return typeof group === "number" ? group : groupId(group);
}

/** The runtime has it, its types have not. */
type Initgroups = { initgroups?(user: string, group: number): void };

type Environment = Record<string, string | undefined>;

/** Becomes that user, for good. Throws what the system says. */
export function become(identity: Identity, env: Environment): void {
  const { uid, gid, name, home } = identity;
  const before = process.getuid?.();
  // Groups first: a user who is not root may not choose them.
  if (name !== null && uid !== before) (process as Initgroups).initgroups?.(name, gid);
  else process.setgroups?.([gid]);
  process.setgid?.(gid);
  if (uid === before) return;
  process.setuid?.(uid);
  if (process.getuid?.() !== uid || process.geteuid?.() !== uid) {
    throw new Error("the system has not taken root's rights away");
  }
  // As systemd's User= does; the runtime directory is another user's.
  if (home !== null) env["HOME"] = home;
  for (const variable of ["USER", "LOGNAME"]) if (name !== null) env[variable] = name;
  delete env["XDG_RUNTIME_DIR"];
}

/** Throws what the system says. */
export function giveUpPrivileges(): void {
  if (!forbidNewPrivileges()) throw new Error(errno());
}

/** What tells a container, as this process sees it. */
export interface Surroundings {
  readonly pid: number;
  readonly env: Environment;
  exists(path: string): boolean;
  /** Null: it cannot be read. */
  read(path: string): string | null;
}

/** Whether the app will run as root where that is nobody's custom. */
export function runsAsRoot(): boolean {
  const { pid, env } = process;
  return process.geteuid?.() === 0 && !inContainer({ pid, env, exists: existsSync, read });
}

/** The signs that container tools leave. */
export function inContainer(seen: Surroundings): boolean {
  if (seen.pid === 1 || seen.env["KUBERNETES_SERVICE_HOST"] !== undefined) return true;
  if (seen.env["container"] !== undefined) return true;
  if (["/.dockerenv", "/run/.containerenv"].some((path) => seen.exists(path))) return true;
  return /docker|kubepods|containerd|libpod|lxc/.test(seen.read("/proc/1/cgroup") ?? "");
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
