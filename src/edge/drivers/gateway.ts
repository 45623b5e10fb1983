/**
 * A connection of a web server that speaks uwsgi, SCGI or FastCGI (nginx's uwsgi_pass, Apache's mod_proxy_uwsgi, ...): what it says
 * becomes the head of an HTTP/1.0 request and its body, and the HTTP/1.1 driver does the rest, with all its limits and timeouts.
 */
import type { GatewayProtocol } from "../../config/bind.ts";
import { FastcgiReader } from "../../proto/gateway/fastcgi.ts";
import { GatewayError, type GatewayEvent, type GatewayReader } from "../../proto/gateway/events.ts";
import { gatewayRequest } from "../../proto/gateway/request.ts";
import { ScgiReader } from "../../proto/gateway/scgi.ts";
import { UwsgiReader } from "../../proto/gateway/uwsgi.ts";
import type { Variables } from "../../proto/gateway/variables.ts";
import type { ClientSocket } from "../client-socket.ts";
import type { ClientConnection, SocketEvents } from "../connection.ts";
import type { EdgeContext } from "../context.ts";
import { errorResponse } from "../error-response.ts";
import { peerName } from "../peer.ts";
import { FastcgiSocket, GatewaySocket, ScgiSocket } from "./gateway-socket.ts";
import { H1Connection } from "./h1.ts";

export class GatewayConnection implements SocketEvents {
  readonly #ctx: EdgeContext;
  readonly #socket: ClientSocket;
  readonly #unixPath: string;
  readonly #reader: GatewayReader;
  #inner: H1Connection;
  #facade: GatewaySocket;
  /** Bytes of the body that are still to come. */
  #left = 0;
  #gone = false;

  constructor(
    ctx: EdgeContext,
    socket: ClientSocket,
    { protocol, unixPath }: { protocol: GatewayProtocol; unixPath: string },
  ) {
    this.#ctx = ctx;
    this.#socket = socket;
    this.#unixPath = unixPath;
    this.#reader = makeReader(protocol);
    this.#facade = this.#makeFacade();
    this.#inner = new H1Connection(ctx, this.#facade, unixPath);
  }

  /** What the edge counts, sweeps and closes; another one for each request. */
  get member(): ClientConnection {
    return this.#inner;
  }

  data(chunk: Buffer): void {
    let events: readonly GatewayEvent[];
    try {
      events = this.#reader.feed(chunk);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      return this.#broken(error.message);
    }
    if (events.length === 0 && this.#reader.begun) this.#inner.headBegun();
    for (const event of events) {
      if (this.#gone) return;
      this.#take(event);
    }
  }

  drain(): void {
    if (this.#facade.drain()) this.#inner.drain();
  }

  ended(): void {
    this.#inner.ended();
  }

  closed(): void {
    this.#gone = true;
    this.#inner.closed();
  }

  #take(event: GatewayEvent): void {
    switch (event.t) {
      case "head":
        return this.#head(event.variables);
      case "body":
        this.#left -= event.data.length;
        return this.#inner.data(event.data);
      case "end":
        if (this.#left > 0) this.#inner.ended();
        return;
      case "reply":
        this.#facade.reply(event.data);
        return;
      case "abort":
        this.#gone = true;
        return this.#socket.terminate();
    }
  }

  #head(variables: Variables): void {
    const request = gatewayRequest(variables);
    if ("complaint" in request) {
      this.#refused(request.complaint);
      this.#facade.write(errorResponse("gateway-request-invalid", true, true));
      return this.#facade.shutdown();
    }
    this.#left = Number(variables.get("CONTENT_LENGTH"));
    this.#facade.peer = request.peer;
    this.#inner.data(request.head);
  }

  /** Nothing that follows can be understood. */
  #broken(why: string): void {
    this.#gone = true;
    this.#refused(why);
    this.#socket.terminate();
  }

  #refused(why: string): void {
    this.#ctx.onRefused("gateway-request-invalid", peerName(this.#socket), `(${why})`);
  }

  #makeFacade(): GatewaySocket {
    const reader = this.#reader;
    if (reader instanceof ScgiReader) return new ScgiSocket(this.#socket);
    if (!(reader instanceof FastcgiReader)) return new GatewaySocket(this.#socket);
    // Not at once: the driver is about to say goodbye, and has more to do than this.
    return new FastcgiSocket(this.#socket, reader, () => queueMicrotask(() => this.#renew()));
  }

  /** A response is out; the connection waits for the next request. */
  #renew(): void {
    if (this.#gone) return;
    if (this.#ctx.stopping) return this.#socket.end();
    const before = this.#inner;
    const facade = this.#makeFacade();
    this.#facade = facade;
    this.#inner = new H1Connection(this.#ctx, facade, this.#unixPath, true);
    before.closed();
  }
}

function makeReader(protocol: GatewayProtocol): GatewayReader {
  switch (protocol) {
    case "uwsgi":
      return new UwsgiReader();
    case "scgi":
      return new ScgiReader();
    case "fastcgi":
      return new FastcgiReader();
  }
}
