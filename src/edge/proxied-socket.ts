/** The socket that drivers see of a connection whose ends a PROXY header has named. */
import type { ProxyEnds } from "../proto/proxy-protocol.ts";
import type { ClientSocket } from "./client-socket.ts";
import { SocketFacade } from "./socket-facade.ts";

export class ProxiedSocket extends SocketFacade implements ClientSocket {
  readonly fd?: number;
  readonly announced = true;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;

  constructor(socket: ClientSocket, ends: ProxyEnds) {
    super(socket);
    if (socket.fd !== undefined) this.fd = socket.fd;
    this.remoteAddress = ends.sourceAddress;
    this.remotePort = ends.sourcePort;
    this.localAddress = ends.targetAddress;
    this.localPort = ends.targetPort;
  }

  get data(): unknown {
    return this.inner.data;
  }

  set data(receiver: unknown) {
    this.inner.data = receiver;
  }
}
