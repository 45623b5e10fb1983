/** Composes an edge process: the supervisor's messages, the pool of workers, the clients. */
import { dirname } from "node:path";
import { monotonic } from "../core/clock.ts";
import type { Config } from "../config/config.ts";
import { WorkerPool } from "../dispatch/pool.ts";
import type { SharedMemory } from "../dispatch/ring.ts";
import type { StuckRequest } from "../dispatch/watchdog.ts";
import { WorkerLink } from "../dispatch/worker-link.ts";
import {
  openWorkerPort,
  type WorkerPortOwner,
  type WorkerSocket,
} from "../dispatch/worker-port.ts";
import { alpnProtocols } from "../edge/drivers/open.ts";
import { Edge } from "../edge/edge.ts";
import { Health } from "../edge/health.ts";
import { socketsMs, type StopOptions } from "../edge/leave.ts";
import { isAwaited } from "../net/backlog.ts";
import { dropCode } from "../net/footprint.ts";
import { dieWithSupervisor } from "../net/lifeline.ts";
import { openLogFile, setProcessName } from "../net/this-process.ts";
import { TlsStore } from "../net/tls-store.ts";
import { AccessLog } from "../observe/access-log.ts";
import { LineSink } from "../observe/line-sink.ts";
import { createLogger, errorText, type Logger, type LogLevel } from "../observe/log.ts";
import { type EdgeConfig, edgeSettings, poolOptions, requestsMax } from "./edge-settings.ts";

/** For a UDP port that is still in use: longer than any graceful timeout that people choose. */
const QUIC_RETRY_MS = 200;
const QUIC_TRIES_MAX = 3000;
/** How long a stop waits for a first worker when clients do. */
const FIRST_WORKER_MS = 2000;
/** How long the access log may take at the end, milliseconds. */
const LAST_LINES_MS = 1000;
/** How often it looks for workers that are still busy with what was given up, milliseconds. */
const STRAGGLERS_MS = 50;

type ToEdge =
  | ({ t: "config" } & EdgeConfig)
  | { t: "drain-worker"; worker: number; deadlineMs?: number }
  | { t: "worker-gone"; worker: number }
  | { t: "no-workers"; reason: string }
  | { t: "reopen-logs" }
  | { t: "stats" }
  | { t: "ping" }
  | { t: "ready"; ready: boolean }
  | { t: "log-level"; logLevel: LogLevel }
  | ({ t: "stop" } & StopOptions);

interface LinkEntry {
  link: WorkerLink;
  socket: WorkerSocket;
  /** The request after which the worker is to be replaced; Infinity: it is not, or that has been said. */
  requestsMax: number;
  /** Of the jitter, in [0, 1). */
  readonly share: number;
  /** It has been said that it is to be replaced. */
  worn: boolean;
}

class EdgeProcess implements WorkerPortOwner<LinkEntry> {
  #message: EdgeConfig;
  readonly #log: Logger;
  readonly #pool: WorkerPool;
  readonly #edge: Edge;
  readonly #tls: TlsStore | null;
  readonly #entries = new Set<LinkEntry>();
  readonly #exit: (code: number) => never;
  #listening = false;
  #whenListening: (() => void) | null = null;
  #stopping = false;
  /** False: the server is about to stop, or is drained. Balancers are to send their clients elsewhere. */
  #ready = true;

  constructor(message: EdgeConfig, exit: (code: number) => never) {
    this.#message = message;
    this.#exit = exit;
    const config = message.config;
    this.#log = createLogger(config.logLevel, config.logFormat, `edge-${message.index}`);
    this.#pool = new WorkerPool(
      poolOptions(config),
      {
        onLate: (link) => send({ t: "recycle", worker: link.facts.worker, why: "late" }),
        onStuck: (link, what) => this.#stuck(link, what),
        onDrained: (link) => send({ t: "drained", worker: link.facts.worker }),
        onProtocolError: (link, what) => this.#protocolError(link, what),
      },
      monotonic.now,
    );
    this.#tls = config.certfile.length === 0 ? null : this.#openTls(message);
    this.#edge = new Edge({
      tls: this.#tls,
      settings: edgeSettings(message),
      backend: this.#pool,
      accessLog: openAccessLog(config, this.#log),
      onTick: (now) => this.#pool.tick(now),
      log: (level, text) => this.#log[level](text),
    });
    this.#edge.health = this.#health(config);
    openWorkerPort(message.socketPath, this);
    send({ t: "listening" });
  }

  receive(message: ToEdge): void {
    switch (message.t) {
      case "drain-worker":
        for (const { link } of this.#of(message.worker)) this.#drain(link, message.deadlineMs);
        break;
      case "worker-gone":
        for (const entry of this.#of(message.worker)) entry.socket.terminate();
        break;
      case "no-workers":
        this.#listen();
        this.#pool.giveUp();
        break;
      case "reopen-logs":
        this.#edge.accessLog?.sink.reopen();
        this.#reopenLog();
        break;
      case "stats":
        send({ t: "stats", ...this.#stats() });
        break;
      case "ping":
        send({ t: "pong" });
        break;
      case "stop":
        this.#stop(message);
        break;
      case "ready":
        this.#ready = message.ready;
        break;
      case "log-level":
        this.#log.setLevel(message.logLevel);
        break;
      case "config":
        // After a reload: what may change while it runs.
        this.#message = message;
        for (const entry of this.#entries) this.#limit(entry);
        this.#edge.settings = edgeSettings(message);
        this.#edge.health = this.#health(message.config);
        this.#pool.options = poolOptions(message.config);
        this.#tls?.reload(message.config);
        break;
    }
  }

  // WorkerPortOwner

  connected(facts: WorkerLink["facts"], shared: SharedMemory, socket: WorkerSocket): LinkEntry {
    const link = new WorkerLink(this.#pool, socket, facts, shared, monotonic.now());
    const entry = { link, socket, requestsMax: 0, share: Math.random(), worn: false };
    this.#limit(entry);
    this.#entries.add(entry);
    this.#pool.add(link);
    this.#listen();
    send({ t: "link-up", worker: facts.worker });
    return entry;
  }

  received(entry: LinkEntry, chunk: Buffer): void {
    this.#pool.received(entry.link, chunk);
    if (entry.link.depth.sent < entry.requestsMax) return;
    entry.worn = true;
    this.#limit(entry);
    send({ t: "recycle", worker: entry.link.facts.worker, why: "requests" });
  }

  #limit(entry: LinkEntry): void {
    const { config } = this.#message;
    entry.requestsMax = entry.worn ? Infinity : requestsMax(config, entry.share);
  }

  drained(entry: LinkEntry): void {
    entry.link.flush();
    this.#pool.pump();
  }

  closed(entry: LinkEntry): void {
    this.#entries.delete(entry);
    this.#pool.remove(entry.link);
    send({ t: "link-down", worker: entry.link.facts.worker });
  }

  refused(why: string): void {
    this.#log.error(`a worker was refused: ${why}`);
  }

  /** The first edge speaks for all. */
  #openTls({ config, index, socketPath }: EdgeConfig): TlsStore {
    try {
      return new TlsStore({
        settings: config,
        alpn: alpnProtocols(config.http2),
        directory: dirname(socketPath),
        log: (level, text) => {
          if (index === 0) this.#log[level](text);
        },
        replaced: () => this.#edge.renewCertificates(),
      });
    } catch (error) {
      // They were good when the supervisor looked: the next edge may find them so again.
      this.#log.error(`no TLS: ${errorText(error)}`);
      return this.#exit(1);
    }
  }

  /** Clients are accepted from the first worker on: before, they wait in the kernel. */
  #listen(): void {
    if (this.#listening || this.#stopping) return;
    this.#listening = true;
    for (const listener of this.#message.listeners) this.#edge.listen(listener);
    if (this.#message.config.http3 && this.#message.index === 0) void this.#listenQuic();
    dropCode();
    this.#whenListening?.();
  }

  /** By the first edge alone: the packets of one client must all come to one process. */
  async #listenQuic(): Promise<void> {
    for (const { kind, address, protocol, redirectTo } of this.#message.listeners) {
      if (kind !== "tcp" || protocol !== "http" || redirectTo !== null) continue;
      let failed = await this.#edge.listenQuic(address);
      // A server that this one succeeds has the port until its last client has gone.
      for (let tries = 0; failed !== null && tries < QUIC_TRIES_MAX; tries++) {
        if (tries === 0) this.#log.info(`HTTP/3 on ${address} (UDP) waits: ${failed}`);
        await Bun.sleep(QUIC_RETRY_MS);
        if (this.#stopping) return;
        failed = await this.#edge.listenQuic(address);
      }
      if (failed !== null) this.#log.error(`no HTTP/3 on ${address} (UDP): ${failed}`);
    }
  }

  #of(worker: number): LinkEntry[] {
    return [...this.#entries].filter((entry) => entry.link.facts.worker === worker);
  }

  /** The WebSockets of a worker that is replaced stay until they close, or its time is nearly over. */
  #drain(link: WorkerLink, deadlineMs: number | undefined): void {
    this.#pool.drain(link);
    if (deadlineMs === undefined) return;
    setTimeout(() => this.#pool.closeSockets(link), socketsMs(deadlineMs));
  }

  #stuck(link: WorkerLink, what: StuckRequest): void {
    send({ t: "stuck", worker: link.facts.worker, ...what });
  }

  #protocolError(link: WorkerLink, what: string): void {
    this.#log.error(`worker-${link.facts.worker} broke the protocol: ${what}; its link is closed`);
    for (const entry of this.#entries) if (entry.link === link) entry.socket.terminate();
  }

  #stats(): object {
    return {
      ...this.#edge.counts,
      dispatch: this.#pool.counts,
      queue: this.#pool.queueSize,
      oldestMs: this.#pool.oldestMs,
      tls: this.#edge.tlsCounts,
      certificates: this.#tls?.identities.map(({ file, names, notAfter }) => {
        return { file, names, expiresAt: notAfter };
      }),
      workers: this.#pool.links.map((link) => ({
        worker: link.facts.worker,
        open: link.open,
        running: link.running,
        waiting: link.depth.waiting,
        depth: link.depth.limit,
      })),
    };
  }

  /** stderr is this process's own descriptor of the log file. */
  #reopenLog(): void {
    try {
      openLogFile(this.#message.config);
    } catch (error) {
      this.#log.error(`log-file: it stays as it is: ${errorText(error)}`);
    }
  }

  /** A worker that does not end what was given up is watched to its end, or until the supervisor's patience is over. */
  async #leave(sink: LineSink | undefined): Promise<never> {
    while (this.#pool.hasStragglers) await Bun.sleep(STRAGGLERS_MS);
    await Promise.race([sink?.flush(), Bun.sleep(LAST_LINES_MS)]);
    send({ t: "stopped" });
    return this.#exit(0);
  }

  #health(config: Config): Health | null {
    return Health.of(config, () => {
      if (!this.#ready) return "draining";
      return this.#pool.links.some(({ draining }) => !draining) ? null : "no worker is ready";
    });
  }

  /** Clients that wait for the first worker get a moment more: it is on its way, perhaps. */
  #stop(options: StopOptions): void {
    if (this.#stopping) return;
    const awaited = this.#message.listeners.some(({ fd }) => isAwaited(fd));
    if (this.#listening || !awaited || this.#whenListening !== null) return this.#leaveBy(options);
    this.#whenListening = () => this.#leaveBy(options);
    setTimeout(this.#whenListening, Math.min(FIRST_WORKER_MS, options.deadlineMs / 2));
  }

  #leaveBy(options: StopOptions): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#edge.stop(options, () => {
      const sink = this.#edge.accessLog?.sink;
      void this.#leave(sink);
    });
  }
}

/** Runs this process as an edge until the supervisor stops it. */
export function runEdge(exit: (code: number) => never): void {
  let edge: EdgeProcess | null = null;
  // The terminal's Ctrl-C goes to the whole group; the supervisor decides what it means.
  for (const signal of ["SIGINT", "SIGHUP", "SIGTERM", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const) {
    process.on(signal, () => {});
  }
  process.on("message", (message: ToEdge) => {
    if (edge !== null) return edge.receive(message);
    if (message.t !== "config") return;
    setProcessName(`keelback:edge-${message.index}`);
    dieWithSupervisor(message.lifelinePath, () => exit(1));
    edge = new EdgeProcess(message, exit);
  });
}

function send(message: object): void {
  if (process.connected) process.send?.(message);
}

function openAccessLog(config: Config, log: Logger): AccessLog | null {
  if (config.accessLog === null) return null;
  const target = config.accessLog === "-" ? 1 : config.accessLog;
  const sink = new LineSink(target, (message) => log.error(`access log: ${message}`));
  return new AccessLog(config.accessLogFormat, sink);
}
