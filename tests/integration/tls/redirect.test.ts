/** The plain port beside the one of TLS, and the header that makes it unnecessary. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { RawClient, type RawResponse } from "../../support/raw-client.ts";
import type { TestServer } from "../../support/server.ts";
import { Authority, curl, run, startTls, tlsArgs } from "./support.ts";

setDefaultTimeout(60_000);

const authority = new Authority();

afterAll(() => authority[Symbol.dispose]());

describe("Plain HTTP is redirected to HTTPS", () => {
  let server: TestServer;
  let port: number;

  async function redirecting(...more: string[]): Promise<[server: TestServer, port: number]> {
    const redirect = ["--redirect-http", "0", ...more];
    const started = await startTls("wsgi", [...tlsArgs(authority.server()), ...redirect]);
    const line = await started.waitForLine(/http:\/\/\S+ \(sends clients to HTTPS\)/);
    return [started, Number(/:(\d+) /.exec(line)?.[1])];
  }

  beforeAll(async () => {
    [server, port] = await redirecting();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  async function answer(text: string, to: number = port): Promise<RawResponse> {
    await using client = await RawClient.connect(to);
    await client.send(text);
    const response = await client.readResponse("GET");
    expect(response.headers["connection"]).toBe("close");
    expect(await client.readToEnd()).toBe("");
    return response;
  }

  test.each([
    ["GET", "/"],
    ["POST", "/a/b?c=d&e=%2F"],
    ["HEAD", "//evil.test/x"],
  ])("%s %s", async (method, target) => {
    const host = `localhost:${port}`;
    const { status, headers } = await answer(
      `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    );
    expect(status).toBe(308);
    expect(headers["location"]).toBe(`https://localhost:${server.port}${target}`);
  });

  test("curl follows it, method and body included", async () => {
    const trust = ["--cacert", authority.certificate, "--location", "--max-time", "10"];
    const url = `http://localhost:${port}/digest`;
    const { out } = await run(["curl", "-s", ...trust, "--data", "hello", url]);
    expect(out).toBe(new Bun.CryptoHasher("sha256").update("hello").digest("hex"));
  });

  test.each([
    ["no Host", "GET / HTTP/1.1\r\n\r\n"],
    ["a Host that is none", "GET / HTTP/1.1\r\nHost: a/b@c\r\n\r\n"],
    ["two", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"],
    ["a line end in the target", "GET /\r\nX: y HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["no target that has a place", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["TLS", Buffer.from([22, 3, 1, 0, 5, 1, 0, 0, 1, 0]).toString("latin1")],
  ])("%s: 400", async (_, text) => {
    const { status, headers } = await answer(text);
    expect(status).toBe(400);
    expect(headers["location"]).toBeUndefined();
  });

  test("a slow client is cut", async () => {
    const [impatient, plain] = await redirecting("--header-timeout", "500ms");
    await using _ = impatient;
    const { status } = await answer("GET / HTTP/1.1\r\nHo", plain);
    expect(status).toBe(408);
  });
});

describe("Strict-Transport-Security is sent", () => {
  const hsts = async (server: TestServer, target: string): Promise<string[]> => {
    const { out } = await curl(server, authority, target, "--dump-header", "-", "-o", "/dev/null");
    return out.split("\r\n").filter((line) => line.toLowerCase().startsWith("strict-"));
  };

  test.each(["wsgi", "asgi"] as const)("%s: a year, unless the app has set it", async (kind) => {
    await using server = await startTls(kind, [...tlsArgs(authority.server()), "--hsts"]);
    expect(await hsts(server, "/")).toEqual(["strict-transport-security: max-age=31536000"]);
    const own = await hsts(server, "/own-hsts");
    expect(own.map((line) => line.toLowerCase())).toEqual(["strict-transport-security: max-age=1"]);
  });

  test("for as long as is said, and not at all by default", async () => {
    await using server = await startTls("wsgi", [...tlsArgs(authority.server()), "--hsts", "60"]);
    expect(await hsts(server, "/")).toEqual(["strict-transport-security: max-age=60"]);
    await using silent = await startTls("wsgi", tlsArgs(authority.server()));
    expect(await hsts(silent, "/")).toEqual([]);
  });
});
