/** Clients that leave in the middle of everything: nothing breaks, nothing stays. */
import { describe, expect, test } from "bun:test";
import { get, onBoth, post, postChunks } from "./support.ts";

const MIB = 1024 * 1024;

onBoth([], (probe) => {
  describe("A client may leave at any moment", () => {
    const requests =
      get("/") + post("/echo", "hello") + postChunks("/echo", "3\r\nfoo\r\n0\r\n\r\n");

    test.each(["reset", "close", "halfClose"] as const)("%s after each byte", async (how) => {
      for (let cut = 0; cut <= requests.length; cut += 1) {
        await using client = await probe.send(requests.slice(0, cut));
        client[how]();
      }
      expect(await probe.ask("/")).toBe("ok\n");
    });

    test("while the app works", async () => {
      const key = probe.key();
      for (const how of ["reset", "close"] as const) {
        await using client = await probe.send(get(`/wait?key=${key}`));
        await probe.heard(key, "begun");
        client[how]();
      }
      await probe.say(key);
      expect(await probe.ask("/")).toBe("ok\n");
    });

    test("while the app sends, which is told", async () => {
      const key = probe.key();
      const client = await probe.send(get(`/big?key=${key}&size=${256 * MIB}`));
      await client.readBytes(MIB);
      client.reset();
      await probe.heard(key, "closed");
      expect(await probe.words(key)).not.toContain("sent");
    });

    test("in the middle of an upload, of which the app is told", async () => {
      const key = probe.key();
      const head = `POST /read?key=${key} HTTP/1.1\r\nHost: test\r\nContent-Length: ${MIB}\r\n\r\n`;
      const client = await probe.send(head + "x".repeat(500_000));
      await probe.heard(key, "before");
      client.reset();
      await probe.say(key);
      await probe.server.waitForLine(/./);
      expect(await probe.ask("/")).toBe("ok\n");
      expect(await probe.words(key)).not.toContain("read");
    });

    test("and the worker never breaks the protocol over it", async () => {
      for (let i = 0; i < 200; i += 1) {
        const target = ["/", "/respond?part=a&part=b", "/big?size=300000", "/fail"][i % 4]!;
        const client = await probe.send(get(target).repeat(1 + (i % 3)));
        if (i % 2 === 0) await client.readBytes(1);
        client.reset();
      }
      expect(await probe.ask("/")).toBe("ok\n");
      expect(probe.server.output()).not.toMatch(/protocol|worker-2/);
    });
  });
});
