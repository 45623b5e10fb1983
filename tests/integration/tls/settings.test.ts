/** Starts that must fail, with the cause and the remedy, and those that only warn. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { repository, runKeelback } from "../../support/server.ts";
import { Authority, curl, type Files, startTls, tlsArgs } from "./support.ts";

setDefaultTimeout(60_000);

const authority = new Authority();
const good = authority.server();
const other = authority.server();
const both = authority.write(
  "both",
  readFileSync(good.certificate, "latin1") + readFileSync(good.key, "latin1"),
  "",
);

afterAll(() => authority[Symbol.dispose]());

function check(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const app = ["tls_facts:wsgi", "--chdir", `${repository}/tests/apps`];
  return runKeelback(["--check-config", ...app, ...args]);
}

function mixed(certificate: Files, key: Files): string[] {
  return tlsArgs({ certificate: certificate.certificate, key: key.key });
}

describe("Wrong certificates stop the start", () => {
  const secret = authority.encrypted(good, "hush");

  test.each<[string, string[], RegExp]>([
    [
      "missing",
      ["--certfile", "/no/such.pem"],
      /^keelback: certfile: \/no\/such\.pem does not exist; .*keelback cert/,
    ],
    [
      "without a key",
      ["--certfile", good.certificate],
      /certfile: .* comes without a private key; give its keyfile/,
    ],
    [
      "with another's key",
      mixed(good, other),
      /keyfile: the private key in .* does not belong to the certificate in/,
    ],
    [
      "a key instead",
      ["--certfile", good.key],
      /certfile: .* holds no certificate; it holds a private key/,
    ],
    ["a directory", ["--certfile", authority.directory], /certfile: .* is a directory/],
    [
      "an encrypted key without its password",
      ["--certfile", good.certificate, "--keyfile", secret],
      /keyfile: the private key in .* is encrypted; give its password as keyfile-password/,
    ],
    [
      "a wrong password",
      ["--certfile", good.certificate, "--keyfile", secret, "--keyfile-password", "loud"],
      /keyfile-password: the password does not open the private key/,
    ],
    [
      "ciphers that are none",
      [...tlsArgs(good), "--ciphers", "NOPE"],
      /ciphers: "NOPE" is no list of cipher suites/,
    ],
    [
      "ciphers of TLS 1.3 alone",
      [...tlsArgs(good), "--ciphers", "TLS_AES_128_GCM_SHA256"],
      /ciphers: .* names no suite of TLS 1\.2/,
    ],
    [
      "no authorities",
      [...tlsArgs(good), "--cert-reqs", "required"],
      /cert-reqs: required .* needs ca-certs/,
    ],
    [
      "authorities that are none",
      [...tlsArgs(good), "--cert-reqs", "required", "--ca-certs", good.key],
      /ca-certs: .* holds no certificate/,
    ],
    ["a key alone", ["--keyfile", good.key], /keyfile: \(from --keyfile\) needs certfile/],
    ["a redirect alone", ["--redirect-http", "80"], /redirect-http: .* needs certfile/],
    [
      "a redirect to nowhere",
      [...tlsArgs(good), "--redirect-http", "unix:x"],
      /redirect-http: "unix:x" .* is no PORT or ADDRESS:PORT/,
    ],
  ])("%s", async (_, args, message) => {
    const { code, stderr } = await check(...args);
    expect(stderr.split("\n").find((line) => !line.includes(" info "))).toMatch(message);
    expect(code).toBe(2);
    expect(stderr).not.toContain("loud");
  });

  test("a good one passes, with the key in its file or encrypted", async () => {
    expect((await check("--certfile", both.certificate)).code).toBe(0);
    const encrypted = ["--certfile", good.certificate, "--keyfile", secret];
    expect((await check(...encrypted, "--keyfile-password", "hush")).code).toBe(0);
  });

  test("the password is never printed", async () => {
    const args = [...tlsArgs(good), "--keyfile-password", "hush"];
    for (const json of [[], ["--json"]]) {
      const { stdout } = await runKeelback(["--print-config", ...json, ...args]);
      expect(stdout).toContain("(secret)");
      expect(stdout).not.toContain("hush");
    }
  });
});

describe("Certificates that are not valid now are complained about", () => {
  test.each<[string, number, RegExp]>([
    ["expired", 1000, /warning .*the certificate in .* has expired on \d{4}-\d\d-\d\d/],
    ["not yet valid", -10, /warning .*the certificate in .* is not valid before/],
    ["about to expire", 800, /warning .*the certificate in .* expires in 2[45] days, on/],
  ])("%s", async (_, days, message) => {
    const { code, stderr } = await check(...tlsArgs(authority.aged(days)));
    expect(stderr).toMatch(message);
    expect(code).toBe(0);
  });

  test("and are served all the same", async () => {
    const files = authority.aged(1000);
    await using server = await startTls("wsgi", tlsArgs(files));
    expect((await curl(server, authority, "/", "--insecure")).code).toBe(0);
    const { err } = await curl(server, authority, "/", "--cacert", files.certificate);
    expect(err).toContain("expired");
  });
});

describe("the port that nobody has chosen", () => {
  test("is 8443 with a certificate", async () => {
    const config = async (...args: string[]): Promise<string> =>
      JSON.parse((await runKeelback(["--print-config", "--json", ...args])).stdout).bind.text;
    expect(await config(...tlsArgs(good))).toBe("127.0.0.1:8443");
    expect(await config(...tlsArgs(good), "--port", "9000")).toBe("127.0.0.1:9000");
    expect(await config()).toBe("127.0.0.1:8000");
  });

  test("settings that do nothing are noted", async () => {
    const { stderr } = await check("--hsts", "--tls-min", "1.3");
    expect(stderr).toContain("hsts has no effect without --certfile");
    expect(stderr).toContain("tls-min has no effect without --certfile");
  });
});
