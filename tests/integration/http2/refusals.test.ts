/** Requests that are refused over HTTP/2: the same codes as over HTTP/1.1, and whatever is wrong with one stream is no other's business. */
import { describe, expect, test } from "bun:test";
import {
  data,
  type Field,
  frame,
  headers,
  ping,
  reset,
  settings,
  windowUpdate,
} from "../../support/h2-connection.ts";
import { type H2Client, H2Code } from "../../support/h2-client.ts";
import { KIB, onBoth, onSite } from "./support.ts";

type Row = readonly [name: string, fields: readonly Field[], status: number, code: string];

const TARGET: readonly Field[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
];

const CONNECT: readonly Field[] = [
  [":method", "CONNECT"],
  [":authority", "a:1"],
];

function asking(extra: readonly Field[], path = "/", method = "GET"): Field[] {
  return [
    [":method", method],
    [":scheme", "http"],
    [":authority", "test"],
    [":path", path],
    ...extra,
  ];
}

const ANSWERED: readonly Row[] = [
  ["a long target", asking([], `/${"x".repeat(9000)}`), 414, "request-line-too-long"],
  ["a large field", asking([["x", "x".repeat(9000)]]), 431, "header-too-large"],
  [
    "many fields",
    asking(Array.from({ length: 101 }, (_, i) => [`x${i}`, ""])),
    431,
    "header-count",
  ],
  ["no host", TARGET, 400, "host-missing"],
  ["a host that is none", asking([]).with(2, [":authority", "a b"]), 400, "host-invalid"],
  ["CONNECT", CONNECT, 501, "connect-refused"],
  ["a NUL in the target", asking([], "/%00"), 400, "target-nul"],
  ["an expectation", asking([["expect", "more"]]), 417, "expectation-unknown"],
];

const RESET: readonly (readonly [string, readonly Field[], string])[] = [
  ["a field of connections", asking([["connection", "close"]]), "header-connection-specific"],
  ["transfer-encoding", asking([["transfer-encoding", "chunked"]]), "header-connection-specific"],
  ["a name in upper case", asking([["X-A", "1"]]), "header-name-invalid"],
  ["a line feed in a value", asking([["x-a", "1\nb: 2"]]), "header-value-invalid"],
  ["a pseudo-header field too many", asking([[":path", "/b"]]), "pseudo-header-invalid"],
  ["a host beside :authority", asking([["host", "other"]]), "host-mismatch"],
  ["a length that cannot be", asking([["content-length", "5"]]), "content-length-mismatch"],
];

/** The connection serves on. */
async function servesOn(client: H2Client): Promise<void> {
  expect((await client.answerOf("/")).body).toBe("ok\n");
  expect(client.goaway).toBeNull();
}

onBoth(["--body-max", "100k", "--header-field-max", "8k"], (site) => {
  describe("One bad request resets its stream, not the connection", () => {
    test.each(ANSWERED)("answered: %s", async (_name, fields, status, code) => {
      await using client = await site.connect();
      const call = client.open();
      await client.send(headers(call.id, fields));
      const answer = await client.answer(call);
      expect(answer.status).toBe(status);
      expect(answer.headers["connection"]).toBeUndefined();
      await site.server.waitForLine(new RegExp(`refused \\[${code}\\] ${status} 127\\.0\\.0\\.1`));
      await servesOn(client);
    });

    test.each(RESET)("reset: %s", async (_name, fields, code) => {
      await using client = await site.connect();
      const call = client.open();
      await client.send(headers(call.id, fields));
      expect(await client.resetOf(call)).toBe(H2Code.PROTOCOL_ERROR);
      await site.server.waitForLine(new RegExp(`refused \\[${code}\\] 400 127\\.0\\.0\\.1`));
      await servesOn(client);
    });

    test("a body whose announced length is too large: 413 before the app", async () => {
      const key = site.key();
      await using client = await site.connect();
      const fields = client.fields("POST", `/read?key=${key}`, [["content-length", "102401"]]);
      const call = client.open();
      await client.send(headers(call.id, fields, 0));
      await client.until("the answer", () => call.over);
      expect(call.status).toBe(413);
      expect(await site.words(key)).toEqual([]);
      await servesOn(client);
    });

    test("a body that becomes too large: 413", async () => {
      const key = site.key();
      await using client = await site.connect();
      const call = client.post(`/read?key=${key}`, "", false);
      await site.heard(key, "before");
      await client.upload(call, Buffer.alloc(200 * KIB));
      expect(await client.resetOf(call)).toBe(H2Code.NO_ERROR);
      expect(call).toMatchObject({ status: 413, ended: true });
      await site.say(key);
      await servesOn(client);
      expect(await site.words(key)).not.toContain("read");
      await site.server.waitForLine(/refused \[body-too-large\] 413/);
    });

    test("DATA beyond Content-Length", async () => {
      const key = site.key();
      await using client = await site.connect();
      const path = `/read?key=${key}`;
      const call = client.post(path, "too long", false, [["content-length", "3"]]);
      expect(await client.resetOf(call)).toBe(H2Code.PROTOCOL_ERROR);
      await site.say(key);
      await servesOn(client);
      const detail = "\\(DATA differs from Content-Length\\)";
      const line = `refused \\[h2-broken\\] 400 127\\.0\\.0\\.1 POST /read\\?key=${key} ${detail}`;
      await site.server.waitForLine(new RegExp(line));
    });

    test("headers that the policy drops do not reach the app", async () => {
      await using client = await site.connect();
      const extra = [
        ["x_forwarded_for", "6.6.6.6"],
        ["proxy", "evil"],
      ] as const;
      const { headers: seen } = JSON.parse((await client.answerOf("/dump", extra)).body) as {
        headers: [string, string][];
      };
      expect(seen.map(([name]) => name)).toEqual(["host"]);
    });
  });

  describe("What breaks the connection ends it with GOAWAY", () => {
    test.each([
      ["DATA on a stream that was never opened", data(1, "x"), H2Code.PROTOCOL_ERROR],
      ["a frame that is too large", Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 1]), 6],
      ["a block that cannot be decoded", frame(1, 5, 1, Buffer.from([0xff])), 9],
      ["a window that is too large", windowUpdate(0, 2 ** 31 - 1), H2Code.FLOW_CONTROL_ERROR],
    ])("%s", async (_name, bytes, code) => {
      await using client = await site.connect();
      await client.send(bytes);
      await client.closed();
      expect(client.goaway).toMatchObject({ code });
      await site.server.waitForLine(/refused \[h2-broken\] 400 127\.0\.0\.1/);
    });
  });
});

onSite({ kind: "asgi", transport: "tls" }, (site) => {
  describe("Floods meet a named bound", () => {
    test.each([
      ["resets", "aborts"],
      ["pings", "pings"],
      ["settings", "settings"],
      ["window updates", "windowUpdates"],
    ])("%s", async (what, name) => {
      await using client = await site.connect();
      let stream = 1;
      const round = (): Buffer[] => {
        if (what === "pings") return [ping()];
        if (what === "settings") return [settings()];
        if (what === "window updates") return [windowUpdate(0, 1)];
        const id = stream;
        stream += 2;
        return [headers(id, client.fields("GET", "/")), reset(id)];
      };
      while (!client.ended) {
        await client.send(...Array.from({ length: 100 }, round).flat());
        await site.ask("/");
      }
      expect(client.goaway).toMatchObject({ code: H2Code.ENHANCE_YOUR_CALM });
      expect(client.goaway?.text).toBe(`too many ${name}`);
      const line = `refused \\[h2-flood\\] 429 127\\.0\\.0\\.1 too many ${name}: `;
      await site.server.waitForLine(new RegExp(line));
    });
  });
});
