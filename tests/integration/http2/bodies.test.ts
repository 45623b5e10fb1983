/** Bodies over HTTP/2: byte for byte, as fast as the slower side, and one stream never at the cost of another. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { truncateSync, writeFileSync } from "node:fs";
import { Place, serve } from "../../apps_life/serve.ts";
import { headers } from "../../support/h2-connection.ts";
import { type H2Call, H2Client } from "../../support/h2-client.ts";
import { type Kind, KIB, MIB, onBoth, onSite, type Transport } from "./support.ts";

setDefaultTimeout(60_000);

const PART_BYTES = 100_000;
const PARTS = 200;

function sha256(...chunks: readonly Buffer[]): string {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}

/** Bytes that are the same nowhere in a window's length. */
function upload(bytes: number): Buffer {
  const filled = Buffer.alloc(bytes);
  for (let i = 0; i + 4 <= bytes; i += 4) filled.writeUInt32LE((i * 2_654_435_761) >>> 0, i);
  return filled;
}

/** The SHA-256 of what GET /?parts=N of tests/apps/digest.py sends. */
function sumOfParts(count: number): string {
  const body = Buffer.alloc(count * PART_BYTES);
  for (let i = 0; i < body.length; i += 4) body.writeUInt32BE(Math.floor(i / PART_BYTES), i);
  return sha256(body);
}

function put(client: H2Client, bytes: Buffer): H2Call {
  const call = client.open();
  void client.send(headers(call.id, client.fields("PUT", "/"), 0));
  void client.upload(call, bytes);
  return call;
}

const both: readonly (readonly [Kind, Transport])[] = [
  ["asgi", "h2c"],
  ["asgi", "tls"],
  ["wsgi", "h2c"],
  ["wsgi", "tls"],
];

for (const [kind, transport] of both) {
  onSite({ kind, transport, app: "digest" }, (site) => {
    describe("Bodies arrive byte for byte", () => {
      test("an upload", async () => {
        const bytes = upload(24 * MIB + 77);
        await using client = await site.connect();
        expect((await client.answer(put(client, bytes))).body).toBe(sha256(bytes));
      });

      test("several uploads at once do not mix", async () => {
        const bodies = [0, 1, 2].map((i) => upload(4 * MIB + i * 4099));
        await using client = await site.connect();
        const calls = bodies.map((bytes) => put(client, bytes));
        for (const [i, call] of calls.entries())
          expect((await client.answer(call)).body).toBe(sha256(bodies[i]!));
      });

      test.each([2 ** 30, 70_000])("downloads with a window of %d", async (window) => {
        await using client = await site.connect({ window });
        const calls = [client.get(`/?parts=${PARTS}`), client.get(`/?parts=${PARTS}&length=1`)];
        for (const call of calls)
          expect(sha256(...(await client.answer(call)).chunks)).toBe(sumOfParts(PARTS));
        expect(calls[1]!.headers["content-length"]).toBe(`${PARTS * PART_BYTES}`);
      });

      test("both ways at once", async () => {
        const bytes = upload(6 * MIB + 5);
        await using client = await site.connect();
        const [down, up] = [client.get(`/?parts=${PARTS}`), put(client, bytes)];
        expect((await client.answer(up)).body).toBe(sha256(bytes));
        expect(sha256(...(await client.answer(down)).chunks)).toBe(sumOfParts(PARTS));
      });
    });
  });
}

onBoth([], (site) => {
  describe("A stream that waits holds up no other", () => {
    test("uploads that no app reads", async () => {
      const keys = Array.from({ length: 3 }, () => site.key());
      const bytes = Buffer.alloc(700 * KIB, "x");
      await using client = await site.connect();
      const calls = keys.map((key) => {
        const call = client.post(`/read?key=${key}`, "", false);
        void client.upload(call, bytes);
        return call;
      });
      await client.until("full windows", () => calls.every(({ window }) => window === 0));
      expect((await client.answer(client.post("/echo", "hello"))).body).toBe("hello");
      for (const key of keys) await site.say(key);
      for (const call of calls) expect((await client.answer(call)).bytes).toBe(bytes.length);
    });

    test("a response that the client does not take", async () => {
      const key = site.key();
      await using client = await site.connect({ window: 100 });
      client.holding = true;
      const call = client.get(`/big?key=${key}&size=${64 * MIB}`);
      await client.until("what fits the window", () => call.bytes === 100);
      client.holding = false;
      expect((await client.answerOf("/")).body).toBe("ok\n");
      expect(await site.progress(key)).toBeLessThan(8 * MIB);
      expect(call.bytes).toBe(100);
    });
  });
});

onBoth(["--send-timeout", "1.5"], (site) => {
  describe("A slow reader does not hold a worker", () => {
    test("a stream whose window stays shut is cut, the others go on", async () => {
      const key = site.key();
      await using client = await site.connect({ window: 100 });
      client.holding = true;
      const call = client.get(`/big?key=${key}&size=${64 * MIB}`);
      expect(await client.resetOf(call)).toBe(2);
      await site.heard(key, "closed");
      expect(await site.words(key)).not.toContain("sent");
      await site.server.waitForLine(new RegExp(`cut 127\\.0\\.0\\.1 GET /big\\?key=${key}&`));
      client.holding = false;
      expect((await client.answerOf("/")).body).toBe("ok\n");
    });

    test("a client that takes nothing of its socket is cut with all its streams", async () => {
      const keys = [site.key(), site.key()];
      await using client = await site.connect();
      client.pause();
      for (const key of keys) client.get(`/big?key=${key}&size=${64 * MIB}`);
      for (const key of keys) await site.heard(key, "closed");
      for (const key of keys) expect(await site.words(key)).not.toContain("sent");
    });

    test("an error answer that is not taken", async () => {
      await using client = await site.connect({ window: 0 });
      const call = client.get("/fail");
      expect(await client.resetOf(call)).toBe(2);
      const missing = client.open();
      const fields = client.fields("GET", "/").map(([name, value]) => [name, value] as const);
      await client.send(headers(missing.id, [...fields, ["expect", "the unexpected"]]));
      expect(await client.resetOf(missing)).toBe(2);
      expect(missing.status).toBe(417);
      expect(await site.ask("/")).toBe("ok\n");
    });

    test("a client that takes bytes now and then is served to the end", async () => {
      await using client = await site.connect({ window: 2 * MIB });
      const call = client.get(`/big?size=${16 * MIB}`);
      for (let pauses = 0; !call.ended; pauses += 1) {
        const before = call.bytes;
        await client.until("more", () => call.ended || call.bytes > before);
        if (pauses % 16 !== 0) continue;
        client.pause();
        await site.ask("/");
        client.resume();
      }
      expect(call.bytes).toBe(16 * MIB);
    });
  });
});

onSite({ kind: "asgi", args: ["--response-buffer", "64m"] }, (site) => {
  test("A slow reader of many streams gets little of --response-buffer", async () => {
    const key = site.key();
    await using client = await site.connect({ window: 100 });
    client.holding = true;
    const calls = Array.from({ length: 8 }, () => client.open());
    const fields = client.fields("GET", `/big?key=${key}&size=${64 * MIB}`);
    // Few enough that the last request is not refused for what is queued (16 MiB).
    void client.send(...calls.map(({ id }) => headers(id, fields)));
    await client.until("what fits the windows", () => calls.every(({ bytes }) => bytes === 100));
    client.holding = false;
    expect((await client.answerOf("/")).body).toBe("ok\n");
    expect(await site.progress(key)).toBeLessThan(8 * 2 * MIB + 8 * MIB);
  });
});

describe("Files are sent by the edge", () => {
  test.each([
    ["asgi_app:app", "/pathsend/page"],
    ["wsgi_gateway:app", "/wrapped_file/page"],
  ])("%s", async (app, path) => {
    using place = new Place();
    const size = 8 * MIB + 3;
    writeFileSync(place.of("page"), "begin");
    truncateSync(place.of("page"), size);
    const expected = Buffer.alloc(size);
    expected.write("begin");
    await using server = await serve(app, { place, args: ["--workers", "1"] });
    await using client = await H2Client.connect(server.port, { window: 300 * KIB });
    const calls = [client.get(path), client.get(path)];
    for (const call of calls) {
      const { status, chunks } = await client.answer(call);
      expect(status).toBe(200);
      expect(sha256(...chunks)).toBe(sha256(expected));
    }
    const head = await client.answerOf(path, [], "HEAD");
    expect({ status: head.status, bytes: head.bytes }).toEqual({ status: 200, bytes: 0 });
  });

  test("one that becomes shorter meanwhile ends with RST_STREAM", async () => {
    using place = new Place();
    truncateSync(place.write("page"), 32 * MIB);
    await using server = await serve("asgi_app:app", { place, args: ["--workers", "1"] });
    await using client = await H2Client.connect(server.port, { window: 100 });
    client.holding = true;
    const call = client.get("/pathsend/page");
    await client.until("the beginning", () => call.bytes === 100);
    truncateSync(place.of("page"), 50);
    await client.send(Buffer.from([0, 0, 4, 8, 0, 0, 0, 0, call.id, 64, 0, 0, 0]));
    expect(await client.resetOf(call)).toBe(2);
    expect(call.ended).toBe(false);
  });
});
