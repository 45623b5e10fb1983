/** Deadlines: of clients that send or take slowly, and of apps that do not begin their response. */
import { describe, expect, test } from "bun:test";
import { get, message, onBoth, onOne, post, Probe } from "./support.ts";

const MIB = 1024 * 1024;

function announced(target: string, length: number): string {
  return message([`POST ${target} HTTP/1.1`, "Host: test", `Content-Length: ${length}`]);
}

/** Time has passed when a head that never ends, begun now, is cut off. */
async function headerTimeoutPasses(probe: Probe): Promise<void> {
  await using client = await probe.send("GET /");
  expect((await client.readResponse()).status).toBe(408);
}

/** Long enough for the requests beside those that are to be late, on a machine that does other things for a second. */
const SHORT = ["--header-timeout", "1.5", "--body-idle-timeout", "1.5", "--send-timeout", "1.5"];

onBoth(SHORT, (probe) => {
  describe("A slow head is cut off", () => {
    test.each([
      ["in the request line", "GET / HT"],
      ["in a header", "GET / HTTP/1.1\r\nHost: te"],
      ["before the empty line", "GET / HTTP/1.1\r\nHost: test\r\n"],
    ])("%s", async (_where, bytes) => {
      await using client = await probe.send(bytes);
      const response = await client.readResponse();
      expect(response.status).toBe(408);
      expect(response.headers["connection"]).toBe("close");
      expect(await client.readToEnd()).toBe("");
      await probe.server.waitForLine(/refused \[header-timeout\] 408/);
    });

    test("a byte now and then does not extend it", async () => {
      await using client = await probe.send("GET / HTTP/1.1\r\nX: ");
      // Would the bytes extend it, this went on for ever.
      while (!client.ended) {
        await client.send("y");
        await probe.ask("/");
      }
      expect((await client.readResponse()).status).toBe(408);
    });

    test("also on a connection that has been used", async () => {
      await using client = await probe.send(get("/"));
      await client.readResponse();
      await client.send("GET / HTTP/1.1\r\n");
      expect((await client.readResponse()).status).toBe(408);
    });

    test("a connection that says nothing is closed without an answer", async () => {
      await using client = await probe.connect();
      expect(await client.readToEnd()).toBe("");
    });
  });

  describe("A slow body is cut off", () => {
    test("that stops", async () => {
      await using client = await probe.send(announced("/echo", 10) + "hello");
      const response = await client.readResponse();
      expect(response.status).toBe(408);
      expect(response.headers["connection"]).toBe("close");
      expect(await client.readToEnd()).toBe("");
      await probe.server.waitForLine(/refused \[body-timeout\] 408/);
    });

    test("the app's request is over then", async () => {
      const key = probe.key();
      await using client = await probe.send(announced(`/read?key=${key}`, 10) + "hello");
      await probe.say(key);
      expect((await client.readResponse()).status).toBe(408);
      await probe.ask("/");
      expect(await probe.words(key)).not.toContain("read");
    });

    test("but not while it is the app that does not read", async () => {
      const key = probe.key();
      const body = "0123456789".repeat(100_000);
      await using client = await probe.connect();
      const sent = client.send(post(`/read?key=${key}`, body));
      await probe.heard(key, "before");
      await headerTimeoutPasses(probe);
      await headerTimeoutPasses(probe);
      await probe.say(key);
      expect((await client.readResponse()).body).toBe(body);
      await sent;
    });

    test("nor when it is complete and its response goes on", async () => {
      const key = probe.key();
      const target = `/answer-then-read?key=${key}`;
      await using client = await probe.send(announced(target, 5) + "he");
      await client.readUntil("answer;");
      await client.send("llo");
      await headerTimeoutPasses(probe);
      await headerTimeoutPasses(probe);
      await probe.say(key);
      expect(await client.readUntil("0\r\n\r\n")).toContain("hello");
    });
  });

  describe("A slow reader does not hold a worker", () => {
    test("a response of the size of the buffer leaves the worker at once", async () => {
      const key = probe.key();
      await using client = await probe.connect();
      client.pause();
      await client.send(get(`/big?key=${key}&size=${MIB}`));
      await probe.heard(key, "sent");
      await probe.heard(key, "closed");
      client.resume();
      expect((await client.readResponse()).body).toHaveLength(MIB);
    });

    test("beyond it the app waits, and a client that takes nothing is cut", async () => {
      const key = probe.key();
      const size = 64 * MIB;
      await using client = await probe.connect();
      client.pause();
      await client.send(get(`/big?key=${key}&size=${size}`));
      await probe.server.waitForLine(new RegExp(`cut 127\\.0\\.0\\.1 GET /big\\?key=${key}&`));
      await probe.heard(key, "closed");
      expect(await probe.words(key)).not.toContain("sent");
      expect(await probe.progress(key)).toBeLessThan(size / 2);
    });

    test("a client that takes bytes now and then is served to the end", async () => {
      const key = probe.key();
      const size = 32 * MIB;
      await using client = await probe.send(get(`/big?key=${key}&size=${size}`));
      await client.readUntil("\r\n\r\n");
      let taken = 0;
      for (let pauses = 0; taken < size; pauses += 1) {
        taken += (await client.readBytes(Math.min(2 * MIB, size - taken))).length;
        if (pauses % 8 !== 0) continue;
        client.pause();
        await probe.ask("/");
        client.resume();
      }
      expect(await probe.words(key)).toContain("sent");
    });
  });
});

// The minimum rate is none of its business: judged after five seconds, it cuts off a byte now and then.
const PIECES = ["--keep-alive", "0.1", "--body-idle-timeout", "3", "--body-rate-min", "0"];

onBoth(PIECES, (probe) => {
  test("A body that comes in pieces is not cut off while it goes on", async () => {
    const body = "0123456789abcdef".repeat(2);
    await using client = await probe.send(announced("/echo", body.length));
    for (const byte of body) {
      // A tenth of a second passes; thirty-two of them are more than the timeout.
      await using idle = await probe.send(get("/"));
      await idle.readResponse();
      await idle.readToEnd();
      await client.send(byte);
    }
    expect((await client.readResponse()).body).toBe(body);
  });
});

onOne("asgi", ["--body-rate-min", "1m", "--body-idle-timeout", "60"], (probe) => {
  test("A slow body is cut off below the minimum rate, however regular it is", async () => {
    await using client = await probe.send(announced("/echo", 100_000_000));
    while (!client.ended) {
      await client.send("x");
      await probe.ask("/");
    }
    expect((await client.readResponse()).status).toBe(408);
    await probe.server.waitForLine(/refused \[body-too-slow\] 408/);
  });
});

const APP = ["--timeout", "1.5", "--interrupt", "1.5"];

onBoth(APP, (probe) => {
  const interrupted = probe.kind === "wsgi" ? "RequestTimeout" : "CancelledError";

  describe("A response that does not begin in time is answered with 504", () => {
    test("the app is interrupted, the worker and the connection live on", async () => {
      const key = probe.key();
      await using client = await probe.send(get(`/hang?key=${key}`));
      const response = await client.readResponse();
      expect(response.status).toBe(504);
      expect(response.headers["connection"]).toBeUndefined();
      await probe.heard(key, interrupted);
      await client.send(get("/"));
      expect((await client.readResponse()).body).toBe("ok\n");
      expect(await probe.words(key)).toEqual(["begun", interrupted]);
      await probe.server.waitForLine(/refused \[worker-timeout\] 504/);
    });

    test("others on the same worker are unharmed", async () => {
      const [hanging, other] = [probe.key(), probe.key()];
      await using client = await probe.send(get(`/hang?key=${hanging}`));
      await probe.heard(hanging, "begun");
      await using good = await probe.send(get(`/stream?key=${other}`));
      expect((await client.readResponse()).status).toBe(504);
      await probe.heard(hanging, interrupted);
      await probe.say(other);
      expect((await good.readResponse()).body).toBe("first;last;");
    });

    test("one that has begun may take as long as it likes", async () => {
      const [slow, hanging] = [probe.key(), probe.key()];
      await using client = await probe.send(get(`/stream?key=${slow}`));
      await client.readUntil("first;");
      for (let i = 0; i < 2; i += 1) {
        expect((await probe.answer(get(`/hang?key=${hanging}`))).status).toBe(504);
      }
      await probe.say(slow);
      expect(await client.readUntil("0\r\n\r\n")).toContain("last;");
    });

    test("a HEAD request gets the status alone", async () => {
      const head = message(["HEAD /hang HTTP/1.1", "Host: test"]);
      await using client = await probe.send(head + get("/"));
      expect((await client.readResponse("HEAD")).status).toBe(504);
      expect((await client.readResponse()).body).toBe("ok\n");
    });
  });
});

test.each(["wsgi", "asgi"] as const)(
  "Only what does not yield is killed, after its traceback is logged (%s)",
  async (kind) => {
    await using probe = new Probe(kind, APP);
    await probe.start();
    const key = probe.key();
    expect((await probe.answer(get(`/stubborn?key=${key}`))).status).toBe(504);
    await probe.server.waitForLine(/probe_[aw]sgi\.py.*\bline \d+.*\bin stubborn/);
    // The journal was in the memory of the worker that is gone.
    for (;;) {
      const { status, body } = await probe.answer(get(`/words?of=${key}`, "Connection: close"));
      if (status === 200 && body === "[]") break;
    }
  },
);
