/**
 * Shared by the tests of TLS: certificates of every kind, a server that uses them, and clients that are not ours (curl, openssl). The
 * certificates are made by openssl, so that what we read was not written by us.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { selfSigned } from "../../../src/net/self-signed.ts";
import { repository, startServer, type TestServer } from "../../support/server.ts";

export interface Files {
  /** Paths of PEM files. */
  certificate: string;
  key: string;
}

const CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
const DAY_MS = 86_400_000;

function openssl(args: readonly string[]): void {
  const done = Bun.spawnSync(["openssl", ...args], { stdin: "ignore", stderr: "pipe" });
  if (done.exitCode !== 0) throw new Error(`openssl failed: ${done.stderr.toString()}`);
}

/** A directory of certificates and the authority that issues them; gone when it is disposed of. */
export class Authority implements Disposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), "keelback-tls-"));
  readonly certificate: string = this.path("ca.crt");
  readonly #key = this.path("ca.key");
  #made = 0;

  constructor() {
    const files = ["-keyout", this.#key, "-out", this.certificate];
    const usage = ["-addext", "keyUsage=critical,keyCertSign"];
    const subject = ["-subj", "/CN=authority", ...usage];
    openssl(["req", "-x509", "-nodes", "-days", "9", ...CURVE, ...subject, ...files]);
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** For these host names; `kind` is that of the key. */
  server(names: readonly string[] = ["localhost"], kind: "ec" | "rsa" = "ec"): Files {
    const alternatives = [...names.map((name) => `DNS:${name}`), "IP:127.0.0.1"].join(",");
    return this.#issue(`/CN=${names[0]}`, `subjectAltName=${alternatives}`, kind);
  }

  client(subject: string): Files {
    return this.#issue(subject, "extendedKeyUsage=clientAuth", "ec");
  }

  /** Self-signed, and made so many days ago (negative: to be made). */
  aged(days: number): Files {
    this.#made += 1;
    const now = new Date(Date.now() - days * DAY_MS);
    const { certificate, key } = selfSigned(["localhost"], now);
    return this.write(`aged-${this.#made}`, certificate, key);
  }

  write(name: string, certificate: string, key: string): Files {
    const files = { certificate: this.path(`${name}.crt`), key: this.path(`${name}.key`) };
    writeFileSync(files.certificate, certificate);
    writeFileSync(files.key, key);
    return files;
  }

  /** The key again, encrypted. */
  encrypted(files: Files, password: string): string {
    const path = `${files.key}.encrypted`;
    openssl(["pkcs8", "-topk8", "-in", files.key, "-out", path, "-passout", `pass:${password}`]);
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #issue(subject: string, extension: string, kind: "ec" | "rsa"): Files {
    this.#made += 1;
    const base = this.path(`made-${this.#made}`);
    const files = { certificate: `${base}.crt`, key: `${base}.key` };
    const request = `${base}.csr`;
    const extensions = `${base}.ext`;
    writeFileSync(extensions, `authorityKeyIdentifier=keyid\n${extension}\n`);
    const key = kind === "ec" ? CURVE : ["-newkey", "rsa:2048"];
    const utf8 = ["-utf8", "-subj", subject];
    openssl(["req", "-nodes", ...key, ...utf8, "-keyout", files.key, "-out", request]);
    const by = ["-CA", this.certificate, "-CAkey", this.#key, "-CAcreateserial"];
    const out = ["-in", request, "-out", files.certificate, "-days", "9"];
    openssl(["x509", "-req", ...by, ...out, "-extfile", extensions]);
    return files;
  }
}

export function tlsArgs(...all: readonly Files[]): string[] {
  return all.flatMap(({ certificate, key }) => ["--certfile", certificate, "--keyfile", key]);
}

/** An app of tests/apps/tls_facts.py behind these certificates. */
export function startTls(
  kind: "wsgi" | "asgi",
  args: readonly string[],
  bind: string = "127.0.0.1:0",
): Promise<TestServer> {
  return startServer({
    app: `tls_facts:${kind}`,
    bind,
    args: ["--workers", "1", "--chdir", `${repository}/tests/apps`, ...args],
  });
}

export interface Ran {
  code: number;
  out: string;
  err: string;
}

export async function run(command: readonly string[], stdin: string = ""): Promise<Ran> {
  const child = Bun.spawn([...command], {
    stdin: Buffer.from(stdin),
    stdout: "pipe",
    stderr: "pipe",
    timeout: 20_000,
    killSignal: "SIGKILL",
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, out, err };
}

/** curl on HTTP/1.1 that trusts the authority and finds every host here. */
export function curl(
  server: TestServer,
  authority: Authority,
  target: string,
  ...args: string[]
): Promise<Ran> {
  const url = `https://localhost:${server.port}${target}`;
  const here = ["--connect-to", `::127.0.0.1:${server.port}`, "--cacert", authority.certificate];
  const plain = ["--silent", "--show-error", "--http1.1", "--max-time", "15"];
  return run(["curl", ...plain, ...here, ...args, target.startsWith("https:") ? target : url]);
}

/** `openssl s_client` that sends a request and waits until the server closes; what it said about the session. */
export async function sClient(server: TestServer, ...args: string[]): Promise<Ran> {
  const address = ["-connect", `127.0.0.1:${server.port}`, "-ign_eof"];
  const request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  return run(["openssl", "s_client", ...address, ...args], request);
}

/** A client of node:tls that trusts the authority, once its handshake is done. */
export async function secure(
  server: TestServer,
  authority: Authority,
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const socket: TLSSocket = connect(
    {
      host: "127.0.0.1",
      port: server.port,
      servername: "localhost",
      ca: readFileSync(authority.certificate),
      ...options,
    },
    () => resolve(socket),
  );
  socket.on("error", reject);
  return promise;
}
