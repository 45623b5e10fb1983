/** What becomes of open WebSockets and streams when a new server takes over (SIGUSR2). */
import { describe, expect, test } from "bun:test";
import { gone, type Process, processOf, treeOf } from "../../apps_life/processes.ts";
import { begin, eventually, Place, requestText, serve, text } from "../../apps_life/serve.ts";
import { Line } from "../../apps_life/successors.ts";
import { H2Client } from "../../support/h2-client.ts";
import { H3Client } from "../../support/h3-client.ts";
import { close, text as textFrame } from "../../support/ws-frames.ts";
import { Site } from "../websocket/asgi-site.ts";
import type { WsClient } from "../websocket/client.ts";

describe("WebSockets and streams stay with the old server in an upgrade", () => {
  test.each(["h1", "h2"] as const)("then they are closed with 1012: %s", async (transport) => {
    await using site = await Site.start({ transport, args: ["--graceful-timeout", "6s"] });
    await using line = new Line(site.server);
    await using client = await site.open("/pid/x");
    const worker = await client.message();
    const old = [line.newest, ...processesOf(line.newest)];
    await upgrade(site.server, line);
    await client.send(textFrame("still here"));
    expect(await client.message()).toBe("still here");
    await using fresh = await openOn(site, (pid) => pid !== worker);
    expect(await client.ending()).toEqual({ code: 1012, reason: "", cut: false });
    await gone(old);
    expect(site.server.output()).not.toMatch(/killed|graceful timeout is over/);
    await fresh.send(textFrame("on the new one"));
    expect(await fresh.message()).toBe("on the new one");
  });

  test("one that is accepted meanwhile stays too", async () => {
    await using site = await Site.start();
    await using line = new Line(site.server);
    const name = site.name();
    const asked = site.open(`/echo_later/${name}`);
    await site.noted(name);
    await upgrade(site.server, line);
    site.place.open(`${name}.accept`);
    await using client = await asked;
    await client.send(textFrame("hello"));
    expect(await client.message()).toBe("hello");
  });

  test("a connection of HTTP/2 hears GOAWAY and keeps its WebSocket", async () => {
    await using site = await Site.start({ transport: "h2" });
    await using line = new Line(site.server);
    await using shared = await H2Client.connect(site.server.port);
    await using client = await site.open("/echo", { shared });
    await line.upgrade();
    await shared.until("the second GOAWAY", () => (shared.goaway?.last ?? Infinity) < 2 ** 31 - 1);
    await client.send(textFrame("after it"));
    expect(await client.message()).toBe("after it");
  });

  test("the old server ends with its last one", async () => {
    await using site = await Site.start();
    await using line = new Line(site.server);
    const old = line.newest;
    await using client = await site.open("/echo");
    await upgrade(site.server, line);
    await client.send(close(1000));
    await gone([old]);
  });

  test("a stream goes on", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { args: ["--workers", "1"], place });
    await using line = new Line(server);
    const old = line.newest;
    await using client = await begin(server, "/stream/slow");
    await eventually("its first part", () => client.received.includes("\r\n\r\n"));
    await upgrade(server, line);
    place.open("slow");
    expect((await client.readResponse()).status).toBe(200);
    client.close();
    await gone([old]);
  });

  test("they do not keep the port of HTTP/3 from the new server", async () => {
    await using site = await Site.start({ transport: "h1 over TLS", args: ["--http3"] });
    await using line = new Line(site.server);
    const served = async (): Promise<boolean> => {
      await using h3 = new H3Client(site.server.url);
      return (await h3.fetch("/")).body === "hello";
    };
    expect(await served()).toBe(true);
    await using client = await site.open("/echo");
    const old = line.newest;
    await line.upgrade();
    await eventually("HTTP/3 again", () => served().catch(() => false));
    await client.send(textFrame("still here"));
    expect(await client.message()).toBe("still here");
    expect(processOf(old.pid)).toBeDefined();
  });

  test("SIGTERM changes nothing of it, a second one ends the old server", async () => {
    await using site = await Site.start();
    await using line = new Line(site.server);
    const old = line.newest;
    await using client = await site.open("/echo");
    await upgrade(site.server, line);
    process.kill(old.pid, "SIGTERM");
    await site.server.waitForLine(/stopping already, for a new server serves/);
    await client.send(textFrame("still here"));
    expect(await client.message()).toBe("still here");
    process.kill(old.pid, "SIGTERM");
    await eventually("its end", () => processOf(old.pid) === undefined);
    expect(await text(site.server, "/")).toBe("hello");
  });
});

/** For a moment both servers accept, and the old one tells HTTP/2 clients to go. */
function openOn(site: Site, wanted: (pid: string | Buffer) => boolean): Promise<WsClient> {
  return eventually("a WebSocket of the new server", async () => {
    const client = await site.open("/pid/y").catch(() => null);
    if (client !== null && wanted(await client.message())) return client;
    client?.abort();
    return false;
  });
}

/** Resolves when the old server's edge has been told to leave as well. */
async function upgrade(server: { readonly port: number }, line: Line): Promise<void> {
  await using kept = await begin(server, "/");
  await kept.readResponse();
  await line.upgrade();
  for (let told = false; !told;) {
    await kept.send(requestText("/"));
    told = (await kept.readResponse()).headers["connection"] === "close";
  }
}

function processesOf(server: Process): Process[] {
  const { edges, zygotes, workers } = treeOf(server);
  return [...edges, ...zygotes, ...workers];
}
