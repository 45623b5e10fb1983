/** The traffic of chaos keeps to what a server allows, however much of it is due at once. */
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { Door } from "../../chaos/door.ts";
import { Ledger } from "../../chaos/ledger.ts";
import { Traffic } from "../../chaos/traffic.ts";

const STREAMS_MAX = 100;
const REQUESTS = 250;

test("requests that wait for one HTTP/2 connection are never more than its streams", async () => {
  const server = createServer();
  let open = 0;
  let most = 0;
  let asked = 0;
  const held: (() => void)[] = [];
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    open += 1;
    asked += 1;
    most = Math.max(most, open);
    held.push(() => {
      open -= 1;
      stream.respond({ ":status": 200 });
      stream.end(createHash("sha256").update(`GET${headers[":path"]}`).digest("hex"));
    });
    if (open !== STREAMS_MAX && asked !== REQUESTS) return;
    // What the client has sent by now comes before its answer to this.
    stream.session?.ping(() => {
      for (const answer of held.splice(0)) answer();
    });
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const door = new Door((server.address() as AddressInfo).port);
  const traffic = new Traffic(door, new Ledger());
  const requests = Array.from({ length: REQUESTS }, (_, n) => traffic.h2("GET", `/sum/${n}`));
  expect(new Set(await Promise.all(requests))).toEqual(new Set(["ok"]));
  expect(most).toBe(STREAMS_MAX);
  await traffic.stop();
  server.close();
});
