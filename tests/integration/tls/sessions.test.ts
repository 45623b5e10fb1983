/** Versions, ciphers, resumption: what is agreed on and what is refused. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { TestServer } from "../../support/server.ts";
import { Authority, curl, run, sClient, startTls, tlsArgs } from "./support.ts";

setDefaultTimeout(60_000);

const authority = new Authority();
let server: TestServer;

beforeAll(async () => {
  server = await startTls("wsgi", tlsArgs(authority.server(), authority.server(["b.test"])));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  authority[Symbol.dispose]();
});

describe("Sessions are resumed", () => {
  test.each(["-tls1_2", "-tls1_3"])("%s", async (version) => {
    const session = authority.path(`session${version}`);
    const name = ["-servername", "localhost", version];
    const first = await sClient(server, ...name, "-sess_out", session);
    expect(first.out).toContain("New, TLSv1.");
    expect(first.out).toContain('"SSL_SESSION_RESUMED": "Initial"');
    const second = await sClient(server, ...name, "-sess_in", session);
    expect(second.out).toContain("Reused, TLSv1.");
    expect(second.out).toContain('"SSL_SESSION_RESUMED": "Resumed"');
  });
});

describe("Old TLS is refused", () => {
  const weak = ["-cipher", "ALL:@SECLEVEL=0"];

  test.each(["-tls1", "-tls1_1"])("%s", async (version) => {
    const { code, out, err } = await sClient(server, version, ...weak);
    expect(code).not.toBe(0);
    expect(out).toContain("New, (NONE)");
    expect(err).toContain("alert protocol version");
  });

  test.each([
    "AES128-SHA",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA384",
    "AES128-GCM-SHA256",
  ])("a cipher without forward secrecy or AEAD: %s", async (cipher) => {
    const { out } = await sClient(server, "-tls1_2", "-cipher", `${cipher}:@SECLEVEL=0`);
    expect(out).toContain("New, (NONE)");
  });

  test("renegotiation", async () => {
    const address = ["-connect", `127.0.0.1:${server.port}`, "-tls1_2"];
    const { err } = await run(["openssl", "s_client", ...address], "R\n");
    expect(err).toContain("no renegotiation");
  });

  test("compression", async () => {
    const { out } = await sClient(server, "-tls1_2", "-comp");
    expect(out).toContain("Compression: NONE");
  });

  test("an unknown protocol of ALPN", async () => {
    const { err } = await sClient(server, "-alpn", "spdy/3");
    expect(err).toContain("alert no application protocol");
  });
});

describe("what is allowed can be narrowed", () => {
  test("--tls-min 1.3", async () => {
    await using strict = await startTls("wsgi", [
      ...tlsArgs(authority.server()),
      "--tls-min",
      "1.3",
    ]);
    expect((await curl(strict, authority, "/")).code).toBe(0);
    expect((await curl(strict, authority, "/", "--tls-max", "1.2")).err).toContain(
      "protocol version",
    );
  });

  test("--ciphers", async () => {
    const ciphers = ["--ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256"];
    await using narrow = await startTls("wsgi", [...tlsArgs(authority.server()), ...ciphers]);
    const { out } = await curl(narrow, authority, "/", "--tls-max", "1.2");
    expect(JSON.parse(out).SSL_CIPHER).toBe("ECDHE-ECDSA-AES128-GCM-SHA256");
    const other = ["--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384"];
    expect((await curl(narrow, authority, "/", ...other)).code).not.toBe(0);
  });
});
