/** Web servers in front: uwsgi, SCGI and FastCGI, each spoken by a real nginx. */
import { createHash } from "node:crypto";
import { describe, expect, test } from "bun:test";
import { ask, eventually, Place, untilCut } from "../../apps_life/serve.ts";
import { Front, nginxMissing } from "../../support/front.ts";
import { RawClient } from "../../support/raw-client.ts";
import { startServer, type TestServer } from "../../support/server.ts";
import {
  fastcgiPairs,
  gatewayBytes,
  type Protocol,
  PROTOCOLS,
  record,
  scgi,
} from "../../support/gateway.ts";

const HERE = new URL(".", import.meta.url).pathname.replace(/\/$/, "");
const PARAMS = `
  QUERY_STRING $query_string; REQUEST_METHOD $request_method; CONTENT_TYPE $content_type;
  REQUEST_URI $request_uri; PATH_INFO $document_uri;
  SERVER_PROTOCOL $server_protocol; REQUEST_SCHEME https; REMOTE_ADDR 203.0.113.9;
  REMOTE_PORT 50123; SERVER_PORT 443; SERVER_NAME $server_name; REMOTE_USER ann;`;

function paramsFor(protocol: Protocol, params: string = PARAMS): string {
  const lines = params.trim().split(/;\s*/);
  return lines.flatMap((line) => (line === "" ? [] : [`${protocol}_param ${line};`])).join(" ");
}

/** A location's directives. */
function passTo(protocol: Protocol, socket: string, more = "", params = PARAMS): string {
  // nginx itself says how long the body is, as SCGI wants it: first.
  const own =
    protocol === "scgi"
      ? "scgi_param SCGI 1;"
      : `${protocol}_param CONTENT_LENGTH $content_length;`;
  return `${paramsFor(protocol, params)} ${own} ${protocol}_pass unix:${socket}; ${more}`;
}

/** As they follow an included file, to override what it says. */
function besides(protocol: Protocol): string {
  const named = { HTTP_HOST: "$host", REMOTE_USER: "ann", SCRIPT_NAME: '""' };
  const lines = Object.entries({ ...named, REMOTE_ADDR: "203.0.113.9" });
  const once = lines.map(([name, value]) => `${protocol}_param ${name} ${value};`).join(" ");
  return `${protocol}_param REMOTE_USER bob; ${protocol}_param SCRIPT_NAME /mount; ${once}`;
}

type Pairs = readonly (readonly [string, string])[];
/** Past nginx. */
const GET: Pairs = [
  ["CONTENT_LENGTH", "0"],
  ["SCGI", "1"],
  ["REQUEST_METHOD", "GET"],
  ["REQUEST_URI", "/"],
];

interface Site extends AsyncDisposable {
  readonly place: Place;
  readonly server: TestServer;
  readonly nginx: Front;
  readonly socket: string;
}

async function site(protocol: Protocol, app: string = "app:wsgi", more = ""): Promise<Site> {
  const place = new Place();
  const socket = place.of("app.sock");
  const bind = `${protocol}://unix:${socket}`;
  const env = { PYTHONDONTWRITEBYTECODE: "1" };
  const server = await startServer({ app, cwd: HERE, bind, env, args: ["--workers", "1"] });
  // As in nginx's own fastcgi_params.
  const stock = PARAMS.replace("PATH_INFO", "SCRIPT_NAME");
  const locations = `location /stock/ { ${passTo(protocol, socket, more, stock)} }
    location / { ${passTo(protocol, socket, more)} }
    location /twice/ { ${passTo(protocol, socket, more + paramsFor(protocol) + besides(protocol))} }
    location /shop/ { ${protocol}_param SCRIPT_NAME /shop; ${passTo(protocol, socket, more)} }`;
  const nginx = await Front.nginx((at) => {
    const names = "server_name example.org; client_max_body_size 64m;";
    return `server { listen unix:${at}; ${names} ${locations} }`;
  });
  return {
    ...{ place, server, nginx, socket },
    [Symbol.asyncDispose]: async () => {
      await nginx[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      place[Symbol.dispose]();
    },
  };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

describe.skipIf(nginxMissing).each(PROTOCOLS)(
  "nginx's uwsgi_pass, scgi_pass and fastcgi_pass reach the app: %s",
  (protocol) => {
    test("a request and its facts (WSGI)", async () => {
      await using own = await site(protocol);
      const body = "b".repeat(300_000);
      const headers = ["Host: example.org", "X-Probe: 1", "Proxy: evil", "Content-Type: text/x"];
      const question = { method: "POST", headers, body };
      const answer = await ask(own.nginx.socket, "/caf%C3%A9/x?a=1&b", question);
      expect(answer).toMatchObject({ status: 201, reason: "Made" });
      expect(answer.headers["x-multi"]).toBe("a, b");
      expect(JSON.parse(answer.body)).toEqual({
        REQUEST_METHOD: "POST",
        SCRIPT_NAME: "",
        PATH_INFO: "/caf\u00c3\u00a9/x",
        QUERY_STRING: "a=1&b",
        CONTENT_TYPE: "text/x",
        CONTENT_LENGTH: "300000",
        REMOTE_ADDR: "203.0.113.9",
        SERVER_NAME: "example.org",
        SERVER_PORT: "443",
        HTTP_HOST: "example.org",
        HTTP_X_PROBE: "1",
        REMOTE_USER: "ann",
        "wsgi.url_scheme": "https",
        body: sha256(body),
      });
    });

    test("a request and its facts (ASGI)", async () => {
      await using own = await site(protocol, "app:asgi");
      const headers = ["Host: example.org", "X-Probe: 1"];
      const answer = await ask(own.nginx.socket, "/shop/a%20b?q", { headers });
      expect(answer.status).toBe(201);
      expect(JSON.parse(answer.body)).toMatchObject({
        ...{ method: "GET", path: "/shop/a b", root_path: "/shop", scheme: "https", query: "q" },
        ...{ client: ["203.0.113.9", 50_123], server: ["example.org", 443] },
        body: sha256(""),
      });
      expect(JSON.parse(answer.body).headers).toContainEqual(["x-probe", "1"]);
    });

    test("the mount is SCRIPT_NAME", async () => {
      await using own = await site(protocol);
      const seen = JSON.parse((await ask(own.nginx.socket, "/shop/cart?x")).body);
      expect(seen).toMatchObject({ SCRIPT_NAME: "/shop", PATH_INFO: "/cart", QUERY_STRING: "x" });
    });

    test("without PATH_INFO there is no mount", async () => {
      await using own = await site(protocol);
      const seen = JSON.parse((await ask(own.nginx.socket, "/stock//a%20b/?x")).body);
      expect(seen).toMatchObject({ SCRIPT_NAME: "", PATH_INFO: "/stock//a b/" });
    });

    test("repeated headers are joined, as over HTTP/1.1", async () => {
      await using own = await site(protocol);
      const repeated = ["X-Probe: 1", "Cookie: a=1", "X-Probe: 2", "Cookie: b=2", "X-Probe: 1"];
      const headers = ["Host: example.org", ...repeated];
      const seen = JSON.parse((await ask(own.nginx.socket, "/x", { headers })).body);
      expect(seen).toMatchObject({ HTTP_X_PROBE: "1, 2, 1", HTTP_COOKIE: "a=1; b=2" });
    });

    test("a repeated header that must not be is refused", async () => {
      await using own = await site(protocol);
      const types = ["Content-Type: text/x", "Content-Type: text/y"];
      const question = { method: "POST", headers: ["Host: x", ...types], body: "b" };
      expect((await ask(own.nginx.socket, "/x", question)).status).toBe(400);
      // nginx refuses a second Host itself.
      await using client = await RawClient.connect(own.socket);
      const bytes = gatewayBytes(protocol, [...GET, ["HTTP_HOST", "x"], ["HTTP_HOST", "y"]]);
      await client.send(bytes);
      expect(await untilCut(client)).toMatch(/^.{0,8}(HTTP\/1.1 |Status:  )400 Bad Request/s);
      await own.server.waitForLine(/refused \[host-duplicate\]/);
    });

    test("of a parameter that comes twice the last one counts; two lengths end it", async () => {
      await using own = await site(protocol);
      const seen = JSON.parse((await ask(own.nginx.socket, "/twice/x")).body);
      const facts = { REMOTE_ADDR: "203.0.113.9", REMOTE_USER: "ann", SCRIPT_NAME: "" };
      expect(seen).toMatchObject({ PATH_INFO: "/twice/x", ...facts });
      await using client = await RawClient.connect(own.socket);
      await client.send(gatewayBytes(protocol, [...GET, ["CONTENT_LENGTH", "1"]]));
      expect(await untilCut(client)).toBe("");
      await own.server.waitForLine(/\(the variable CONTENT_LENGTH came with two values\)/);
    });

    test("large responses, HEAD, 204, a failing app, and one that is cut", async () => {
      await using own = await site(protocol);
      const { socket } = own.nginx;
      const large = await ask(socket, "/large?200");
      expect(large.body.length).toBe(200 * 65_536);
      expect(large.body.charCodeAt(65_536 * 150)).toBe(150);
      const head = await ask(socket, "/x", { method: "HEAD" });
      expect(head).toMatchObject({ status: 201, body: "" });
      expect(Number(head.headers["content-length"])).toBeGreaterThan(0);
      expect(await ask(socket, "/none")).toMatchObject({ status: 204, body: "" });
      expect(await ask(socket, "/fail")).toMatchObject({ status: 500 });
      await using cut = await RawClient.connect(socket);
      // nginx does not cut what FastCGI has cut, but it sends no more of it.
      await cut.send("GET /cut HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      const came = await untilCut(cut);
      expect(came).toContain("Content-Length: 1000000");
      expect(came.length).toBeLessThan(1_000_000);
      expect((await ask(socket, "/y")).status).toBe(201);
    });

    test("what is no request ends the connection and is logged", async () => {
      await using own = await site(protocol);
      await using client = await RawClient.connect(own.socket);
      await client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      expect(await untilCut(client)).toBe("");
      await own.server.waitForLine(/refused \[gateway-request-invalid\]/);
      expect((await ask(own.nginx.socket, "/y")).status).toBe(201);
    });

    test("a variable that would add a header is refused", async () => {
      await using own = await site(protocol);
      await using client = await RawClient.connect(own.socket);
      await client.send(gatewayBytes(protocol, [...GET, ["HTTP_A", "1\r\nX-Probe: 2"]]));
      expect(await untilCut(client)).toMatch(/^.{0,8}(HTTP\/1.1 |Status:  )400 Bad Request/s);
    });
  },
);

/** FastCGI: the connection stays for the next one. */
function keptRequest(path: string): Buffer {
  const variables = { REQUEST_METHOD: "GET", REQUEST_URI: path, HTTP_HOST: "x" };
  return Buffer.concat([
    record(1, 1, Buffer.from([0, 1, 1, 0, 0, 0, 0, 0])),
    record(4, 1, fastcgiPairs(variables)),
    record(4, 1, Buffer.alloc(0)),
    record(5, 1, Buffer.alloc(0)),
  ]);
}

const END = record(3, 1, Buffer.alloc(8)).toString("latin1");

describe("FastCGI connections are kept", () => {
  test("until another one needs the room", async () => {
    using place = new Place();
    const socket = place.of("app.sock");
    const bind = `fastcgi://unix:${socket}`;
    const args = ["--connections", "1"];
    await using server = await startServer({ app: "app:wsgi", cwd: HERE, bind, args });
    await using kept = await RawClient.connect(socket);
    await kept.send(keptRequest("/a"));
    await kept.readUntil(END);
    await using newcomer = await RawClient.connect(socket);
    await eventually("the end of the kept one", () => kept.ended);
    await newcomer.send(keptRequest("/b"));
    expect(await newcomer.readUntil(END)).toContain("Status:  201 Made");
    expect(server.output()).not.toContain("refused");
  });

  test("for many requests", async () => {
    const place = new Place();
    const socket = place.of("app.sock");
    const bind = `fastcgi://unix:${socket}`;
    await using server = await startServer({ app: "app:wsgi", cwd: HERE, bind });
    const client = await RawClient.connect(socket);
    for (let i = 0; i < 20; i++) {
      await client.send(keptRequest(`/${i}`));
      const came = await client.readUntil(END);
      expect(came.slice(8)).toStartWith("Status:  201 Made\r\n");
      expect(came).toContain(`"PATH_INFO": "/${i}"`);
    }
    // At a stop it is closed, as any kept connection.
    const stopped = server.stop();
    await eventually("the end of the connection", () => client.ended);
    client.close();
    expect(await stopped).toBe(0);
    place[Symbol.dispose]();
  });
});

test("--protocol says it for addresses that do not", async () => {
  using place = new Place();
  const socket = place.of("app.sock");
  const bind = `unix:${socket}`;
  const args = ["--protocol", "scgi"];
  await using server = await startServer({ app: "app:wsgi", cwd: HERE, bind, args });
  expect(server.output()).toContain(`scgi://unix:${socket}`);
  await using client = await RawClient.connect(socket);
  await client.send(scgi({ CONTENT_LENGTH: "0", SCGI: "1", REQUEST_METHOD: "GET" }));
  expect(await untilCut(client)).toStartWith("Status:  201 Made\r\n");
});
