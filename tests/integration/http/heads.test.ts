/** Request heads: characters, Host, targets (RFC 9112 section 3), and what is not HTTP/1.1 at all. */
import { describe, expect, test } from "bun:test";
import { expectRefused, get, message, onBoth, refusals, valuesOf } from "./support.ts";

const VALUE = { status: 400, code: "header-value-invalid" };
const NAME = { status: 400, code: "header-name-invalid" };
const HOST = { status: 400, code: "host-invalid" };
const TARGET = { status: 400, code: "target-invalid" };
const LINE = { status: 400, code: "request-line-invalid" };
const VERSION = { status: 400, code: "version-invalid" };

function withHost(...hosts: string[]): string {
  return message(["GET / HTTP/1.1", ...hosts.map((host) => `Host: ${host}`)]);
}

const CLIENT_HELLO = Buffer.from("16030100a5010000a10303", "hex");

onBoth([], (probe) => {
  describe("Control characters are refused", () => {
    refusals(probe, [
      ["NUL in a value", get("/", "X: a\0b"), VALUE],
      ["SOH in a value", get("/", "X: a\x01b"), VALUE],
      ["a vertical tab before a value", get("/", "X: \x0bb"), VALUE],
      ["a form feed after a value", get("/", "X: b\x0c"), VALUE],
      ["a file separator in a value", get("/", "X: a\x1cb"), VALUE],
      ["ESC in a value", get("/", "X: \x1b[31m"), VALUE],
      ["DEL in a value", get("/", "X: a\x7f"), VALUE],
      ["NUL in a name", get("/", "X\0: a"), NAME],
      ["a parenthesis in a name", get("/", "(X): a"), NAME],
      ["a byte above ASCII in a name", get("/", "X\xe9: a"), NAME],
      ["NUL in the target", get("/\0"), TARGET],
      [
        "a control character in the method",
        message(["G\x01T / HTTP/1.1", "Host: t"]),
        { status: 400, code: "method-invalid" },
      ],
      [
        "a second Content-Type",
        get("/", "Content-Type: a/b", "Content-Type: a/b"),
        { status: 400, code: "content-type-duplicate" },
      ],
    ]);

    test("only space and tab are stripped around values", async () => {
      const fields = ["X-Blank: \t a \t", "X-Wide: \x85b\xa0", "X-Empty:", "X-Inner: a \t b"];
      const seen = await probe.seen(get("/dump", ...fields));
      expect(valuesOf(seen, "x-blank")).toEqual(["a"]);
      expect(valuesOf(seen, "x-wide")).toEqual(["\x85b\xa0"]);
      expect(valuesOf(seen, "x-empty")).toEqual([""]);
      expect(valuesOf(seen, "x-inner")).toEqual(["a \t b"]);
    });

    test("bytes above ASCII in a value reach the app as they are", async () => {
      const seen = await probe.seen(get("/dump", "Sec-WebSocket-Protocol: \xff\xfe\x80"));
      expect(valuesOf(seen, "sec-websocket-protocol")).toEqual(["\xff\xfe\x80"]);
      expect(await probe.ask("/")).toBe("ok\n");
    });
  });

  describe("Host is checked", () => {
    refusals(probe, [
      ["missing", withHost(), { status: 400, code: "host-missing" }],
      ["twice", withHost("a", "a"), { status: 400, code: "host-duplicate" }],
      ["with a path", withHost("a/b?c"), HOST],
      ["with a query", withHost("a?b"), HOST],
      ["with a fragment", withHost("a#b"), HOST],
      ["with a space", withHost("a b"), HOST],
      ["with a user", withHost("user@a"), HOST],
      ["a list", withHost("a, b"), HOST],
      ["a port that is no number", withHost("a:b"), HOST],
      ["a port that is too high", withHost("a:65536"), HOST],
      ["an open bracket", withHost("[::1"), HOST],
      ["a wrong IPv6 address", withHost("[::g]"), HOST],
      ["a backslash", withHost("a\\b"), HOST],
      [
        "missing beside an absolute target",
        message(["GET http://a/ HTTP/1.1"]),
        { status: 400, code: "host-missing" },
      ],
    ]);

    test.each([
      "example.com",
      "EXAMPLE.com:8080",
      "127.0.0.1:80",
      "[::1]",
      "[fe80::1]:8000",
      "a_b",
    ])("%s is a host", async (host) => {
      const seen = await probe.seen(message(["GET /dump HTTP/1.1", `Host: ${host}`]));
      expect(valuesOf(seen, "host")).toEqual([host]);
    });

    test("a target in absolute form replaces it", async () => {
      const target = "http://real.example:81/dump?a=b";
      const seen = await probe.seen(message([`GET ${target} HTTP/1.1`, "Host: other"]));
      expect(seen).toMatchObject({ path: "/dump", query: "a=b" });
      expect(valuesOf(seen, "host")).toEqual(["real.example:81"]);
    });

    test("HTTP/1.0 needs none", async () => {
      expect((await probe.answer(message(["GET / HTTP/1.0"]))).status).toBe(200);
    });
  });

  describe("Targets are checked", () => {
    refusals(probe, [
      ["a space", get("/a b"), TARGET],
      ["a byte above ASCII", get("/\xe9"), TARGET],
      ["a fragment", get("/a#b"), TARGET],
      ["an escape that is no number", get("/%zz"), TARGET],
      ["half an escape", get("/%4"), TARGET],
      ["an escaped NUL", get("/a%00b"), { status: 400, code: "target-nul" }],
      ["an asterisk with GET", get("*"), TARGET],
      ["no leading slash", get("dump"), TARGET],
      ["another scheme", get("ftp://a/"), TARGET],
      ["a user in an absolute target", get("http://user@a/"), TARGET],
      ["an absolute target without a host", get("http:///a"), TARGET],
      ["an empty target", "GET  HTTP/1.1\r\nHost: test\r\n\r\n", TARGET],
      ["two spaces", "GET  / HTTP/1.1\r\nHost: test\r\n\r\n", TARGET],
      ["a space at the end", "GET / HTTP/1.1 \r\nHost: test\r\n\r\n", VERSION],
      ["a tab in the line", "GET\t/\tHTTP/1.1\r\nHost: test\r\n\r\n", LINE],
      [
        "CONNECT",
        message(["CONNECT a:443 HTTP/1.1", "Host: a:443"]),
        { status: 501, code: "connect-refused" },
      ],
      [
        "CONNECT of a path",
        message(["CONNECT / HTTP/1.1", "Host: a"]),
        { status: 501, code: "connect-refused" },
      ],
    ]);

    test("OPTIONS * reaches the app", async () => {
      const seen = await probe.seen(message(["OPTIONS * HTTP/1.1", "Host: test"]));
      expect(seen).toMatchObject({ method: "OPTIONS", path: "*" });
    });

    test("//x stays a path", async () => {
      expect(await probe.seen(get("//x//y?z"))).toMatchObject({
        path: "//x//y",
        raw_path: "//x//y",
        query: "z",
      });
    });

    test("%2f stays in the raw path", async () => {
      const seen = await probe.seen(get("/a%2fb/%C3%A9?c=%2f"));
      expect(seen).toMatchObject({ path: "/a/b/é", raw_path: "/a%2fb/%C3%A9", query: "c=%2f" });
    });

    test("dots are the app's to resolve", async () => {
      expect(await probe.seen(get("/a/../b/./c"))).toMatchObject({ path: "/a/../b/./c" });
    });

    test("what browsers leave unescaped is taken", async () => {
      expect(await probe.seen(get('/a|b"{c}?d=|%'))).toMatchObject({ path: '/a|b"{c}' });
    });

    test("methods are tokens in the case they came in", async () => {
      const seen = await probe.seen(message(["pUrGe /dump HTTP/1.1", "Host: test"]));
      expect(seen.method).toBe("pUrGe");
    });
  });

  describe("Other protocols get a clear answer", () => {
    test("TLS on a plain port", async () => {
      const plain = { status: 400, code: "tls-on-plain-port" };
      const { body } = await expectRefused(probe, CLIENT_HELLO, plain);
      expect(body).toContain("TLS");
    });

    refusals(probe, [
      [
        "HTTP/2.0 in a request line",
        message(["GET / HTTP/2.0", "Host: test"]),
        { status: 505, code: "version-unsupported" },
      ],
      ["the PROXY protocol", `PROXY TCP4 6.6.6.6 7.7.7.7 1 2\r\n${get("/")}`, VERSION],
      ["HTTP/0.9", "GET /\r\n", LINE],
      ["a version in lower case", message(["GET / http/1.1", "Host: test"]), VERSION],
      ["a version with another name", message(["GET / HTTPS/1.1", "Host: test"]), VERSION],
      ["a version of three numbers", message(["GET / HTTP/1.1.1", "Host: test"]), VERSION],
      ["a version of two digits", message(["GET / HTTP/1.10", "Host: test"]), VERSION],
    ]);

    test("a minor version above 1 is HTTP/1.1", async () => {
      const seen = await probe.seen(message(["GET /dump HTTP/1.2", "Host: test"]));
      expect(seen.version).toBe("1.1");
    });

    test("curl with TLS ends with an error at once", async () => {
      const { port } = probe.server;
      const url = `https://127.0.0.1:${port}/`;
      const child = Bun.spawn(["curl", "-k", "--max-time", "15", url], {
        stdout: "ignore",
        stderr: "ignore",
      });
      expect(await child.exited).toBe(35);
    });
  });
});
