/** Proxies in front: a real nginx and a real HAProxy, configured as their users do it. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { Front, haproxyMissing, nginxMissing, nginxStreamMissing } from "../../support/front.ts";
import { RawClient } from "../../support/raw-client.ts";
import type { TestServer } from "../../support/server.ts";
import { type Ends, type Fields, head, startEnds, TEST_TIMEOUT_MS, valuesOf } from "./support.ts";

setDefaultTimeout(TEST_TIMEOUT_MS);

/** How the test's client tells the front who it is: only there it is believed. */
const CLIENT = "PROXY TCP4 192.0.2.7 198.51.100.2 4711 443\r\n";

async function seen(front: Front, fields: Fields, path = "/x", before = CLIENT): Promise<Ends> {
  await using client = await RawClient.connect(front.socket);
  await client.send(before + head(path, fields));
  const { status, body } = await client.readResponse();
  if (status !== 200) throw new Error(`answered with ${status}: ${body}`);
  return JSON.parse(body) as Ends;
}

/** An nginx whose client is who CLIENT says, and these lines for its location. */
function nginxTo(server: TestServer, ...lines: string[]): Promise<Front> {
  return Front.nginx(
    (socket) => `
    upstream app { server 127.0.0.1:${server.port}; keepalive 4; }
    server {
      listen unix:${socket} proxy_protocol;
      set_real_ip_from unix:;
      real_ip_header proxy_protocol;
      location / {
        proxy_pass http://app;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        ${lines.join("\n        ")}
      }
    }`,
  );
}

const FOR = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;";
const PROTO = "proxy_set_header X-Forwarded-Proto https;";

describe.skipIf(nginxMissing)("Behind nginx the app sees the client", () => {
  test.each(["wsgi", "asgi"] as const)("%s: with what everybody sets", async (kind) => {
    const format = ["--access-log", "-", "--access-log-format", "%(h)s %({c}a)s %(r)s"];
    await using server = await startEnds(kind, { args: format });
    await using front = await nginxTo(server, FOR, PROTO);
    for (const path of ["/one", "/two"]) {
      const ends = await seen(front, [], path);
      expect(ends).toMatchObject({ client: "192.0.2.7", scheme: "https", host: "own.test", path });
      await server.waitForLine(new RegExp(`^192\\.0\\.2\\.7 127\\.0\\.0\\.1 GET ${path} `));
    }
    const spoof: Fields = [
      ["X-Forwarded-For", "6.6.6.6, 127.0.0.1"],
      ["X-Forwarded-Proto", "gopher"],
      ["X-Forwarded-Host", "evil.example"],
      ["X-Forwarded-Prefix", "/evil"],
      ["Forwarded", "for=6.6.6.6;host=evil.example;proto=http"],
    ];
    const ends = await seen(front, spoof);
    const expected = { client: "192.0.2.7", scheme: "https", host: "own.test", root: "" };
    expect(ends).toMatchObject(expected);
    expect(valuesOf(ends, "x-forwarded-for")).toEqual(["6.6.6.6, 127.0.0.1, 192.0.2.7"]);
  });

  test("host, port and prefix, where they are set and named", async () => {
    const names = "x-forwarded-for,x-forwarded-proto,x-forwarded-host,x-forwarded-port";
    const args = ["--forwarded-headers", `${names},x-forwarded-prefix`];
    await using server = await startEnds("asgi", { args });
    await using front = await nginxTo(
      server,
      FOR,
      PROTO,
      "proxy_set_header X-Forwarded-Host shop.example;",
      "proxy_set_header X-Forwarded-Port 8443;",
      "proxy_set_header X-Forwarded-Prefix /shop;",
    );
    expect(await seen(front, [["X-Forwarded-Host", "evil.example"]])).toMatchObject({
      client: "192.0.2.7",
      host: "shop.example:8443",
      root: "/shop",
      path: "/shop/x",
    });
  });

  test("two in a row, each of which appends", async () => {
    await using server = await startEnds("wsgi");
    await using inner = await Front.nginx(
      (socket) => `
      server {
        listen unix:${socket};
        location / {
          proxy_pass http://127.0.0.1:${server.port};
          proxy_set_header X-Forwarded-For "$http_x_forwarded_for, 127.0.0.1";
        }
      }`,
    );
    await using outer = await Front.nginx(
      (socket) => `
      server {
        listen unix:${socket} proxy_protocol;
        set_real_ip_from unix:;
        real_ip_header proxy_protocol;
        location / {
          proxy_pass http://unix:${inner.socket};
          ${FOR}
          ${PROTO}
        }
      }`,
    );
    const fields: Fields = [["X-Forwarded-For", "6.6.6.6"]];
    const ends = await seen(outer, fields);
    expect(ends).toMatchObject({ client: "192.0.2.7", scheme: "https" });
    expect(valuesOf(ends, "x-forwarded-for")).toEqual(["6.6.6.6, 192.0.2.7, 127.0.0.1"]);
  });

  test.skipIf(nginxStreamMissing)("as a balancer that passes bytes on", async () => {
    const args = ["--proxy-protocol", "v1", "--forwarded-allow-ips", "none"];
    await using server = await startEnds("wsgi", { args });
    await using front = await Front.nginxStream(
      (socket) => `
      server {
        listen unix:${socket};
        proxy_pass 127.0.0.1:${server.port};
        proxy_protocol on;
      }`,
    );
    // Its client comes by a unix socket: `PROXY UNKNOWN`.
    const ends = await seen(front, [["X-Forwarded-For", "6.6.6.6"]], "/x", "");
    expect(ends).toMatchObject({ client: "127.0.0.1", fields: [["host", "own.test"]] });
  });
});

describe.skipIf(haproxyMissing)("Behind HAProxy the app sees the client", () => {
  test.each([
    ["v1", "send-proxy"],
    ["v2", "send-proxy-v2"],
    ["v2", "send-proxy-v2 proxy-v2-options unique-id"],
  ])("%s: %s", async (version, option) => {
    await using server = await startEnds("asgi", { args: ["--proxy-protocol", version] });
    await using front = await Front.haproxy(
      (socket) => `
listen front
  mode tcp
  bind ${socket} accept-proxy
  unique-id-format %[uuid()]
  server app 127.0.0.1:${server.port} ${option}`,
    );
    const ends = await seen(front, []);
    const expected = { client: "192.0.2.7", port: 4711, server: ["198.51.100.2", 443] };
    expect(ends).toMatchObject(expected);
  });

  test("HTTP: X-Forwarded-For beside Forwarded of the client's own", async () => {
    await using server = await startEnds("wsgi");
    await using front = await Front.haproxy(
      (socket) => `
frontend front
  mode http
  bind ${socket} accept-proxy
  option forwardfor
  http-request set-header X-Forwarded-Proto https
  default_backend apps
backend apps
  mode http
  server app 127.0.0.1:${server.port}`,
    );
    const ends = await seen(front, [
      ["X-Forwarded-For", "6.6.6.6"],
      ["Forwarded", "for=6.6.6.6"],
    ]);
    expect(ends).toMatchObject({ client: "192.0.2.7", scheme: "https" });
  });
});
