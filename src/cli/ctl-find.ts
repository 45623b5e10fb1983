/**
 * Which server `keelback ctl` speaks with: the one whose socket or directory is named, the one with this process id, or the
 * only one there is. Sockets are found in the directories where servers make them, and on Linux also by the kernel's list of
 * them, as a server may have been started with other variables. Only those in directories into which this user and root alone can put
 * something are asked.
 */
import { lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { listenerAt, targetOf } from "../net/socket-link.ts";
import { DIRECTORY_PREFIX } from "../supervisor/directory.ts";
import { askServer, silent } from "./ctl-client.ts";

export interface Wanted {
  readonly control: string | null;
  readonly pid: string | null;
}

export type Found =
  | { readonly path: string }
  | { readonly ok: false; readonly error: string; readonly hint?: string };

const SOCKET = "ctl.sock";
const WRITABLE_BY_OTHERS = 0o022;

export interface Server {
  readonly path: string;
  readonly pid: number;
  /** Null: it does not answer. */
  readonly state: string | null;
  /** The process that it is to replace, as long as it does not serve. */
  readonly succeeds: number | null;
  readonly what: string;
}

/** A socket on which somebody listens. */
interface Candidate {
  readonly path: string;
  /** 0: not known. */
  readonly pid: number;
  /** Whose directory it is in. */
  readonly uid: number;
}

export async function findServer({ control, pid }: Wanted): Promise<Found> {
  if (control !== null) return { path: socketAt(resolve(control)) };
  const wanted = pid === null ? null : readPid(pid);
  if (typeof wanted === "string") return { ok: false, error: wanted };
  const all = candidates().flatMap((path) => candidateAt(path) ?? []);
  const own = all.filter(({ uid }) => uid === process.getuid?.() || uid === 0);
  // Another user's may say of itself what it likes: root has to name the process, which is the kernel's word.
  const others = process.getuid?.() === 0 ? all.filter((one) => !own.includes(one)) : [];
  const named = wanted === null ? [] : others.filter((one) => one.pid === wanted);
  const asked = await Promise.all([...own, ...named].map((one) => look(one)));
  return chooseServer(
    asked.filter((one) => one !== null),
    wanted,
    others,
  );
}

/** The one with this process id, or the only one. `others`: those of other users. */
export function chooseServer(
  servers: readonly Server[],
  pid: number | null,
  others: readonly Pick<Candidate, "pid" | "uid">[] = [],
): Found {
  if (pid !== null) {
    const server = servers.find((one) => one.pid === pid);
    if (server !== undefined) return found(server);
    return { ok: false, error: `no server with the process id ${pid} answers`, hint: WHOSE };
  }
  // Neither one that leaves while its successor serves is meant, nor a successor that does not serve yet.
  const staying = servers.filter(({ state }) => state !== "stopping");
  const serving = staying.filter(({ succeeds }) => !staying.some((one) => one.pid === succeeds));
  const [only, ...more] = serving.length > 0 ? serving : servers;
  if (only === undefined) {
    const there = others.map((one) => `--pid ${one.pid} (user ${one.uid})`).join(", ");
    const hint = there === "" ? WHOSE : `servers of other users have to be named: ${there}`;
    return { ok: false, error: "no running server was found", hint };
  }
  if (more.length === 0) return found(only);
  const list = [only, ...more].map((one) => `\n  --pid ${one.pid}  ${one.what}`).join("");
  return { ok: false, error: `several servers run; say which:${list}` };
}

function found({ path, pid, state }: Server): Found {
  return state === null ? silent(pid) : { path };
}

const WHOSE = "servers of other users are not seen; name the socket with --control PATH";

/** A directory stands for the socket in it; links are followed here, as the kernel would not follow everybody's. */
function socketAt(path: string): string {
  const target = targetOf(path) ?? path;
  const isDirectory = statSync(target, { throwIfNoEntry: false })?.isDirectory() === true;
  return isDirectory ? join(target, SOCKET) : target;
}

function readPid(text: string): number | string {
  if (/^\d+$/.test(text)) return Number(text);
  try {
    const content = readFileSync(text, "utf8").trim();
    return /^\d+$/.test(content) ? Number(content) : `${text} holds no process id`;
  } catch (error) {
    return `the file ${text} cannot be read: ${error instanceof Error ? error.message : ""}`;
  }
}

function candidates(): string[] {
  const bases = [process.env["XDG_RUNTIME_DIR"] ?? "", tmpdir(), "/tmp"];
  return [...new Set([...bases.flatMap((base) => socketsIn(base)), ...kernelSockets()])];
}

function socketsIn(base: string): string[] {
  if (base === "") return [];
  try {
    return readdirSync(base)
      .filter((name) => name.startsWith(DIRECTORY_PREFIX))
      .map((name) => join(base, name, SOCKET));
  } catch {
    return [];
  }
}

/** Linux: paths of sockets that exist, in this network namespace. */
function kernelSockets(): string[] {
  try {
    const lines = readFileSync("/proc/net/unix", "utf8").split("\n");
    const paths = lines.map((line) => line.slice(line.indexOf("/")));
    return paths.filter(
      (path) => path.includes(`/${DIRECTORY_PREFIX}`) && path.endsWith(`/${SOCKET}`),
    );
  } catch {
    return [];
  }
}

/** Null: nobody listens there, or anybody could have put it there. */
function candidateAt(path: string): Candidate | null {
  try {
    const directory = lstatSync(dirname(path));
    const isPrivate = directory.isDirectory() && (directory.mode & WRITABLE_BY_OTHERS) === 0;
    if (!isPrivate || !lstatSync(path).isSocket()) return null;
    const pid = listenerAt(path);
    return pid === null ? null : { path, pid, uid: directory.uid };
  } catch {
    return null;
  }
}

/** Null: it is no server of ours, or not for us. */
async function look({ path, pid: listener }: Candidate): Promise<Server | null> {
  const answer = await askServer(path, { do: "status" });
  if (!answer.ok) {
    const what = "does not answer";
    return answer.silent === true
      ? { path, pid: listener, state: null, succeeds: null, what }
      : null;
  }
  const { pid, app, addresses, state, succeeds } = answer;
  if (typeof pid !== "number") return null;
  const where = Array.isArray(addresses) ? addresses.join(" ") : "";
  return {
    path,
    pid: listener === 0 ? pid : listener,
    state: String(state),
    succeeds: typeof succeeds === "number" ? succeeds : null,
    what: `${String(app)} ${where}`,
  };
}
