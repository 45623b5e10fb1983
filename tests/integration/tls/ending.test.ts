/** How a connection over TLS ends, seen by a relay between client and server: it gets the pieces as the kernel sends them. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { connect, createServer, type AddressInfo } from "node:net";
import { Authority, run, startTls, tlsArgs } from "./support.ts";

setDefaultTimeout(60_000);

const authority = new Authority();
afterAll(() => authority[Symbol.dispose]());

/** RFC 5246 section 6.2.1. With TLS 1.2 they are told in the clear. */
const ALERT = 21;
const APPLICATION_DATA = 23;
const RECORD_HEADER_BYTES = 5;
const REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

function recordTypes(piece: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at < piece.length;) {
    types.push(piece.readUInt8(at));
    at += RECORD_HEADER_BYTES + piece.readUInt16BE(at + 3);
  }
  return types;
}

/** Passes bytes on between a client and this port, one piece at a time. */
async function relay(port: number): Promise<{ port: number; pieces: Buffer[]; stop(): void }> {
  const pieces: Buffer[] = [];
  const server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    client.pipe(upstream);
    upstream.on("data", (piece) => pieces.push(Buffer.from(piece)));
    upstream.pipe(client);
    for (const socket of [client, upstream]) socket.on("error", () => socket.destroy());
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  // listen() with a host and a port gives an AddressInfo
  const { port: own } = server.address() as AddressInfo;
  return { port: own, pieces, stop: () => server.close() };
}

test.skipIf(process.platform !== "linux").each(["wsgi", "asgi"] as const)(
  "the last response leaves in one piece, as one record and close_notify (%s)",
  async (kind) => {
    await using server = await startTls(kind, tlsArgs(authority.server()));
    const between = await relay(server.port);
    const address = ["-connect", `127.0.0.1:${between.port}`, "-tls1_2", "-ign_eof", "-quiet"];
    const { out } = await run(["openssl", "s_client", ...address], REQUEST);
    between.stop();
    expect(out).toContain("HTTP/1.1 200 OK");
    expect(out.toLowerCase()).toContain("connection: close");
    const last = between.pieces.at(-1) ?? Buffer.alloc(0);
    expect(recordTypes(last)).toEqual([APPLICATION_DATA, ALERT]);
  },
);
