/** The socket that drivers see of a connection whose ends a PROXY header has named. */
import type { ProxyEnds } from "../proto/proxy-protocol.ts";
import type { ClientSocket } from "./client-socket.ts";

export class ProxiedSocket implements ClientSocket {
  readonly fd?: number;
  readonly announced = true;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly #socket: ClientSocket;

  constructor(socket: ClientSocket, ends: ProxyEnds) {
    this.#socket = socket;
    if (socket.fd !== undefined) this.fd = socket.fd;
    this.remoteAddress = ends.sourceAddress;
    this.remotePort = ends.sourcePort;
    this.localAddress = ends.targetAddress;
    this.localPort = ends.targetPort;
  }

  get data(): unknown {
    return this.#socket.data;
  }

  set data(receiver: unknown) {
    this.#socket.data = receiver;
  }

  write(data: Buffer, byteOffset?: number, byteLength?: number): number {
    return this.#socket.write(data, byteOffset, byteLength);
  }

  end(): void {
    this.#socket.end();
  }

  shutdown(): void {
    this.#socket.shutdown();
  }

  terminate(): void {
    this.#socket.terminate();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}
