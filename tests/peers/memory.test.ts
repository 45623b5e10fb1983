/** Theme 7: memory grows with connections that are long gone. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { descriptorCount, treeOf } from "../apps_life/processes.ts";
import { begin, eventually, Place, serve, text } from "../apps_life/serve.ts";
import type { RawClient } from "../support/raw-client.ts";
import { runKeelback } from "../support/server.ts";
import { startPeer } from "./peer.ts";

setDefaultTimeout(60_000);

const here: string = new URL(".", import.meta.url).pathname;
const CONNECTIONS = 200;
/** As for a load balancer that keeps connections long. */
const KEEP_ALIVE = "3600";

/** Objects of that name, descriptors and all objects that the worker has. */
async function counted(to: number | string, name: string): Promise<number[]> {
  return (await text(to, `/${name}`)).split(" ").map(Number);
}

/** How many clients Keelback's edges have. */
async function connections(pid: number): Promise<number> {
  const { stdout } = await runKeelback(["ctl", "status", "--json", "--pid", `${pid}`]);
  const status: { connections: number } = JSON.parse(stdout);
  return status.connections;
}

/** Connections that have had an answer, and end with a reset: a balancer or a phone that is gone. */
async function resetMany(to: number): Promise<void> {
  const clients: RawClient[] = [];
  for (let i = 0; i < CONNECTIONS; i++) {
    const client = await begin(to, "/");
    await client.readResponse();
    clients.push(client);
  }
  for (const client of clients) client.reset();
}

describe("A kept connection that is reset leaves its objects behind", () => {
  test("uvicorn, until the keep-alive timeout is over", async () => {
    using place = new Place();
    const words = ["uvicorn", "--timeout-keep-alive", KEEP_ALIVE, "kept_objects:app"];
    await using peer = await startPeer(words, { place, cwd: here });
    const name = "HttpToolsProtocol";
    const [before, descriptors] = await counted(peer.address, name);
    await resetMany(Number(peer.address));
    await eventually("uvicorn to have closed the connections", async () => {
      return (await counted(peer.address, name))[1]! <= descriptors!;
    });
    const [after] = await counted(peer.address, name);
    expect(after! - before!).toBeGreaterThanOrEqual(CONNECTIONS);
  });

  test("Keelback's edge and worker keep nothing of it", async () => {
    const args = ["--workers", "1", "--keep-alive", KEEP_ALIVE];
    await using server = await serve("kept_objects:app", { cwd: here, args });
    const [edge] = treeOf(server).edges;
    // What a first batch brings about stays: caches, links, modules.
    await resetMany(server.port);
    await eventually("no connection", async () => (await connections(server.pid)) === 0);
    const [, descriptors, before] = await counted(server.port, "dict");
    const open = descriptorCount(edge!.pid);
    for (let round = 0; round < 3; round++) await resetMany(server.port);
    await eventually("no connection", async () => (await connections(server.pid)) === 0);
    const [, , after] = await counted(server.port, "dict");
    // One object for each would be three times as many.
    expect(after! - before!).toBeLessThan(CONNECTIONS);
    expect((await counted(server.port, "dict"))[1]).toBe(descriptors);
    await eventually("the edge's descriptors", () => descriptorCount(edge!.pid) <= open);
  });
});
