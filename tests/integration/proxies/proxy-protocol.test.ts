/** The PROXY protocol over real sockets: who may speak it, when, and what comes of it. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectPlain, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { HELLO } from "../../support/h2-connection.ts";
import { proxyV2 } from "../../support/proxy-header.ts";
import { RawClient } from "../../support/raw-client.ts";
import { runKeelback, type TestServer } from "../../support/server.ts";
import { rest } from "../http/support.ts";
import { Authority, tlsArgs as certificateArgs } from "../tls/support.ts";
import {
  type Ends,
  type Fields,
  head,
  type Kind,
  startEnds,
  TEST_TIMEOUT_MS,
  tlsArgs,
} from "./support.ts";

setDefaultTimeout(TEST_TIMEOUT_MS);

const V1 = "PROXY TCP4 192.0.2.7 198.51.100.2 4711 8443\r\n";
const V2 = proxyV2({ payload: [192, 0, 2, 7, 198, 51, 100, 2, 0x12, 0x67, 0x20, 0xfb] });
const LOCAL = proxyV2({ command: 0x20, way: 0, payload: [] });

function start(kind: Kind, ...args: string[]): Promise<TestServer> {
  return startEnds(kind, { args: ["--proxy-protocol", ...args] });
}

async function begin(server: TestServer, ...parts: (string | Uint8Array)[]): Promise<RawClient> {
  const client = await RawClient.connect(server.port);
  const bytes = parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part));
  await client.send(Buffer.concat(bytes));
  return client;
}

async function next(client: RawClient): Promise<Ends> {
  return JSON.parse((await client.readResponse()).body) as Ends;
}

async function seen(server: TestServer, header: string | Uint8Array, fields: Fields = []) {
  await using client = await begin(server, header, head("/x", fields));
  return await next(client);
}

/** The connection is closed without an answer, and the log says why. */
async function expectClosed(server: TestServer, code: string, ...parts: (string | Uint8Array)[]) {
  await using client = await begin(server, ...parts);
  expect(await rest(client)).toBe("");
  await server.waitForLine(new RegExp(`refused \\[${code}\\]`));
}

describe("The PROXY protocol names the client", () => {
  test.each(["wsgi", "asgi"] as const)("%s: both versions", async (kind) => {
    await using server = await start(kind, "auto");
    for (const header of [V1, V2]) {
      expect(await seen(server, header)).toMatchObject({
        client: "192.0.2.7",
        port: 4711,
        server: ["198.51.100.2", 8443],
        scheme: "http",
      });
    }
    for (const header of ["PROXY UNKNOWN\r\n", LOCAL]) {
      const expected = { client: "127.0.0.1", server: ["127.0.0.1", server.port] };
      expect(await seen(server, header)).toMatchObject(expected);
    }
  });

  test("the header may come in pieces, and with the request behind it", async () => {
    await using server = await start("wsgi", "auto");
    await using client = await RawClient.connect(server.port);
    for (const byte of V2) await client.send(Uint8Array.of(byte));
    await client.send(head("/"));
    expect(await next(client)).toMatchObject({ client: "192.0.2.7" });
  });

  test("all requests of the connection are that client's, in the log too", async () => {
    const format = ["--access-log", "-", "--access-log-format", "%(h)s %(r)s"];
    await using server = await start("wsgi", "v1", ...format);
    await using client = await begin(server, V1, head("/one"), head("/two"));
    for (const path of ["/one", "/two"]) {
      expect(await next(client)).toMatchObject({ client: "192.0.2.7", path });
      await server.waitForLine(new RegExp(`^192\\.0\\.2\\.7 GET ${path} `));
    }
  });

  test("HTTP/2 goes on behind it", async () => {
    await using server = await start("asgi", "v2");
    await using client = await begin(server, V2, HELLO);
    // The answer to the client's SETTINGS.
    await client.readUntil("\0\0\0\x04\x01\0\0\0\0");
  });

  test("on a unix socket, too", async () => {
    const directory = mkdtempSync(join(tmpdir(), "keelback-proxy-"));
    const path = join(directory, "s");
    const args = ["--proxy-protocol", "auto"];
    await using server = await startEnds("wsgi", { args, bind: `unix:${path}` });
    await using client = await RawClient.connect(path);
    await client.send(V1 + head("/", [["X-Forwarded-For", "6.6.6.6"]]));
    expect(await next(client)).toMatchObject({ client: "192.0.2.7", port: 4711 });
    expect(await server.stop()).toBe(0);
    rmSync(directory, { recursive: true });
  });

  test("forwarding headers are believed of the address that it names", async () => {
    const args = ["auto", "--forwarded-allow-ips", "192.0.2.0/24"];
    await using server = await start("wsgi", ...args);
    const fields: Fields = [["X-Forwarded-For", "203.0.113.9"]];
    expect(await seen(server, V1, fields)).toMatchObject({ client: "203.0.113.9" });
    const other = V1.replace("192.0.2.7", "192.0.3.7");
    const ends = await seen(server, other, fields);
    expect(ends).toMatchObject({ client: "192.0.3.7", fields: [["host", "own.test"]] });
  });

  test.each([
    ["in pieces", false],
    ["in one packet with the client's hello", true],
  ])("before TLS, %s", async (_, joined) => {
    await using server = await start("asgi", "auto", ...tlsArgs());
    for (const header of [Buffer.from(V1), V2]) {
      const socket = await secure(server, header, joined);
      const answer = Promise.withResolvers<string>();
      let received = "";
      socket.on("data", (chunk: Buffer) => {
        received += chunk.toString("latin1");
        const [, length = ""] = /content-length: (\d+)/i.exec(received) ?? [];
        const [, body = ""] = received.split("\r\n\r\n");
        if (body.length === Number(length || Infinity)) answer.resolve(body);
      });
      socket.on("close", () => answer.reject(new Error(`closed after ${received}`)));
      socket.write(head("/"));
      const ends = JSON.parse(await answer.promise) as Ends;
      expect(ends).toMatchObject({ client: "192.0.2.7", port: 4711, scheme: "https" });
      socket.destroy();
    }
  });

  test("before TLS, the client's name still chooses the certificate", async () => {
    using authority = new Authority();
    const names = ["one.test", "two.test"];
    const files = names.map((name) => authority.server([name]));
    const args = certificateArgs(...files);
    await using server = await start("wsgi", "auto", ...args);
    for (const name of names) {
      const socket = await secure(server, V2, false, name);
      expect(socket.getPeerCertificate().subject.CN).toBe(name);
      socket.destroy();
    }
  });

  test("before TLS, many at once, and a stop ends them in order", async () => {
    await using server = await start("wsgi", "auto", ...tlsArgs());
    const joined = Array.from({ length: 30 }, (_, i) => i % 2 === 0);
    const sockets = await Promise.all(joined.map((one) => secure(server, V2, one)));
    expect(sockets.map((socket) => socket.alpnProtocol)).toEqual(joined.map(() => "http/1.1"));
    const ends = sockets.map((socket) => new Promise((resolve) => socket.once("close", resolve)));
    for (const socket of sockets) socket.resume().on("end", () => socket.end());
    expect(await server.stop()).toBe(0);
    await Promise.all(ends);
  });

  test("before TLS, where a client speaks no TLS or goes", async () => {
    await using server = await start("wsgi", "auto", "--log-level", "debug", ...tlsArgs());
    {
      await using plain = await begin(server, V1, head("/"));
      await rest(plain);
    }
    {
      await using gone = await begin(server, V1);
      gone.halfClose();
      await rest(gone);
    }
    await expectClosed(server, "proxy-header-missing", head("/"));
    const socket = await secure(server, V2, true);
    expect(socket.alpnProtocol).toBe("http/1.1");
    socket.destroy();
  });
});

describe("A connection that does not begin as the PROXY protocol wants is closed", () => {
  test("from a sender that may not speak it", async () => {
    await using server = await start("wsgi", "auto", "--proxy-allow-ips", "10.0.0.0/8,unix");
    await expectClosed(server, "proxy-untrusted", V1, head("/"));
  });

  test("without a header, or with a malformed one", async () => {
    await using server = await start("wsgi", "v1");
    await expectClosed(server, "proxy-header-missing", head("/"));
    await expectClosed(server, "proxy-header-missing", V2, head("/"));
    await expectClosed(server, "proxy-header-missing", `\r\n${V1}`, head("/"));
    await expectClosed(server, "proxy-header-invalid", V1.replace("4711", "x"), head("/"));
    // It is not waited for a line's end that does not come.
    await expectClosed(server, "proxy-header-invalid", `PROXY ${"x".repeat(101)}`);
    expect(await seen(server, V1)).toMatchObject({ client: "192.0.2.7" });
  });

  test("in time", async () => {
    await using server = await start("wsgi", "auto", "--header-timeout", "100ms");
    await expectClosed(server, "header-timeout", V1.slice(0, 20));
  });

  test("later it is a request like others, and a wrong one", async () => {
    await using server = await start("wsgi", "auto");
    const forged = V1.replace("192.0.2.7", "6.6.6.6");
    for (const header of [V1, V2]) {
      await using client = await begin(server, header, head("/"), forged, head("/"));
      expect(await next(client)).toMatchObject({ client: "192.0.2.7" });
      expect((await client.readResponse()).status).toBe(400);
    }
    await using body = await begin(server, V1, head("/", [["Content-Length", "45"]]), forged);
    expect(await next(body)).toMatchObject({ client: "192.0.2.7" });
  });

  test("a balancer that only looks whether the server is there is no matter for the log", async () => {
    await using server = await start("wsgi", "auto");
    {
      await using client = await RawClient.connect(server.port);
      client.halfClose();
      expect(await rest(client)).toBe("");
    }
    expect(await seen(server, V1)).toMatchObject({ client: "192.0.2.7" });
    expect(server.output()).not.toContain("refused");
  });

  test("HTTP/3 has no such header: that is said at the start", async () => {
    const args = ["serve", "ends:wsgi", "--proxy-protocol", "--http3", ...tlsArgs()];
    const { code, stderr } = await runKeelback(args);
    expect(code).not.toBe(0);
    expect(stderr).toContain("proxy-protocol: auto (from --proxy-protocol) does not go with http3");
  });
});

/** A TLS client whose header goes first: with its hello in one packet, or in two pieces of its own. */
async function secure(
  server: TestServer,
  header: Buffer,
  joined: boolean,
  servername: string = "localhost",
): Promise<TLSSocket> {
  const raw = connectPlain({ host: "127.0.0.1", port: server.port, noDelay: true });
  await new Promise((resolve) => raw.once("connect", resolve));
  if (!joined) {
    await new Promise((resolve) => raw.write(header.subarray(0, 9), resolve));
    await new Promise((resolve) => raw.write(header.subarray(9), resolve));
  }
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const socket: TLSSocket = connectTls(
    {
      socket: joined ? prefixed(raw, header) : raw,
      servername,
      rejectUnauthorized: false,
      ALPNProtocols: ["http/1.1"],
    },
    () => resolve(socket),
  );
  socket.on("error", reject);
  return promise;
}

/** The socket, with these bytes in front of what is written first, in the same packet. */
function prefixed(raw: Socket, header: Buffer): Duplex {
  let before = header;
  const duplex = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _, done) => {
      const bytes = Buffer.concat([before, chunk]);
      before = Buffer.alloc(0);
      raw.write(bytes, () => done());
    },
    destroy: (error, done) => {
      raw.destroy();
      done(error);
    },
  });
  raw.on("data", (chunk) => duplex.push(chunk));
  raw.on("end", () => duplex.push(null));
  return duplex;
}
