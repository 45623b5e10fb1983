/** X-Forwarded-* and Forwarded over real sockets: the same policy for every version of HTTP, whoever tries to be somebody else. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../apps_life/serve.ts";
import { uwsgi } from "../../support/gateway.ts";
import { RawClient } from "../../support/raw-client.ts";
import type { TestServer } from "../../support/server.ts";
import {
  type Fields,
  head,
  HTTP3,
  type Kind,
  PLAIN_WAYS,
  seen,
  startEnds,
  TEST_TIMEOUT_MS,
  tlsArgs,
  valuesOf,
  type Way,
  WEBSOCKET,
} from "./support.ts";

setDefaultTimeout(TEST_TIMEOUT_MS);

/** 127.0.0.1 is a proxy of ours by default. */
const EVERYTHING = [
  "--forwarded-headers",
  "x-forwarded-for,x-forwarded-proto,x-forwarded-host,x-forwarded-port,x-forwarded-prefix",
];
const NOBODY = ["--forwarded-allow-ips", "127.0.0.9"];
const SPOOF: Fields = [
  ["X-Forwarded-For", "192.0.2.7"],
  ["X-Forwarded-Proto", "https"],
  ["X-Forwarded-Host", "evil.example"],
  ["X-Forwarded-Port", "8443"],
  ["X-Forwarded-Prefix", "/evil"],
  ["X-Forwarded-User", "root"],
  ["Forwarded", "for=192.0.2.7;proto=https;host=evil.example"],
  ["X-Real-IP", "192.0.2.7"],
  ["X-Client-IP", "192.0.2.7"],
  ["X-Script-Name", "/evil"],
];
const NAMES = SPOOF.map(([name]) => name.toLowerCase());

interface Site {
  readonly kind: Kind;
  readonly way: Way;
  readonly tls: boolean;
}

const SITES: Readonly<Record<string, Site>> = {
  "HTTP/1.1, WSGI": { kind: "wsgi", way: PLAIN_WAYS["HTTP/1.1"]!, tls: false },
  "HTTP/1.1, ASGI": { kind: "asgi", way: PLAIN_WAYS["HTTP/1.1"]!, tls: false },
  "HTTP/2, WSGI": { kind: "wsgi", way: PLAIN_WAYS["HTTP/2"]!, tls: false },
  "HTTP/2, ASGI": { kind: "asgi", way: PLAIN_WAYS["HTTP/2"]!, tls: false },
  "HTTP/3, WSGI": { kind: "wsgi", way: HTTP3, tls: true },
  "HTTP/3, ASGI": { kind: "asgi", way: HTTP3, tls: true },
  "WebSocket, ASGI": { kind: "asgi", way: WEBSOCKET, tls: false },
};

/** Declares tests for each version of HTTP and each interface; `args` go to all servers. */
function everywhere(
  args: readonly string[],
  tests: (server: () => TestServer, site: Site) => void,
) {
  for (const [name, site] of Object.entries(SITES)) {
    describe(name, () => {
      let server: TestServer;
      beforeAll(async () => {
        const secure = site.tls ? [...tlsArgs(), "--http3"] : [];
        server = await startEnds(site.kind, { args: [...args, ...secure] });
      });
      afterAll(() => server[Symbol.asyncDispose]());
      tests(() => server, site);
    });
  }
}

describe("Trusted proxies say who the client is", () => {
  everywhere(EVERYTHING, (server, { kind, way }) => {
    test("address, scheme, host, port and prefix reach the app", async () => {
      const fields: Fields = [
        ["X-Forwarded-For", "6.6.6.6, 192.0.2.7"],
        ["X-Forwarded-Proto", "https"],
        ["X-Forwarded-Host", "shop.example"],
        ["X-Forwarded-Port", "8443"],
        ["X-Forwarded-Prefix", "/shop"],
      ];
      const ends = await seen(way, server(), fields);
      const scheme = way === WEBSOCKET ? "wss" : "https";
      const common = { client: "192.0.2.7", port: 0, scheme, root: "/shop", path: "/shop/x" };
      expect(ends).toMatchObject({ ...common, host: "shop.example:8443" });
      expect(valuesOf(ends, "host")).toEqual(["shop.example:8443"]);
      expect(valuesOf(ends, "x-forwarded-for")).toEqual(["6.6.6.6, 192.0.2.7"]);
      if (kind === "wsgi") {
        expect(ends).toMatchObject({ https: "on", server: ["shop.example", 8443] });
      } else expect(ends.raw).toBe("/shop/x");
      const inside = await seen(way, server(), [["X-Forwarded-Prefix", "/shop"]], "/shop/y");
      expect(inside).toMatchObject({ root: "/shop", path: "/shop/y" });
    });

    test("without such headers the socket says it", async () => {
      const ends = await seen(way, server(), []);
      expect(ends).toMatchObject({ client: "127.0.0.1", root: "", path: "/x" });
      expect(ends.port).toBeGreaterThan(0);
    });

    test("a repeated request is read as the first one was, another one anew", async () => {
      const one: Fields = [["X-Forwarded-For", "192.0.2.7"]];
      for (const client of ["192.0.2.7", "192.0.2.7", "192.0.2.8", "192.0.2.7"]) {
        expect(await seen(way, server(), [[one[0]![0], client]])).toMatchObject({ client });
      }
    });
  });

  test("on one connection each request is a client's of its own", async () => {
    await using server = await startEnds("wsgi", { args: EVERYTHING });
    await using client = await RawClient.connect(server.port);
    const ask = async (fields: Fields): Promise<string[]> => {
      await client.send(head("/", fields));
      const ends = JSON.parse((await client.readResponse()).body) as {
        client: string;
        host: string;
      };
      return [ends.client, ends.host];
    };
    const from = (address: string): Fields => [["X-Forwarded-For", address]];
    expect(await ask(from("192.0.2.1"))).toEqual(["192.0.2.1", "own.test"]);
    expect(await ask(from("192.0.2.1"))).toEqual(["192.0.2.1", "own.test"]);
    expect(await ask(from("192.0.2.2"))).toEqual(["192.0.2.2", "own.test"]);
    expect(await ask([["X-Forwarded-Host", "a.test"]])).toEqual(["127.0.0.1", "a.test"]);
    expect(await ask([])).toEqual(["127.0.0.1", "own.test"]);
    expect(await ask(from("192.0.2.1"))).toEqual(["192.0.2.1", "own.test"]);
  });

  test("only those that are named are used: by default addresses and schemes", async () => {
    await using server = await startEnds("wsgi");
    const way = PLAIN_WAYS["HTTP/1.1"]!;
    const ends = await seen(way, server, SPOOF);
    expect(ends).toMatchObject({
      client: "192.0.2.7",
      scheme: "https",
      host: "own.test",
      root: "",
    });
    expect(valuesOf(ends, "x-forwarded-host")).toEqual(["evil.example"]);
  });

  test("Forwarded, where it is named", async () => {
    await using server = await startEnds("asgi", { args: ["--forwarded-headers", "forwarded"] });
    const value = 'for=6.6.6.6;proto=http, for="[2001:db8::7]:4711";proto=https;host=a.test';
    const ends = await seen(PLAIN_WAYS["HTTP/2"]!, server, [["Forwarded", value]]);
    const expected = { client: "2001:db8::7", port: 4711, scheme: "https", host: "a.test" };
    expect(ends).toMatchObject(expected);
  });

  test("FORWARDED_ALLOW_IPS counts, and the flag more", async () => {
    const env = { FORWARDED_ALLOW_IPS: "127.0.0.9,10.0.0.0/8" };
    const way = PLAIN_WAYS["HTTP/1.1"]!;
    const fields: Fields = [["X-Forwarded-For", "192.0.2.7, 10.1.2.3"]];
    await using strict = await startEnds("wsgi", { env });
    expect(await seen(way, strict, fields)).toMatchObject({ client: "127.0.0.1" });
    await using open = await startEnds("wsgi", { env, args: ["--forwarded-allow-ips", "*"] });
    expect(await seen(way, open, fields)).toMatchObject({ client: "10.1.2.3" });
  });

  test("a proxy on a unix socket is one of ours, unless the list leaves that out", async () => {
    const directory = mkdtempSync(join(tmpdir(), "keelback-forwarded-"));
    const fields: Fields = [["X-Forwarded-For", "192.0.2.7, 127.0.0.1"]];
    for (const [list, expected] of [
      ["127.0.0.1,unix", "192.0.2.7"],
      ["127.0.0.1", ""],
    ] as const) {
      const path = join(directory, `${expected}s`);
      const args = ["--forwarded-allow-ips", list];
      await using server = await startEnds("asgi", { args, bind: `unix:${path}` });
      const client = await RawClient.connect(path);
      await client.send(head("/", fields));
      const { body } = await client.readResponse();
      expect(JSON.parse(body)).toMatchObject({ client: expected, server: [path, null] });
      client.close();
      expect(await server.stop()).toBe(0);
    }
    rmSync(directory, { recursive: true });
  });

  test("a reload applies a changed list to new connections", async () => {
    const directory = mkdtempSync(join(tmpdir(), "keelback-forwarded-"));
    const file = join(directory, "keelback.toml");
    const write = (list: string): void => {
      writeFileSync(file, `forwarded-allow-ips = ["${list}"]\n`);
    };
    const way = PLAIN_WAYS["HTTP/1.1"]!;
    write("none");
    await using server = await startEnds("wsgi", { args: ["--config", file] });
    expect(await seen(way, server, [["X-Forwarded-For", "192.0.2.7"]])).toMatchObject({
      client: "127.0.0.1",
    });
    write("127.0.0.0/8");
    server.kill("SIGHUP");
    await eventually("the new list", async () => {
      const { client } = await seen(way, server, [["X-Forwarded-For", "192.0.2.7"]]);
      return client === "192.0.2.7";
    });
    rmSync(directory, { recursive: true });
  });

  test("logs name the client, and the proxy where they are asked to", async () => {
    const format = ["--access-log", "-", "--access-log-format", "%(h)s %({c}a)s %(r)s"];
    await using server = await startEnds("wsgi", { args: format });
    for (const [name, way] of Object.entries(PLAIN_WAYS)) {
      const path = `/${name.length}-${name.at(-1)}`;
      await seen(way, server, [["X-Forwarded-For", "192.0.2.7"]], path);
      await server.waitForLine(new RegExp(`^192\\.0\\.2\\.7 127\\.0\\.0\\.1 GET ${path} `));
    }
    await seen(PLAIN_WAYS["HTTP/1.1"]!, server, [], "/direct");
    await server.waitForLine(/^127\.0\.0\.1 127\.0\.0\.1 GET \/direct /);
  });
});

describe("Forwarding headers of others do not reach the app", () => {
  everywhere([...EVERYTHING, ...NOBODY], (server, { kind, way, tls }) => {
    test("nobody becomes somebody else", async () => {
      const ends = await seen(way, server(), [...SPOOF, ["X-Kept", "yes"]]);
      const scheme = way === WEBSOCKET ? "ws" : tls ? "https" : "http";
      expect(ends).toMatchObject({ client: "127.0.0.1", scheme, root: "", path: "/x" });
      expect(ends.host).not.toContain("evil");
      expect(ends.fields.filter(([name]) => NAMES.includes(name))).toEqual([]);
      expect(valuesOf(ends, "x-kept")).toEqual(["yes"]);
      if (kind === "wsgi") expect(ends.server[0]).toBe("127.0.0.1");
      await server().waitForLine(/forwarding headers of 127\.0\.0\.1 are left out: .*allow-ips/);
    });
  });

  test("nor by spellings that CGI cannot tell apart, nor by trailers", async () => {
    await using server = await startEnds("wsgi", { args: NOBODY });
    const way = PLAIN_WAYS["HTTP/1.1"]!;
    const ends = await seen(way, server, [
      ["X_Forwarded_For", "192.0.2.7"],
      ["x-FORWARDED-proto", "https"],
      ["X-Forwarded_Host", "evil.example"],
    ]);
    expect(ends.fields.filter(([name]) => name.startsWith("x-f"))).toEqual([]);
    expect(ends).toMatchObject({ client: "127.0.0.1", scheme: "http" });
  });

  test("nor by way of a web server that speaks uwsgi on a unix socket", async () => {
    const directory = mkdtempSync(join(tmpdir(), "keelback-forwarded-"));
    const path = join(directory, "s");
    await using server = await startEnds("wsgi", { bind: `uwsgi://unix:${path}` });
    for (const [address, expected] of [
      ["203.0.113.9", "203.0.113.9"],
      ["127.0.0.1", "192.0.2.7"],
    ] as const) {
      const client = await RawClient.connect(path);
      const request = { REQUEST_METHOD: "GET", REQUEST_URI: "/", SERVER_PROTOCOL: "HTTP/1.1" };
      const ends = { REMOTE_ADDR: address, REMOTE_PORT: "5", HTTP_HOST: "own.test" };
      await client.send(uwsgi({ ...request, ...ends, HTTP_X_FORWARDED_FOR: "192.0.2.7" }));
      const { body } = await client.readResponse();
      expect(JSON.parse(body)).toMatchObject({ client: expected });
      client.close();
    }
    expect(await server.stop()).toBe(0);
    rmSync(directory, { recursive: true });
  });

  test("a line that is split over many packets is no way around", async () => {
    await using server = await startEnds("wsgi", { args: NOBODY });
    await using client = await RawClient.connect(server.port);
    for (const byte of head("/", [["X-Forwarded-For", "192.0.2.7"]])) await client.send(byte);
    const ends = JSON.parse((await client.readResponse()).body) as { client: string };
    expect(ends).toMatchObject({ client: "127.0.0.1", fields: [["host", "own.test"]] });
  });
});

describe("What trusted proxies say wrongly is refused", () => {
  everywhere([...EVERYTHING, "--forwarded-headers", "forwarded"], (server, { way }) => {
    test("with a code of its own", async () => {
      const refused = async (...fields: Fields): Promise<number> =>
        (await way(server(), "/", fields)).status;
      expect(await refused(["X-Forwarded-Proto", "gopher"])).toBe(400);
      await server().waitForLine(/refused \[forwarding-invalid\] 400 127\.0\.0\.1/);
      expect(await refused(["X-Forwarded-Prefix", "//evil.example"])).toBe(400);
      const both: Fields = [
        ["X-Forwarded-For", "192.0.2.7"],
        ["Forwarded", "for=192.0.2.8"],
      ];
      expect(await refused(...both)).toBe(400);
      await server().waitForLine(/refused \[forwarding-conflict\] 400 127\.0\.0\.1/);
    });
  });
});
