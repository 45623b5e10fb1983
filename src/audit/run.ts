/**
 * One audit: the app served with the probe, its traffic sent or watched, everything that was recorded gathered, and what it means. Ctrl-C
 * ends the load early; what was recorded until then is reported.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import type { Config, Sources } from "../config/config.ts";
import { errorText } from "../observe/log.ts";
import { adviceOf, changesOf } from "./advice.ts";
import { drive, tryOut } from "./drive.ts";
import { findingsOf } from "./findings.ts";
import { record } from "./flame.ts";
import { gather } from "./gather.ts";
import type { EdgeLine } from "./gather.ts";
import { GilWatch } from "./gil.ts";
import type { AuditedServer } from "./server.ts";
import { startServer } from "./server.ts";
import { settingsFile } from "./settings.ts";
import type { Traffic } from "./traffic.ts";
import type { AuditReport, Current, ProbeReport, Settings, Verification } from "./types.ts";
import { verify } from "./verify.ts";

/** What is done, and how much of it. */
export type Progress = (text: string, share: number) => void;

export interface AuditOrder {
  readonly config: Config;
  readonly sources: Sources;
  /** How this very program is started, without arguments. */
  readonly program: readonly string[];
  readonly version: string;
  /** What was typed. */
  readonly command: string;
  /** Null: what comes of itself, on the usual addresses. */
  readonly traffic: Traffic | null;
  readonly clients: number;
  readonly rate: number;
  readonly seconds: number;
  readonly verify: { readonly rounds: number; readonly seconds: number } | null;
  readonly flame: { readonly program: string; readonly file: string } | null;
  /** Ctrl-C. */
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** A line that stays. */
  readonly say: (text: string) => void;
}

const WARMUP_SECONDS = 1;
/** Requests that are tried before the load. */
const TRIED_MAX = 50;
const NAMED_MAX = 5;

export async function audit(order: AuditOrder): Promise<AuditReport> {
  const folder = mkdtempSync(join(tmpdir(), "keelback-audit-"));
  try {
    return await runIn(folder, order);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runIn(folder: string, order: AuditOrder): Promise<AuditReport> {
  const { traffic } = order;
  const recording = await recordIn(folder, order);
  const { probes, notes } = recording;
  const [first] = probes;
  if (first === undefined) {
    throw new Error(
      "the workers left no findings: did they end by a signal? See their output above",
    );
  }
  const facts = gather({
    probes,
    lines: recording.lines,
    gil: recording.gil,
    seconds: recording.seconds,
    cores: availableParallelism(),
    memoryMib: totalmem() / 1024 / 1024,
    peakPerSecond: traffic?.peakPerSecond ?? null,
    saturated: traffic !== null && order.rate === 0,
    current: currentOf(order.config, first),
  });
  if (facts.requests === 0) {
    throw new Error(
      traffic === null
        ? "no request came in that time: send some to the address above, or give --path, --log or --scenario"
        : "no request reached the app: it was all refused before it, see the server's log",
    );
  }
  const advice = adviceOf(facts);
  const changes = changesOf(advice);
  const checked = await proveIn(folder, order, changes, notes);
  return {
    schema: 1,
    tool: { name: "keelback", version: order.version },
    date: new Date().toISOString(),
    command: order.command,
    traffic: traffic === null ? "live" : traffic.about,
    facts,
    findings: findingsOf(facts),
    recommendations: advice,
    ...(checked === null ? {} : { verification: checked }),
    notes: [...(traffic?.notes ?? []), ...notes],
  };
}

interface Recording {
  readonly probes: readonly ProbeReport[];
  readonly lines: readonly EdgeLine[];
  readonly gil: ReadonlyMap<string, number> | null;
  readonly seconds: number;
  readonly notes: string[];
}

async function recordIn(folder: string, order: AuditOrder): Promise<Recording> {
  const { config, sources, traffic, program, signal } = order;
  const accessLog = join(folder, "access.log");
  const live = traffic === null;
  const settings = settingsFile({ config, sources, live, accessLog, changes: {} });
  order.progress("starting the app with the probe", 0);
  const server = await startServer({
    ...{
      command: program,
      settings,
      folder,
      probe: true,
      shown: live,
      signal,
    },
  });
  const notes: string[] = [];
  const watch = new GilWatch(folder);
  let seconds: number;
  try {
    if (traffic !== null) await tryTraffic(server, traffic, notes);
    const began = performance.now();
    watch.start();
    const flame = startFlame(server, order);
    await (live ? watchFor(order, server) : load(order, server));
    seconds = (performance.now() - began) / 1000;
    const failed = await flame;
    if (failed !== null) notes.push(failed);
    if (signal.aborted) notes.push("it was ended early: few requests say little");
  } finally {
    watch.stop();
    await server.stop();
  }
  const probes = readProbes(folder);
  const free = probes.some(({ freeThreaded }) => freeThreaded);
  const gil = free ? null : watch.waits(probes);
  if (gil === null && !free)
    notes.push("waiting for the GIL is not told: it could not be seen here");
  return { probes, lines: readLines(accessLog), gil, seconds, notes };
}

async function startFlame(server: AuditedServer, order: AuditOrder): Promise<string | null> {
  const { flame, seconds, signal } = order;
  if (flame === null) return null;
  const worker = server.workers().find((pid) => nameOf(pid).startsWith("keelback:w"));
  if (worker === undefined) return "no worker was found for py-spy";
  return record({ ...flame, worker, seconds, signal });
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8");
  } catch {
    return "";
  }
}

/** Stops the audit where nothing works at all; what works in part is noted. */
async function tryTraffic(server: AuditedServer, traffic: Traffic, notes: string[]): Promise<void> {
  const answers = await tryOut(server.port, traffic.requests, TRIED_MAX);
  const bad = answers.filter(({ status }) => status === 0 || status >= 400);
  const named = bad.slice(0, NAMED_MAX).map(({ request, status }) => {
    return `${request.method} ${request.path}: ${status === 0 ? "no answer" : status}`;
  });
  if (bad.length === answers.length && answers.every(({ status }) => status === 400)) {
    const text = "a host that the app allows helps: --header 'Host: www.example.org'";
    throw new Error(`every request was refused with 400 (${named.join(", ")}); ${text}`);
  }
  const more = bad.length > named.length ? ` and ${bad.length - named.length} more` : "";
  if (bad.length > 0) notes.push(`answered with an error: ${named.join(", ")}${more}`);
}

async function load(order: AuditOrder, server: AuditedServer): Promise<void> {
  const { traffic, clients, rate, seconds, signal } = order;
  if (traffic === null) return;
  const stop = ticking(order, "sending requests");
  try {
    const { port } = server;
    const { requests } = traffic;
    await drive({ port, requests, clients, rate, warmupSeconds: WARMUP_SECONDS, seconds, signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    stop();
  }
}

async function watchFor(order: AuditOrder, server: AuditedServer): Promise<void> {
  const { signal, seconds } = order;
  order.say(`watching ${addressOf(server)} for ${seconds} seconds; Ctrl-C ends it early`);
  const stop = ticking(order, "watching");
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, seconds * 1000);
  signal.addEventListener("abort", () => resolve());
  if (signal.aborted) resolve();
  await Promise.race([promise, server.exited]);
  clearTimeout(timer);
  stop();
}

function addressOf({ screen }: AuditedServer): string {
  return /^ {2}listening +(\S+)/m.exec(screen)?.[1] ?? "the app";
}

const TICK_MS = 500;

function ticking({ progress, seconds }: AuditOrder, text: string): () => void {
  const began = performance.now();
  const tell = (): void =>
    progress(text, Math.min(1, (performance.now() - began) / seconds / 1000));
  tell();
  const timer = setInterval(tell, TICK_MS);
  return () => clearInterval(timer);
}

function readProbes(folder: string): readonly ProbeReport[] {
  return readdirSync(folder)
    .filter((name) => /^probe-\d+\.json$/.test(name))
    .map((name): ProbeReport => JSON.parse(readFileSync(join(folder, name), "utf8")));
}

function readLines(path: string): readonly EdgeLine[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line): EdgeLine => {
      const { method, target, status, bytes, queue_ms: queueMs } = JSON.parse(line);
      return { method, target, status, bytes, queueMs };
    });
}

function currentOf(config: Config, probe: ProbeReport): Current {
  const kind =
    config.worker === "auto" ? (probe.interface === "asgi" ? "asyncio" : "threads") : config.worker;
  const app = config.app ?? probe.found.split(" ", 1)[0] ?? "";
  return {
    ...{ app, interface: probe.interface, kind },
    workers: config.workers,
    threads: config.threads,
    timeoutMs: config.timeoutMs,
    maxRequests: config.maxRequests,
    wsgiTwin: twinOf(config.chdir, app),
  };
}

/** Django's project template has `wsgi.py` beside `asgi.py`. */
function twinOf(directory: string, app: string): string | null {
  const [module = "", attribute = ""] = app.split(":");
  if (!module.endsWith(".asgi")) return null;
  const twin = module.replace(/\.asgi$/, ".wsgi");
  return existsSync(join(directory, `${twin.replaceAll(".", "/")}.py`))
    ? `${twin}:${attribute}`
    : null;
}

async function proveIn(
  folder: string,
  order: AuditOrder,
  changes: Settings,
  notes: string[],
): Promise<Verification | null> {
  const { config, sources, traffic, clients, signal, progress } = order;
  if (order.verify === null || traffic === null) return null;
  if (Object.keys(changes).length === 0) {
    notes.push("nothing to verify: the settings can stay as they are");
    return null;
  }
  const inside = join(folder, "verify");
  mkdirSync(inside);
  try {
    return await verify({
      ...order.verify,
      ...{ command: order.program, folder: inside, changes, clients, signal, progress },
      requests: traffic.requests,
      settings: (changed) =>
        settingsFile({ config, sources, live: false, accessLog: null, changes: changed }),
    });
  } catch (error) {
    // What was measured before is told all the same.
    notes.push(signal.aborted ? "--verify: ended early" : errorText(error));
    return null;
  }
}
