/** A socket that stands for another one: what it does not do itself, that one does. */
import { type ClientSocket, hasUnread, undelivered } from "./client-socket.ts";

export abstract class SocketFacade {
  protected readonly inner: ClientSocket;

  constructor(inner: ClientSocket) {
    this.inner = inner;
  }

  write(data: Buffer, byteOffset?: number, byteLength?: number): number {
    return this.inner.write(data, byteOffset, byteLength);
  }

  end(): void {
    this.inner.end();
  }

  shutdown(): void {
    this.inner.shutdown();
  }

  terminate(): void {
    this.inner.terminate();
  }

  pause(): void {
    this.inner.pause();
  }

  resume(): void {
    this.inner.resume();
  }

  unread(): boolean {
    return hasUnread(this.inner);
  }

  undelivered(): number {
    return undelivered(this.inner);
  }
}
