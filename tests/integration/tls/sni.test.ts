/** Several certificates on one socket. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { TestServer } from "../../support/server.ts";
import { Authority, curl, secure, startTls } from "./support.ts";

setDefaultTimeout(60_000);

describe("The client's name chooses the certificate", () => {
  const authority = new Authority();
  let server: TestServer;

  beforeAll(async () => {
    const first = authority.server(["localhost"]);
    const shop = authority.server(["shop.test", "*.shop.test"]);
    const rsa = authority.server(["old.test"], "rsa");
    // Keys in another order than the certificates: they find each other.
    const keys = [rsa, first, shop].flatMap(({ key }) => ["--keyfile", key]);
    const certificates = [first, shop, rsa].flatMap((one) => ["--certfile", one.certificate]);
    server = await startTls("wsgi", [...certificates, ...keys]);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    authority[Symbol.dispose]();
  });

  test.each([
    ["localhost", "localhost"],
    ["shop.test", "shop.test"],
    ["SHOP.TEST", "shop.test"],
    ["www.shop.test", "shop.test"],
    ["old.test", "old.test"],
    ["a.www.shop.test", "localhost"],
    ["unknown.test", "localhost"],
    ["", "localhost"],
  ])("%p gets that of %s", async (servername, subject) => {
    const socket = await secure(server, authority, { servername, rejectUnauthorized: false });
    expect(socket.getPeerCertificate().subject.CN).toBe(subject);
    socket.destroy();
  });

  test("clients that check it are content, and the app hears the name", async () => {
    const url = `https://www.shop.test:${server.port}/`;
    const { code, out } = await curl(server, authority, url);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ SSL_TLS_SNI: "www.shop.test" });
  });

  test.each(["shop.test", "localhost"])("ALPN is the same for %s", async (servername) => {
    const options = { servername, ALPNProtocols: ["http/1.1"] };
    const socket = await secure(server, authority, options);
    expect(socket.alpnProtocol).toBe("http/1.1");
    socket.destroy();
  });
});
