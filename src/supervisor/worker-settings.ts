/**
 * What the configuration means for workers: how long things may take, and what Python is told, the
 * JSON of KEELBACK_ZYGOTE (docs/architecture.md; python/keelback/settings.py). Pure.
 */
import type { Config } from "../config/config.ts";
import type { WorkerLimits } from "./lifecycle.ts";

/** After the graceful timeout: for lifespan shutdown, which comes last. */
export const SHUTDOWN_MS = 2000;
/** From SIGABRT to SIGKILL: a traceback is written in milliseconds. */
export const KILL_MS = 1000;

export interface WorkerSettingsInput {
  readonly config: Config;
  readonly app: string;
  readonly directory: string;
  readonly generation: number;
}

export function workerSettings(input: WorkerSettingsInput): string {
  const { config, app, directory, generation } = input;
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
    timeoutMs: config.timeoutMs,
    interruptMs: config.interruptMs,
    gracefulMs: config.gracefulTimeoutMs,
    concurrency: config.concurrency,
    loop: config.loop,
    logLevel: config.logLevel,
    reload: config.reload,
  });
}

/** 0 is no limit, but for the graceful timeout, where it means at once. */
export function workerLimits(config: Config): WorkerLimits {
  const { bootTimeoutMs, gracefulTimeoutMs } = config;
  return {
    bootMs: bootTimeoutMs === 0 ? Infinity : bootTimeoutMs,
    drainMs: gracefulTimeoutMs,
    stopMs: gracefulTimeoutMs + SHUTDOWN_MS,
    killMs: KILL_MS,
  };
}
