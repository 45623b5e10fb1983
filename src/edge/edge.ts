/**
 * An edge process: listens for clients on inherited descriptors and for workers on its unix socket, and keeps the two together. The
 * supervisor drives it by messages (docs/architecture.md, "Supervisor and edge").
 */
import { monotonic } from "../core/clock.ts";
import { ERRORS, type ErrorCode } from "../core/errors.ts";
import type { GatewayProtocol } from "../config/bind.ts";
import type { Backend } from "../exchange/exchange.ts";
import { listenOn } from "../net/libc.ts";
import type { TlsStore } from "../net/tls-store.ts";
import type { AccessLog } from "../observe/access-log.ts";
import { Repeats, timesText } from "../observe/repeats.ts";
import type { ClientSocket } from "./client-socket.ts";
import { Collector } from "./collector.ts";
import type { ClientConnection, ClientMember, SocketEvents } from "./connection.ts";
import type { EdgeContext, EdgeCounts, EdgeSettings } from "./context.ts";
import { GatewayConnection } from "./drivers/gateway.ts";
import { H3Server } from "./drivers/h3-server.ts";
import { openConnection } from "./drivers/open.ts";
import { ProxyConnection } from "./drivers/proxy.ts";
import { RedirectConnection } from "./drivers/redirect.ts";
import { FileGate } from "./file-gate.ts";
import { HandshakeGate } from "./handshake-gate.ts";
import type { Health } from "./health.ts";
import { type Door, Leave, type StopOptions } from "./leave.ts";
import { Sweeper } from "./sweeper.ts";
import type { TlsCounts } from "./tls-handshake.ts";
import { TlsListener, type TlsOwner } from "./tls-listener.ts";
import { upgradeToTls } from "./tls-upgrade.ts";

export interface ListenerSpec {
  fd: number;
  kind: "tcp" | "unix";
  address: string;
  protocol: "http" | GatewayProtocol;
  /** The port of HTTPS that clients of this socket are sent to; null: it serves. */
  redirectTo: number | null;
}

export interface EdgeOptions {
  settings: EdgeSettings;
  backend: Backend;
  accessLog: AccessLog | null;
  /** The certificates of TCP listeners; null: they are plain. */
  tls: TlsStore | null;
  /** Called each tick; true: go on ticking without connections. */
  onTick(now: number): boolean;
  readonly log: (level: "debug" | "info" | "warning", message: string) => void;
}

/** When there are too many connections, so many idle ones are closed at once. */
const IDLE_CLOSED_AT_ONCE = 32;
/** Connections that only wait for the client's FIN do not count, up to so many: descriptors are reserved for them. */
const LEAVING_MAX = 32;
/** Peers that are named in the log because their forwarding headers are left out. */
const UNTRUSTED_NAMED_MAX = 8;
/** Requests refused or cut for the same reason that are each told; further ones are counted (and told at `debug`). */
const TOLD_EACH_MAX = 20;

export class Edge implements EdgeContext {
  /** May be replaced at any time; limits of the engine count for new connections. */
  settings: EdgeSettings;
  /** May be replaced at any time, as the settings. */
  health: Health | null = null;
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
  readonly tlsCounts: TlsCounts = { handshakes: 0, resumed: 0, failed: 0, timedOut: 0 };
  readonly files: FileGate;
  stopping = false;
  socketsStay = false;
  readonly #log: EdgeOptions["log"];
  readonly #collector = new Collector();
  readonly #tls: TlsStore | null;
  readonly #gate = new HandshakeGate();
  readonly #untrusted = new Set<string>();
  readonly #repeats = new Repeats();
  #listeners: Door[] = [];
  #tlsListeners: TlsListener[] = [];
  #h3Servers: H3Server[] = [];
  #leave: Leave | null = null;

  constructor(options: EdgeOptions) {
    this.settings = options.settings;
    this.backend = options.backend;
    this.accessLog = options.accessLog;
    this.#log = options.log;
    this.#tls = options.tls;
    const s = options.settings;
    const timeouts = [
      s.keepAliveMs,
      s.headerTimeoutMs,
      s.bodyIdleTimeoutMs,
      s.sendTimeoutMs,
      s.timeoutMs,
      s.wsPingIntervalMs,
      s.wsPingTimeoutMs,
    ];
    const shortest = Math.min(...timeouts.map((ms) => (ms === 0 ? Infinity : ms)));
    this.sweeper = new Sweeper(monotonic, shortest, (now) => {
      if (this.files.waiting > 0) this.#closeIdle();
      const { connections, requests } = this.counts;
      const garbage = this.#collector.tick(now, connections, requests);
      return options.onTick(now) || garbage;
    });
    this.files = new FileGate(
      () => this.counts.connections + this.files.open < this.settings.descriptorsMax,
    );
  }

  /** Begins to accept on an inherited listening socket. Unix sockets are plain: a proxy of this machine speaks on them. */
  listen(spec: ListenerSpec): void {
    const { redirectTo, kind, protocol, fd } = spec;
    const unixPath = kind === "unix" ? spec.address : "";
    if (protocol !== "http") {
      this.#listen(fd, (socket) => this.#acceptGateway(socket, protocol, unixPath));
      return;
    }
    if (redirectTo === null && this.#tls !== null && kind === "tcp") {
      this.#listenTls(fd, this.#tlsOwner(this.#tls));
      return;
    }
    const open = (socket: ClientSocket): ClientConnection =>
      redirectTo === null
        ? openConnection(this, socket, unixPath, null)
        : new RedirectConnection(this, socket, redirectTo);
    if (this.settings.proxyProtocol === "off") {
      this.#listen(fd, (socket) => this.#admit(open(socket)));
      return;
    }
    this.#listenBehindProxy(fd, unixPath, (raw, socket, rest) => {
      const next = open(socket);
      raw.data = next;
      if (this.stopping) next.shutdown(false);
      if (rest.length > 0) next.data(rest);
    });
  }

  #listenTls(fd: number, owner: TlsOwner): void {
    if (this.settings.proxyProtocol === "off") this.#tlsListeners.push(new TlsListener(owner, fd));
    else {
      this.#listenBehindProxy(fd, "", (raw, socket, rest) => {
        upgradeToTls(owner, raw, socket, rest);
      });
    }
  }

  /** `takeover` gets the runtime's socket, what is known of its ends, and what has come behind the header. */
  #listenBehindProxy(
    fd: number,
    unixPath: string,
    takeover: (raw: ClientSocket, socket: ClientSocket, rest: Buffer) => void,
  ): void {
    const versions = this.settings.proxyProtocol;
    if (versions === "off") return;
    this.#listen(fd, (raw) => {
      const newcomer = new ProxyConnection(this, raw, versions, (socket, rest) => {
        takeover(raw, socket, rest);
      });
      newcomer.judge(unixPath !== "");
      return this.#admit(newcomer);
    });
  }

  #acceptGateway(socket: ClientSocket, protocol: GatewayProtocol, unixPath: string): SocketEvents {
    const connection = new GatewayConnection(this, socket, { protocol, unixPath });
    this.#admit(connection.member);
    return connection;
  }

  /** Takes on a plain connection. */
  accept(socket: ClientSocket, unixPath: string): ClientConnection {
    return this.#admit(openConnection(this, socket, unixPath, null));
  }

  /** Serves HTTP/3 at the UDP port of this address. Null, or why it cannot. */
  async listenQuic(address: string): Promise<string | null> {
    if (this.#tls === null) return "there is no certificate";
    const server = new H3Server(this.#tlsOwner(this.#tls));
    const failed = await server.open(address);
    if (failed !== null) return failed;
    this.#h3Servers.push(server);
    if (this.stopping) server.stop();
    return null;
  }

  /** New handshakes use the certificates that the store has now. */
  renewCertificates(): void {
    for (const listener of [...this.#tlsListeners, ...this.#h3Servers]) listener.renew();
  }

  #listen(fd: number, open: (socket: ClientSocket) => SocketEvents): void {
    const options = { fd, allowHalfOpen: true, socket: clientHandlers(open) };
    // The types want a hostname and a port as well; a descriptor stands for both.
    const listener = Bun.listen<SocketEvents>(
      options as unknown as Bun.TCPSocketListenOptions<SocketEvents>,
    );
    // The runtime has called listen() with a number of its own.
    listenOn(fd, this.settings.backlog);
    this.#listeners.push({ fd, stop: () => listener.stop() });
  }

  #tlsOwner(store: TlsStore): TlsOwner {
    return {
      ctx: this,
      store,
      counts: this.tlsCounts,
      gate: this.#gate,
      admit: (newcomer) => this.#admit(newcomer),
      log: this.#log,
    };
  }

  /** A connection has been accepted and has counted itself in. */
  #admit<Member extends ClientMember>(newcomer: Member): Member {
    if (this.#full(this.counts.connections)) this.#relieve(newcomer);
    else if (this.stopping) newcomer.shutdown(false);
    return newcomer;
  }

  /**
   * Accepts what waits in the kernel and no more, closes each connection when nothing is under way on it, and calls `done` after the last.
   * Those still open at `deadlineMs` are cut.
   */
  stop(options: StopOptions, done: () => void): void {
    this.socketsStay = options.successor;
    for (const server of this.#h3Servers) server.stop();
    const doors = [...this.#listeners, ...this.#tlsListeners];
    this.#listeners = [];
    this.#tlsListeners = [];
    this.#leave = new Leave({
      ...options,
      doors,
      members: () => this.#connections(),
      count: () => this.counts.connections,
      tellAll: () => this.#tellAll(),
      endSockets: () => this.#endSockets(),
      done: () => {
        this.#leave = null;
        done();
      },
    });
    this.#leave.begin();
  }

  #tellAll(): void {
    this.stopping = true;
    for (const member of this.#connections()) member.shutdown(false);
  }

  #endSockets(): void {
    this.socketsStay = false;
    this.#tellAll();
  }

  onClosed(): void {
    if (this.files.waiting > 0) this.files.admit();
    this.#leave?.closed();
  }

  onRefused(code: ErrorCode, client: string, request: string): void {
    const refused = this.counts.refused;
    refused[code] = (refused[code] ?? 0) + 1;
    const what = request === "" ? "" : ` ${request}`;
    const level = ERRORS[code].status >= 500 ? "warning" : "info";
    const { status, text } = ERRORS[code];
    this.#tell(level, `refused [${code}]`, `${status} ${client}${what}: ${text}`);
  }

  onUntrusted(peer: string): void {
    const named = this.#untrusted;
    if (named.size >= UNTRUSTED_NAMED_MAX || named.has(peer)) return;
    named.add(peer);
    const from = peer === "" ? "a unix socket" : peer;
    this.#log("info", `forwarding headers of ${from} are left out: not in forwarded-allow-ips`);
  }

  onCut(what: string, client: string, request: string): void {
    this.#tell("warning", "cut", `${client} ${request}: ${what}`);
  }

  /** Of what happens over and over, the first ones are told, then only how often. */
  #tell(level: "info" | "warning", what: string, which: string): void {
    const saying = this.#repeats.hear(what, monotonic.now(), TOLD_EACH_MAX);
    const line = `${what} ${which}`;
    if (saying === "full") return this.#log(level, line);
    this.#log("debug", line);
    if (saying !== "nothing") this.#log(level, `${what} ${timesText(saying)}, the last: ${which}`);
  }

  /** Makes room: idle connections go first; when there are none, the newcomer does. */
  #relieve(newcomer: ClientMember): void {
    if (this.#closeIdle() > 0) return;
    const leaving = this.#connections().filter((member) => member.leaving).length;
    if (!this.#full(this.counts.connections - Math.min(leaving, LEAVING_MAX))) return;
    newcomer.turnAway();
    // It may only linger where a descriptor is left: without one, accept() would fail and the runtime would try it without end.
    if (leaving >= LEAVING_MAX) newcomer.makeRoom();
  }

  #closeIdle(): number {
    let closed = 0;
    for (const member of this.#connections()) {
      if (closed === IDLE_CLOSED_AT_ONCE) break;
      if (!member.idle) continue;
      member.makeRoom();
      closed += 1;
    }
    return closed;
  }

  /** Whether so many connections are too many. */
  #full(connections: number): boolean {
    const { connectionsMax, descriptorsMax } = this.settings;
    return connections > connectionsMax || connections + this.files.open > descriptorsMax;
  }

  #connections(): ClientMember[] {
    return [...this.sweeper.members()] as ClientMember[];
  }
}

function clientHandlers(
  open: (socket: ClientSocket) => SocketEvents,
): Bun.SocketHandler<SocketEvents> {
  return {
    open(socket) {
      socket.data = open(socket);
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
