/** How WebSockets of an ASGI app end: whoever begins it, each side hears of it once. */
import { describe, expect, test } from "bun:test";
import { H2Client } from "../../support/h2-client.ts";
import { binary, close, text } from "../../support/ws-frames.ts";
import { MIB, onEach } from "./asgi-site.ts";
import { WsClient } from "./client.ts";

const CLIENT_CODES: [number | null, string][] = [
  [1000, ""],
  [1001, " going"],
  [4999, " grün"],
  [null, ""],
];

describe("A WebSocket close is answered", () => {
  onEach([], (site) => {
    test.each(CLIENT_CODES)("the client's %p%s", async (code, reason) => {
      const name = site.name();
      await using client = await site.open(`/echo/${name}`);
      await client.send(text("last words"));
      expect(await client.message()).toBe("last words");
      await client.send(close(code, reason.trim()));
      expect(await client.ending()).toEqual({ code: code ?? 1005, reason: "", cut: false });
      const noted = `disconnect ${code ?? 1005}${reason}`;
      expect(await site.noted(name, 2)).toEqual(["accepted", noted]);
    });

    test.each([1000, 1001, 1011, 1014, 3000, 4321])("the app's %d", async (code) => {
      const name = site.name();
      await using client = await site.open(`/close/${name}?code=${code}&reason=so+it+is`);
      expect(await client.ending()).toEqual({ code, reason: "so it is", cut: false });
      const [told, after] = await site.noted(name, 2);
      expect(told).toBe(`disconnect ${code} so it is`);
      expect(after).toBe("ClientDisconnected");
    });

    test("a code that cannot be sent is the app's error: 1011", async () => {
      await using client = await site.open("/close/wrong?code=1006");
      expect(await client.ending()).toMatchObject({ code: 1011, cut: false });
      await site.server.waitForLine(/can't be closed with the code 1006/);
    });

    test("the app returns: 1000", async () => {
      await using client = await site.open("/leave_then/x");
      await client.send(text("go"));
      expect(await client.ending()).toEqual({ code: 1000, reason: "", cut: false });
    });

    test("the app fails: 1011, and its traceback is logged", async () => {
      await using client = await site.open("/fail_then/x");
      await client.send(text("go"));
      expect(await client.ending()).toEqual({ code: 1011, reason: "", cut: false });
      await site.server.waitForLine(/LookupError: after accept/);
    });

    test("the client does not answer: the connection ends all the same", async () => {
      await using client = await site.open("/leave_then/x");
      await client.send(text("go"));
      const frame = await client.frame();
      expect(frame.payload.readUInt16BE(0)).toBe(1000);
      client.finish();
      expect(await client.body()).toBe("");
    });

    test("what a slow app has not taken before the close, it gets before the close", async () => {
      const name = site.name();
      await using client = await site.open(`/hold/${name}`);
      const count = 12;
      const sent = client.send(
        ...Array.from({ length: count }, () => binary(Buffer.alloc(64 * 1024))),
        close(1000, "bye"),
      );
      await site.noted(name);
      // Some wait in the worker, some in the edge, and over HTTP/2 some with the client.
      site.place.open(`${name}.read`);
      await sent;
      expect(await client.ending()).toMatchObject({ code: 1000, cut: false });
      const noted = await site.noted(name, count + 2);
      expect(noted.slice(1, -1)).toEqual(new Array<string>(count).fill("65536"));
      expect(noted.at(-1)).toBe("disconnect 1000 bye");
    });

    test("also when the client is gone by then", async () => {
      const name = site.name();
      await using client = await site.open(`/hold/${name}`);
      const count = 8;
      await client.send(
        ...Array.from({ length: count }, () => binary(Buffer.alloc(64 * 1024 - 64))),
        close(1000),
      );
      // All was read: the close is answered though the app has seen nothing of it.
      expect(await client.ending()).toMatchObject({ code: 1000, cut: false });
      client.abort();
      site.place.open(`${name}.read`);
      expect((await site.noted(name, count + 2)).at(-1)).toBe("disconnect 1000");
    });
  });
});

describe("An app is told once that its WebSocket client is lost", () => {
  onEach([], (site) => {
    test.each(["abort", "finish"] as const)("%s: 1006", async (way) => {
      const name = site.name();
      await using client = await site.open(`/echo/${name}`);
      await client.send(text("hello"));
      expect(await client.message()).toBe("hello");
      client[way]();
      const noted = await site.noted(name, 2);
      // Another socket's whole life: nothing more has come for this one.
      await using other = await site.open("/leave_then/other");
      await other.send(text("go"));
      await other.ending();
      expect(site.place.lines(name)).toEqual(noted);
      expect(noted).toEqual(["accepted", "disconnect 1006"]);
    });

    test.each(["abort", "finish"] as const)("before the app has accepted: %s", async (way) => {
      const name = site.name();
      const { port } = site.server;
      const asked = { transport: site.transport, impatient: true };
      await using client = await WsClient.ask(port, `/hesitate/${name}`, asked);
      await site.noted(name);
      client[way]();
      expect((await site.noted(name, 2))[1]).toBe("disconnect 1006");
      // A client that has only finished sending might still read.
      const accepted = way === "abort" ? "ClientDisconnected" : "accepted";
      expect((await site.noted(name, 3))[2]).toBe(accepted);
    });

    test("in the middle of a large message", async () => {
      const name = site.name();
      await using client = await site.open(`/echo/${name}`);
      await client.send(binary(Buffer.alloc(MIB), { fin: false }));
      client.abort();
      expect(await site.noted(name, 2)).toEqual(["accepted", "disconnect 1006"]);
    });
  });
});

describe("A WebSocket on a stream of HTTP/2 ends alone", () => {
  onEach(
    [],
    (site) => {
      test("its connection goes on, and has room for many more", async () => {
        const secure = site.transport.endsWith("TLS");
        await using shared = await H2Client.connect(site.server.port, { secure });
        await using kept = await site.open("/echo", { shared });
        for (let i = 0; i < 150; i++) {
          await using client = await site.open("/echo/x", { shared });
          await client.send(text(`number ${i}`));
          expect(await client.message()).toBe(`number ${i}`);
          await client.send(close(1000));
          expect(await client.ending()).toMatchObject({ code: 1000, cut: false });
        }
        await kept.send(text("still here"));
        expect(await kept.message()).toBe("still here");
        expect((await shared.answerOf("/")).body).toBe("hello");
      });
    },
    ["h2", "h2 over TLS"],
  );
});
