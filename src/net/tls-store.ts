/**
 * The certificates in use: read at start, again when it is told to and when a file changes. What cannot be read leaves everything as it
 * was. Files are looked at by polling: orchestrators swap symbolic links, which no watch on the file itself sees.
 */
import { existsSync, renameSync, statSync, writeFileSync } from "node:fs";
import { makeTlsContext, type TlsContext } from "./tls-context.ts";
import { type Identity, readIdentities, type TlsSettings } from "./tls-files.ts";

const POLL_MS = 2000;
const DAY_MS = 86_400_000;
/** From so many days before its end on, a certificate is complained about. */
const EXPIRY_DAYS = 30;
/** Enough to tell a server's certificates apart. */
const HASH_CHARS = 16;

export interface TlsStoreOptions {
  readonly settings: TlsSettings;
  readonly alpn: readonly string[];
  /** Where workers find the certificates (see `leafPath`): the private directory. */
  readonly directory: string;
  log(level: "info" | "warning" | "error", text: string): void;
  /** New handshakes are to use `context`. */
  replaced(): void;
}

export class TlsStore {
  context: TlsContext;
  identities: readonly Identity[];
  settings: TlsSettings;
  readonly #options: TlsStoreOptions;
  readonly #poll: Timer;
  readonly #daily: Timer;
  /** Each is named by a hash, and asked for by every connection. */
  readonly #leafPaths = new WeakMap<Identity, string>();
  #stamps: string;
  /** A change has been seen, and the files may still be being written. */
  #changing = false;

  /** Throws with a sentence when the certificates cannot be used. */
  constructor(options: TlsStoreOptions) {
    this.#options = options;
    this.settings = options.settings;
    this.#stamps = stampsOf(options.settings);
    const found = this.#read(options.settings);
    if (typeof found === "string") throw new Error(found);
    this.identities = found.identities;
    this.context = found.context;
    this.#poll = setInterval(() => this.#look(), POLL_MS);
    this.#daily = setInterval(() => this.warn(), DAY_MS);
    this.#poll.unref();
    this.#daily.unref();
  }

  /** The file of the private directory that holds the certificate which clients of this name have seen. */
  leafPath(serverName: string | null): string {
    const identity = this.context.identity(serverName);
    let path = this.#leafPaths.get(identity);
    if (path === undefined) {
      path = leafPath(this.#options.directory, identity);
      this.#leafPaths.set(identity, path);
    }
    return path;
  }

  /** Reads everything again. */
  reload(settings: TlsSettings = this.settings): void {
    this.#stamps = stampsOf(settings);
    const found = this.#read(settings);
    const options = this.#options;
    if (typeof found === "string") {
      options.log("error", `the certificates stay as they were: ${found}`);
      return;
    }
    if (Bun.deepEquals([found.identities, settings], [this.identities, this.settings])) return;
    this.settings = settings;
    this.identities = found.identities;
    this.context = found.context;
    options.replaced();
    options.log("info", `the certificates are new: ${found.identities.map(summary).join("; ")}`);
    this.warn();
  }

  /** Logs what is wrong with the dates of certificates. */
  warn(): void {
    for (const text of dateWarnings(this.identities, Date.now()))
      this.#options.log("warning", text);
  }

  close(): void {
    clearInterval(this.#poll);
    clearInterval(this.#daily);
  }

  #look(): void {
    const stamps = stampsOf(this.settings);
    const changed = stamps !== this.#stamps;
    this.#stamps = stamps;
    // A certificate and its key are two files: the change is over when nothing has changed since the last look.
    if (!changed && this.#changing) this.reload();
    this.#changing = changed;
  }

  #read(settings: TlsSettings): { identities: readonly Identity[]; context: TlsContext } | string {
    const read = readIdentities(settings);
    if (!read.ok) return read.problems.map(({ text }) => text).join("; ");
    const { identities, ca } = read;
    const { alpn, directory } = this.#options;
    try {
      const context = makeTlsContext({ identities, settings, ca, alpn });
      for (const identity of identities) keepLeaf(directory, identity);
      return { identities, context };
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}

/** Sentences about certificates that are not valid now, or not for long. */
export function dateWarnings(identities: readonly Identity[], now: number): string[] {
  return identities.flatMap(({ file, notBefore, notAfter }) => {
    const days = Math.floor((notAfter - now) / DAY_MS);
    if (now < notBefore)
      return [`the certificate in ${file} is not valid before ${date(notBefore)}`];
    if (now >= notAfter) return [`the certificate in ${file} has expired on ${date(notAfter)}`];
    if (days >= EXPIRY_DAYS) return [];
    const when = days === 0 ? "within a day" : days === 1 ? "in 1 day" : `in ${days} days`;
    return [`the certificate in ${file} expires ${when}, on ${date(notAfter)}`];
  });
}

function summary({ file, names, notAfter }: Identity): string {
  return `${names.length === 0 ? file : names.join(", ")} until ${date(notAfter)}`;
}

function date(ms: number): string {
  return Number.isFinite(ms) ? new Date(ms).toISOString().slice(0, 10) : "an unknown date";
}

function leafPath(directory: string, { leaf }: Identity): string {
  const hash = new Bun.CryptoHasher("sha256").update(leaf).digest("hex");
  return `${directory}/tls-${hash.slice(0, HASH_CHARS)}.pem`;
}

/** Written whole or not at all: several edges do it, and workers read it. */
function keepLeaf(directory: string, identity: Identity): void {
  const path = leafPath(directory, identity);
  if (existsSync(path)) return;
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, identity.leaf, { mode: 0o600 });
  renameSync(unfinished, path);
}

/** Tells two states of the files apart. */
function stampsOf({ certfile, keyfile, caCerts }: TlsSettings): string {
  const files = [...certfile, ...keyfile, ...(caCerts === null ? [] : [caCerts])];
  return files.map((file) => stampOf(file)).join("\n");
}

function stampOf(file: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(file);
    return `${mtimeMs} ${size} ${ino}`;
  } catch {
    return "";
  }
}
