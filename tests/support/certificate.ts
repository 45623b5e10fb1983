/**
 * A self-signed certificate for tests, made once for each process in a temporary directory: valid for localhost and
 * 127.0.0.1, with a key of PKCS#8, which every server reads.
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificate {
  /** Paths of PEM files. */
  certificate: string;
  key: string;
}

const made = new Map<string, Certificate>();

function openssl(args: readonly string[]): void {
  const done = Bun.spawnSync(["openssl", ...args], { stdin: "ignore", stderr: "pipe" });
  if (done.exitCode !== 0) throw new Error(`openssl failed: ${done.stderr.toString()}`);
}

/** `rsa` is for clients and scanners that want one beside the usual `ec`. */
export function testCertificate(kind: "ec" | "rsa" = "ec"): Certificate {
  const known = made.get(kind);
  if (known !== undefined) return known;
  const directory = mkdtempSync(join(tmpdir(), "keelback-certificate-"));
  const files = { certificate: join(directory, "cert.pem"), key: join(directory, "key.pem") };
  const key =
    kind === "ec"
      ? ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
      : ["-newkey", "rsa:2048"];
  openssl([
    ...["req", "-x509", "-nodes", "-days", "90", "-subj", "/CN=localhost", ...key],
    ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
    ...["-keyout", files.key, "-out", files.certificate],
  ]);
  process.on("exit", () => Bun.spawnSync(["rm", "-rf", directory]));
  made.set(kind, files);
  return files;
}
