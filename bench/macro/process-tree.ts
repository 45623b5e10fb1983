/**
 * A server under measurement: started on its core, awaited until it answers, watched through /proc (memory as PSS, CPU as
 * nanoseconds on a core, both summed over the whole process tree) and ended with everything it started.
 */
import { closeSync, openSync, readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { ensureCertificate } from "./certificate.ts";
import { root } from "./paths.ts";
import { isSecure, servers } from "./servers.ts";
import type { Setup } from "./types.ts";

export const SERVER_CORE = 0;
export const LOAD_CORE = 1;
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 8000;
const POLL_MS = 20;

export interface ProcessInfo {
  pid: number;
  parent: number;
  command: string;
}

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

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // the process has ended since it was listed
  }
}

function parents(): Map<number, number> {
  const result = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = read(`/proc/${name}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    result.set(Number(name), Number(fields[1]));
  }
  return result;
}

function treeOf(rootPid: number): ProcessInfo[] {
  const parentOf = parents();
  const inside = new Set([rootPid]);
  // A child can have a lower number than its parent after the numbers wrapped: go on until nothing is added.
  for (let before = 0; before !== inside.size;) {
    before = inside.size;
    for (const [pid, parent] of parentOf) if (inside.has(parent)) inside.add(pid);
  }
  return [...inside].map((pid) => ({
    pid,
    parent: parentOf.get(pid) ?? 0,
    command: read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim(),
  }));
}

function kibOf(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
}

function pssOf(pid: number): number {
  return kibOf(read(`/proc/${pid}/smaps_rollup`), "Pss");
}

/** Nanoseconds on a core so far, by thread. */
function cpuOfThreads(pids: readonly number[]): Map<string, number> {
  const result = new Map<string, number>();
  for (const pid of pids) {
    let threads: string[] = [];
    try {
      threads = readdirSync(`/proc/${pid}/task`);
    } catch {
      continue; // ended meanwhile
    }
    for (const thread of threads) {
      const stat = read(`/proc/${pid}/task/${thread}/schedstat`);
      result.set(`${pid}/${thread}`, Number(stat.split(" ")[0] ?? 0));
    }
  }
  return result;
}

/** A port nobody listens on now. Peers print no address for port 0, so one has to be chosen. */
async function freePort(): Promise<number> {
  const probe = createServer();
  const { promise, resolve } = Promise.withResolvers<number>();
  probe.listen(0, "127.0.0.1", () => {
    // listen() with a host and a port gives an AddressInfo
    const { port } = probe.address() as AddressInfo;
    probe.close(() => resolve(port));
  });
  return promise;
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

function killAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // gone already
    }
  }
}

function watch(child: Bun.Subprocess, url: string, command: string): RunningServer {
  const tree = (): ProcessInfo[] => treeOf(child.pid);
  const matching = (pattern?: RegExp): ProcessInfo[] =>
    pattern === undefined ? tree() : tree().filter((entry) => pattern.test(entry.command));
  const sum = (pattern: RegExp | undefined, value: (pid: number) => number): number =>
    matching(pattern).reduce((total, { pid }) => total + value(pid), 0);
  return {
    url,
    pid: child.pid,
    port: Number(new URL(url).port),
    command,
    tree,
    pssKiB: (pattern) => sum(pattern, pssOf),
    servingPssKiB: () => {
      const all = tree();
      const having = new Set(all.map(({ parent }) => parent));
      const serving = all.filter(({ pid }) => !having.has(pid));
      return serving.reduce((total, { pid }) => total + pssOf(pid), 0);
    },
    measureCpu: () => {
      const threads = (): Map<string, number> => cpuOfThreads(tree().map((entry) => entry.pid));
      const before = threads();
      return () => {
        let used = 0;
        for (const [thread, ns] of threads()) used += ns - (before.get(thread) ?? 0);
        return used;
      };
    },
    peakRssKiB: (pattern) => sum(pattern, (pid) => kibOf(read(`/proc/${pid}/status`), "VmHWM")),
    resetPeak: () => {
      for (const { pid } of tree()) Bun.spawnSync(["sh", "-c", `echo 5 > /proc/${pid}/clear_refs`]);
    },
    stop: async () => {
      const pids = tree().map((entry) => entry.pid);
      child.kill("SIGTERM");
      const timer = setTimeout(() => killAll(pids), STOP_TIMEOUT_MS);
      await child.exited;
      clearTimeout(timer);
      killAll(pids);
    },
  };
}

/** Starts a server on its core and waits until it answers; rejects with what it printed when it does not. */
export async function startPinned(name: string, setup: Setup): Promise<RunningServer> {
  const server = servers[name];
  if (server === undefined) throw new Error(`no server is called ${name}`);
  if (isSecure(setup)) ensureCertificate();
  const port = await freePort();
  const command = server.command(setup, port);
  const log = `${root}/.cache/bench-${name.replaceAll(/\W/g, "-")}.log`;
  const output = openSync(log, "w");
  const child = Bun.spawn(["taskset", "-c", `${SERVER_CORE}`, ...command], {
    cwd: `${root}/bench/apps`,
    stdio: ["ignore", output, output],
    env: { ...process.env, PYTHONPATH: "." },
  });
  closeSync(output);
  const shown = command.join(" ").replaceAll(`${root}/`, "").replaceAll(`${port}`, "PORT");
  const url = `${isSecure(setup) ? "https" : "http"}://127.0.0.1:${port}/`;
  const running = watch(child, url, shown);
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(await answers(running.url))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      await running.stop();
      throw new Error(`${name} does not answer: ${read(log).trim().slice(-600)}`);
    }
    await Bun.sleep(POLL_MS);
  }
  return running;
}
