/** A server under measurement: started on its cores, awaited until it answers, and ended with everything it started. */
import { closeSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { guard, guarded } from "./guard.ts";
import type { Pinning } from "./load/order.ts";
import type { ProcessInfo } from "./process-tree.ts";
import { treeOf } from "./process-tree.ts";

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 8000;
const POLL_MS = 10;
/** Below what the kernel gives to clients: one of those could connect to itself there while nobody listens, and be in the server's way. */
const PORTS = { least: 15_000, most: 32_000 };
const PORT_TRIES = 50;
const LAST_WORDS = 600;

export interface StartOptions {
  readonly name: string;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pin: Pinning;
  readonly port: number;
  readonly secure: boolean;
  /** Where its output goes. */
  readonly log: string;
  /** Whether it answers as it should. */
  readonly answers: (port: number) => Promise<boolean>;
  readonly signal?: AbortSignal | undefined;
}

export interface RunningServer {
  readonly origin: string;
  readonly port: number;
  readonly pid: number;
  /** From exec to the first answer. */
  readonly startupMs: number;
  tree(): ProcessInfo[];
  lastWords(): string;
  /** False: it has ended by itself. */
  alive(): boolean;
  stop(): Promise<void>;
}

/** A port nobody listens on now. Peers print no address for port 0, so one has to be chosen. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORT_TRIES; tries += 1) {
    const port = PORTS.least + Math.floor(Math.random() * (PORTS.most - PORTS.least));
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port between ${PORTS.least} and ${PORTS.most} in ${PORT_TRIES} tries`);
}

async function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const probe = createServer();
  probe.once("error", () => resolve(false));
  probe.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
    probe.close(() => resolve(true));
  });
  return promise;
}

function killAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // gone already
    }
  }
}

/** Ends all that run at once, for a program that ends at once. */
export function killServers(): void {
  killAll(guarded().map((leader) => -leader));
}

function textOf(log: string): string {
  try {
    return readFileSync(log, "utf8").trim();
  } catch {
    return "";
  }
}

/** The end of what it printed, from the beginning of a line. */
export function lastWordsOf(text: string): string {
  const end = text.slice(-LAST_WORDS);
  return end.length < text.length ? end.slice(end.indexOf("\n") + 1) : end;
}

/** Of a traceback the error that it ends with; what has none stays whole. */
export function causeOf(words: string): string {
  const errors = words.match(/^\s*[\w.]*(?:Error|Exception)(?:: .*)?$/gm);
  return errors?.at(-1)?.trim() ?? words;
}

/** Rejects with what it printed when it does not answer. */
export async function startServer(options: StartOptions): Promise<RunningServer> {
  const { name, argv, cwd, env, pin, port, secure, log, answers, signal } = options;
  const output = openSync(log, "w");
  const start = performance.now();
  const child = Bun.spawn([...pin, ...argv], {
    cwd,
    stdio: ["ignore", output, output],
    env: { ...process.env, ...env },
    // Its own process group: Ctrl-C is for us, and all that it starts can be ended together.
    detached: true,
  });
  closeSync(output);
  const ended = guard(child.pid);
  const stop = async (): Promise<void> => {
    const pids = treeOf(child.pid).map(({ pid }) => pid);
    child.kill("SIGTERM");
    const kill = (): void => killAll([...pids, -child.pid]);
    const timer = setTimeout(kill, STOP_TIMEOUT_MS);
    await child.exited;
    clearTimeout(timer);
    kill();
    ended();
  };
  const alive = (): boolean => child.exitCode === null && child.signalCode === null;
  const deadline = start + START_TIMEOUT_MS;
  while (!(await answers(port))) {
    if (!alive() || performance.now() > deadline || signal?.aborted === true) {
      await stop();
      if (signal?.aborted === true) throw new Error("stopped");
      const words = causeOf(lastWordsOf(textOf(log)));
      throw new Error(`${name} does not answer: ${words || "it said nothing"}`);
    }
    await Bun.sleep(POLL_MS);
  }
  return {
    ...{ port, pid: child.pid, stop, alive },
    origin: `${secure ? "https" : "http"}://127.0.0.1:${port}`,
    startupMs: performance.now() - start,
    tree: () => treeOf(child.pid),
    lastWords: () => lastWordsOf(textOf(log)),
  };
}
