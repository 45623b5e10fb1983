/**
 * The socket that the HTTP/1.1 driver sees when a web server's uwsgi, SCGI or FastCGI is behind it: the two ends are those that the web
 * server tells of. Over uwsgi a response goes out as it is; over SCGI and FastCGI its status goes out as CGI writes it. It ends with the
 * connection, but over FastCGI it goes out in records, and the connection may stay.
 */
import type { FastcgiReader } from "../../proto/gateway/fastcgi.ts";
import type { GatewayPeer } from "../../proto/gateway/request.ts";
import type { ClientSocket, TlsFacts } from "../client-socket.ts";
import { SocketFacade } from "../socket-facade.ts";

/** What `HTTP/1.1 ` of a status line becomes; as long as that, so that what a web server takes of it is what the driver gave. */
const STATUS = Buffer.from("Status:  ");

/** The status of one response as CGI writes it (RFC 3875 section 6.3.3). Apache's mod_proxy_scgi takes no other. */
class CgiStatus {
  /** Bytes of STATUS that are out. */
  #out = 0;

  /** What to write for the next bytes of a response. */
  of(part: Buffer): Buffer {
    if (this.#out === STATUS.length) return part;
    const other = Buffer.from(part);
    STATUS.copy(other, 0, this.#out);
    return other;
  }

  /** So many of them were taken. */
  took(bytes: number): void {
    this.#out = Math.min(STATUS.length, this.#out + Math.max(0, bytes));
  }
}

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

export class ScgiSocket extends GatewaySocket {
  readonly #status = new CgiStatus();

  override write(data: Buffer, byteOffset: number = 0, byteLength?: number): number {
    const length = byteLength ?? data.length - byteOffset;
    const part = this.#status.of(data.subarray(byteOffset, byteOffset + length));
    const wrote = this.inner.write(part);
    this.#status.took(wrote);
    return wrote;
  }
}

/**
 * `onEnd`: the response is out and the connection stays. Records that the web server does not take at once are kept here; of what they
 * carry all but the last byte counts as written, so that the driver does not take the response for sent before they are out.
 */
export class FastcgiSocket extends GatewaySocket {
  readonly #reader: FastcgiReader;
  readonly #onEnd: () => void;
  readonly #status = new CgiStatus();
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
    const part = this.#status.of(data.subarray(from, byteOffset + length));
    this.#status.took(part.length);
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
