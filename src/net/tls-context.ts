/**
 * From certificates to what the runtime's listener takes. One certificate needs only its documented options. With several, the client's
 * SNI name chooses among ready contexts in the listener's `serverName` callback: node:tls is built on it in this (pinned) runtime, and
 * `Bun.listen` takes no list of certificates as Bun.serve does. A test holds it in place (tests/integration/tls/sni.test.ts).
 *
 * Client certificates are asked for here and judged when the handshake is over (edge/tls-handshake.ts): the runtime itself would close
 * without a word. All contexts of a listener have the same policy, so that no choice of a name is a way around it.
 */
import type { SecureContextOptions } from "node:tls";
import type { Identity, TlsSettings } from "./tls-files.ts";

/** Those that RFC 9113 section 9.2.2 leaves: forward secrecy and AEAD. Every suite of TLS 1.3 is like this. */
const TLS12_CIPHERS = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/** The runtime's handle for a certificate and its policy. */
export type NativeContext = object;

export interface TlsContext {
  /** `tls` of the listener. */
  readonly options: Bun.TLSOptions;
  /** By the client's SNI name: undefined means the default. Null: there is one certificate. */
  readonly select: ((serverName: string) => NativeContext | undefined) | null;
  /** The certificate that a client who asked for this name has seen. */
  identity(serverName: string | null): Identity;
}

export interface TlsContextInput {
  /** Not empty; the first is the default. */
  readonly identities: readonly Identity[];
  readonly settings: TlsSettings;
  readonly ca: string | null;
  /** Protocols offered, the preferred one first. */
  readonly alpn: readonly string[];
}

/** Throws where the runtime does not take a certificate, or the list of ciphers. */
export function makeTlsContext(input: TlsContextInput): TlsContext {
  const { identities } = input;
  const [first] = identities;
  if (first === undefined) throw new Error("no certificate");
  const byName = new Map<string, Identity>();
  for (const identity of identities) {
    for (const name of identity.names) if (!byName.has(name)) byName.set(name, identity);
  }
  const identity = (serverName: string | null): Identity =>
    serverName === null ? first : (find(byName, serverName) ?? first);
  const options = { ...optionsOf(first, input), ALPNProtocols: alpnList(input.alpn) };
  if (identities.length === 1) return { options, select: null, identity };
  const { createSecureContext } = process.getBuiltinModule("node:tls");
  const contexts = new Map(
    identities.map((one): [Identity, NativeContext] => {
      return [one, createSecureContext(optionsOf(one, input)).context as NativeContext];
    }),
  );
  const select = (serverName: string): NativeContext | undefined =>
    contexts.get(identity(serverName));
  return { options, select, identity };
}

/** What is wrong with a list of ciphers for TLS 1.2, or null. */
export function ciphersComplaint(ciphers: string): string | null {
  const list = tls12Only(ciphers);
  if (list === "")
    return "names no suite of TLS 1.2; those of TLS 1.3 are always on and cannot be chosen";
  try {
    process.getBuiltinModule("node:tls").createSecureContext({ ciphers: list });
    return null;
  } catch {
    return "is no list of cipher suites that is known here";
  }
}

/** Taken by listeners and by contexts. */
type Options = Bun.TLSOptions & SecureContextOptions;

function optionsOf(identity: Identity, { settings, ca }: TlsContextInput): Options {
  const { constants } = process.getBuiltinModule("node:crypto");
  const { SSL_OP_NO_TLSv1, SSL_OP_NO_TLSv1_1, SSL_OP_NO_TLSv1_2 } = constants;
  const old = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1;
  const asked = settings.certReqs !== "none";
  return {
    cert: identity.chain,
    key: identity.key,
    ciphers: settings.ciphers === null ? TLS12_CIPHERS : tls12Only(settings.ciphers),
    secureOptions: settings.tlsMin === "1.3" ? old | SSL_OP_NO_TLSv1_2 : old,
    requestCert: asked,
    rejectUnauthorized: false,
    ...(asked && ca !== null ? { ca } : {}),
  };
}

/** The names of TLS 1.3's suites, which lists of other servers hold too, are no part of the runtime's notation. */
function tls12Only(ciphers: string): string {
  const names = ciphers.split(/[:, ]+/).filter((name) => name !== "" && !name.startsWith("TLS_"));
  return names.join(":");
}

/** RFC 7301 section 3.1: each name with its length before it. */
function alpnList(protocols: readonly string[]): Buffer {
  return Buffer.concat(
    protocols.map((name) => Buffer.concat([Buffer.from([name.length]), Buffer.from(name)])),
  );
}

/** The exact name, else a wildcard for its first label (RFC 9525 section 6.3). */
function find(byName: ReadonlyMap<string, Identity>, serverName: string): Identity | undefined {
  const name = serverName.toLowerCase().replace(/\.$/, "");
  const dot = name.indexOf(".");
  return byName.get(name) ?? (dot > 0 ? byName.get(`*${name.slice(dot)}`) : undefined);
}
