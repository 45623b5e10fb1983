/** Request bodies that nobody reads, answers that must survive them, and connections beyond the limit. */
import { describe, expect, test } from "bun:test";
import { get, message, onBoth, post, postChunks, rest } from "./support.ts";

function announced(target: string, length: number): string {
  return message([`POST ${target} HTTP/1.1`, "Host: test", `Content-Length: ${length}`]);
}

onBoth([], (probe) => {
  describe("An ignored request body does not poison the connection", () => {
    test("a small one is thrown away", async () => {
      const key = probe.key();
      const body = get(`/say?key=${key}&word=smuggled`);
      await using client = await probe.send(post("/respond?part=ignored", body) + get("/"));
      expect((await client.readResponse()).body).toBe("ignored");
      expect((await client.readResponse()).body).toBe("ok\n");
      expect(await probe.words(key)).toEqual([]);
    });

    test("a small one that comes after the answer is thrown away too", async () => {
      const key = probe.key();
      const body = get(`/say?key=${key}&word=smuggled`);
      await using client = await probe.send(announced("/respond?part=ignored", body.length));
      const response = await client.readResponse();
      expect(response.body).toBe("ignored");
      expect(response.headers["connection"]).toBeUndefined();
      await client.send(body + get("/"));
      expect((await client.readResponse()).body).toBe("ok\n");
      expect(await probe.words(key)).toEqual([]);
    });

    test("a large one closes the connection after the response", async () => {
      const key = probe.key();
      await using client = await probe.send(announced("/respond?part=ignored", 1e9));
      const response = await client.readResponse();
      expect(response.body).toBe("ignored");
      expect(response.headers["connection"]).toBe("close");
      await client.send(get(`/say?key=${key}&word=smuggled`));
      expect(await rest(client)).toBe("");
      expect(await probe.words(key)).toEqual([]);
    });

    test("a chunked one is thrown away, or closes the connection and says so", async () => {
      const key = probe.key();
      const hidden = get(`/say?key=${key}&word=smuggled`);
      const chunks = `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`;
      await using client = await probe.send(postChunks("/respond?part=ignored", chunks) + get("/"));
      const response = await client.readResponse();
      expect(response.body).toBe("ignored");
      if (response.headers["connection"] === "close") expect(await client.readToEnd()).toBe("");
      else expect((await client.readResponse()).body).toBe("ok\n");
      expect(await probe.words(key)).toEqual([]);
    });

    test("one that turns out malformed closes the connection, after the whole answer", async () => {
      const key = probe.key();
      const target = `/respond?part=ignored&key=${key}`;
      await using client = await probe.send(postChunks(target, "5\r\nhel"));
      await probe.heard(key, "begun");
      await client.send("lo\r\nnonsense\r\n");
      expect((await client.readResponse()).body).toBe("ignored");
      expect(await client.readToEnd()).toBe("");
    });

    test("a body of which the app reads a part", async () => {
      const body = "x".repeat(20_000);
      const key = probe.key();
      await using client = await probe.send(post(`/answer-then-read?key=${key}`, body) + get("/"));
      await probe.say(key);
      expect((await client.readResponse()).body).toBe(`answer;${body}`);
      expect((await client.readResponse()).body).toBe("ok\n");
    });
  });

  describe("Error answers reach the client", () => {
    test("while it is still sending", async () => {
      const bytes = `${message(["GET / HTTP/1.1"])}${"x".repeat(500_000)}`;
      for (let i = 0; i < 10; i += 1) {
        await using client = await probe.connect();
        await client.send(bytes);
        expect((await client.readResponse()).status).toBe(400);
        expect(await client.readToEnd()).toBe("");
      }
    });

    test("when the app refuses a large upload", async () => {
      const body = "x".repeat(500_000);
      for (let i = 0; i < 10; i += 1) {
        await using client = await probe.connect();
        await client.send(post("/respond?status=403&part=no", body));
        expect(await client.readResponse()).toMatchObject({ status: 403, body: "no" });
      }
    });

    test("to curl, which sends on", async () => {
      const upload = ["-H", "Expect:", "--data-binary", "@-", "-w", "%{http_code}"];
      const url = `${probe.server.url}/respond?status=403&part=no`;
      const child = Bun.spawn(["curl", "--silent", "--max-time", "15", ...upload, url], {
        stdin: Buffer.alloc(900_000, "x"),
        stdout: "pipe",
        stderr: "ignore",
      });
      expect(await new Response(child.stdout).text()).toBe("no403");
    });
  });
});

onBoth(["--body-idle-timeout", "0.4"], (probe) => {
  describe("An ignored request body does not poison the connection", () => {
    test("one that does not come closes the connection, after the whole answer", async () => {
      await using client = await probe.send(announced("/respond?part=ignored", 100));
      expect((await client.readResponse()).body).toBe("ignored");
      expect(await client.readToEnd()).toBe("");
    });
  });
});

onBoth(["--connections", "4", "--keep-alive", "60"], (probe) => {
  describe("Idle connections make room", () => {
    test("they close first", async () => {
      const idle = [];
      for (let i = 0; i < 4; i += 1) {
        const client = await probe.send(get("/"));
        await client.readResponse();
        idle.push(client);
      }
      await using newcomer = await probe.send(get("/"));
      expect(await newcomer.readResponse()).toMatchObject({ status: 200, body: "ok\n" });
      expect(await idle[0]!.readToEnd()).toBe("");
      for (const client of idle) client.close();
    });

    test("when none is idle, the newcomer gets 503", async () => {
      const key = probe.key();
      const half = `GET /say?key=${key}&word=go HTTP/1.1\r\n`;
      await using helper = await probe.send(half);
      const busy = [];
      for (let i = 0; i < 3; i += 1) busy.push(await probe.send(get(`/stream?key=${key}`)));
      for (const client of busy) await client.readUntil("first;");
      await using newcomer = await probe.connect();
      const response = await newcomer.readResponse();
      expect(response.status).toBe(503);
      expect(response.headers["connection"]).toBe("close");
      expect(response.headers["retry-after"]).toMatch(/^\d+$/);
      expect(await newcomer.readToEnd()).toBe("");
      await probe.server.waitForLine(/refused \[connections-full\] 503/);
      await helper.send("Host: test\r\nConnection: close\r\n\r\n");
      expect((await helper.readResponse()).status).toBe(200);
      for (const client of busy) {
        await client.readUntil("0\r\n\r\n");
        client.close();
      }
    });
  });
});
