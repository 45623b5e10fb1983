/** Theme 6: the server closes idle connections sooner than the load balancer in front, whose requests then meet a closed one: 502. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { OPTIONS } from "../../src/config/options.ts";
import { begin, Place, requestText, serve } from "../apps_life/serve.ts";
import type { RawClient } from "../support/raw-client.ts";
import { startPeer } from "./peer.ts";

setDefaultTimeout(60_000);

/** What AWS's, Google's and nginx's balancers keep an idle connection for is 60 s or more. */
const BALANCER_MS = 60_000;
const CLOSED_MS = 30_000;

async function idle(to: number | string): Promise<RawClient> {
  const client = await begin(to, "/pid");
  const { status, headers } = await client.readResponse();
  expect(status).toBe(200);
  // Nothing says that it will not be kept.
  expect(headers["connection"]).not.toBe("close");
  return client;
}

describe("An idle connection is closed before the load balancer would", () => {
  test("gunicorn, uvicorn and hypercorn close theirs, Keelback's older one is kept", async () => {
    using place = new Place();
    const gthread = ["gunicorn", "--worker-class", "gthread", "--threads", "2", "wsgi_app:app"];
    await using gunicorn = await startPeer(gthread, { place });
    await using uvicorn = await startPeer(["uvicorn", "asgi_app:app"], { place });
    await using hypercorn = await startPeer(["hypercorn", "asgi_app:app"], { place });
    await using server = await serve("asgi_app:app", { place });
    await using ours = await idle(server.port);
    const theirs = await Promise.all(
      [gunicorn, uvicorn, hypercorn].map((peer) => idle(peer.address)),
    );
    for (const client of theirs) {
      // None of them has a longer default than 5 s.
      expect(await client.readToEnd(CLOSED_MS, true)).toBe("");
      client.close();
    }
    expect(ours.ended).toBe(false);
    await ours.send(requestText("/pid"));
    expect((await ours.readResponse()).status).toBe(200);
    expect(OPTIONS.keepAliveMs.default).toBeGreaterThan(BALANCER_MS);
  });
});
