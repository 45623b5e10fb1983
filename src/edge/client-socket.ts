/** The part of a Bun socket that a client connection uses, and the bytes that it has not taken yet. */

export interface ClientSocket {
  write(data: Buffer, byteOffset?: number, byteLength?: number): number;
  end(): void;
  shutdown(): void;
  terminate(): void;
  pause(): void;
  resume(): void;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
}

/** Writes to a client: what the kernel does not take is kept and goes out on `drain`. Bounded by the credit of the wire. */
export class ClientOutput {
  /** Bytes kept. */
  pending = 0;
  readonly #socket: ClientSocket;
  #pieces: Buffer[] = [];

  constructor(socket: ClientSocket) {
    this.#socket = socket;
  }

  write(buf: Buffer, start: number, end: number): void {
    if (this.pending > 0) {
      this.#keep(buf, start, end);
      return;
    }
    const length = end - start;
    const wrote = this.#socket.write(buf, start, length);
    if (wrote < length) this.#keep(buf, wrote > 0 ? start + wrote : start, end);
  }

  /**
   * Like `write`, for bytes that are only what they are during this call: what the kernel does not take is copied.
   * To be called only while nothing is pending.
   */
  writeBorrowed(buf: Buffer, start: number, end: number): void {
    const length = end - start;
    const wrote = Math.max(0, this.#socket.write(buf, start, length));
    if (wrote < length)
      this.#keep(Buffer.from(buf.subarray(start + wrote, end)), 0, length - wrote);
  }

  /** Writes on. Returns true when it got rid of anything. */
  drain(): boolean {
    const before = this.pending;
    while (this.#pieces.length > 0) {
      const piece = this.#pieces[0]!;
      const wrote = this.#socket.write(piece);
      if (wrote > 0) this.pending -= wrote;
      if (wrote < piece.length) {
        if (wrote > 0) this.#pieces[0] = piece.subarray(wrote);
        break;
      }
      this.#pieces.shift();
    }
    return this.pending < before;
  }

  clear(): void {
    this.#pieces = [];
    this.pending = 0;
  }

  #keep(buf: Buffer, start: number, end: number): void {
    if (end <= start) return;
    this.#pieces.push(buf.subarray(start, end));
    this.pending += end - start;
  }
}
