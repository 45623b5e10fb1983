/** A server of the bars under measurement, on its core: started by its name, watched as in every comparison. */
import { writeFileSync } from "node:fs";
import { pinTo } from "../../src/compare/machine.ts";
import {
  leavesOf,
  measureThreads,
  peakRssKiB,
  pssKiB,
  treeOf,
} from "../../src/compare/process-tree.ts";
import type { ProcessInfo } from "../../src/compare/process-tree.ts";
import { freePort, startServer } from "../../src/compare/server-process.ts";
import { ensureCertificate } from "./certificate.ts";
import { root } from "./paths.ts";
import { isSecure, servers } from "./servers.ts";
import type { Setup } from "./types.ts";

export type { ProcessInfo } from "../../src/compare/process-tree.ts";

export const SERVER_CORE = 0;
export const LOAD_CORE = 1;
/** Words before a command that make it run on the load core. */
export const LOAD_PIN: readonly string[] = pinTo([LOAD_CORE]);

export interface RunningServer {
  url: string;
  port: number;
  /** Of the process that was started. */
  pid: number;
  command: string;
  tree(): ProcessInfo[];
  /** Proportional set size in KiB: of the whole tree, or of those processes that match. */
  pssKiB(matching?: RegExp): number;
  /** The same of those that serve: they have no children, as supervisors and zygotes have. */
  servingPssKiB(): number;
  /** Starts a measurement; the function it gives says the nanoseconds of CPU the tree has used since. */
  measureCpu(): () => number;
  /** The highest resident size since `resetPeak`, in KiB, of the processes that match, summed. */
  peakRssKiB(matching?: RegExp): number;
  resetPeak(): void;
  stop(): Promise<void>;
}

/** curl takes whatever the server offers by ALPN, and any certificate. */
async function answersSecurely(url: string): Promise<boolean> {
  const child = Bun.spawn(["curl", "-skf", "--max-time", "1", "-o", "/dev/null", url]);
  return (await child.exited) === 0;
}

async function answers(url: string): Promise<boolean> {
  if (url.startsWith("https:")) return answersSecurely(url);
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

/** Zero where no process matches: what is summed up has to be a number. */
function sized(kib: number): number {
  return Number.isNaN(kib) ? 0 : kib;
}

function resetPeak(tree: readonly ProcessInfo[]): void {
  for (const { pid } of tree) {
    try {
      writeFileSync(`/proc/${pid}/clear_refs`, "5");
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** Starts a server on its core and waits until it answers; rejects with what it printed when it does not. */
export async function startPinned(name: string, setup: Setup): Promise<RunningServer> {
  const server = servers[name];
  if (server === undefined) throw new Error(`no server is called ${name}`);
  const secure = isSecure(setup);
  if (secure) ensureCertificate();
  const port = await freePort();
  const command = server.command(setup, port);
  const url = `${secure ? "https" : "http"}://127.0.0.1:${port}/`;
  const started = await startServer({
    ...{ name, argv: command, port, secure, pin: pinTo([SERVER_CORE]) },
    cwd: `${root}/bench/apps`,
    env: { PYTHONPATH: "." },
    log: `${root}/.cache/bench-${name.replaceAll(/\W/g, "-")}.log`,
    answers: async () => answers(url),
  });
  const { pid } = started;
  const tree = (): ProcessInfo[] => treeOf(pid);
  const matching = (pattern?: RegExp): ProcessInfo[] =>
    pattern === undefined ? tree() : tree().filter((entry) => pattern.test(entry.command));
  return {
    ...{ url, port, pid, tree },
    stop: async () => started.stop(),
    command: command.join(" ").replaceAll(`${root}/`, "").replaceAll(`${port}`, "PORT"),
    pssKiB: (pattern) => sized(pssKiB(matching(pattern))),
    servingPssKiB: () => sized(pssKiB(leavesOf(tree()))),
    measureCpu: () => measureThreads(tree),
    peakRssKiB: (pattern) => peakRssKiB(matching(pattern)),
    resetPeak: () => resetPeak(tree()),
  };
}
