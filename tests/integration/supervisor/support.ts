/** Processes as the kernel lists them, apps as files, and waiting for a condition. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const WAIT_MS = 10_000;
const POLL_MS = 10;

/** Polls until `check` gives something that is not false, null or undefined. */
export async function until<T>(what: string, check: () => T | Promise<T>): Promise<NonNullable<T>> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const value = await check();
    if (value !== false && value !== null && value !== undefined) return value;
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await Bun.sleep(POLL_MS);
  }
}

interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

function processes(): ProcessEntry[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        const [state = "", parent = "0"] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        if (state === "Z" || state === "X") return [];
        const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ");
        return [{ pid: Number(name), parent: Number(parent), command }];
      } catch {
        return [];
      }
    });
}

export function isAlive(pid: number): boolean {
  return processes().some((entry) => entry.pid === pid);
}

/** Everything that this process has started, and what that has started. */
export function descendants(pid: number): ProcessEntry[] {
  const all = processes();
  const found: ProcessEntry[] = [];
  const search = (parent: number): void => {
    for (const entry of all) {
      if (entry.parent !== parent) continue;
      found.push(entry);
      search(entry.pid);
    }
  };
  search(pid);
  return found;
}

export interface Family {
  readonly edge: number;
  readonly zygote: number;
  readonly workers: readonly number[];
}

/** The processes of a running server with one edge and one zygote. */
export function familyOf(supervisor: number): Family {
  const all = descendants(supervisor);
  const edge = all.find(({ command }) => command.includes("__edge"));
  const zygote = all.find((entry) => entry.parent === supervisor && entry !== edge);
  if (edge === undefined || zygote === undefined) throw new Error("not a running server");
  const workers = all.filter(({ parent }) => parent === zygote.pid).map(({ pid }) => pid);
  return { edge: edge.pid, zygote: zygote.pid, workers };
}

/** A directory with these files, removed at the end. */
export function makeProject(files: Record<string, string>): Disposable & { path: string } {
  const path = mkdtempSync(join(tmpdir(), "keelback-test-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** An ASGI app that answers with `version`, a space and its pid. */
export function pidApp(version: string): string {
  return `
import os
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                print("shutdown of", os.getpid(), flush=True)
                return
    body = b"${version} %d" % os.getpid()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
`;
}

export interface Answer {
  readonly version: string;
  readonly pid: number;
}

/** One request to pidApp, on a connection of its own. */
export async function ask(url: string): Promise<Answer> {
  const response = await fetch(url, { headers: { connection: "close" } });
  const [version = "", pid = ""] = (await response.text()).split(" ");
  return { version, pid: Number(pid) };
}
