/**
 * Certificates and private keys from files: read, paired and checked. What is wrong is a value that names the setting, the file, the
 * cause and the remedy. Which key belongs to which certificate is seen from the keys themselves, so that the order of the files does
 * not matter. Blocking, for starts and reloads only. The crypto module is loaded on first use: most servers have no certificate.
 */
import type * as Crypto from "node:crypto";
import type { KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Config } from "../config/config.ts";

export type TlsSettings = Pick<
  Config,
  "certfile" | "keyfile" | "keyfilePassword" | "certReqs" | "caCerts" | "ciphers" | "tlsMin"
>;

/** A certificate with its key, ready for use. */
export interface Identity {
  readonly file: string;
  /** Host names in lower case that it is for; may begin with `*.`. */
  readonly names: readonly string[];
  /** PEM: the server's own certificate, then the others of the file. */
  readonly chain: string;
  /** PEM: the server's own alone. */
  readonly leaf: string;
  /** PEM, not encrypted. */
  readonly key: string;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface TlsProblem {
  readonly setting: "certfile" | "keyfile" | "keyfilePassword" | "caCerts" | "ciphers";
  readonly text: string;
}

export type ReadIdentities =
  | { readonly ok: true; readonly identities: readonly Identity[]; readonly ca: string | null }
  | { readonly ok: false; readonly problems: readonly TlsProblem[] };

const CERTIFICATE = /-----BEGIN (X509 |TRUSTED |)CERTIFICATE-----[^-]+-----END \1CERTIFICATE-----/g;
const PRIVATE_KEY = /-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----[\s\S]+?-----END \1PRIVATE KEY-----/g;
const MAKE_ONE = "`keelback cert` makes one for development";

interface KeyFile {
  readonly file: string;
  readonly keys: readonly KeyObject[];
}

function crypto(): typeof Crypto {
  return process.getBuiltinModule("node:crypto");
}

export function readIdentities(settings: TlsSettings): ReadIdentities {
  const reader = new Reader(settings);
  const identities = settings.certfile.flatMap((file) => reader.identity(file) ?? []);
  const ca = settings.caCerts === null ? null : reader.authorities(settings.caCerts);
  const { problems } = reader;
  return problems.length === 0 ? { ok: true, identities, ca } : { ok: false, problems };
}

class Reader {
  readonly problems: TlsProblem[] = [];
  readonly #password: string | null;
  readonly #keyFiles: readonly KeyFile[];

  constructor({ keyfile, keyfilePassword }: TlsSettings) {
    this.#password = keyfilePassword;
    this.#keyFiles = keyfile.flatMap((file) => this.#keyFile(file) ?? []);
  }

  identity(file: string): Identity | null {
    const text = this.#read("certfile", file);
    if (text === null) return null;
    const certificates = this.#certificates("certfile", file, text);
    const own = certificates?.[0];
    if (certificates === null || own === undefined) return null;
    const key = this.#keyOf(file, text, certificates);
    if (key === null) return null;
    return {
      file,
      names: namesOf(own),
      chain: certificates.map(String).join(""),
      leaf: own.toString(),
      key: key.export({ type: "pkcs8", format: "pem" }),
      notBefore: Date.parse(own.validFrom),
      notAfter: Date.parse(own.validTo),
    };
  }

  authorities(file: string): string | null {
    const text = this.#read("caCerts", file);
    if (text === null) return null;
    return this.#certificates("caCerts", file, text)?.map(String).join("") ?? null;
  }

  #read(setting: "certfile" | "keyfile" | "caCerts", file: string): string | null {
    try {
      return readFileSync(file, "latin1");
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
      const remedy = setting === "certfile" ? `; ${MAKE_ONE}` : "";
      const texts: Record<string, string> = {
        ENOENT: `${file} does not exist${remedy}`,
        ENOTDIR: `${file} does not exist${remedy}`,
        EISDIR: `${file} is a directory`,
        EACCES: `${file} cannot be read by this user; give it or its group the right to read it`,
      };
      return this.#fail(setting, texts[code] ?? `${file} cannot be read: ${code}`);
    }
  }

  #certificates(
    setting: "certfile" | "caCerts",
    file: string,
    text: string,
  ): X509Certificate[] | null {
    const blocks = text.match(CERTIFICATE) ?? [];
    if (blocks.length === 0)
      return this.#fail(setting, `${file} holds no certificate; ${formText(text)}`);
    const { X509Certificate } = crypto();
    const certificates: X509Certificate[] = [];
    for (const [at, block] of blocks.entries()) {
      try {
        certificates.push(new X509Certificate(block));
      } catch {
        return this.#fail(setting, `${file}: its certificate number ${at + 1} is damaged`);
      }
    }
    return certificates;
  }

  #keyFile(file: string): KeyFile | null {
    const text = this.#read("keyfile", file);
    if (text === null) return null;
    const keys = this.#keys("keyfile", file, text);
    if (keys === null) return null;
    if (keys.length > 0) return { file, keys };
    return this.#fail("keyfile", `${file} holds no private key; ${formText(text)}`);
  }

  #keys(setting: "certfile" | "keyfile", file: string, text: string): KeyObject[] | null {
    const keys: KeyObject[] = [];
    for (const block of text.match(PRIVATE_KEY) ?? []) {
      const encrypted = block.includes("ENCRYPTED");
      if (encrypted && this.#password === null)
        return this.#fail(
          setting,
          `the private key in ${file} is encrypted; give its password as keyfile-password`,
        );
      const passphrase = this.#password ?? "";
      try {
        const secret = encrypted ? { passphrase } : {};
        keys.push(crypto().createPrivateKey({ key: block, format: "pem", ...secret }));
      } catch {
        return encrypted
          ? this.#fail("keyfilePassword", `the password does not open the private key in ${file}`)
          : this.#fail(setting, `the private key in ${file} is damaged, or of an unknown kind`);
      }
    }
    return keys;
  }

  /** The key of the file's first certificate: in the file itself or in one of the key files. */
  #keyOf(file: string, text: string, certificates: readonly X509Certificate[]): KeyObject | null {
    const inside = this.#keys("certfile", file, text);
    // A key file that cannot be read has been complained about: which key it holds is not known.
    if (inside === null || this.problems.length > 0) return null;
    const keys = [...inside, ...this.#keyFiles.flatMap((found) => found.keys)];
    const own = certificates[0]!;
    const key = keys.find((candidate) => own.checkPrivateKey(candidate));
    if (key !== undefined) return key;
    if (keys.length === 0)
      return this.#fail("certfile", `${file} comes without a private key; give its keyfile`);
    const later = certificates.some((other) => keys.some((some) => other.checkPrivateKey(some)));
    if (later)
      return this.#fail("certfile", `${file}: the server's own certificate must come first`);
    const files = this.#keyFiles.map((found) => found.file).join(", ");
    const where = files === "" ? "its own private key" : `the private key in ${files}`;
    return this.#fail(
      "keyfile",
      `${where} does not belong to the certificate in ${file}; give the one it was made with`,
    );
  }

  #fail(setting: TlsProblem["setting"], text: string): null {
    this.problems.push({ setting, text });
    return null;
  }
}

/** What a file that is not what was expected seems to be. */
function formText(text: string): string {
  if (/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(text)) return "it holds a private key";
  if (text.includes("-----BEGIN ")) return "it is PEM, but of something else";
  // The first bytes of DER: a SEQUENCE (X.690 section 8.9).
  return text.startsWith("0\x82")
    ? "it is DER or PKCS#12; PEM is needed (openssl x509 -inform der, openssl pkcs12)"
    : "PEM is needed, which begins with -----BEGIN";
}

/** RFC 9525 section 6.3: the common name counts only where there is no alternative name. */
function namesOf(certificate: X509Certificate): string[] {
  const alternatives = certificate.subjectAltName ?? "";
  const names = [...alternatives.matchAll(/(?:^|, )DNS:("?)([^",]+)\1/g)].map(
    ([, , name = ""]) => name,
  );
  const common = /^CN=(.+)$/m.exec(certificate.subject)?.[1];
  const found = alternatives === "" && common !== undefined ? [common] : names;
  return found.map((name) => name.toLowerCase().replace(/\.$/, ""));
}
