/** Backpressure in both directions, and clients that say nothing. */
import { describe, expect, test } from "bun:test";
import { eventually } from "../../apps_life/serve.ts";
import { treeOf } from "../../apps_life/processes.ts";
import { H2Client } from "../../support/h2-client.ts";
import { binary, ping, pong, text } from "../../support/ws-frames.ts";
import { residentBytes } from "../abuse/support.ts";
import { MIB, onEach, type Site } from "./asgi-site.ts";
import type { Frame, WsClient } from "./client.ts";

/** The pieces of the app's `flood` and of what the tests send. */
const PIECE_BYTES = 64 * 1024;
const PIECES = 1024;
/** What the kernels of both sides and the server hold of 64 MiB, at most; loopback's buffers grow to 10 MB. */
const HELD_BYTES_MAX = 24 * MIB;
/** What the edge's memory may grow by, of the same 64 MiB: what waits to be collected counts too. */
const GROWTH_BYTES_MAX = 48 * MIB;
const STANDS_STILL_MS = 400;

/** Waits until a number has stopped growing; returns it. */
async function settled(look: () => number): Promise<number> {
  let last = -1;
  let since = 0;
  return eventually("a number that stands still", () => {
    const now = look();
    if (now !== last) [last, since] = [now, performance.now()];
    return last > 0 && performance.now() - since > STANDS_STILL_MS ? last : undefined;
  });
}

function edgeBytes(site: Site): number {
  return residentBytes(treeOf(site.server).edges[0]!.pid);
}

/** The next frame; pings of the server may stand before it. */
async function pastPings(client: WsClient): Promise<Frame> {
  let frame = await client.frame();
  while (frame.opcode === 9) frame = await client.frame();
  return frame;
}

const piece = binary(Buffer.alloc(PIECE_BYTES));

describe("WebSocket backpressure goes both ways", () => {
  onEach([], (site) => {
    test("the app waits while the client does not read", async () => {
      const name = site.name();
      const before = edgeBytes(site);
      await using client = await site.open(`/flood/${name}?pieces=${PIECES}`);
      client.pause();
      const sent = await settled(() => site.place.lines(name).length);
      expect(sent * PIECE_BYTES).toBeLessThan(HELD_BYTES_MAX);
      expect(edgeBytes(site) - before).toBeLessThan(GROWTH_BYTES_MAX);
      client.resume();
      for (let i = 0; i < PIECES; i++) expect((await client.message()).length).toBe(PIECE_BYTES);
      expect((await site.noted(name, PIECES + 1)).at(-1)).toBe("done");
    });

    test("the client waits while the app does not receive", async () => {
      const name = site.name();
      const before = edgeBytes(site);
      await using client = await site.open(`/hold/${name}`);
      let taken = 0;
      const all = (async () => {
        for (; taken < PIECES; taken++) await client.send(piece);
      })();
      const held = await settled(() => taken);
      expect(held * PIECE_BYTES).toBeLessThan(HELD_BYTES_MAX);
      expect(edgeBytes(site) - before).toBeLessThan(GROWTH_BYTES_MAX);
      site.place.open(`${name}.read`);
      await all;
      const noted = await site.noted(name, PIECES + 1);
      expect(new Set(noted.slice(1))).toEqual(new Set([String(PIECE_BYTES)]));
    });

    test("small messages that the app does not receive are not gathered either", async () => {
      const name = site.name();
      const before = edgeBytes(site);
      await using client = await site.open(`/hold/${name}`);
      const batch = Buffer.concat(new Array<Buffer>(1000).fill(text("tiny")));
      let taken = 0;
      const all = (async () => {
        for (; taken < 3000; taken++) await client.send(batch);
      })().catch(() => undefined);
      const held = await settled(() => taken);
      expect(held * batch.length).toBeLessThan(HELD_BYTES_MAX);
      expect(edgeBytes(site) - before).toBeLessThan(GROWTH_BYTES_MAX);
      client.abort();
      await all;
      // Else the app would keep the server from stopping.
      site.place.open(`${name}.read`);
    });
  });
});

describe("A slow app of one WebSocket does not hold up others of its HTTP/2 connection", () => {
  onEach(
    [],
    (site) => {
      test("eight that nobody reads, one more, and a request", async () => {
        const secure = site.transport.endsWith("TLS");
        await using shared = await H2Client.connect(site.server.port, { secure });
        const names = Array.from({ length: 8 }, () => site.name());
        let taken = 0;
        const sending = names.map(async (name) => {
          const client = await site.open(`/hold/${name}`, { shared });
          for (let i = 0; i < 32; i++, taken++) await client.send(piece);
        });
        await settled(() => taken);
        await using client = await site.open("/echo", { shared });
        for (let i = 0; i < 100; i++) {
          await client.send(piece);
          expect((await client.message()).length).toBe(PIECE_BYTES);
        }
        expect((await shared.answerOf("/")).body).toBe("hello");
        for (const name of names) site.place.open(`${name}.read`);
        await Promise.all(sending);
        for (const name of names) await site.noted(name, 33);
      });
    },
    ["h2", "h2 over TLS"],
  );
});

describe("A WebSocket client that takes nothing is cut after --send-timeout", () => {
  onEach(["--send-timeout", "1s"], (site) => {
    test("and its app is told", async () => {
      const name = site.name();
      await using client = await site.open(`/flood/${name}?pieces=${PIECES}`);
      client.pause();
      const noted = await eventually("the end of the app", () => {
        const lines = site.place.lines(name);
        return lines.at(-1)?.startsWith("disconnect") === true && lines;
      });
      expect(noted.slice(-2)).toEqual(["ClientDisconnected", "disconnect 1006"]);
    });
  });
});

describe("A silent WebSocket client is pinged, then cut", () => {
  onEach(["--ws-ping-interval", "300ms", "--ws-ping-timeout", "2s"], (site) => {
    test("one that answers stays, one that does not is lost to the app", async () => {
      const [quick, dead] = [site.name(), site.name()];
      await using client = await site.open(`/echo/${quick}`);
      await using silent = await site.open(`/echo/${dead}`);
      while (site.place.lines(dead).length < 2) {
        const { opcode, payload } = await client.frame();
        expect(opcode).toBe(9);
        await client.send(pong(payload));
      }
      expect(await site.noted(dead, 2)).toEqual(["accepted", "disconnect 1006"]);
      expect((await silent.frame()).opcode).toBe(9);
      expect(await silent.ending()).toMatchObject({ code: null });
      await client.send(text("still here"));
      expect((await pastPings(client)).payload.toString()).toBe("still here");
      expect(site.place.lines(quick)).toEqual(["accepted"]);
    });

    test("one whose app does not read stays, whatever it says", async () => {
      const [held, dead] = [site.name(), site.name()];
      await using client = await site.open(`/hold/${held}`);
      let taken = 0;
      const all = (async () => {
        for (; taken < PIECES; taken++) await client.send(piece);
      })();
      await settled(() => taken);
      await using silent = await site.open(`/echo/${dead}`);
      await site.noted(dead, 2);
      expect(silent.over || (await silent.ending()).code === null).toBe(true);
      site.place.open(`${held}.read`);
      await all;
      await site.noted(held, PIECES + 1);
      await client.send(ping("alive"));
      expect((await pastPings(client)).payload.toString()).toBe("alive");
    });
  });
});
