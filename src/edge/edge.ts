/**
 * An edge process: listens for clients on inherited descriptors and for workers on its unix socket, and keeps the two together. The
 * supervisor drives it by messages (docs/architecture.md, "Supervisor and edge").
 */
import { monotonic } from "../core/clock.ts";
import { ERRORS, type ErrorCode } from "../core/errors.ts";
import type { Backend } from "../exchange/exchange.ts";
import type { AccessLog } from "../observe/access-log.ts";
import type { ClientSocket } from "./client-socket.ts";
import type { EdgeContext, EdgeCounts, EdgeSettings } from "./context.ts";
import { H1Connection } from "./drivers/h1.ts";
import { FileGate } from "./file-gate.ts";
import { Sweeper } from "./sweeper.ts";

export interface ListenerSpec {
  fd: number;
  kind: "tcp" | "unix";
  address: string;
}

export interface EdgeOptions {
  settings: EdgeSettings;
  backend: Backend;
  accessLog: AccessLog | null;
  /** Called each tick; true: go on ticking without connections. */
  onTick(now: number): boolean;
  readonly log: (level: "debug" | "info" | "warning", message: string) => void;
}

/** When there are too many connections, so many idle ones are closed at once. */
const IDLE_CLOSED_AT_ONCE = 32;
/** Connections that only wait for the client's FIN do not count, up to so many: descriptors are reserved for them. */
const LEAVING_MAX = 32;

export class Edge implements EdgeContext {
  /** May be replaced at any time; limits of the engine count for new connections. */
  settings: EdgeSettings;
  readonly backend: Backend;
  readonly sweeper: Sweeper;
  readonly accessLog: AccessLog | null;
  readonly counts: EdgeCounts = {
    connections: 0,
    accepted: 0,
    requests: 0,
    bytesIn: 0,
    bytesOut: 0,
    headersDropped: 0,
    aborted: 0,
    refused: {},
  };
  readonly files: FileGate;
  stopping = false;
  readonly #log: EdgeOptions["log"];
  #listeners: { stop(closeActive?: boolean): void }[] = [];
  #whenClosed: (() => void) | null = null;

  constructor(options: EdgeOptions) {
    this.settings = options.settings;
    this.backend = options.backend;
    this.accessLog = options.accessLog;
    this.#log = options.log;
    const s = options.settings;
    const timeouts = [
      s.keepAliveMs,
      s.headerTimeoutMs,
      s.bodyIdleTimeoutMs,
      s.sendTimeoutMs,
      s.timeoutMs,
    ];
    const shortest = Math.min(...timeouts.map((ms) => (ms === 0 ? Infinity : ms)));
    this.sweeper = new Sweeper(monotonic, shortest, (now) => {
      if (this.files.waiting > 0) this.#closeIdle();
      return options.onTick(now);
    });
    this.files = new FileGate(
      () => this.counts.connections + this.files.open < this.settings.descriptorsMax,
    );
  }

  /** Begins to accept on an inherited listening socket. */
  listen(spec: ListenerSpec): void {
    const options = {
      fd: spec.fd,
      allowHalfOpen: true,
      socket: clientHandlers(this, spec.kind === "unix" ? spec.address : ""),
    };
    // The types want a hostname and a port as well; a descriptor stands for both.
    this.#listeners.push(
      Bun.listen<H1Connection>(options as unknown as Bun.TCPSocketListenOptions<H1Connection>),
    );
  }

  accept(socket: ClientSocket, unixPath: string): H1Connection {
    const connection = new H1Connection(this, socket, unixPath);
    if (this.#full(this.counts.connections)) this.#relieve(connection);
    return connection;
  }

  /** Stops accepting; calls `done` when the last connection is closed. Those still open at `deadlineMs` are cut. */
  stop(deadlineMs: number, done: () => void): void {
    this.stopping = true;
    for (const listener of this.#listeners) listener.stop();
    this.#listeners = [];
    this.#whenClosed = done;
    for (const member of this.#connections()) member.shutdown();
    if (this.counts.connections === 0) return done();
    setTimeout(() => {
      for (const member of this.#connections()) member.kill();
    }, deadlineMs);
  }

  onClosed(): void {
    if (this.files.waiting > 0) this.files.admit();
    if (this.#whenClosed !== null && this.counts.connections === 0) this.#whenClosed();
  }

  onRefused(code: ErrorCode, client: string, request: string): void {
    const refused = this.counts.refused;
    refused[code] = (refused[code] ?? 0) + 1;
    const what = request === "" ? "" : ` ${request}`;
    const level = ERRORS[code].status >= 500 ? "warning" : "info";
    this.#log(
      level,
      `refused [${code}] ${ERRORS[code].status} ${client}${what}: ${ERRORS[code].text}`,
    );
  }

  onCut(what: string, client: string, request: string): void {
    this.#log("warning", `cut ${client} ${request}: ${what}`);
  }

  /** Makes room: idle connections go first; when there are none, the newcomer does. */
  #relieve(newcomer: H1Connection): void {
    if (this.#closeIdle() > 0) return;
    const leaving = this.#connections().filter((member) => member.leaving).length;
    if (!this.#full(this.counts.connections - Math.min(leaving, LEAVING_MAX))) return;
    newcomer.turnAway();
    // It may only linger where a descriptor is left: without one, accept() would fail and the runtime would try it without end.
    if (leaving >= LEAVING_MAX) newcomer.makeRoom();
  }

  #closeIdle(): number {
    const idle = this.#connections().filter((member) => member.idle);
    for (const member of idle.slice(0, IDLE_CLOSED_AT_ONCE)) member.makeRoom();
    return idle.length;
  }

  /** Whether so many connections are too many. */
  #full(connections: number): boolean {
    const { connectionsMax, descriptorsMax } = this.settings;
    return connections > connectionsMax || connections + this.files.open > descriptorsMax;
  }

  #connections(): H1Connection[] {
    return [...this.sweeper.members()] as H1Connection[];
  }
}

function clientHandlers(edge: Edge, unixPath: string): Bun.SocketHandler<H1Connection> {
  return {
    open(socket) {
      socket.data = edge.accept(socket, unixPath);
    },
    data(socket, chunk) {
      socket.data.data(chunk);
    },
    drain(socket) {
      socket.data.drain();
    },
    end(socket) {
      socket.data.ended();
    },
    close(socket) {
      socket.data?.closed();
    },
    error() {
      // A reset: the close that follows says it all.
    },
  };
}
