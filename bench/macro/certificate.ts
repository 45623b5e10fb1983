/**
 * The certificate that every server of a TLS scenario gets: self-signed, P-256, made once under .cache. PKCS#8, which is
 * the only form of key granian reads.
 */
import { existsSync, mkdirSync } from "node:fs";
import { root } from "./paths.ts";

const directory = `${root}/.cache/bench-tls`;
export const certificatePath: string = `${directory}/cert.pem`;
export const keyPath: string = `${directory}/key.pem`;

export function ensureCertificate(): void {
  if (existsSync(certificatePath) && existsSync(keyPath)) return;
  mkdirSync(directory, { recursive: true });
  const done = Bun.spawnSync([
    ...["openssl", "req", "-x509", "-nodes", "-days", "3650", "-subj", "/CN=localhost"],
    ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
    ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
    ...["-keyout", keyPath, "-out", certificatePath],
  ]);
  if (done.exitCode !== 0) throw new Error(`openssl failed: ${done.stderr.toString()}`);
}
