/** The endpoints of load balancers and orchestrators, and the order in which a server says that it goes. */
import { describe, expect, test } from "bun:test";
import { treeOf } from "../../apps_life/processes.ts";
import { ask, begin, eventually, Place, requestText, serve, text } from "../../apps_life/serve.ts";
import { testCertificate } from "../../support/certificate.ts";
import { H2Client } from "../../support/h2-client.ts";
import { H3Client, missing, titled } from "../../support/h3-client.ts";
import { RawClient } from "../../support/raw-client.ts";

const args = ["--workers", "1", "--health-path", "/healthz", "--ready-path", "/readyz"];
const apps = [
  { kind: "WSGI", app: "wsgi_app:app" },
  { kind: "ASGI", app: "asgi_app:app" },
];

describe("Health endpoints are answered by the edge", () => {
  test.each(apps)("over HTTP/1.1, and only for what they are ($kind)", async ({ app }) => {
    await using server = await serve(app, { args: [...args, "--access-log", "-"] });
    for (const path of ["/healthz", "/readyz", "/healthz?probe=1"]) {
      const { status, headers, body } = await ask(server, path);
      expect({ status, body }).toEqual({ status: 200, body: "ok\n" });
      expect(headers).toMatchObject({
        "content-type": "text/plain; charset=utf-8",
        "cache-control": "no-store",
        "content-length": "3",
      });
    }
    const head = await ask(server, "/readyz", { method: "HEAD" });
    expect(head).toMatchObject({ status: 200, body: "", headers: { "content-length": "3" } });
    for (const path of ["/healthz/", "/health", "/readyz2", "//healthz"]) {
      expect((await ask(server, path)).body).toBe("no such view");
    }
    expect((await ask(server, "/healthz", { method: "POST", body: "x" })).status).toBe(404);
    await server.stop();
    const logged = server.output().match(/"(?:GET|HEAD|POST) [^"]*"/g);
    expect(logged).toHaveLength(5);
    expect(logged?.join()).not.toContain("GET /healthz ");
    expect(logged?.join()).not.toContain("HEAD");
  });

  test("on a kept connection, between requests for the app", async () => {
    await using server = await serve("wsgi_app:app", { args });
    await using client = await RawClient.connect(server.port);
    const paths = ["/hello", "/healthz", "/healthz", "/hello", "/readyz", "/hello", "/hello"];
    // Some of them at once: each head is then recognised in what came with another.
    await client.send(paths.map((path) => requestText(path)).join(""));
    const bodies = [];
    for (const _ of paths) bodies.push((await client.readResponse()).body);
    expect(bodies).toEqual(paths.map((path) => (path === "/hello" ? "hello" : "ok\n")));
    await client.send("GET /healthz HTTP/1.0\r\n\r\n");
    expect((await client.readResponse()).headers["connection"]).toBe("close");
  });

  test("a body that comes with the request is thrown away", async () => {
    await using server = await serve("asgi_app:app", { args });
    await using client = await begin(server, "/healthz", { body: "unread" });
    expect((await client.readResponse()).body).toBe("ok\n");
    await client.send(requestText("/hello"));
    expect((await client.readResponse()).body).toBe("hello");
  });

  test.each(apps)("over HTTP/2 ($kind)", async ({ app }) => {
    const { certificate, key } = testCertificate();
    const tls = ["--certfile", certificate, "--keyfile", key];
    for (const secure of [false, true]) {
      await using server = await serve(app, { args: [...args, ...(secure ? tls : [])] });
      await using client = await H2Client.connect(server.port, { secure });
      const alive = await client.answerOf("/healthz");
      expect({ status: alive.status, body: alive.body }).toEqual({ status: 200, body: "ok\n" });
      const head = await client.answerOf("/readyz", [], "HEAD");
      expect({ status: head.status, body: head.body }).toEqual({ status: 200, body: "" });
      expect(head.headers["cache-control"]).toBe("no-store");
      expect((await client.answerOf("/hello")).body).toBe("hello");
    }
  });

  test.skipIf(missing !== null)(
    titled("over HTTP/3"),
    async () => {
      const { certificate, key } = testCertificate();
      const tls = ["--certfile", certificate, "--keyfile", key, "--http3"];
      await using server = await serve("asgi_app:app", { args: [...args, ...tls] });
      await using client = new H3Client(server.url);
      expect(await client.fetch("/healthz")).toMatchObject({ status: 200, body: "ok\n" });
      const head = await client.fetch("/readyz", { method: "HEAD" });
      expect(head).toMatchObject({ status: 200, body: "" });
      expect(await client.fetch("/hello")).toMatchObject({ status: 200, body: "hello" });
    },
    60_000,
  );

  test("also while the queue is full", async () => {
    using place = new Place();
    const full = ["--worker", "sync", "--queue", "1"];
    await using server = await serve("wsgi_app:app", { place, args: [...args, ...full] });
    await using running = await begin(server, "/wait/full");
    await place.noted("full.begun");
    const turnedAway = await eventually("the queue to be full", async () => {
      const client = await begin(server, "/hello");
      const answer = await client.readResponse("GET", 200).catch(() => null);
      return answer?.status === 503 && answer;
    });
    expect(turnedAway.body).toContain("503");
    expect((await ask(server, "/healthz")).status).toBe(200);
    expect((await ask(server, "/readyz")).status).toBe(200);
    place.open("full");
    expect((await running.readResponse()).body).toBe("waited for full");
  });

  test("not ready means that no worker is, and the edge lives on", async () => {
    await using server = await serve("wsgi_app:app", { args });
    const { zygotes, workers } = treeOf(server);
    for (const { pid } of zygotes) process.kill(pid, "SIGSTOP");
    try {
      for (const { pid } of workers) process.kill(pid, "SIGKILL");
      await eventually("not ready", async () => (await ask(server, "/readyz")).status === 503);
      expect((await ask(server, "/readyz")).body).toBe("no worker is ready\n");
      expect((await ask(server, "/healthz")).status).toBe(200);
    } finally {
      for (const { pid } of zygotes) process.kill(pid, "SIGCONT");
    }
    await eventually("ready again", async () => (await ask(server, "/readyz")).status === 200);
  });

  test("without the settings the paths are the app's", async () => {
    await using server = await serve("wsgi_app:app", { args: ["--workers", "1"] });
    expect((await ask(server, "/healthz")).body).toBe("no such view");
    expect((await ask(server, "/readyz")).body).toBe("no such view");
  });
});

describe("Readiness goes down before the server stops", () => {
  test("for the shutdown delay all is served, and ready-path says 503", async () => {
    await using server = await serve("wsgi_app:app", { args: [...args, "--shutdown-delay", "60"] });
    await using kept = await begin(server, "/hello");
    await kept.readResponse();
    server.kill("SIGTERM");
    await server.waitForLine(/stopping soon/);
    await eventually("not ready", async () => (await ask(server, "/readyz")).status === 503);
    expect((await ask(server, "/readyz")).body).toBe("draining\n");
    expect((await ask(server, "/healthz")).status).toBe(200);
    expect(await text(server, "/hello")).toBe("hello");
    await kept.send(requestText("/hello"));
    expect((await kept.readResponse()).headers["connection"]).toBeUndefined();
    // What dies meanwhile is replaced, and knows of the stop.
    for (const { pid } of treeOf(server).edges) process.kill(pid, "SIGKILL");
    await server.waitForLine(/edge-0 was killed/);
    const status = async (): Promise<number> => (await ask(server, "/readyz")).status;
    await eventually("a new edge", () =>
      status().then(
        (now) => now === 503,
        () => false,
      ),
    );
    expect(await text(server, "/hello")).toBe("hello");
    // A second signal ends it now.
    server.kill("SIGTERM");
    await server.exited;
  });

  test("after the delay it stops, and SIGINT does not wait for it", async () => {
    const soon = await serve("wsgi_app:app", { args: [...args, "--shutdown-delay", "0.2"] });
    expect(await soon.stop()).toBe(0);
    expect(soon.output()).toMatch(/stopping soon.*\n[^]*stopping: what runs may finish/);
    const late = await serve("wsgi_app:app", { args: [...args, "--shutdown-delay", "1h"] });
    late.kill("SIGINT");
    expect(await late.exited).toBe(0);
  });
});
