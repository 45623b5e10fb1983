/** That chaos sees when a server ends connections which clients keep: servers that do so, as a bad reload would, and what is said then. */
import { afterEach, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import { createServer as createH2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo, Server as NetServer, Socket } from "node:net";
import { eventually } from "../../apps_life/serve.ts";
import { Connections } from "../../chaos/connections.ts";
import { Door } from "../../chaos/door.ts";
import { Ledger } from "../../chaos/ledger.ts";

const servers: NetServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listening(server: NetServer): Promise<Door> {
  servers.push(server);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  return new Door((server.address() as AddressInfo).port);
}

interface Watched {
  readonly connections: Connections;
  readonly ledger: Ledger;
  readonly sockets: Set<Socket>;
}

/** HTTP/1.1; says `Connection: close` while `bad()`. */
async function overH1(bad: () => boolean = () => false): Promise<Watched> {
  const server: Server = createServer({ keepAliveTimeout: 60_000 }, (_, response) => {
    if (bad()) response.setHeader("Connection", "close");
    response.end("well");
  });
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  const ledger = new Ledger();
  return { connections: new Connections(await listening(server), ledger, ""), ledger, sockets };
}

async function ask(connections: Connections): Promise<void> {
  const client = await connections.take();
  await client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
  connections.give(client, await client.readResponse());
}

/** What has been seen by now, and is nobody's due. */
function failures({ connections, ledger }: Watched): string[] {
  connections.look();
  return ledger.judge().map(({ kind, fate }) => `${kind}: ${fate}`);
}

function seen(watched: Watched): Promise<true> {
  return eventually("an end", () => {
    watched.connections.look();
    return watched.ledger.failures.length > 0;
  });
}

describe("the end of a kept connection is a failure", () => {
  test("but not when the client ends it", async () => {
    const watched = await overH1();
    await ask(watched.connections);
    await ask(watched.connections);
    expect(watched.sockets.size).toBe(1);
    watched.connections.close();
    expect(failures(watched)).toEqual([]);
    expect(watched.ledger.tallies.get("connection")?.ok).toBe(1);
  });

  test("idle, by FIN", async () => {
    const watched = await overH1();
    await ask(watched.connections);
    for (const socket of watched.sockets) socket.end();
    await seen(watched);
    expect(failures(watched)).toEqual(["connection: end by FIN"]);
  });

  test("idle, by reset", async () => {
    const watched = await overH1();
    await ask(watched.connections);
    for (const socket of watched.sockets) socket.resetAndDestroy();
    await seen(watched);
    expect(failures(watched)).toEqual(["connection: end by reset"]);
  });

  test("found by the next request only", async () => {
    const watched = await overH1();
    await ask(watched.connections);
    for (const socket of watched.sockets) socket.end();
    await eventually("another connection", async () => {
      await ask(watched.connections).catch(() => undefined);
      return watched.sockets.size > 1;
    });
    expect(failures(watched)).toEqual(["connection: end by FIN"]);
  });

  test("announced with an answer", async () => {
    let bad = false;
    const watched = await overH1(() => bad);
    await ask(watched.connections);
    bad = true;
    await ask(watched.connections);
    expect(failures(watched)).toEqual(["connection: end by Connection: close"]);
  });

  test.each<[string, (session: ServerHttp2Session, socket: Socket) => void]>([
    ["GOAWAY", (session) => session.goaway()],
    ["FIN", (_, socket) => void socket.end()],
  ])("of HTTP/2, by %s", async (how, end) => {
    const server = createH2Server();
    const session = Promise.withResolvers<ServerHttp2Session>();
    const socket = Promise.withResolvers<Socket>();
    server.on("session", session.resolve);
    server.on("connection", socket.resolve);
    const ledger = new Ledger();
    const door = await listening(server);
    const connections = new Connections(door, ledger, "");
    const watched = { connections, ledger, sockets: new Set<Socket>() };
    const client = await connections.h2();
    end(await session.promise, await socket.promise);
    await seen(watched);
    expect(failures(watched)).toEqual([`h2 connection: end by ${how}`]);
    expect(await connections.h2()).not.toBe(client);
    connections.close();
  });
});

test("only a fault of that moment excuses an end", async () => {
  const watched = await overH1();
  await ask(watched.connections);
  const excuse = watched.ledger.excuse("upgrade", (_, fate) => fate === "end by FIN");
  excuse.until = performance.now();
  for (const socket of watched.sockets) socket.end();
  await seen(watched);
  expect(failures(watched)).toEqual(["connection: end by FIN"]);
});
