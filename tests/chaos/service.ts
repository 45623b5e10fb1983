/**
 * The harness as a service manager: it holds the listening socket, passes it to each server that it starts (LISTEN_FDS, as systemd's
 * socket units do) and keeps what they say. A server that was killed is started anew on the same socket: who connects meanwhile waits.
 */
import { closeSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { decodeAddress, encodeIp } from "../../src/net/address.ts";
import { AF_INET, bindTo, errno, listenOn, openLibrary, reap } from "../../src/net/libc.ts";
import { socketName, streamSocket } from "../../src/net/libc.ts";
import { type Process, processOf } from "../apps_life/processes.ts";

/** What the traffic of a few seconds without a server comes to. */
const BACKLOG = 2048;
const PR_SET_CHILD_SUBREAPER = 36;
/** Becomes the server, whose process the sockets are for. */
const EXEC = ["sh", "-c", 'export LISTEN_PID=$$; exec "$@"', "sh"];

export interface ServiceOptions {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** What no other process has in its environment: whose has it belongs to the server. */
  readonly mark: string;
  /** Which the server writes, and an upgrade anew. */
  readonly pidFile: string;
}

export class Service implements Disposable {
  readonly port: number;
  readonly #options: ServiceOptions;
  readonly #socket: number;
  /** Of the last one, as Date.now() has it. */
  startedAt = 0;
  #child: Bun.Subprocess | null = null;
  readonly #children = new Set<number>();
  #text = "";

  constructor(options: ServiceOptions) {
    this.#options = options;
    adoptOrphans(true);
    this.#socket = streamSocket(AF_INET);
    const bound = bindTo(this.#socket, encodeIp({ host: "127.0.0.1", port: 0, scope: 0 }));
    if (!bound || !listenOn(this.#socket, BACKLOG)) throw new Error(`no socket: ${errno()}`);
    const name = socketName(this.#socket);
    const address = name === null ? null : decodeAddress(name);
    if (address?.kind !== "tcp") throw new Error("the socket has no port");
    this.port = address.port;
  }

  /** Does not wait: clients wait in the socket. */
  start(): void {
    const { command, cwd, env } = this.#options;
    const child = Bun.spawn([...EXEC, ...command], {
      cwd,
      env: { ...process.env, KEELBACK_EXECUTABLE: undefined, ...env, LISTEN_FDS: "1" },
      stdio: ["ignore", "pipe", "pipe", this.#socket],
    });
    this.#child = child;
    this.#children.add(child.pid);
    this.startedAt = Date.now();
    void this.#read(child.stdout);
    void this.#read(child.stderr);
  }

  /** The process that leads the server now: an upgrade changes it. */
  get pid(): number {
    const own = this.#child?.pid ?? 0;
    const { pidFile } = this.#options;
    if (!existsSync(pidFile)) return own;
    const written = Number(readFileSync(pidFile, "utf8"));
    // One that was killed leaves its file until the next one takes it.
    const state = written > 0 ? processOf(written)?.state : undefined;
    return state === undefined || "ZX".includes(state) ? own : written;
  }

  /** All that runs, also what has lost its parent. */
  processes(): Process[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && hasMark(name, this.#options.mark))
      .flatMap((name) => processOf(Number(name)) ?? []);
  }

  /** A dead process that nobody has waited for has its number still. Those of the server that lost their parents are ours. */
  reap(dead: readonly Process[]): void {
    for (const { pid } of dead) {
      const now = processOf(pid);
      if (now?.state !== "Z" || now.parent !== process.pid || this.#children.has(pid)) continue;
      reap(pid);
    }
  }

  /** Whether the process that was started last is (still) the one that leads. */
  get leads(): boolean {
    return this.pid === this.#child?.pid;
  }

  /** With the status of the one that was started last. */
  get exited(): Promise<number> {
    return this.#child?.exited ?? Promise.resolve(0);
  }

  /** What all of them have said so far. */
  output(): string {
    return this.#text;
  }

  [Symbol.dispose](): void {
    adoptOrphans(false);
    closeSync(this.#socket);
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) this.#text += decoder.decode(chunk, { stream: true });
  }
}

function hasMark(pid: string, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(mark);
  } catch {
    return false;
  }
}

/** As service managers do: processes of the server whose parent has died become children of this one. */
function adoptOrphans(yes: boolean): void {
  const types = { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" } as const;
  const { prctl } = openLibrary({ prctl: types });
  if (prctl?.(PR_SET_CHILD_SUBREAPER, yes ? 1 : 0, 0, 0, 0) === 0) return;
  throw new Error("the kernel gives orphans to somebody else");
}
