/** How an ASGI app's WebSockets begin, or are refused. */
import { describe, expect, test } from "bun:test";
import { ask, begin, eventually } from "../../apps_life/serve.ts";
import { RawClient } from "../../support/raw-client.ts";
import { text } from "../../support/ws-frames.ts";
import { onEach, type Site } from "./asgi-site.ts";

/** A request of these lines, as over HTTP/1.1. */
async function answerOf(site: Site, headers: readonly string[]): Promise<[number, string]> {
  const { status, headers: answered } = await ask(site.server, "/echo", { headers });
  return [status, answered["sec-websocket-version"] ?? ""];
}

const RIGHT = {
  Connection: "keep-alive, Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version": "13",
};

function lines(changes: Record<string, string | null> = {}): string[] {
  return Object.entries({ ...RIGHT, ...changes }).flatMap(([name, value]) =>
    value === null ? [] : [`${name}: ${value}`],
  );
}

describe("An ASGI app accepts a WebSocket or refuses it", () => {
  onEach([], (site) => {
    const http2 = site.transport.startsWith("h2");

    test("accepted, with the subprotocol of its choice", async () => {
      const fields = [["Sec-WebSocket-Protocol", "first, second"]] as const;
      await using client = await site.open("/echo", { fields });
      expect(client.status).toBe(http2 ? 200 : 101);
      expect(client.headers["sec-websocket-protocol"]).toBe("second");
      expect(client.headers["sec-websocket-accept"]).toBe(
        http2 ? undefined : "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
      );
      expect(client.headers["sec-websocket-extensions"]).toBeUndefined();
    });

    test("accepted, with headers of its own", async () => {
      await using client = await site.open("/headers");
      expect(client.headers["x-answer"]).toBe("42");
      expect(client.headers["set-cookie"]).toContain("b=2");
      await client.send(text("works"));
      expect(await client.message()).toBe("works");
    });

    test("the scope is that of a WebSocket", async () => {
      const fields = [
        ["Sec-WebSocket-Protocol", "a,b"],
        ["X-Mine", "yes"],
      ] as const;
      await using client = await site.open("/scope/%C3%BC?q=1", { fields });
      const scope = JSON.parse((await client.message()) as string);
      const secure = site.transport.endsWith("TLS");
      expect(scope).toMatchObject({
        ...{ type: "websocket", scheme: secure ? "wss" : "ws", path: "/scope/ü" },
        ...{ raw_path: "/scope/%C3%BC", http_version: http2 ? "2" : "1.1" },
        subprotocols: ["a", "b"],
        extensions: secure ? ["tls", "websocket.http.response"] : ["websocket.http.response"],
      });
      expect(scope.headers).toContainEqual(["host", "test"]);
      expect(scope.headers).toContainEqual(["x-mine", "yes"]);
    });

    test("refused by a close: 403", async () => {
      const name = site.name();
      await using client = await site.ask(`/refuse/${name}`);
      expect(client.status).toBe(403);
      expect(await client.body()).toBe("");
      expect(await site.noted(name)).toEqual(["websocket.disconnect"]);
    });

    test("answered by a response: its status, headers and body, as they come", async () => {
      const name = site.name();
      await using client = await site.ask(`/respond/${name}`);
      expect(client.status).toBe(418);
      expect(client.headers).toMatchObject({ "x-why": "tea", "content-type": "text/plain" });
      await eventually("the first part", () => client.received() > 0);
      site.place.open(`${name}.more`);
      const body = await client.body();
      expect(body).toContain("first,");
      expect(body).toContain("second");
    });

    test("the app fails before: 500, and its traceback is logged", async () => {
      await using client = await site.ask("/fail_first");
      expect(client.status).toBe(500);
      await site.server.waitForLine(/LookupError: before accept/);
    });

    test("the app returns before: 500", async () => {
      await using client = await site.ask("/leave_first");
      expect(client.status).toBe(500);
    });

    test("an accept with headers that are the server's: 500", async () => {
      await using client = await site.ask("/wrong_header");
      expect(client.status).toBe(500);
      await site.server.waitForLine(/an accepted WebSocket can't have the header/);
    });

    test("a malformed offer of extensions: 400", async () => {
      const fields = [["Sec-WebSocket-Extensions", "permessage-deflate; ="]] as const;
      await using client = await site.ask("/echo", { fields });
      expect(client.status).toBe(400);
    });
  });
});

const REFUSED: [string, string[], [number, string]][] = [
  ["another version", lines({ "Sec-WebSocket-Version": "8" }), [426, "13"]],
  ["no version", lines({ "Sec-WebSocket-Version": null }), [426, "13"]],
  ["no key", lines({ "Sec-WebSocket-Key": null }), [400, ""]],
  ["a short key", lines({ "Sec-WebSocket-Key": "c2hvcnQ=" }), [400, ""]],
  ["two keys", [...lines(), `Sec-WebSocket-Key: ${"A".repeat(22)}==`], [400, ""]],
  ["a body", [...lines(), "Content-Length: 5"], [400, ""]],
  ["a chunked body", [...lines(), "Transfer-Encoding: chunked"], [400, ""]],
];

describe("A malformed WebSocket handshake is refused", () => {
  onEach(
    [],
    (site) => {
      test.each(REFUSED)("%s", async (_, fields, answer) => {
        expect(await answerOf(site, fields)).toEqual(answer);
      });

      test("POST", async () => {
        const { status } = await ask(site.server, "/echo", { method: "POST", headers: lines() });
        expect(status).toBe(400);
      });

      test("an upgrade to something else, and one of HTTP/1.0, are requests like others", async () => {
        const other = lines({ Upgrade: "h2c" });
        expect((await ask(site.server, "/", { headers: other })).body).toBe("hello");
        await using client = await RawClient.connect(site.server.port);
        await client.send(`GET / HTTP/1.0\r\n${lines().join("\r\n")}\r\n\r\n`);
        expect(await client.readResponse()).toMatchObject({ status: 200, body: "hello" });
      });

      test("what follows a refused handshake is no request", async () => {
        await using client = await begin(site.server, "/refuse/x", { headers: lines() });
        await client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        expect(await client.readToEnd()).toMatch(/^HTTP\/1.1 403 [^]*\r\n\r\n$/);
      });
    },
    ["h1"],
  );

  onEach(
    [],
    (site) => {
      test("another version", async () => {
        const fields = [["Sec-WebSocket-Version", "8"]] as const;
        await using client = await site.ask("/echo", { fields });
        expect(client.status).toBe(426);
        expect(client.headers["sec-websocket-version"]).toBe("13");
      });
    },
    ["h2", "h2 over TLS"],
  );
});

describe("--timeout ends a handshake, not an open WebSocket", () => {
  onEach(["--timeout", "2s"], (site) => {
    test("504, and the open one goes on", async () => {
      await using open = await site.open("/echo");
      await using client = await site.ask(`/echo_later/${site.name()}`);
      expect(client.status).toBe(504);
      await open.send(text("still here"));
      expect(await open.message()).toBe("still here");
    });
  });
});
