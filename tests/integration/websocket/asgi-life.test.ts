/** What becomes of open WebSockets when the server stops, reloads or loses a worker; and many of them. */
import { describe, expect, test } from "bun:test";
import { median } from "../../../src/compare/statistics.ts";
import { gone, treeOf } from "../../apps_life/processes.ts";
import { ask, eventually, text as get } from "../../apps_life/serve.ts";
import { RawClient } from "../../support/raw-client.ts";
import { text } from "../../support/ws-frames.ts";
import { onEach, Site } from "./asgi-site.ts";
import { TRANSPORTS } from "./lines.ts";

const SOCKETS = 300;
/** Most requests beside open sockets; a busy machine needs a part of it. */
const QUICK_MS = 1000;

describe("Open WebSockets are closed with 1012 when the server stops", () => {
  test.each(TRANSPORTS)("%s", async (transport) => {
    await using site = await Site.start({ transport });
    const name = site.name();
    await using client = await site.open(`/echo/${name}`);
    await site.noted(name);
    const ending = client.ending();
    expect(await site.server.stop()).toBe(0);
    expect(await ending).toEqual({ code: 1012, reason: "", cut: false });
    expect(site.place.lines(name)).toEqual(["accepted", "disconnect 1012"]);
  });

  test("also one that is accepted only then", async () => {
    await using site = await Site.start();
    const name = site.name();
    const asked = site.open(`/echo_later/${name}`);
    await site.noted(name);
    const stopped = site.server.stop();
    await site.server.waitForLine(/stopping/);
    await eventually("a refused connection", async () => {
      return (await RawClient.connect(site.server.port).catch(() => null)) === null;
    });
    site.place.open(`${name}.accept`);
    await using client = await asked;
    expect(await client.ending()).toMatchObject({ code: 1012, cut: false });
    expect(await stopped).toBe(0);
  });
});

describe("Open WebSockets stay with their worker when the server reloads", () => {
  // The secure transports differ in nothing that a reload touches.
  onEach(
    ["--graceful-timeout", "6s"],
    (site) => {
      const { transport } = site;
      test("then they are closed with 1012, before the graceful timeout", async () => {
        await using client = await site.open("/pid/x");
        const old = (await client.message()) as string;
        const { workers } = treeOf(site.server);
        site.server.kill("SIGHUP");
        await site.server.waitForLine(/the new workers serve/);
        await eventually("an answer of the new worker", async () => {
          return (await get(site.server, "/pid").catch(() => old)) !== old;
        });
        await client.send(text("still here"));
        expect(await client.message()).toBe("still here");
        await using fresh = await site.open("/pid/y");
        expect(await fresh.message()).not.toBe(old);
        expect(await client.ending()).toEqual({ code: 1012, reason: "", cut: false });
        await gone(workers);
        expect(site.server.output()).not.toContain("killed");
        await fresh.send(text(transport));
        expect(await fresh.message()).toBe(transport);
      });
    },
    ["h1", "h2"],
  );
});

describe("A WebSocket whose worker dies is closed with 1011", () => {
  onEach([], (site) => {
    test("and another can be opened", async () => {
      await using client = await site.open("/pid/x");
      process.kill(Number(await client.message()), "SIGKILL");
      expect(await client.ending()).toEqual({ code: 1011, reason: "", cut: false });
      await using next = await site.open("/echo");
      await next.send(text("again"));
      expect(await next.message()).toBe("again");
    });
  });
});

describe("Many open WebSockets leave a worker free for requests", () => {
  onEach(
    // Fewer than there are sockets: these do not count.
    ["--concurrency", "20"],
    (site) => {
      test(`${SOCKETS} of them`, async () => {
        const clients = await Promise.all(
          Array.from({ length: SOCKETS }, () => site.open("/echo")),
        );
        expect(treeOf(site.server).workers.length).toBe(1);
        const times: number[] = [];
        for (let round = 0; round < 20; round++) {
          const start = performance.now();
          expect((await ask(site.server, "/")).body).toBe("hello");
          times.push(performance.now() - start);
        }
        expect(median(times)).toBeLessThan(QUICK_MS);
        await Promise.all(clients.map((client, i) => client.send(text(`number ${i}`))));
        const answers = await Promise.all(clients.map((client) => client.message()));
        expect(answers).toEqual(clients.map((_, i) => `number ${i}`));
        for (const client of clients) client.abort();
      });
    },
    ["h1", "h2"],
  );
});
