/**
 * A listening socket that speaks TLS. The runtime binds a listener to its certificates for good, so new ones mean a new listener: it is
 * opened on a duplicate of the descriptor before the old one stops, and clients that wait in the kernel's queue meet either. Connections
 * that are there keep what they have agreed on.
 */
import { closeSync } from "node:fs";
import { duplicate, listenOn } from "../net/libc.ts";
import type { TlsStore } from "../net/tls-store.ts";
import type { ClientSocket } from "./client-socket.ts";
import type { ClientConnection } from "./connection.ts";
import type { EdgeContext } from "./context.ts";
import { openConnection } from "./drivers/open.ts";
import type { HandshakeGate } from "./handshake-gate.ts";
import { type TlsCounts, TlsHandshake, type TlsPort } from "./tls-handshake.ts";
import { type ClientCertificate, type RuntimeTlsSocket, TlsSocket } from "./tls-socket.ts";

export interface TlsOwner {
  readonly ctx: EdgeContext;
  readonly counts: TlsCounts;
  readonly store: TlsStore;
  readonly gate: HandshakeGate;
  /** A connection has been accepted and counted: makes room where there are too many. */
  admit(newcomer: ClientConnection): void;
  log(level: "debug", text: string): void;
}

/** What the runtime takes and its types leave out. */
interface Handlers extends Bun.SocketHandler<ClientConnection> {
  serverName?(data: unknown, serverName: string): object | undefined;
}

/** What becomes of connections whose handshakes begin. */
export class TlsServer implements TlsPort {
  readonly ctx: EdgeContext;
  readonly counts: TlsCounts;
  /** Who is at the ends, where it is not what the sockets say. */
  readonly ends: ClientSocket | null;
  protected readonly owner: TlsOwner;

  constructor(owner: TlsOwner, ends: ClientSocket | null = null) {
    this.owner = owner;
    this.ctx = owner.ctx;
    this.counts = owner.counts;
    this.ends = ends;
  }

  get certReqs(): "none" | "optional" | "required" {
    return this.owner.store.settings.certReqs;
  }

  // TlsPort

  up(socket: RuntimeTlsSocket, client: ClientCertificate): ClientConnection {
    const { store } = this.owner;
    const secured = new TlsSocket(socket, client, (name) => store.leafPath(name), this.ends);
    const alpn = typeof socket.alpnProtocol === "string" ? socket.alpnProtocol : null;
    const connection = openConnection(this.ctx, secured, "", alpn);
    if (this.ctx.stopping) connection.shutdown(false);
    return connection;
  }

  left(handshake: TlsHandshake): void {
    this.owner.gate.leave(handshake);
  }

  failed(client: string, why: string): void {
    this.owner.log("debug", `TLS handshake with ${client} failed: ${why}`);
  }

  /** `select`: the certificates for a name, where there are several. */
  protected handlers(select: TlsStore["context"]["select"]): Handlers {
    const handlers = this.#handlers();
    if (select !== null) handlers.serverName = (_, name) => select(name);
    return handlers;
  }

  #handlers(): Handlers {
    return {
      open: (socket) => {
        const handshake = new TlsHandshake(this, socket);
        socket.data = handshake;
        this.owner.gate.enter(handshake);
        this.owner.admit(handshake);
      },
      handshake(socket, success, error) {
        const next = (socket.data as TlsHandshake).finished(success, error);
        if (next !== null) socket.data = next;
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
        // A reset, or a record that does not decrypt: the close that follows says it all.
      },
    };
  }
}

export class TlsListener extends TlsServer {
  readonly fd: number;
  #listener: { stop(): void } | null = null;

  constructor(owner: TlsOwner, fd: number) {
    super(owner);
    this.fd = fd;
    this.renew();
  }

  /** New handshakes use the certificates that the store has now. */
  renew(): void {
    const old = this.#listener;
    const { options: tls, select } = this.owner.store.context;
    const socket = this.handlers(select);
    const fd = duplicate(this.fd);
    const options = { fd, allowHalfOpen: true, tls, socket };
    // The types want a hostname and a port as well; a descriptor stands for both.
    this.#listener = Bun.listen<ClientConnection>(
      options as unknown as Bun.TCPSocketListenOptions<ClientConnection>,
    );
    // The runtime has called listen() with a number of its own.
    listenOn(this.fd, this.ctx.settings.backlog);
    old?.stop();
  }

  stop(): void {
    this.#listener?.stop();
    this.#listener = null;
    closeSync(this.fd);
  }
}
