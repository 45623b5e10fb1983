/**
 * QUIC endpoints that speak HTTP/3, by the runtime's node:quic. Bun.serve's HTTP/3 is not used: it ends a response that fails half way as
 * if it were complete, so that no client can tell, and it sorts and joins the header fields before anybody sees them.
 *
 * Only the part of node:quic that is used here is typed here. Two faults of the (pinned) runtime are dealt with: an ICMP error that one
 * client's address causes would stop the whole endpoint for a second or more, and what a client sends is read without asking whether
 * anybody takes it (edge/body-spool.ts).
 */
import { createPrivateKey } from "node:crypto";
import { datagramSockets, enlargeReceiveBuffer, ignoreIcmpErrors } from "./libc.ts";
import type { Identity } from "./tls-files.ts";

/** Header fields as the runtime shows and takes them: lower-case names, several values of a name together. */
export type QuicFields = Record<string, string | string[]>;

/** Of a stream's outgoing side. */
export interface QuicWriter {
  /** Bytes that it would like to have now; it takes any number while this is not 0. Null: ended. */
  readonly desiredSize: number | null;
  /** Copies the bytes. False: full or ended, nothing was taken. */
  writeSync(chunk: Uint8Array): boolean;
  endSync(): number;
}

export interface QuicStream {
  readonly destroyed: boolean;
  /** Settles when both sides are over; rejects when one was cut. */
  readonly closed: Promise<void>;
  readonly writer: QuicWriter;
  readonly stats: { readonly bytesSent: bigint };
  /** Bytes that are kept for the client before `desiredSize` is 0. */
  highWaterMark: number;
  onheaders: ((fields: QuicFields) => void) | undefined;
  ontrailers: ((fields: QuicFields) => void) | undefined;
  /** When set before the end: called then, and must call `sendTrailers`. */
  onwanttrailers: (() => void) | undefined;
  /** False: the stream is over. Throws on fields that HTTP/3 forbids. */
  sendHeaders(fields: QuicFields, options?: { terminal: boolean }): boolean;
  /** Copies the whole body and ends with it; in place of the writer. */
  setBody(body: Uint8Array): void;
  sendInformationalHeaders(fields: QuicFields): boolean;
  sendTrailers(fields: QuicFields): boolean;
  resetStream(code: bigint): void;
  stopSending(code: bigint): void;
  destroy(): void;
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array[], void>;
}

interface QuicAddress {
  readonly address: string;
  readonly port: number;
}

interface QuicCloseOptions {
  readonly code: bigint;
  readonly type: "application";
}

export interface QuicSession {
  readonly destroyed: boolean;
  /** Settles when the session is over; rejects when it failed. */
  readonly closed: Promise<void>;
  /** Null once it is over. */
  readonly path: { readonly local: QuicAddress; readonly remote: QuicAddress } | undefined;
  /** The name that the client asked for (SNI). */
  readonly opened: Promise<{ readonly servername: string; readonly cipher: string }>;
  onstream: ((stream: QuicStream) => void) | undefined;
  /** No new streams (GOAWAY); it ends when those there are have ended. */
  close(): Promise<void>;
  destroy(error?: unknown, options?: QuicCloseOptions): void;
}

export interface QuicEndpoint {
  readonly address: QuicAddress | undefined;
  readonly closed: Promise<void>;
  /** True: new clients are refused. */
  busy: boolean;
  setSNIContexts(entries: Record<string, QuicIdentity>, options: { replace: boolean }): void;
  destroy(): void;
}

interface QuicIdentity {
  readonly keys: readonly object[];
  readonly certs: readonly Uint8Array[];
  /** In HTTP/3's ORIGIN frame: nobody has said that this server is all there is under the name. */
  readonly authoritative: false;
}

interface QuicModule {
  listen(onsession: (session: QuicSession) => void, options: object): Promise<QuicEndpoint>;
}

/** Error codes of HTTP/3 (RFC 9114 section 8.1). */
export const H3Error = {
  NO_ERROR: 0x100n,
  INTERNAL_ERROR: 0x102n,
  EXCESSIVE_LOAD: 0x107n,
  REQUEST_REJECTED: 0x10bn,
  REQUEST_CANCELLED: 0x10cn,
} as const;

/** Requests of one client at a time, as over HTTP/2. */
const STREAMS_MAX = 100;
/** A session from which nothing is heard for so long is over; while it has requests, both sides are asked to speak more often. */
const IDLE_TIMEOUT_SECONDS = 30;
const PING_MS = 10_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** The kernel's usual 208 KiB lose packets of a burst. It gives what its own limit allows. */
const RECEIVE_BUFFER_BYTES = 2 * 1024 * 1024;

export interface QuicOptions {
  /** `127.0.0.1:8443`, `[::1]:8443`. */
  readonly address: string;
  /** Not empty; the first is the default. */
  readonly identities: readonly Identity[];
  readonly onsession: (session: QuicSession) => void;
}

/** Waits for clients at a UDP port; a string says why that does not work. */
export async function openQuic(options: QuicOptions): Promise<QuicEndpoint | string> {
  try {
    return await open(options);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function open({ address, identities, onsession }: QuicOptions): Promise<QuicEndpoint> {
  const quic = loadModule();
  const before = new Set(datagramSockets());
  const endpoint = await quic.listen(onsession, {
    endpoint: { address },
    alpn: ["h3"],
    sni: contextsOf(identities),
    // A request in early data may be an attacker's repetition (RFC 8470).
    enableEarlyData: false,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    keepAlive: PING_MS,
    transportParams: { maxIdleTimeout: IDLE_TIMEOUT_SECONDS, initialMaxStreamsBidi: STREAMS_MAX },
  });
  if (endpoint.address === undefined) {
    await endpoint.closed;
    throw new Error("the endpoint closed at once");
  }
  for (const fd of datagramSockets()) {
    if (before.has(fd)) continue;
    ignoreIcmpErrors(fd);
    enlargeReceiveBuffer(fd, RECEIVE_BUFFER_BYTES);
  }
  return endpoint;
}

/** New handshakes get these certificates; those that name no known host get the default of the start, which the runtime never replaces. */
export function replaceIdentities(endpoint: QuicEndpoint, identities: readonly Identity[]): void {
  endpoint.setSNIContexts(contextsOf(identities), { replace: true });
}

function contextsOf(identities: readonly Identity[]): Record<string, QuicIdentity> {
  const contexts: Record<string, QuicIdentity> = {};
  for (const identity of identities) {
    const context: QuicIdentity = {
      keys: [createPrivateKey(identity.key)],
      certs: [Buffer.from(identity.chain)],
      authoritative: false,
    };
    contexts["*"] ??= context;
    for (const name of identity.names) contexts[name] ??= context;
  }
  return contexts;
}

/** Without the warning that it is experimental: that is ours to know, not the reader's of the log. */
function loadModule(): QuicModule {
  const given = Object.getOwnPropertyDescriptor(process, "emitWarning");
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule("node:quic") as unknown as QuicModule;
  } finally {
    if (given !== undefined) Object.defineProperty(process, "emitWarning", given);
  }
}
