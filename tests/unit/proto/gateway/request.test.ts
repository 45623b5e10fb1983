/** From a web server's variables to the head of a request. */
import { describe, expect, test } from "bun:test";
import { gatewayRequest } from "../../../../src/proto/gateway/request.ts";
import { APACHE } from "../../../support/apache.ts";
import { Variables } from "../../../../src/proto/gateway/variables.ts";

/** What nginx sends with its uwsgi_params. */
const NGINX = {
  QUERY_STRING: "a=1",
  REQUEST_METHOD: "POST",
  CONTENT_TYPE: "text/plain",
  CONTENT_LENGTH: "4",
  REQUEST_URI: "/caf%C3%A9?a=1",
  PATH_INFO: "/caf\u00c3\u00a9",
  DOCUMENT_ROOT: "/srv/www",
  SERVER_PROTOCOL: "HTTP/2.0",
  REQUEST_SCHEME: "https",
  HTTPS: "on",
  REMOTE_ADDR: "203.0.113.9",
  REMOTE_PORT: "50123",
  SERVER_PORT: "443",
  SERVER_NAME: "example.org",
  HTTP_HOST: "example.org",
  HTTP_USER_AGENT: "curl/8",
  HTTP_X_REQUEST_ID: "7",
  HTTP_CONNECTION: "upgrade",
  HTTP_PROXY: "http://evil/",
  REMOTE_USER: "ann",
};

function request(variables: Record<string, string>): ReturnType<typeof gatewayRequest> {
  return requestOf(Object.entries(variables));
}

function requestOf(
  pairs: readonly (readonly [string, string])[],
): ReturnType<typeof gatewayRequest> {
  const all = new Variables();
  for (const [name, value] of pairs) all.add(name, value);
  return gatewayRequest(all);
}

function headOf(variables: Record<string, string>): string {
  const made = request({ REQUEST_METHOD: "GET", ...variables });
  if ("complaint" in made) throw new Error(made.complaint);
  return made.head.toString("latin1");
}

describe("a request head", () => {
  test("of what nginx sends", () => {
    expect(headOf(NGINX).split("\r\n")).toEqual([
      "POST /caf%C3%A9?a=1 HTTP/1.0",
      "Content-Type: text/plain",
      "Content-Length: 4",
      "HOST: example.org",
      "USER-AGENT: curl/8",
      "X-REQUEST-ID: 7",
      "",
      "",
    ]);
  });

  test("the ends of the connection are the web server's", () => {
    expect(request(NGINX)).toMatchObject({
      peer: {
        remoteAddress: "203.0.113.9",
        remotePort: 50_123,
        localAddress: "example.org",
        localPort: 443,
        https: true,
        scriptName: "",
        extra: [
          ["DOCUMENT_ROOT", "/srv/www"],
          ["REMOTE_USER", "ann"],
        ],
      },
    });
    const MOUNT = { SCRIPT_NAME: "/shop/", PATH_INFO: "" };
    const plain = { REQUEST_METHOD: "GET", SERVER_NAME: "_", SERVER_ADDR: "10.0.0.1" };
    expect(request({ ...plain, SERVER_PORT: "http", ...MOUNT })).toMatchObject({
      peer: { localAddress: "10.0.0.1", localPort: 0, https: false, scriptName: "/shop" },
    });
  });

  test("the target is put together where there is no REQUEST_URI", () => {
    const path = { SCRIPT_NAME: "/shop", PATH_INFO: "/a b\u00e9" };
    expect(headOf({ ...path, QUERY_STRING: "q=1" })).toStartWith("GET /a%20b%E9?q=1 HTTP/1.0");
    expect(headOf({})).toStartWith("GET / HTTP/1.0\r\n");
  });

  test("the mount is not in the target", () => {
    const mount = { SCRIPT_NAME: "/shop", PATH_INFO: "/x y" };
    expect(headOf({ ...mount, REQUEST_URI: "/shop/x%20y?q" })).toStartWith("GET /x%20y?q HTTP/1.0");
    expect(headOf({ ...mount, REQUEST_URI: "/shop?q" })).toStartWith("GET /?q HTTP/1.0");
    expect(headOf({ ...mount, REQUEST_URI: "/shopping" })).toStartWith("GET /x%20y HTTP/1.0");
  });

  test.each([
    ["/shop/a", "/shop/a"],
    ["/shop/a/", "/shop/a//"],
    ["/b", "/b/../b"],
    ["/caf\u00e9", "/caf%E9"],
    ["/shop", "/shop"],
  ])("without PATH_INFO %s is no mount of %s", (SCRIPT_NAME, path) => {
    const variables = { REQUEST_METHOD: "GET", SCRIPT_NAME, QUERY_STRING: "q" };
    expect(request({ ...variables, REQUEST_URI: `${path}?q` })).toMatchObject({
      head: Buffer.from(`GET ${path}?q HTTP/1.0\r\n\r\n`),
      peer: { scriptName: "" },
    });
    expect(headOf(variables)).toStartWith(`GET ${SCRIPT_NAME.replace("\u00e9", "%E9")}?q HTTP/1.0`);
  });

  test.each([
    ["uwsgi", "/caf%C3%A9/a%20b//d?x=1&y=%20", "/shop"],
    ["scgi", "/shop/caf%C3%A9/a%20b//d?x=1&y=%20", ""],
    ["fastcgi", "/shop/caf%C3%A9/a%20b//d?x=1&y=%20", ""],
  ] as const)("of what Apache sends over %s", (protocol, target, scriptName) => {
    const made = requestOf(APACHE[protocol]);
    if ("complaint" in made) throw new Error(made.complaint);
    expect(made.head.toString("latin1").split("\r\n")).toEqual([
      `POST ${target} HTTP/1.0`,
      "Content-Type: text/x",
      "Content-Length: 4",
      "HOST: 127.0.0.1:18980",
      "USER-AGENT: curl/7.88.1",
      "ACCEPT: */*",
      "X-PROBE: 1, 2",
      ...["", ""],
    ]);
    expect(made.peer).toMatchObject({ scriptName, remoteAddress: "127.0.0.1", localPort: 18_980 });
    expect(made.peer.extra.map(([name]) => name)).not.toContain("SERVER_SIGNATURE");
  });

  test("a repeated header line stays one, for the parser to judge", () => {
    const made = requestOf([
      ["REQUEST_METHOD", "GET"],
      ["HTTP_COOKIE", "a=1"],
      ["HTTP_HOST", "x"],
      ["HTTP_COOKIE", "b=2"],
      ["HTTP_HOST", "y"],
    ]);
    if ("complaint" in made) throw new Error(made.complaint);
    expect(made.head.toString("latin1").split("\r\n").slice(1)).toEqual([
      ...["COOKIE: a=1", "HOST: x", "COOKIE: b=2", "HOST: y", "", ""],
    ]);
  });

  test.each(["HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_TRANSFER_ENCODING"])(
    "a second %s is refused, though none reaches the app",
    (name) => {
      const pairs: [string, string][] = [
        ["REQUEST_METHOD", "POST"],
        ["CONTENT_LENGTH", "4"],
        [name, "4"],
      ];
      expect(requestOf(pairs)).toHaveProperty("head");
      expect(requestOf([...pairs, [name, "4"]])).toEqual({
        complaint: `there is more than one ${name}`,
      });
    },
  );

  test.each([
    [{ REQUEST_METHOD: "GET", REQUEST_URI: "/ HTTP/1.1\r\nX: y" }, /"REQUEST_URI" holds a control/],
    [{ REQUEST_METHOD: "GET", HTTP_COOKIE: "a\nb" }, /"HTTP_COOKIE" holds a control/],
    [{ REQUEST_METHOD: "GET", REMOTE_ADDR: "1\u00002" }, /"REMOTE_ADDR" holds a control/],
    [{ REQUEST_METHOD: "GET", "HTTP_A: B\r\nC": "x" }, /holds a control character/],
    [{ REQUEST_URI: "/" }, /no REQUEST_METHOD/],
    [{ REQUEST_METHOD: "POST", HTTP_TRANSFER_ENCODING: "chunked" }, /no CONTENT_LENGTH/],
  ])("%p is refused", (variables, complaint) => {
    expect(request(variables as Record<string, string>)).toEqual({
      complaint: expect.stringMatching(complaint),
    });
  });
});
