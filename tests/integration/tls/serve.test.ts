/** HTTP/1.1 over TLS with clients of every make, and what apps are told. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { examplesPython, type TestServer } from "../../support/server.ts";
import { Authority, curl, type Files, run, sClient, startTls, tlsArgs } from "./support.ts";

setDefaultTimeout(60_000);

const authority = new Authority();
const BODY_BYTES = 8 * 1024 * 1024;

afterAll(() => authority[Symbol.dispose]());

interface Answer {
  status: number;
  body: string;
  reused: boolean;
}

/** A request by node:https on a connection of the agent. */
function ask(server: TestServer, agent: Agent): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const options = { host: "127.0.0.1", port: server.port, servername: "localhost", agent };
  const sent = request(options, (response) => {
    let body = "";
    response.on("data", (chunk) => (body += String(chunk)));
    response.on("end", () =>
      resolve({ status: response.statusCode ?? 0, body, reused: sent.reusedSocket }),
    );
  });
  sent.on("error", reject);
  sent.end();
  return promise;
}

describe.each(["wsgi", "asgi"] as const)("%s", (kind) => {
  let server: TestServer;
  let files: Files;

  beforeAll(async () => {
    files = authority.server(["localhost"]);
    server = await startTls(kind, tlsArgs(files));
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test("the start-up screen says https", () => {
    expect(server.url).toBe(`https://127.0.0.1:${server.port}`);
  });

  test("connections are kept alive", async () => {
    const format = "%{http_code} %{num_connects} %{scheme}\\n";
    const more = [`https://localhost:${server.port}/`, "-o", "/dev/null", "-o", "/dev/null"];
    const { out } = await curl(server, authority, "/", "-w", format, ...more);
    expect(out.trim().split("\n")).toEqual(["200 1 HTTPS", "200 0 HTTPS"]);
  });

  test("large bodies go both ways", async () => {
    const path = authority.path("upload");
    const bytes = Buffer.alloc(BODY_BYTES, "0123456789abcdef-");
    writeFileSync(path, bytes);
    const digest = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
    const sized = await curl(server, authority, "/digest", "--data-binary", `@${path}`);
    expect(sized.out).toBe(digest);
    const chunked = ["-H", "Transfer-Encoding: chunked", "--data-binary", `@${path}`];
    expect((await curl(server, authority, "/digest", ...chunked)).out).toBe(digest);
    const large = await curl(server, authority, `/large?${BODY_BYTES}`);
    expect(large.out.length).toBe(BODY_BYTES);
  });

  test("the last response arrives whole before the connection closes", async () => {
    const target = `/large?${BODY_BYTES}`;
    const slow = ["--limit-rate", "8M", "-H", "Connection: close"];
    const { code, out } = await curl(server, authority, target, ...slow);
    expect({ code, length: out.length }).toEqual({ code: 0, length: BODY_BYTES });
  });

  test("the end is said with close_notify", async () => {
    const { out, err } = await sClient(server);
    expect(out).toContain("HTTP/1.1 200 OK");
    expect(err).not.toContain("unexpected eof");
  });

  test("node's client keeps its connection", async () => {
    const agent = new Agent({ keepAlive: true, ca: readFileSync(authority.certificate) });
    expect(await ask(server, agent)).toMatchObject({ status: 200, reused: false });
    expect(await ask(server, agent)).toMatchObject({ status: 200, reused: true });
    agent.destroy();
  });

  test.skipIf(examplesPython() === undefined)("httpx is served", async () => {
    const script = [
      "import httpx, ssl, sys",
      "trust = ssl.create_default_context(cafile=sys.argv[2])",
      "with httpx.Client(verify=trust) as client:",
      "    for _ in range(3): print(client.get(sys.argv[1]).status_code)",
    ].join("\n");
    const url = `https://localhost:${server.port}/`;
    const command = [examplesPython() ?? "", "-c", script, url, authority.certificate];
    expect(await run(command)).toMatchObject({ out: "200\n200\n200\n", err: "" });
  });
});

describe("Apps are told about TLS", () => {
  test("in the environ", async () => {
    await using server = await startTls("wsgi", tlsArgs(authority.server()));
    const { out } = await curl(server, authority, "/", "--tls-max", "1.2");
    expect(JSON.parse(out)).toMatchObject({
      "wsgi.url_scheme": "https",
      HTTPS: "on",
      SSL_PROTOCOL: "TLSv1.2",
      SSL_CIPHER: "ECDHE-ECDSA-AES256-GCM-SHA384",
      SSL_TLS_SNI: "localhost",
      SSL_CLIENT_VERIFY: "NONE",
      SERVER_PORT: String(server.port),
    });
    const forged = ["-H", "HTTPS: off", "-H", "SSL_CLIENT_VERIFY: SUCCESS"];
    const facts = JSON.parse((await curl(server, authority, "/", ...forged)).out);
    expect(facts).toMatchObject({ HTTPS: "on", SSL_CLIENT_VERIFY: "NONE", HTTP_HTTPS: "off" });
  });

  test("in the scope", async () => {
    const files = authority.server();
    await using server = await startTls("asgi", tlsArgs(files));
    const { out } = await curl(server, authority, "/");
    expect(JSON.parse(out)).toEqual({
      scheme: "https",
      tls: {
        server_cert: readFileSync(files.certificate, "latin1"),
        client_cert_chain: [],
        client_cert_name: null,
        client_cert_error: null,
        tls_version: 0x0304,
        cipher_suite: 0x1302,
      },
    });
    const old = JSON.parse((await curl(server, authority, "/", "--tls-max", "1.2")).out);
    expect(old.tls).toMatchObject({ tls_version: 0x0303, cipher_suite: 0xc02c });
  });

  test("unix sockets stay plain", async () => {
    const path = authority.path("plain.sock");
    const beside = [...tlsArgs(authority.server()), "--bind", `unix:${path}`];
    await using server = await startTls("asgi", beside);
    expect(JSON.parse((await curl(server, authority, "/")).out).scheme).toBe("https");
    const plain = await run(["curl", "-s", "--unix-socket", path, "http://localhost/"]);
    expect(JSON.parse(plain.out)).toEqual({ scheme: "http", tls: null });
  });
});
