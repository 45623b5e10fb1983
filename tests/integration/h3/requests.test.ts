/** Requests over HTTP/3 as the apps see them, and the answers as a client of another make sees them. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Place, serve } from "../../apps_life/serve.ts";
import { H3Client, missing, titled } from "../../support/h3-client.ts";
import { valuesOf } from "../http/support.ts";
import { h3Args, H3Probe, TEST_TIMEOUT_MS } from "./support.ts";

setDefaultTimeout(TEST_TIMEOUT_MS);

for (const kind of ["asgi", "wsgi"] as const) {
  describe.skipIf(missing !== null)(titled(`HTTP/3 requests reach the app: ${kind}`), () => {
    let probe: H3Probe;

    beforeAll(async () => {
      probe = await H3Probe.start(kind);
    }, TEST_TIMEOUT_MS);
    afterAll(() => probe[Symbol.asyncDispose]());

    test("the target, the client and the version", async () => {
      const seen = await probe.seen("/a%20b%2fc?x=1&y=%zz");
      expect(seen).toMatchObject({
        method: "GET",
        path: "/a b/c",
        raw_path: "/a%20b%2fc",
        query: "x=1&y=%zz",
        version: kind === "asgi" ? "3" : "3.0",
        scheme: "https",
        client: "127.0.0.1",
        body: "",
      });
      expect(valuesOf(seen, "host")).toEqual([`127.0.0.1:${probe.server.port}`]);
    });

    test("fields by the policy of the other versions", async () => {
      const seen = await probe.seen("/dump", {
        headers: [
          ["x-many", "a"],
          ["x-many", "b"],
          ["cookie", "a=1"],
          ["cookie", "b=2"],
          ["x_forged", "1"],
          ["proxy", "http://evil"],
          ["x-latin", "caf\u{e9}"],
        ],
      });
      const many = kind === "asgi" ? ["a", "b"] : ["a, b"];
      expect(valuesOf(seen, "x-many")).toEqual(many);
      expect(valuesOf(seen, "cookie")).toEqual(["a=1; b=2"]);
      expect(valuesOf(seen, "x_forged")).toEqual([]);
      expect(valuesOf(seen, "x-forged")).toEqual([]);
      expect(valuesOf(seen, "proxy")).toEqual([]);
      expect(valuesOf(seen, "x-latin")).toEqual(["caf\u{c3}\u{a9}"]);
    });

    test("a body with and without a length", async () => {
      const [known, unknown] = await Promise.all([
        probe.seen("/dump", { method: "POST", body: "abc", headers: [["content-length", "3"]] }),
        probe.seen("/dump", { method: "POST", body: "abc", trailers: { "x-t": "1" } }),
      ]);
      expect(known).toMatchObject({ method: "POST", body: "abc" });
      expect(valuesOf(known, "content-length")).toEqual(["3"]);
      expect(unknown).toMatchObject({ method: "POST", body: "abc" });
      expect(valuesOf(unknown, "content-length")).toEqual([]);
    });

    test("an empty body, and none", async () => {
      const empty = await probe.fetch("/count", { method: "POST" });
      expect(empty).toMatchObject({ status: 200, body: "0", error: "" });
      const head = await probe.fetch("/dump", { method: "HEAD" });
      expect(head).toMatchObject({ status: 200, proto: "HTTP/3.0", bytes: 0, error: "" });
      expect(Number(head.headers["Content-Length"]?.[0])).toBeGreaterThan(0);
    });

    test("many at a time on one connection", async () => {
      const numbers = Array.from({ length: 200 }, (_, n) => String(n));
      const bodies = await Promise.all(
        numbers.map(async (body) => (await probe.fetch("/echo", { method: "POST", body })).body),
      );
      expect(bodies).toEqual(numbers);
    });

    test("the access log names the version", async () => {
      await probe.fetch("/logged", { headers: [["user-agent", "someone"]] });
      const line = await probe.server.waitForLine(/"GET \/logged /);
      expect(line).toMatch(
        /^127\.0\.0\.1 - - \[.*\] "GET \/logged HTTP\/3" 200 \d+ "-" "someone"$/,
      );
    });
  });
}

describe.skipIf(missing !== null)(titled("HTTP/3 answers"), () => {
  let probe: H3Probe;

  beforeAll(async () => {
    probe = await H3Probe.start("asgi");
  }, TEST_TIMEOUT_MS);
  afterAll(() => probe[Symbol.asyncDispose]());

  test("a body in parts arrives in parts", async () => {
    const key = probe.key();
    const { response, read } = probe.client.begin(`/stream?key=${key}`, { tell: true });
    await read("first;");
    await probe.say(key);
    expect(await response).toMatchObject({ status: 200, body: "first;last;", error: "" });
  });

  test("trailers go out to clients that say TE: trailers, 103 to all", async () => {
    const trailers = await probe.fetch("/respond?part=a&part=b&trailer=x-t:1", {
      headers: [["te", "trailers"]],
    });
    expect(trailers).toMatchObject({ body: "ab", trailers: { "X-T": ["1"] }, error: "" });
    const none = await probe.fetch("/respond?part=a&part=b&trailer=x-t:1");
    expect(none.trailers).toBeNull();
    const hinted = await probe.fetch("/hint?link=%3C/a%3E;rel=preload");
    expect(hinted).toMatchObject({ status: 200, interim: [103], error: "" });
  });

  test("a response that fails half way ends with a reset over HTTP/3", async () => {
    const key = probe.key();
    const { response, read } = probe.client.begin(`/fail-late?key=${key}`, { tell: true });
    await read("first;");
    await probe.say(key);
    const cut = await response;
    expect(cut).toMatchObject({ status: 200, body: "first;" });
    expect(cut.error).toContain("H3_INTERNAL_ERROR");
    await probe.server.waitForLine(/cut 127\.0\.0\.1 GET \/fail-late\S*: the app failed after/);
    expect(await probe.fetch("/fail")).toMatchObject({ status: 500, error: "" });
  });

  test("an answer before the end of the request", async () => {
    const early = await probe.fetch("/fail", { method: "POST", bodyBytes: 200_000_000 });
    expect(early).toMatchObject({ status: 500 });
    expect(early.sent).toBeLessThan(200_000_000);
  });

  test("clients that come by TCP are told of HTTP/3", async () => {
    const { url, port } = probe.server;
    const response = await fetch(`${url}/`, { tls: { rejectUnauthorized: false } });
    expect(response.headers.get("alt-svc")).toBe(`h3=":${port}"; ma=86400`);
  });
});

describe.skipIf(missing !== null)(titled("A client that leaves an HTTP/3 request"), () => {
  const args = ["--workers", "1", "--access-log", "-", ...h3Args()];

  test("is a disconnect for the app", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args });
    await using client = new H3Client(server.url);
    const { response, cancel } = client.begin("/disconnect/b", {});
    await place.noted("b.begun");
    cancel();
    expect((await response).error).not.toBe("");
    expect(await place.noted("b.told")).toContain('{"type": "http.disconnect"}');
    await server.waitForLine(/"GET \/disconnect\/b HTTP\/3" 499 /);
  });

  test("in the middle of its upload too", async () => {
    using place = new Place();
    await using server = await serve("asgi_app:app", { place, args });
    await using client = new H3Client(server.url);
    const { response, cancel } = client.begin("/slow_reader/d", {
      method: "POST",
      bodyBytes: 1e12,
    });
    await place.noted("d.begun");
    cancel();
    expect((await response).error).not.toBe("");
    await server.waitForLine(/"POST \/slow_reader\/d HTTP\/3" 499 /);
    place.open("d");
    expect(await client.fetch("/hello")).toMatchObject({ status: 200, body: "hello" });
  });
});
