/** The certificate of every server of a TLS scenario: self-signed, P-256, PKCS#8 because Granian reads keys in no other form. */
import { writeFileSync } from "node:fs";
import { selfSigned } from "../../net/self-signed.ts";
import { certificatePath, keyPath } from "./spec.ts";
import type { Listen } from "./spec.ts";

export function writeCertificate(listen: Listen): void {
  const { certificate, key } = selfSigned(["localhost", "127.0.0.1"], new Date());
  writeFileSync(certificatePath(listen), certificate);
  writeFileSync(keyPath(listen), key, { mode: 0o600 });
}
