/** Response heads: what apps may not say, what the server adds, and what a client sees of an app that fails. */
import { describe, expect, test } from "bun:test";
import { get, message, onBoth, onOne, rest } from "./support.ts";

/** Every byte of a latin-1 text as an escape. */
function escaped(text: string): string {
  return Buffer.from(text, "latin1").toString("hex").replaceAll(/../g, "%$&");
}

/** `/respond` with a header, its name and value escaped. */
function withHeader(field: string): string {
  return `/respond?part=hello&h=${escaped(field)}`;
}

onBoth([], (probe) => {
  describe("Response headers cannot be injected", () => {
    test.each([
      ["CR LF in a value", withHeader("X-Bad:a\r\nX-Injected: 1")],
      ["LF in a value", withHeader("X-Bad:a\nX-Injected: 1")],
      ["CR in a value", withHeader("X-Bad:a\rX-Injected: 1")],
      ["NUL in a value", withHeader("X-Bad:a\0b")],
      ["a control character in a value", withHeader("X-Bad:a\x1bb")],
      ["CR LF in a location", withHeader("Location:/a\r\nSet-Cookie: x=y")],
      ["CR LF in a Content-Type", withHeader("Content-Type:a/b\r\n\r\n<script>")],
      ["CR LF in a name", withHeader("X-Bad\r\nX-Injected:1")],
      ["a space in a name", withHeader("X Bad:1")],
      ["an empty name", withHeader(":1")],
      ["a length that is none", withHeader("Content-Length:5\r\n")],
      ["a negative length", withHeader("Content-Length:-5")],
      ["two lengths that differ", "/respond?part=hello&h=Content-Length:5&length=6"],
      ["a status of 100", "/respond?status=100"],
      ["a status of 99", "/respond?status=99"],
      ["a status of 1000", "/respond?status=1000"],
    ])("%s is a 500 and a log line", async (_name, target) => {
      const key = probe.key();
      await using client = await probe.send(get(`${target}&key=${key}`));
      const response = await client.readResponse();
      expect(response.status).toBe(500);
      expect(response.headers["x-injected"]).toBeUndefined();
      expect(response.headers["set-cookie"]).toBeUndefined();
      expect(response.body).not.toContain("script");
      await client.send(get("/"));
      expect((await client.readResponse()).body).toBe("ok\n");
      await probe.server.waitForLine(/the app failed in GET \/respond/);
    });

    test("what only looks dangerous is sent as it is", async () => {
      const response = await probe.answer(get(withHeader("X-Odd:\xe9\tb%0d%0a\\r\\n")));
      expect(response.status).toBe(200);
      expect(response.headers["x-odd"]).toBe("\xe9\tb%0d%0a\\r\\n");
    });
  });

  describe("Hop-by-hop headers belong to the server", () => {
    test("Transfer-Encoding and Keep-Alive of the app are left out", async () => {
      const fields = ["Transfer-Encoding:chunked", "Keep-Alive:timeout=5", "Connection:keep-alive"];
      const query = fields.map((field) => `&h=${field}`).join("");
      for (const parts of ["part=hello", "part=hel&part=lo"]) {
        await using client = await probe.send(get(`/respond?${parts}${query}`) + get("/"));
        const response = await client.readResponse();
        expect(response).toMatchObject({ status: 200, body: "hello" });
        expect(response.headers["keep-alive"]).toBeUndefined();
        expect(response.headers["connection"]).toBeUndefined();
        const coding = response.raw.toLowerCase().split("transfer-encoding: chunked").length - 1;
        expect(coding).toBeLessThanOrEqual(1);
        expect((await client.readResponse()).body).toBe("ok\n");
      }
    });

    test("an Upgrade of the app is left out", async () => {
      const target = "/respond?part=a&h=Upgrade:websocket&h=Connection:Upgrade";
      const response = await probe.answer(get(target));
      expect(response.headers["upgrade"]).toBeUndefined();
      expect(response.headers["connection"]).toBeUndefined();
    });

    test("its Connection: close is honoured", async () => {
      await using client = await probe.send(get("/respond?part=a&part=b&h=Connection:close"));
      const response = await client.readResponse();
      expect(response.body).toBe("ab");
      expect(response.headers["connection"]).toBe("close");
      expect(await client.readToEnd()).toBe("");
    });

    test("hop-by-hop headers of the request do not hurt", async () => {
      const fields = ["Connection: x-secret, keep-alive", "X-Secret: 1", "Keep-Alive: 5"];
      expect((await probe.answer(get("/", ...fields))).status).toBe(200);
    });
  });

  describe("A failing app answers 500", () => {
    test("with the traceback in the log and nothing of it in the answer", async () => {
      await using client = await probe.send(get("/fail") + get("/"));
      const response = await client.readResponse();
      expect(response.status).toBe(500);
      expect(response.raw).not.toContain("secret");
      expect(response.raw).not.toContain("Traceback");
      expect((await client.readResponse()).body).toBe("ok\n");
      await probe.server.waitForLine(/the app failed in GET \/fail/);
      await probe.server.waitForLine(/ValueError: secret detail of the app/);
    });

    test("after the response has begun the connection is cut", async () => {
      const key = probe.key();
      await using client = await probe.send(get(`/fail-late?key=${key}`) + get("/"));
      const begun = await client.readUntil("first;\r\n");
      expect(begun).toStartWith("HTTP/1.1 200");
      await probe.say(key);
      expect(await rest(client)).toBe("");
      await probe.server.waitForLine(/cut 127\.0\.0\.1 GET \/fail-late/);
    });

    test("also where the response has a length", async () => {
      const key = probe.key();
      await using client = await probe.send(get(`/fail-late?key=${key}&length=100`));
      await client.readUntil("first;");
      await probe.say(key);
      expect(await rest(client)).toBe("");
    });

    test("curl can tell", async () => {
      const key = probe.key();
      const curl = probe.curl(`/fail-late?key=${key}`);
      await probe.heard(key, "begun");
      await probe.say(key);
      expect((await curl).code).not.toBe(0);
    });

    test("an app that returns without a response", async () => {
      expect((await probe.answer(get("/silent"))).status).toBe(500);
    });
  });

  describe("Date and Server are sent", () => {
    const IMF = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/;

    test("by the server", async () => {
      const { headers } = await probe.answer(get("/"));
      expect(headers["server"]).toBe("keelback");
      expect(headers["date"]).toMatch(IMF);
      expect(Math.abs(Date.parse(headers["date"]!) - Date.now())).toBeLessThan(60_000);
    });

    test("unless the app has set them", async () => {
      const { headers } = await probe.answer(get("/respond?part=a&h=Date:today&h=Server:mine"));
      expect(headers).toMatchObject({ date: "today", server: "mine" });
    });
  });
});

onBoth(["--no-server-header", "--no-date-header"], (probe) => {
  test("Date and Server can be turned off", async () => {
    const { headers } = await probe.answer(get("/"));
    expect(headers["server"]).toBeUndefined();
    expect(headers["date"]).toBeUndefined();
  });
});

onBoth(["--server-header", "other/1"], (probe) => {
  test("The Server header can be chosen", async () => {
    expect((await probe.answer(get("/"))).headers["server"]).toBe("other/1");
  });
});

onOne("wsgi", [], (probe) => {
  test.each(["OK%0d%0aX-Injected: 1", "OK%0aX-Injected: 1", "O%00K"])(
    "The reason %s cannot inject a header",
    async (reason) => {
      const target = `/respond?status=200&part=a&reason=${reason.replaceAll(" ", "%20")}`;
      const response = await probe.answer(get(target));
      expect(response.status).toBe(500);
      expect(response.headers["x-injected"]).toBeUndefined();
    },
  );
});

onOne("asgi", [], (probe) => {
  test("Early hints come before the response, and never after it has begun", async () => {
    await using client = await probe.send(get(`/hint?link=${escaped("</a.css>; rel=preload")}`));
    const hints = await client.readUntil("\r\n\r\n");
    expect(hints).toStartWith("HTTP/1.1 103 ");
    expect(hints).toContain("</a.css>; rel=preload");
    const response = await client.readResponse();
    expect(response.body).toBe("hinted;too late");
  });

  test("Early hints go to no HTTP/1.0 client", async () => {
    await using client = await probe.send(message(["GET /hint?link=a HTTP/1.0"]));
    expect(await client.readToEnd()).toStartWith("HTTP/1.1 200");
  });

  test("Early hints cannot inject a header", async () => {
    const link = escaped("</a>\r\nX-Injected: 1");
    const response = await probe.answer(get(`/hint?link=${link}`));
    expect(response.status).toBe(500);
    expect(response.raw).not.toContain("X-Injected");
  });

  test("An app that returns in the middle of its response ends it, and no second one follows", async () => {
    await using client = await probe.send(get("/silent-late") + get("/"));
    const everything = await rest(client);
    expect(everything).not.toContain("0\r\n\r\n");
    expect(everything.split("HTTP/1.1").length - 1).toBeLessThanOrEqual(1);
    await probe.server.waitForLine(/in the middle of its response in GET \/silent-late/);
  });

  test("Trailers go to a client that asked for them", async () => {
    const target = "/respond?part=a&trailer=X-Sum:1";
    await using client = await probe.send(get(target, "TE: trailers") + get(target) + get("/"));
    expect(await client.readResponse()).toMatchObject({ body: "a", trailers: { "x-sum": "1" } });
    expect(await client.readResponse()).toMatchObject({ body: "a", trailers: {} });
    expect((await client.readResponse()).body).toBe("ok\n");
  });

  test("Trailers cannot inject", async () => {
    const target = `/respond?part=a&trailer=${escaped("X:a\r\nX-Injected: 1")}`;
    await using client = await probe.send(get(target, "TE: trailers"));
    expect(await rest(client)).not.toContain("X-Injected");
  });
});
