/** The last response of a connection whose client takes its time: longer than the server waits for a client to close its side. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { FrameType } from "../../../src/proto/h2/frames.ts";
import { kernelView } from "../../apps_life/kernel.ts";
import { frame } from "../../support/h2-connection.ts";
import { RawClient } from "../../support/raw-client.ts";
import { Site } from "../http2/support.ts";
import { until } from "../supervisor/support.ts";
import { get } from "./support.ts";

setDefaultTimeout(60_000);

/** Fits into the kernel's buffers, so that the server has nothing left to write. */
const BYTES = 512 * 1024;
const KEEP_ALIVE = ["--keep-alive", "1s"];

describe.each(["h2c", "tls"] as const)(
  "A slow client gets the whole of the last response: %s",
  (transport) => {
    const site = new Site({ kind: "asgi", transport, args: KEEP_ALIVE });
    beforeAll(() => site.start());
    afterAll(() => site[Symbol.asyncDispose]());

    function connect(): Promise<RawClient> {
      return RawClient.connect(site.server.port, site.secure);
    }

    /** As long as it takes the server to let go of a client that does not close its side. */
    async function lingering(): Promise<void> {
      await using client = await connect();
      client.pause();
      await client.send(get("/", "Connection: close"));
      // Who came later has been answered: that one is accepted.
      await using later = await connect();
      await later.send(get("/"));
      await later.readResponse();
      const { localPort } = client;
      const held = (): boolean => kernelView(site.server.port, localPort).some((one) => one.held);
      await until("the server to let go", () => !held());
    }

    test("HTTP/1.1 with Connection: close", async () => {
      const key = site.key();
      await using client = await connect();
      client.pause();
      await client.send(get(`/big?key=${key}&size=${BYTES}`, "Connection: close"));
      await site.heard(key, "closed");
      await lingering();
      await lingering();
      await client.send(get("/"));
      client.resume();
      expect((await client.readResponse()).body).toHaveLength(BYTES);
      expect(await client.readToEnd()).toBe("");
    });

    test("HTTP/2 after the keep-alive timeout", async () => {
      const key = site.key();
      await using client = await site.connect();
      client.pause();
      const call = client.get(`/big?key=${key}&size=${BYTES}`);
      await site.heard(key, "closed");
      await lingering();
      await lingering();
      await client.send(frame(FrameType.PING, 0, 0, Buffer.alloc(8)));
      client.resume();
      expect((await client.answer(call)).bytes).toBe(BYTES);
      await client.closed();
    });
  },
);
