/**
 * Who listens on a TCP port: read from /proc, for an error message. Best effort: null when the
 * system does not tell.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface PortOwner {
  readonly pid: number;
  readonly command: string;
}

const STATE_LISTEN = "0A";
const COMMAND_CHARS_MAX = 80;

export function findPortOwner(port: number): PortOwner | null {
  const inodes = new Set([
    ...listeningInodes("/proc/net/tcp", port),
    ...listeningInodes("/proc/net/tcp6", port),
  ]);
  if (inodes.size === 0) return null;
  for (const entry of list("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const owns = list(`/proc/${entry}/fd`).some((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(link(`/proc/${entry}/fd/${fd}`))?.[1];
      return inode !== undefined && inodes.has(inode);
    });
    if (owns) return { pid: Number(entry), command: commandOf(entry) };
  }
  return null;
}

/**
 * Columns of /proc/net/tcp (proc_pid_net(5)): slot, local address, remote address, state, ...,
 * inode.
 */
function listeningInodes(file: string, port: number): string[] {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  return read(file)
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((column) => column[1]?.endsWith(`:${hexPort}`) && column[3] === STATE_LISTEN)
    .map((column) => column[9] ?? "");
}

function commandOf(pid: string): string {
  const words = read(`/proc/${pid}/cmdline`).split("\0").join(" ").trim();
  const text = words === "" ? read(`/proc/${pid}/comm`).trim() : words;
  return text.length > COMMAND_CHARS_MAX ? `${text.slice(0, COMMAND_CHARS_MAX)}...` : text;
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
