/** `Expect: 100-continue` (RFC 9110 section 10.1.1), other expectations, and upgrades that are not taken. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expectRefused, get, message, onBoth, post } from "./support.ts";

const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";

function expecting(target: string, length: number, version: string = "1.1"): string {
  const fields = ["Host: test", `Content-Length: ${length}`, "Expect: 100-continue"];
  return message([`POST ${target} HTTP/${version}`, ...fields]);
}

onBoth([], (probe) => {
  describe("100 Continue is sent when the app reads", () => {
    test("not before, and once", async () => {
      const key = probe.key();
      await using client = await probe.send(expecting(`/read?key=${key}&some=2`, 5));
      await probe.heard(key, "before");
      expect(client.received).toBe("");
      await probe.say(key, "go");
      expect(await client.readUntil("\r\n\r\n")).toBe(CONTINUE);
      await client.send("hel");
      await probe.heard(key, "some");
      await probe.say(key, "on");
      await client.send("lo");
      const response = await client.readResponse();
      expect(response).toMatchObject({ status: 200, body: "hello" });
      await client.send(get("/"));
      expect((await client.readResponse()).body).toBe("ok\n");
    });

    test("with a chunked body too", async () => {
      const fields = ["Host: test", "Transfer-Encoding: chunked", "Expect: 100-Continue"];
      await using client = await probe.send(message(["POST /echo HTTP/1.1", ...fields]));
      expect(await client.readUntil("\r\n\r\n")).toBe(CONTINUE);
      await client.send("5\r\nhello\r\n0\r\n\r\n");
      const response = await client.readResponse();
      expect(response.body).toBe("hello");
      expect(response.headers["transfer-encoding"]).toBeUndefined();
    });

    test("never to an HTTP/1.0 client", async () => {
      await using client = await probe.send(`${expecting("/echo", 5, "1.0")}hello`);
      expect(await client.readToEnd()).toStartWith("HTTP/1.1 200");
    });

    test("not without a body", async () => {
      await using client = await probe.send(expecting("/echo", 0));
      expect((await client.readResponse()).status).toBe(200);
    });

    test("not without the expectation", async () => {
      const lines = ["POST /echo HTTP/1.1", "Host: test", "Content-Length: 5"];
      const key = probe.key();
      await using client = await probe.send(
        message([`POST /read?key=${key} HTTP/1.1`, ...lines.slice(1)]),
      );
      await probe.say(key, "go");
      await probe.ask("/");
      await client.send("hello");
      expect((await client.readResponse()).status).toBe(200);
    });

    test("an app that never reads answers at once, and the connection closes", async () => {
      await using client = await probe.send(expecting("/respond?part=no&status=403", 5));
      const response = await client.readResponse();
      expect(response).toMatchObject({ status: 403, body: "no" });
      expect(response.headers["connection"]).toBe("close");
      expect(await client.readToEnd()).toBe("");
    });

    test("after an early answer the body is never read as a request", async () => {
      const key = probe.key();
      const body = get(`/say?key=${key}&word=smuggled`);
      await using client = await probe.send(expecting("/respond?status=403", body.length));
      expect((await client.readResponse()).status).toBe(403);
      await client.send(body);
      await client.send(body);
      expect(await client.readToEnd()).toBe("");
      expect(await probe.words(key)).toEqual([]);
    });

    test("not once the response has begun", async () => {
      const key = probe.key();
      await using client = await probe.send(expecting(`/answer-then-read?key=${key}`, 5));
      expect(await client.readUntil("answer;")).toStartWith("HTTP/1.1 200");
      await client.send("hello");
      await probe.say(key, "go");
      const rest = await client.readUntil("hello");
      expect(rest).not.toContain("100 Continue");
    });

    test("curl sends its body after it", async () => {
      const directory = mkdtempSync(join(tmpdir(), "expect-"));
      try {
        const file = join(directory, "body");
        writeFileSync(file, "z".repeat(3 * 1024 * 1024));
        const upload = ["-H", "Expect: 100-continue", "--expect100-timeout", "14"];
        const { code, out } = await probe.curl("/count", ...upload, "--data-binary", `@${file}`);
        expect({ code, out }).toEqual({ code: 0, out: String(3 * 1024 * 1024) });
      } finally {
        rmSync(directory, { recursive: true });
      }
    });
  });

  describe("Unknown expectations are refused", () => {
    test.each(["200-ok", "100-continue, 200-ok", "", "100-continue;x=y"])(
      "Expect: %s is 417",
      async (expectation) => {
        const refusal = { status: 417, code: "expectation-unknown" };
        await expectRefused(probe, get("/", `Expect: ${expectation}`), refusal);
      },
    );
  });

  describe("A refused upgrade is not a second request", () => {
    const HANDSHAKE = [
      ...["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"],
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];

    test("what follows a handshake that the app does not take is not read", async () => {
      const key = probe.key();
      const next = get(`/say?key=${key}&word=smuggled`);
      await using client = await probe.send(get("/dump", ...HANDSHAKE) + next);
      expect((await client.readResponse()).status).toBe(probe.kind === "wsgi" ? 200 : 500);
      expect(await client.readToEnd()).toBe("");
      expect(await probe.words(key)).toEqual([]);
    });

    test("a handshake with a body is refused", async () => {
      const key = probe.key();
      const body = get(`/say?key=${key}&word=smuggled`);
      await using client = await probe.send(post("/dump", body, ...HANDSHAKE) + get("/"));
      expect((await client.readResponse()).status).toBe(400);
      expect(await client.readToEnd()).toBe("");
      expect(await probe.words(key)).toEqual([]);
    });

    test("a frame that holds a request is no request", async () => {
      const key = probe.key();
      const frame = Buffer.concat([
        Buffer.from([0x81, 0x30]),
        Buffer.from(get(`/say?key=${key}&word=smuggled`)),
      ]);
      await using client = await probe.connect();
      await client.send(Buffer.concat([Buffer.from(get("/dump", ...HANDSHAKE)), frame]));
      expect((await client.readResponse()).status).toBe(probe.kind === "wsgi" ? 200 : 500);
      expect(await client.readToEnd()).toBe("");
      expect(await probe.words(key)).toEqual([]);
    });

    test("a handshake of another version is refused, and says which one is spoken", async () => {
      const other = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 99"];
      await using client = await probe.send(get("/", ...other) + get("/"));
      const response = await client.readResponse();
      expect(response.status).toBe(426);
      expect(response.headers["sec-websocket-version"]).toBe("13");
      expect(await client.readToEnd()).toBe("");
    });

    test("an upgrade to h2c is not taken", async () => {
      const fields = [
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMA",
      ];
      await using client = await probe.send(post("/echo", "hello", ...fields) + get("/"));
      expect((await client.readResponse()).body).toBe("hello");
      expect((await client.readResponse()).body).toBe("ok\n");
    });
  });
});
