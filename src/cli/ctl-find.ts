/**
 * Which server `keelback ctl` speaks with: the one whose socket or directory is named, the one with this process id, or the
 * only one there is. Sockets are found in the directories where servers make them, and on Linux also by the kernel's list of
 * them, as a server may have been started with other variables.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { targetOf } from "../net/socket-link.ts";
import { DIRECTORY_PREFIX } from "../supervisor/directory.ts";
import { askServer } from "./ctl-client.ts";

export interface Wanted {
  readonly control: string | null;
  readonly pid: string | null;
}

export type Found =
  | { readonly path: string }
  | { readonly ok: false; readonly error: string; readonly hint?: string };

const SOCKET = "ctl.sock";

export interface Server {
  readonly path: string;
  readonly pid: number;
  readonly stopping: boolean;
  readonly what: string;
}

export async function findServer({ control, pid }: Wanted): Promise<Found> {
  if (control !== null) return { path: socketAt(resolve(control)) };
  const wanted = pid === null ? null : readPid(pid);
  if (typeof wanted === "string") return { ok: false, error: wanted };
  const paths = candidates();
  const asked = await Promise.all(paths.map((path) => look(path)));
  return chooseServer(
    asked.filter((one) => one !== null),
    wanted,
  );
}

/** The one with this process id, or the only one. */
export function chooseServer(servers: readonly Server[], pid: number | null): Found {
  if (pid !== null) {
    const server = servers.find((one) => one.pid === pid);
    if (server !== undefined) return { path: server.path };
    return { ok: false, error: `no server with the process id ${pid} answers`, hint: WHOSE };
  }
  // One that leaves while its successor serves is not meant.
  const serving = servers.filter(({ stopping }) => !stopping);
  const [only, ...others] = serving.length > 0 ? serving : servers;
  if (only === undefined) return { ok: false, error: "no running server was found", hint: WHOSE };
  if (others.length === 0) return { path: only.path };
  const list = [only, ...others].map((one) => `\n  --pid ${one.pid}  ${one.what}`).join("");
  return { ok: false, error: `several servers run; say which:${list}` };
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

/** Null: nobody of ours answers there. */
async function look(path: string): Promise<Server | null> {
  if (statSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return null;
  const answer = await askServer(path, { do: "status" });
  if (!answer.ok || typeof answer["pid"] !== "number") return null;
  const { pid, app, addresses } = answer;
  const where = Array.isArray(addresses) ? addresses.join(" ") : "";
  return { path, pid, stopping: answer["state"] === "stopping", what: `${String(app)} ${where}` };
}
