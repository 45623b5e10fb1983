/** Theme 4: connections are spread over the workers, not requests. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { begin, Place, requestText, serve } from "../apps_life/serve.ts";
import type { RawClient } from "../support/raw-client.ts";
import { startPeer } from "./peer.ts";

setDefaultTimeout(60_000);

const CONNECTIONS = 16;

/** A kept connection and the process that has answered on it. */
interface Kept {
  client: RawClient;
  pid: string;
}

async function keep(to: number | string): Promise<Kept[]> {
  const kept: Kept[] = [];
  for (let i = 0; i < CONNECTIONS; i++) {
    const client = await begin(to, "/pid");
    kept.push({ client, pid: (await client.readResponse()).body });
  }
  return kept;
}

async function askOn({ client }: Kept, path: string = "/pid"): Promise<void> {
  await client.send(requestText(path));
}

/** The connections of the worker that has the most. */
function largest(kept: readonly Kept[]): Kept[] {
  const groups = new Map<string, Kept[]>();
  for (const one of kept) groups.set(one.pid, [...(groups.get(one.pid) ?? []), one]);
  return [...groups.values()].sort((a, b) => b.length - a.length)[0]!;
}

/** `view` blocks its worker's only thread, or its event loop. */
const wsgi = { app: "wsgi_app:app", view: "wait" };
const asgi = { app: "asgi_app:app", view: "block" };

describe("A slow request holds up the fast ones of its worker while another worker is idle", () => {
  const gthread = ["gunicorn", "-k", "gthread", "--threads", "1", "--keep-alive", "60"];
  const servers = [
    { name: "gunicorn", ...wsgi, words: [...gthread, "--workers", "2"] },
    {
      name: "uvicorn",
      ...asgi,
      words: ["uvicorn", "--workers", "2", "--timeout-keep-alive", "60"],
    },
    { name: "granian", ...asgi, words: ["granian", "--interface", "asgi", "--workers", "2"] },
    { name: "hypercorn", ...asgi, words: ["hypercorn", "--workers", "2", "--keep-alive", "60"] },
  ];

  test.each(servers)("$name", async ({ words, app, view }) => {
    using place = new Place();
    await using peer = await startPeer([...words, app], { place });
    const kept = await keep(peer.address);
    const [busy, ...parked] = largest(kept);
    const others = kept.filter(({ pid }) => pid !== busy!.pid);
    await askOn(busy!, `/${view}/slow`);
    expect(await place.noted("slow.begun")).toEqual([busy!.pid]);
    for (const connection of [...parked, ...others]) await askOn(connection);
    for (const { client, pid } of others) expect((await client.readResponse()).body).toBe(pid);
    // The other worker has answered everything and is idle.
    expect(parked.length).toBeGreaterThan(0);
    for (const { client } of parked) expect(client.received).toBe("");
    place.open("slow");
    for (const { client, pid } of parked) expect((await client.readResponse()).body).toBe(pid);
    for (const { client } of kept) client.close();
  });

  const kinds = [
    { kind: "WSGI, sync", ...wsgi, args: ["--worker", "sync"] },
    { kind: "WSGI, threads", ...wsgi, args: ["--threads", "1"] },
    { kind: "ASGI", ...asgi, args: [] },
  ];

  test.each(kinds)("Keelback answers them on every connection ($kind)", async ({ app, ...how }) => {
    using place = new Place();
    const args = ["--workers", "2", ...how.args];
    await using server = await serve(app, { place, args });
    const [busy, ...others] = await keep(server.port);
    await askOn(busy!, `/${how.view}/slow`);
    const [slow] = await place.noted("slow.begun");
    for (let round = 0; round < 3; round++) {
      for (const connection of others) await askOn(connection);
      for (const { client } of others) {
        const { status, body } = await client.readResponse();
        expect(status).toBe(200);
        expect(body).not.toBe(slow!);
      }
    }
    expect(busy!.client.received).toBe("");
    place.open("slow");
    expect((await busy!.client.readResponse()).status).toBe(200);
    for (const { client } of [busy!, ...others]) client.close();
  });
});
