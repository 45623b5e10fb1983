/**
 * A server under audit: this very program started once more, with settings of a file, the probe's folder in its environment where it is to
 * be probed, and its end awaited, for the probe writes then. Also how much its processes take.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { guard } from "../compare/guard.ts";
import { leavesOf, pssKiB, treeOf } from "../compare/process-tree.ts";

/** The zygote takes it (python/keelback/settings.py). */
const PROBE_VARIABLE = "_KEELBACK_PROBE";
const READY = /^ {2}Ready in \d+ ms$/m;
const ADDRESS = /^ {2}listening +https?:\/\/\S+:(\d+)$/m;
const KEPT_CHARS = 8000;

export interface AuditedServer {
  /** 0: it listens on no TCP port. */
  readonly port: number;
  readonly pid: number;
  /** What it printed when it was ready. */
  readonly screen: string;
  readonly exited: Promise<number>;
  /** Processes that have no children: the edge and the workers. */
  workers(): readonly number[];
  /** MiB of all processes, shared pages shared out; NaN where the system does not say. */
  memoryMib(): number;
  stop(): Promise<void>;
}

export interface ServerStart {
  /** Without the program's arguments. */
  readonly command: readonly string[];
  readonly settings: string;
  /** A directory of the audit's own. */
  readonly folder: string;
  readonly probe: boolean;
  /** Its log goes to stderr once it is ready. */
  readonly shown: boolean;
  readonly signal: AbortSignal;
}

/** Rejects with what it printed when it does not start. */
export async function startServer(start: ServerStart): Promise<AuditedServer> {
  const file = join(start.folder, "keelback.toml");
  writeFileSync(file, start.settings);
  const env: Record<string, string | undefined> = { ...process.env };
  // Variables would win over the file, which holds them already.
  for (const name of Object.keys(env)) if (name.startsWith("KEELBACK_")) delete env[name];
  if (start.probe) env[PROBE_VARIABLE] = start.folder;
  const child = Bun.spawn([...start.command, "serve", "--config", file], {
    stdio: ["ignore", "inherit", "pipe"],
    env,
    // Ctrl-C is for the audit, which ends it.
    detached: true,
  });
  const ended = guard(child.pid);
  let stopping = false;
  const stop = (): void => {
    // A second signal would hurry it, and the probe would not write.
    if (!stopping) child.kill("SIGTERM");
    stopping = true;
  };
  start.signal.addEventListener("abort", stop);
  const output = new Output(start.shown);
  const read = output.read(child.stderr);
  const end = async (): Promise<void> => {
    await child.exited;
    ended();
    await read;
    start.signal.removeEventListener("abort", stop);
    output.end();
  };
  void end();
  await output.ready;
  if (!READY.test(output.text)) throw new Error(output.text.trim() || "it ended without a word");
  return {
    port: Number(ADDRESS.exec(output.text)?.[1] ?? 0),
    pid: child.pid,
    screen: output.text,
    exited: child.exited,
    workers: () => leavesOf(treeOf(child.pid)).map(({ pid }) => pid),
    memoryMib: () => pssKiB(treeOf(child.pid)) / 1024,
    stop: async () => {
      stop();
      await child.exited;
    },
  };
}

/** What the server prints: kept until it is ready, then passed on where that is wanted. */
class Output {
  text = "";
  readonly ready: Promise<void>;
  #resolve: () => void;
  #started = false;
  readonly #shown: boolean;

  constructor(shown: boolean) {
    this.#shown = shown;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ready = promise;
    this.#resolve = resolve;
  }

  async read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      const text = decoder.decode(chunk, { stream: true });
      if (this.#started) {
        if (this.#shown) process.stderr.write(text);
        continue;
      }
      this.text = (this.text + text).slice(-KEPT_CHARS);
      if (READY.test(this.text)) this.end();
    }
  }

  end(): void {
    this.#started = true;
    this.#resolve();
  }
}
