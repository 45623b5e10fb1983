/**
 * The socket that the HTTP/1.1 driver sees when a web server's uwsgi, SCGI or FastCGI is behind it: the two ends are those that the web
 * server tells of. Over uwsgi and SCGI a response goes out as it is, and ends with the connection; over FastCGI it goes out in records,
 * its status as CGI writes it, and the connection may stay.
 */
import type { FastcgiReader } from "../../proto/gateway/fastcgi.ts";
import type { GatewayPeer } from "../../proto/gateway/request.ts";
import type { ClientSocket, TlsFacts } from "../client-socket.ts";
import { SocketFacade } from "../socket-facade.ts";

/** `HTTP/1.1 ` of a status line, which becomes `Status: `. */
const VERSION_BYTES = 9;
const STATUS = Buffer.from("Status: ");

export class GatewaySocket extends SocketFacade implements ClientSocket {
  /** Whose forwarding headers these are is asked of the address that the web server names, not of its own. */
  readonly announced = true;
  peer: GatewayPeer | null = null;

  /** The rest of what was written; true: all of it is out. */
  drain(): boolean {
    return true;
  }

  /** What is not of a response; all of it will go out. */
  reply(data: Buffer): void {
    this.inner.write(data);
  }

  get tls(): TlsFacts | undefined {
    return this.peer?.https === true ? FACTS : undefined;
  }

  get mount(): string {
    return this.peer?.scriptName ?? "";
  }

  get variables(): readonly (readonly [string, string])[] {
    return this.peer?.extra ?? NONE;
  }

  get remoteAddress(): string {
    return this.peer?.remoteAddress ?? this.inner.remoteAddress;
  }

  get remotePort(): number {
    return this.peer?.remotePort ?? this.inner.remotePort;
  }

  get localAddress(): string {
    return this.peer?.localAddress ?? this.inner.localAddress;
  }

  get localPort(): number {
    return this.peer?.localPort ?? this.inner.localPort;
  }
}

const NONE: readonly (readonly [string, string])[] = [];
/** The web server has spoken TLS; what was agreed on is its own. */
const FACTS: TlsFacts = { environ: () => "HTTPS\0on", scope: () => "0 0 " };

/**
 * `onEnd`: the response is out and the connection stays. Records that the web server does not take at once are kept here; of what they
 * carry all but the last byte counts as written, so that the driver does not take the response for sent before they are out.
 */
export class FastcgiSocket extends GatewaySocket {
  readonly #reader: FastcgiReader;
  readonly #onEnd: () => void;
  #prefixLeft = VERSION_BYTES;
  #kept: Buffer | null = null;
  /** Bytes at the beginning of the next write that are in a record already. */
  #ahead = 0;
  #ended = false;
  /** What is to be done when all is out. */
  #then: (() => void) | null = null;

  constructor(socket: ClientSocket, reader: FastcgiReader, onEnd: () => void) {
    super(socket);
    this.#reader = reader;
    this.#onEnd = onEnd;
  }

  override write(data: Buffer, byteOffset: number = 0, byteLength?: number): number {
    const length = byteLength ?? data.length - byteOffset;
    if (this.#kept !== null) return 0;
    // Without a request there is nobody to answer: the web server has said nothing yet.
    if (this.#ended || !this.#reader.busy) return length;
    const from = byteOffset + this.#ahead;
    this.#ahead = 0;
    const skipped = Math.min(byteOffset + length - from, this.#prefixLeft);
    let part = data.subarray(from + skipped, byteOffset + length);
    if (skipped > 0) {
      this.#prefixLeft -= skipped;
      if (this.#prefixLeft === 0) part = Buffer.concat([STATUS, part]);
    }
    if (part.length > 0) this.#send(this.#reader.stdout(part));
    if (this.#kept === null) return length;
    this.#ahead = 1;
    return length - 1;
  }

  override end(): void {
    this.#finish(() => super.end());
  }

  override shutdown(): void {
    this.#finish(() => super.shutdown());
  }

  override drain(): boolean {
    const kept = this.#kept;
    this.#kept = null;
    if (kept !== null) this.#send(kept);
    if (this.#kept !== null) return false;
    const then = this.#then;
    this.#then = null;
    then?.();
    return true;
  }

  override reply(data: Buffer): void {
    this.#send(data);
  }

  /** Nothing follows the response. */
  #finish(close: () => void): void {
    if (this.#then !== null) return;
    if (this.#ended || !this.#reader.busy) return close();
    this.#ended = true;
    this.#send(this.#reader.end());
    const then = this.#reader.keepConnection ? this.#onEnd : close;
    if (this.#kept === null) then();
    else this.#then = then;
  }

  #send(bytes: Buffer): void {
    if (this.#kept !== null) {
      this.#kept = Buffer.concat([this.#kept, bytes]);
      return;
    }
    const wrote = Math.max(0, this.inner.write(bytes));
    if (wrote < bytes.length) this.#kept = bytes.subarray(wrote);
  }
}
