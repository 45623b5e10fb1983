/** Theme 5: connections on which nothing is asked keep workers from those who ask. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { begin, Place, requestText, serve } from "../apps_life/serve.ts";
import { RawClient } from "../support/raw-client.ts";
import { startPeer } from "./peer.ts";

setDefaultTimeout(60_000);

describe("A connection on which nothing is sent keeps a worker", () => {
  test("gunicorn kills that worker, and everybody waits until then", async () => {
    using place = new Place();
    const words = ["gunicorn", "--workers", "1", "--timeout", "3", "wsgi_app:app"];
    await using peer = await startPeer(words, { place });
    // As browsers open them, to be quicker later.
    await using idle = await RawClient.connect(peer.address);
    await using client = await begin(peer.address, "/pid");
    const line = await peer.waitForLine(/WORKER TIMEOUT/, 30_000);
    // The answer is the next worker's: there was none before.
    const { status, body } = await client.readResponse("GET", 30_000);
    expect(status).toBe(200);
    expect(line).not.toContain(`pid:${body})`);
    expect(idle.received).not.toContain("200");
  });

  test.each(["sync", "threads"])("Keelback's workers (%s) never see it", async (kind) => {
    using place = new Place();
    const args = ["--workers", "1", "--worker", kind];
    await using server = await serve("wsgi_app:app", { place, args });
    const idle = await Promise.all(
      Array.from({ length: 50 }, () => RawClient.connect(server.port)),
    );
    await using client = await begin(server, "/pid");
    expect((await client.readResponse()).status).toBe(200);
    for (const { ended } of idle) expect(ended).toBe(false);
    for (const connection of idle) connection.close();
  });
});

describe("Kept connections count as requests", () => {
  test("granian takes nobody else", async () => {
    using place = new Place();
    const words = ["granian", "--interface", "asgi", "--backpressure", "1", "asgi_app:app"];
    await using peer = await startPeer(words, { place });
    await using kept = await begin(peer.address, "/pid");
    await kept.readResponse();
    await using other = await begin(peer.address, "/pid");
    // The one who is there may ask as often as it likes, between which nothing runs.
    for (let i = 0; i < 50; i++) {
      await kept.send(requestText("/pid"));
      expect((await kept.readResponse()).status).toBe(200);
    }
    expect(other.received).toBe("");
    kept.close();
    expect((await other.readResponse()).status).toBe(200);
  });

  test("Keelback counts requests", async () => {
    using place = new Place();
    const args = ["--workers", "1", "--concurrency", "1"];
    await using server = await serve("asgi_app:app", { place, args });
    const kept = [];
    for (let i = 0; i < 50; i++) {
      const client = await begin(server, "/pid");
      expect((await client.readResponse()).status).toBe(200);
      kept.push(client);
    }
    for (const client of kept) {
      await client.send(requestText("/pid"));
      expect((await client.readResponse()).status).toBe(200);
      client.close();
    }
  });
});
