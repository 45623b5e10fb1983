/** The part of a Bun socket that a client connection uses, and the bytes that it has not taken yet. */
import { PIECES_MAX, writePieces } from "../net/gather.ts";
import { isReadable, sendQueue } from "../net/libc.ts";

/** What TLS has agreed on with a client, in the forms that workers take. */
export interface TlsFacts {
  /** Pairs `NAME NUL value` joined by NUL, as mod_ssl names them. */
  environ(): string;
  /**
   * The `tls` extension of ASGI as JSON, its certificate of the server as the path of a file; without a client certificate only
   * what then can
   * differ, because each request carries it: `version SP suite SP path`, 0 for what is not known.
   */
  scope(): string;
}

export interface ClientSocket {
  write(data: Buffer, byteOffset?: number, byteLength?: number): number;
  end(): void;
  shutdown(): void;
  terminate(): void;
  /** What is written from here on may leave together: our side is shut down right behind it. None: it leaves as it is written. */
  hold?(): void;
  pause(): void;
  resume(): void;
  /** See `hasUnread`; none: the descriptor tells. */
  unread?(): boolean;
  /** See `undelivered`; none: the descriptor tells. */
  undelivered?(): number;
  /** Its descriptor; none where bytes must go through the runtime. */
  readonly fd?: number;
  /** None: a plain connection. */
  readonly tls?: TlsFacts | undefined;
  /** Who gets the socket's events, of a plain one: another driver may take over. */
  data?: unknown;
  /** The addresses are not the socket's own: a PROXY header, or a web server in front, has named them. */
  readonly announced?: boolean;
  /** Where a web server in front mounts the app, and what it sets beyond CGI. */
  readonly mount?: string;
  readonly variables?: readonly (readonly [string, string])[];
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
}

/** Bytes of the client have come, or its FIN, and wait in the kernel: the event loop has been elsewhere. */
export function hasUnread(socket: ClientSocket): boolean {
  return socket.unread?.() ?? isReadable(socket.fd ?? -1);
}

/** Bytes that the kernel has not brought to the client yet. Our FIN, which counts as one, is of no matter. */
export function undelivered(socket: ClientSocket): number {
  if (socket.undelivered !== undefined) return socket.undelivered();
  return socket.fd === undefined ? 0 : Math.max(0, sendQueue(socket.fd) - 1);
}

const NONE: Buffer[] = [];
const NO_BOUNDS: number[] = [];

/** Writes to a client: what the kernel does not take is kept and goes out on `drain`. Bounded by the credit of the wire. */
export class ClientOutput {
  /** Bytes kept. */
  pending = 0;
  readonly #socket: ClientSocket;
  /** Of a plain socket; -1 where bytes must go through the runtime. */
  readonly #fd: number;
  #pieces: Buffer[] = NONE;
  #lent: Buffer[] = NONE;
  #bounds: number[] = NO_BOUNDS;

  constructor(socket: ClientSocket, fd: number) {
    this.#socket = socket;
    this.#fd = fd;
  }

  write(buf: Buffer, start: number, end: number): void {
    if (this.#lent.length > 0) this.lend(buf, start, end);
    else if (this.pending > 0) this.#keep(buf, start, end);
    else {
      const length = end - start;
      const wrote = this.#socket.write(buf, start, length);
      if (wrote < length) this.#keep(buf, wrote > 0 ? start + wrote : start, end);
    }
  }

  /** Like `write`, for bytes that are only what they are during this call: what the kernel does not take is copied. */
  writeBorrowed(buf: Buffer, start: number, end: number): void {
    this.writeLent();
    const length = end - start;
    const wrote = this.pending > 0 ? 0 : Math.max(0, this.#socket.write(buf, start, length));
    if (wrote < length)
      this.#keep(Buffer.from(buf.subarray(start + wrote, end)), 0, length - wrote);
  }

  /**
   * Like `write`, for bytes that stay what they are until `writeLent`: then they are written in one go, what the kernel does not
   * take is copied.
   */
  lend(buf: Buffer, start: number, end: number): void {
    if (this.pending > 0) {
      this.#keep(Buffer.from(buf.subarray(start, end)), 0, end - start);
      return;
    }
    if (this.#lent === NONE) {
      this.#lent = [];
      this.#bounds = [];
    }
    this.#lent.push(buf);
    this.#bounds.push(start, end);
    if (this.#lent.length === PIECES_MAX) this.writeLent();
  }

  writeLent(): void {
    if (this.#lent.length === 0) return;
    const pieces = this.#lent;
    const bounds = this.#bounds;
    const fd = this.#fd;
    this.#lent = NONE;
    this.#bounds = NO_BOUNDS;
    let taken = fd >= 0 && pieces.length > 1 ? writePieces(fd, pieces, bounds) : 0;
    for (let i = 0; i < pieces.length; i++) {
      const start = bounds[2 * i]!;
      const length = bounds[2 * i + 1]! - start;
      if (taken >= length) taken -= length;
      else {
        this.writeBorrowed(pieces[i]!, start + taken, start + length);
        taken = 0;
      }
    }
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
    this.#pieces = NONE;
    this.#lent = NONE;
    this.#bounds = NO_BOUNDS;
    this.pending = 0;
  }

  #keep(buf: Buffer, start: number, end: number): void {
    if (end <= start) return;
    if (this.#pieces === NONE) this.#pieces = [];
    this.#pieces.push(buf.subarray(start, end));
    this.pending += end - start;
  }
}
