/** Large bodies go past the runtime's reads and writes and through memory that edge and worker share: not a byte may be lost or moved. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { RawClient } from "../../support/raw-client.ts";
import { repository, startServer, type TestServer } from "../../support/server.ts";

setDefaultTimeout(60_000);

const PART_BYTES = 100_000;
const UPLOAD_BYTES = 24 * 1024 * 1024 + 12_345;

function sha256(...data: Buffer[]): string {
  const hash = createHash("sha256");
  for (const piece of data) hash.update(piece);
  return hash.digest("hex");
}

/** Bytes that are the same nowhere in a ring's length. */
function upload(bytes: number): Buffer {
  const data = Buffer.alloc(bytes);
  for (let i = 0; i + 4 <= bytes; i += 4) data.writeUInt32LE((i * 2654435761) >>> 0, i);
  return data;
}

function expected(parts: number): Buffer {
  const body = Buffer.alloc(parts * PART_BYTES);
  for (let i = 0; i < body.length; i += 4) body.writeUInt32BE(Math.floor(i / PART_BYTES), i);
  return body;
}

describe.each(["asgi", "wsgi"])("%s", (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    const args = ["--workers", "1", "--chdir", `${repository}/tests/apps`, "--send-timeout", "30"];
    server = await startServer({ app: `digest:${kind}`, args });
  });
  afterAll(async () => server[Symbol.asyncDispose]());

  test.each([
    ["of known length", (body: Buffer) => body],
    ["chunked", (body: Buffer) => new Blob([body]).stream()],
  ])("an upload %s arrives byte for byte", async (_name, wrap) => {
    const body = upload(UPLOAD_BYTES);
    const answer = await fetch(server.url, { method: "PUT", body: wrap(body) });
    expect(await answer.text()).toBe(sha256(body));
  });

  test("several uploads at once do not mix", async () => {
    const bodies = [0, 1, 2, 3].map((i) => upload(8 * 1024 * 1024 + i * 4099));
    const answers = await Promise.all(
      bodies.map(async (body) => (await fetch(server.url, { method: "PUT", body })).text()),
    );
    expect(answers).toEqual(bodies.map((body) => sha256(body)));
  });

  test("what follows an upload on its connection is the next request", async () => {
    const body = upload(4 * 1024 * 1024 + 1);
    const head = `PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: ${body.length}\r\n\r\n`;
    await using client = await RawClient.connect(server.port);
    void client.send(Buffer.concat([Buffer.from(head), body, Buffer.from(head), body]));
    expect((await client.readResponse()).body).toBe(sha256(body));
    expect((await client.readResponse()).body).toBe(sha256(body));
  });

  test.each([
    ["with a length", "length=1&"],
    ["in chunks", ""],
  ])("a download %s arrives byte for byte", async (_name, query) => {
    const answer = await fetch(`${server.url}/?${query}parts=200`);
    const body = Buffer.from(await answer.arrayBuffer());
    expect(sha256(body)).toBe(sha256(expected(200)));
  });

  test("a client that takes a download in its own time gets every byte", async () => {
    const command = ["curl", "-sS", "--limit-rate", "8M", `${server.url}/?parts=160`];
    const child = Bun.spawn(command, { stdout: "pipe" });
    const body = Buffer.from(await new Response(child.stdout).arrayBuffer());
    expect(sha256(body)).toBe(sha256(expected(160)));
  });

  test("many downloads at once do not mix", async () => {
    const sums = await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        const answer = await fetch(`${server.url}/?${i % 2 === 0 ? "length=1&" : ""}parts=60`);
        return sha256(Buffer.from(await answer.arrayBuffer()));
      }),
    );
    expect(new Set(sums)).toEqual(new Set([sha256(expected(60))]));
  });
});
