/**
 * A client's socket once TLS is up: what drivers use of any socket, without the descriptor, past which no bytes may go; and what TLS has
 * agreed on, in the forms that workers take (docs/protocol.md, "Head block"). Facts are asked for once, at a connection's first request.
 */
import type { X509Certificate } from "node:crypto";
import { cork } from "../net/libc.ts";
import { type ClientSocket, hasUnread, type TlsFacts, undelivered } from "./client-socket.ts";

/** The part of the runtime's socket that only TLS has. */
export interface RuntimeTlsSocket extends ClientSocket, TlsSession {
  readonly alpnProtocol: string | false | null;
  getPeerX509Certificate(): X509Certificate | undefined;
}

/** What came of asking the client for a certificate. */
export interface ClientCertificate {
  /** Null: none was shown, or none asked for. */
  readonly certificate: X509Certificate | null;
  /** Null: it is valid, or there is none. */
  readonly error: string | null;
}

/** RFC 8446 section 4.1.2 and RFC 5246 section 7.4.1.2: as they stand in a hello. */
const VERSIONS: Readonly<Record<string, number>> = { "TLSv1.2": 0x0303, "TLSv1.3": 0x0304 };

/** The IANA's numbers of the suites that the runtime knows and a modern policy may leave. */
const SUITES: Readonly<Record<string, number>> = {
  TLS_AES_128_GCM_SHA256: 0x1301,
  TLS_AES_256_GCM_SHA384: 0x1302,
  TLS_CHACHA20_POLY1305_SHA256: 0x1303,
  TLS_RSA_WITH_AES_128_CBC_SHA: 0x002f,
  TLS_RSA_WITH_AES_256_CBC_SHA: 0x0035,
  TLS_RSA_WITH_AES_128_GCM_SHA256: 0x009c,
  TLS_RSA_WITH_AES_256_GCM_SHA384: 0x009d,
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 0xc009,
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 0xc00a,
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 0xc013,
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 0xc014,
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: 0xc027,
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 0xc02b,
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 0xc02c,
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 0xc02f,
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 0xc030,
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 0xcca8,
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 0xcca9,
};

export class TlsSocket implements ClientSocket {
  readonly tls: TlsFacts;
  readonly announced: boolean;
  readonly #socket: RuntimeTlsSocket;
  readonly #ends: ClientSocket;

  /**
   * `leafPath`: the file with the certificate that a client of this name has seen. `ends`: who is at the ends, where it is not what the
   * socket says.
   */
  constructor(
    socket: RuntimeTlsSocket,
    client: ClientCertificate,
    leafPath: (serverName: string | null) => string,
    ends: ClientSocket | null,
  ) {
    this.#socket = socket;
    this.#ends = ends ?? socket;
    this.announced = ends?.announced === true;
    this.tls = new TlsSessionFacts(socket, client, leafPath);
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

  hold(): void {
    if (this.#socket.fd !== undefined) cork(this.#socket.fd);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  unread(): boolean {
    return hasUnread(this.#socket);
  }

  undelivered(): number {
    return undelivered(this.#socket);
  }

  get remoteAddress(): string {
    return this.#ends.remoteAddress;
  }

  get remotePort(): number {
    return this.#ends.remotePort;
  }

  get localAddress(): string {
    return this.#ends.localAddress;
  }

  get localPort(): number {
    return this.#ends.localPort;
  }
}

/** What of TLS the facts are made from, whatever carries it. */
export interface TlsSession {
  getServername(): string | undefined;
  getTLSVersion(): string;
  getCipher(): { name: string; standardName: string };
  isSessionReused(): boolean;
}

export class TlsSessionFacts implements TlsFacts {
  readonly #session: TlsSession;
  readonly #client: ClientCertificate;
  readonly #leafPath: (serverName: string | null) => string;

  /** `leafPath`: the file with the certificate that a client of this name has seen. */
  constructor(
    session: TlsSession,
    client: ClientCertificate,
    leafPath: (serverName: string | null) => string,
  ) {
    this.#session = session;
    this.#client = client;
    this.#leafPath = leafPath;
  }

  environ(): string {
    const session = this.#session;
    const { certificate, error } = this.#client;
    const pairs: [string, string][] = [
      ["HTTPS", "on"],
      ["SSL_PROTOCOL", session.getTLSVersion()],
      ["SSL_CIPHER", session.getCipher().name],
      ["SSL_TLS_SNI", session.getServername() ?? ""],
      ["SSL_SESSION_RESUMED", session.isSessionReused() ? "Resumed" : "Initial"],
      ["SSL_CLIENT_VERIFY", verifyText(certificate, error)],
    ];
    if (certificate !== null) {
      pairs.push(
        ["SSL_CLIENT_S_DN", distinguishedName(certificate.subject)],
        ["SSL_CLIENT_I_DN", distinguishedName(certificate.issuer)],
        ["SSL_CLIENT_M_SERIAL", certificate.serialNumber],
        ["SSL_CLIENT_V_START", certificate.validFrom],
        ["SSL_CLIENT_V_END", certificate.validTo],
        ["SSL_CLIENT_CERT", certificate.toString()],
      );
    }
    return pairs.map(([name, value]) => `${name}\0${value.replaceAll("\0", "")}`).join("\0");
  }

  scope(): string {
    const session = this.#session;
    const { certificate, error } = this.#client;
    const leafPath = this.#leafPath(session.getServername() ?? null);
    const version = VERSIONS[session.getTLSVersion()] ?? null;
    const suite = SUITES[session.getCipher().standardName] ?? null;
    if (certificate === null && error === null) return `${version ?? 0} ${suite ?? 0} ${leafPath}`;
    return JSON.stringify({
      server_cert: leafPath,
      client_cert_chain: certificate === null ? [] : [certificate.toString()],
      client_cert_name: certificate === null ? null : distinguishedName(certificate.subject),
      client_cert_error: error,
      tls_version: version,
      cipher_suite: suite,
    });
  }
}

function verifyText(certificate: X509Certificate | null, error: string | null): string {
  if (certificate === null) return "NONE";
  return error === null ? "SUCCESS" : `FAILED:${error}`;
}

/**
 * RFC 4514: the last component first, between commas. The runtime gives one component a line, in the certificate's order, each value
 * already escaped.
 */
function distinguishedName(lines: string): string {
  return lines.split("\n").reverse().join(",");
}
