/** Clients that show a certificate, and those that should. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { TestServer } from "../../support/server.ts";
import { Authority, curl, type Files, type Ran, sClient, startTls, tlsArgs } from "./support.ts";

setDefaultTimeout(60_000);

const authority = new Authority();
const strangers = new Authority();
const known = authority.client("/O=Acme, Inc/OU=Ä/CN=one");
const stranger = strangers.client("/CN=stranger");

afterAll(() => {
  authority[Symbol.dispose]();
  strangers[Symbol.dispose]();
});

function show(files: Files): string[] {
  return ["--cert", files.certificate, "--key", files.key];
}

function start(kind: "wsgi" | "asgi", reqs: string): Promise<TestServer> {
  const own = tlsArgs(authority.server(), authority.server(["b.test"]));
  const trust = ["--ca-certs", authority.certificate, "--cert-reqs", reqs];
  return startTls(kind, [...own, ...trust]);
}

/** The status and the body. */
async function answer(ran: Promise<Ran>): Promise<[string, string]> {
  const { out } = await ran;
  return [out.slice(-3), out.slice(0, -3)];
}

describe("Client certificates are checked", () => {
  const status = ["--write-out", "%{http_code}"];

  test("required: none and a wrong one are refused, with a reason", async () => {
    await using server = await start("wsgi", "required");
    const none = await answer(curl(server, authority, "/", ...status));
    expect(none).toEqual(["400", expect.stringContaining("A client certificate is required.")]);
    const wrong = await answer(curl(server, authority, "/", ...status, ...show(stranger)));
    expect(wrong).toEqual(["400", expect.stringContaining("certificate is not valid here")]);
    const right = await answer(curl(server, authority, "/", ...status, ...show(known)));
    expect(right[0]).toBe("200");
    await server.waitForLine(/refused \[client-certificate-missing\] 400 127\.0\.0\.1/);
  });

  test("required: another name is no way around it", async () => {
    await using server = await start("wsgi", "required");
    const url = `https://b.test:${server.port}/`;
    expect((await answer(curl(server, authority, url, ...status)))[0]).toBe("400");
    const shown = curl(server, authority, url, ...status, ...show(known));
    expect((await answer(shown))[0]).toBe("200");
  });

  test("optional: none is fine, a wrong one is not", async () => {
    await using server = await start("wsgi", "optional");
    expect((await answer(curl(server, authority, "/", ...status)))[0]).toBe("200");
    const wrong = curl(server, authority, "/", ...status, ...show(stranger));
    expect((await answer(wrong))[0]).toBe("400");
  });

  test("none: nobody is asked", async () => {
    await using server = await startTls("wsgi", tlsArgs(authority.server()));
    const { out } = await curl(server, authority, "/", ...show(known));
    expect(JSON.parse(out)).toMatchObject({ SSL_CLIENT_VERIFY: "NONE" });
  });

  test("the environ holds what was shown, also on a resumed session", async () => {
    await using server = await start("wsgi", "optional");
    const { out } = await curl(server, authority, "/", ...show(known));
    expect(JSON.parse(out)).toMatchObject({
      SSL_CLIENT_VERIFY: "SUCCESS",
      // A WSGI string: the bytes of UTF-8 as latin-1.
      SSL_CLIENT_S_DN: Buffer.from("CN=one,OU=Ä,O=Acme\\, Inc").toString("latin1"),
      SSL_CLIENT_I_DN: "CN=authority",
      SSL_CLIENT_M_SERIAL: expect.stringMatching(/^[0-9A-F]+$/),
      SSL_CLIENT_CERT: readFileSync(known.certificate, "latin1"),
    });
    const session = authority.path("session");
    const identity = ["-cert", known.certificate, "-key", known.key];
    await sClient(server, "-servername", "localhost", ...identity, "-sess_out", session);
    const again = await sClient(server, "-servername", "localhost", "-sess_in", session);
    expect(again.out).toContain('"SSL_SESSION_RESUMED": "Resumed"');
    expect(again.out).toContain('"SSL_CLIENT_VERIFY": "SUCCESS"');
  });

  test("the scope holds what was shown", async () => {
    await using server = await start("asgi", "optional");
    const shown = JSON.parse((await curl(server, authority, "/", ...show(known))).out);
    expect(shown.tls).toMatchObject({
      client_cert_name: "CN=one,OU=Ä,O=Acme\\, Inc",
      client_cert_chain: [readFileSync(known.certificate, "latin1")],
      client_cert_error: null,
    });
    const nobody = JSON.parse((await curl(server, authority, "/")).out);
    expect(nobody.tls).toMatchObject({ client_cert_name: null, client_cert_chain: [] });
  });
});
