/**
 * What the configuration means for workers: how long things may take, and what Python is told, the
 * JSON of KEELBACK_ZYGOTE (docs/architecture.md; python/keelback/settings.py). Pure.
 */
import type { Config } from "../../config/config.ts";
import { boundedWorkers, parseOverlap } from "../../config/worker-rules.ts";
import type { Listener } from "../../net/open-result.ts";
import type { FleetOptions } from "../fleet/crew.ts";
import type { WorkerLimits } from "../fleet/lifecycle.ts";

/** For requests that are on their way to us on kept connections when the server stops. */
export const LINGER_MS = 2000;
/** The same when a person waits for the end (Ctrl-C). */
export const HASTY_LINGER_MS = 100;
/** After the graceful timeout: until workers are told, as the edges cut first what runs on. */
export const CUT_MS = 200;
/** Then: for cancelled tasks to clean up. */
export const CANCEL_MS = 1000;
/** Then: for the app's own shutdown, which has what was not needed of the times before, too. */
export const SHUTDOWN_MS = 2000;
/** Then: for hooks, exit functions and the end of the process. */
const LAST_MS = 800;
/** All of that. Who is there after so long is killed. */
export const END_MS: number = CUT_MS + CANCEL_MS + SHUTDOWN_MS + LAST_MS;
/** From SIGABRT to SIGKILL: a traceback is written in milliseconds. */
export const KILL_MS = 1000;

export interface WorkerSettingsInput {
  readonly config: Config;
  readonly app: string;
  readonly directory: string;
  readonly generation: number;
  readonly listeners: readonly Listener[];
}

/** How long clients may remember that there is HTTP/3, seconds. */
const ALT_SVC_SECONDS = 86_400;

export function workerSettings(input: WorkerSettingsInput): string {
  const { config, app, directory, generation, listeners } = input;
  return JSON.stringify({
    app,
    factory: config.factory,
    interface: config.interface,
    kind: config.worker,
    threads: config.threads,
    rootPath: config.rootPath,
    chdir: config.chdir,
    pythonpath: config.pythonpath,
    env: config.env,
    preload: config.preload,
    generation,
    directory,
    // A worker is told where the edges are when its generation serves, not before.
    edges: [],
    lifespan: config.lifespan,
    serverHeader: config.serverHeader,
    dateHeader: config.dateHeader,
    // Only where there is TLS (RFC 6797 section 7.2).
    hstsSeconds: config.certfile.length === 0 ? 0 : Math.round(config.hstsMs / 1000),
    altSvc: config.http3 ? altSvc(listeners) : "",
    timeoutMs: config.timeoutMs,
    interruptMs: config.interruptMs,
    gracefulMs: config.gracefulTimeoutMs,
    concurrency: config.concurrency,
    loop: config.loop,
    warmup: config.warmup,
    onPreload: config.onPreload ?? "",
    onWorkerStart: config.onWorkerStart ?? "",
    onWorkerReady: config.onWorkerReady ?? "",
    onWorkerStop: config.onWorkerStop ?? "",
    nice: config.nice,
    cpuAffinity: config.cpuAffinity,
    logLevel: config.logLevel,
    reload: config.reload,
  });
}

/** The ports of HTTP/3 (RFC 7838), beside those of HTTPS. */
function altSvc(listeners: readonly Listener[]): string {
  const served = listeners.filter(({ kind, protocol, redirectTo }) => {
    return kind === "tcp" && protocol === "http" && redirectTo === null;
  });
  const ports = new Set(served.map(({ port }) => port));
  return [...ports].map((port) => `h3=":${port}"; ma=${ALT_SVC_SECONDS}`).join(", ");
}

/** `count`: where it is not that of the settings. */
export function fleetOptions(config: Config, count: number = config.workers): FleetOptions {
  const bounded = boundedWorkers(config, count);
  const { reloadOverlap, maxWorkerLifetimeMs, maxWorkerLifetimeJitterMs } = config;
  return {
    count: bounded,
    limits: workerLimits(config),
    overlap: reloadOverlap === null ? Infinity : (parseOverlap(reloadOverlap, bounded) ?? Infinity),
    lifetimeMs: maxWorkerLifetimeMs,
    lifetimeJitterMs: maxWorkerLifetimeJitterMs,
  };
}

/** 0 is no limit, but for the graceful timeout, where it means at once. */
export function workerLimits(config: Config): WorkerLimits {
  const { bootTimeoutMs, gracefulTimeoutMs } = config;
  return {
    bootMs: bootTimeoutMs === 0 ? Infinity : bootTimeoutMs,
    drainMs: gracefulTimeoutMs,
    stopMs: gracefulTimeoutMs + END_MS,
    killMs: KILL_MS,
  };
}
