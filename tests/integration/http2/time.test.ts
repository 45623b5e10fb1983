/** Deadlines over HTTP/2: each stream has its own, and what is the app's time is not counted as the client's. */
import { describe, expect, test } from "bun:test";
import { data, frame } from "../../support/h2-connection.ts";
import { H2Code } from "../../support/h2-client.ts";
import { KIB, onBoth, onSite, type Site } from "./support.ts";

/** Time has passed when a head that never ends, begun now, is cut off. */
async function headerTimeoutPasses(site: Site): Promise<void> {
  await using client = await site.connect();
  await client.send(frame(1, 0, 1, Buffer.from("x")));
  await client.closed();
}

/** Long enough for the requests beside those that are to be late, on a machine that does other things for a second. */
const SHORT = [
  ...["--header-timeout", "1.5", "--body-idle-timeout", "1.5", "--keep-alive", "60"],
  // Judged after five seconds, it would cut off what comes a byte now and then.
  ...["--body-rate-min", "0"],
];
/** More than the timeouts of bodies, with their tick. */
const PIECES_MS = 2500;

onBoth(SHORT, (site) => {
  describe("A slow head is cut off", () => {
    test.each([
      ["a frame that is not complete", Buffer.from([0, 0, 50, 1, 5, 0, 0, 0, 1, 0x82])],
      ["a block that goes on in CONTINUATION", frame(1, 1, 1, Buffer.from([0x82]))],
    ])("%s", async (_name, bytes) => {
      await using client = await site.connect();
      await client.send(bytes);
      await client.closed();
      expect(client.goaway).toMatchObject({ code: H2Code.NO_ERROR });
      await site.server.waitForLine(/refused \[header-timeout\] 408 127\.0\.0\.1/);
    });

    test("a frame now and then does not extend it", async () => {
      await using client = await site.connect();
      await client.send(frame(1, 1, 1, Buffer.from([0x82])));
      for (let sent = 0; !client.ended; sent += 1) {
        await client.send(frame(9, 0, 1, Buffer.from([0x82])));
        await site.ask("/");
        if (sent === 50) await client.closed();
      }
      await site.server.waitForLine(/refused \[header-timeout\] 408 127\.0\.0\.1/);
    });

    test("a client that says nothing", async () => {
      await using client = await site.connect({ silent: true });
      await client.closed();
    });

    test("but not a connection between its requests", async () => {
      await using client = await site.connect();
      expect((await client.answerOf("/")).status).toBe(200);
      await headerTimeoutPasses(site);
      await headerTimeoutPasses(site);
      expect((await client.answerOf("/")).status).toBe(200);
    });
  });

  describe("A slow body is cut off", () => {
    test("that stops; the connection goes on", async () => {
      const key = site.key();
      await using client = await site.connect();
      const call = client.post(`/read?key=${key}`, "half", false);
      await site.say(key);
      expect(await client.resetOf(call)).toBe(H2Code.NO_ERROR);
      expect(call).toMatchObject({ status: 408, ended: true });
      expect((await client.answerOf("/")).status).toBe(200);
      expect(await site.words(key)).not.toContain("read");
      const line = `refused \\[body-timeout\\] 408 127\\.0\\.0\\.1 POST /read\\?key=${key}`;
      await site.server.waitForLine(new RegExp(line));
    });

    test("but not while it is the app that does not read", async () => {
      const key = site.key();
      const bytes = Buffer.alloc(900 * KIB, "x");
      await using client = await site.connect();
      const call = client.post(`/read?key=${key}`, "", false);
      void client.upload(call, bytes);
      await client.until("a full window", () => call.window === 0);
      await headerTimeoutPasses(site);
      await headerTimeoutPasses(site);
      await site.say(key);
      const { status, bytes: echoed } = await client.answer(call);
      expect({ status, echoed }).toEqual({ status: 200, echoed: bytes.length });
    });

    test("nor when it is complete and the app takes its time", async () => {
      const key = site.key();
      await using client = await site.connect();
      const call = client.post(`/wait?key=${key}`, "he", false);
      await client.send(data(call.id, "llo", 1));
      await site.heard(key, "begun");
      await headerTimeoutPasses(site);
      await headerTimeoutPasses(site);
      await site.say(key);
      expect((await client.answer(call)).body).toBe("waited\n");
    });

    test("one that comes in pieces is not", async () => {
      await using client = await site.connect();
      const call = client.post("/echo", "", false);
      const began = performance.now();
      let sent = 0;
      for (; performance.now() - began < PIECES_MS; sent += 1) {
        await client.send(data(call.id, "x"));
        await site.ask("/");
      }
      await client.send(data(call.id, "", 1));
      expect((await client.answer(call)).bytes).toBe(sent);
    });
  });
});

onSite(
  { kind: "asgi", args: ["--body-idle-timeout", "1.5", "--header-timeout", "1.5"] },
  (site) => {
    test("A slow body is not cut off once the answer streams: both may take their time", async () => {
      const key = site.key();
      await using client = await site.connect();
      const call = client.post(`/answer-then-read?key=${key}`, "he", false);
      await client.until("the answer", () => call.body === "answer;");
      await headerTimeoutPasses(site);
      await headerTimeoutPasses(site);
      await client.upload(call, Buffer.from("llo"));
      await site.say(key);
      expect((await client.answer(call)).body).toBe("answer;hello");
    });
  },
);

onSite({ kind: "asgi", args: ["--body-rate-min", "1m", "--body-idle-timeout", "60"] }, (site) => {
  test("A slow body is cut off below the minimum rate, however regular it is", async () => {
    await using client = await site.connect();
    const call = client.post("/echo", "", false);
    while (!call.over) {
      await client.send(data(call.id, "x"));
      await site.ask("/");
    }
    expect(call.status).toBe(408);
    await site.server.waitForLine(/refused \[body-too-slow\] 408/);
  });
});

onBoth(["--timeout", "1.5", "--interrupt", "1.5"], (site) => {
  const interrupted = site.kind === "wsgi" ? "RequestTimeout" : "CancelledError";

  describe("A response that does not begin in time is answered with 504", () => {
    test("the app is interrupted, its neighbours and the connection live on", async () => {
      const [hanging, other] = [site.key(), site.key()];
      await using client = await site.connect();
      const calls = [client.get(`/stream?key=${other}`), client.get(`/hang?key=${hanging}`)];
      expect((await client.answer(calls[1]!)).status).toBe(504);
      await site.heard(hanging, interrupted);
      await site.say(other);
      expect((await client.answer(calls[0]!)).body).toBe("first;last;");
      await site.server.waitForLine(/refused \[worker-timeout\] 504/);
    });

    test("also when it does not read the body that the client wants to send", async () => {
      const key = site.key();
      await using client = await site.connect();
      const call = client.post(`/hang?key=${key}`, "", false);
      void client.upload(call, Buffer.alloc(900 * KIB));
      await client.until("the answer", () => call.over);
      expect(call.status).toBe(504);
      await site.heard(key, interrupted);
    });
  });
});

onBoth(["--keep-alive", "1.5"], (site) => {
  describe("An idle connection ends with GOAWAY", () => {
    test("after --keep-alive", async () => {
      await using client = await site.connect();
      await client.answerOf("/");
      await client.closed();
      expect(client.goaway).toEqual({ last: 1, code: H2Code.NO_ERROR, text: "" });
    });

    test("not while a request runs", async () => {
      const key = site.key();
      await using idle = await site.connect();
      await using client = await site.connect();
      const call = client.get(`/wait?key=${key}`);
      await idle.closed();
      await site.say(key);
      expect((await client.answer(call)).body).toBe("waited\n");
      await client.closed();
    });
  });
});
