/** `keelback cert`: from nothing to HTTPS in two commands. */
import { afterAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { examplesPython, runKeelback } from "../../support/server.ts";
import { run, startTls } from "./support.ts";

setDefaultTimeout(60_000);

const top = mkdtempSync(join(tmpdir(), "keelback-cert-"));
let directory: string;
let made = 0;

beforeEach(() => {
  made += 1;
  directory = join(top, String(made));
  mkdirSync(directory);
});
afterAll(() => rmSync(top, { recursive: true, force: true }));

/** Without mkcert, wherever this runs. */
const PATH = "/usr/bin:/bin";

function cert(...names: string[]): ReturnType<typeof runKeelback> {
  return runKeelback(["cert", ...names], { cwd: directory, env: { PATH } });
}

describe("keelback cert makes a certificate for development", () => {
  test("for this machine by default, and says what comes next", async () => {
    const { code, stdout } = await cert();
    expect(code).toBe(0);
    expect(stdout).toContain(
      "next: keelback --certfile keelback-cert.pem --keyfile keelback-key.pem",
    );
    const own = new X509Certificate(readFileSync(join(directory, "keelback-cert.pem")));
    expect(own.subjectAltName).toBe(
      "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1",
    );
    expect(own.verify(own.publicKey)).toBe(true);
    expect(statSync(join(directory, "keelback-key.pem")).mode & 0o777).toBe(0o600);
  });

  test("that curl, openssl and Python take when they are told to trust it", async () => {
    await cert();
    const file = join(directory, "keelback-cert.pem");
    const key = join(directory, "keelback-key.pem");
    await using server = await startTls("wsgi", ["--certfile", file, "--keyfile", key]);
    const url = `${server.url}/`;
    expect((await run(["curl", "-sS", "--cacert", file, url])).err).toBe("");
    const strict = ["verify", "-x509_strict", "-CAfile", file, file];
    expect((await run(["openssl", ...strict])).out).toContain(": OK");
    const script =
      "import ssl, sys, urllib.request as u; " +
      "print(u.urlopen(sys.argv[1], context=ssl.create_default_context(cafile=sys.argv[2])).status)";
    const python = [examplesPython() ?? "python3", "-c", script, url, file];
    expect(await run(python)).toMatchObject({ out: "200\n" });
  });

  test("for the names that are given", async () => {
    expect((await cert("*.shop.test", "10.1.2.3", "[fe80::1:2]")).code).toBe(0);
    const own = new X509Certificate(readFileSync(join(directory, "keelback-cert.pem")));
    expect(own.subjectAltName).toBe(
      "DNS:*.shop.test, IP Address:10.1.2.3, IP Address:FE80:0:0:0:0:0:1:2",
    );
    expect(own.checkHost("www.shop.test")).toBe("*.shop.test");
  });

  test("never over one that is there", async () => {
    const key = join(directory, "keelback-key.pem");
    writeFileSync(key, "mine");
    const { code, stderr } = await cert();
    expect(code).toBe(1);
    expect(stderr).toContain("keelback-key.pem");
    expect(readFileSync(key, "utf8")).toBe("mine");
  });

  test.each(["a b", "--days", "a..b", "999.1.1.1"])("not for %p", async (name) => {
    const { code, stderr } = await cert(name);
    expect(code).toBe(2);
    expect(stderr).toStartWith(`keelback: cert: ${JSON.stringify(name)} is no`);
  });

  test("with mkcert where it is installed", async () => {
    const programs = join(directory, "bin");
    mkdirSync(programs);
    writeFileSync(join(programs, "mkcert"), '#!/bin/sh\necho "mkcert $*"\n');
    chmodSync(join(programs, "mkcert"), 0o755);
    const env = { PATH: `${programs}:${PATH}` };
    const { code, stdout } = await runKeelback(["cert", "a.test"], { cwd: directory, env });
    expect(code).toBe(0);
    const files = "-cert-file keelback-cert.pem -key-file keelback-key.pem";
    expect(stdout).toContain(`mkcert ${files} a.test`);
    expect(stdout).toContain("next: keelback ");
  });
});
