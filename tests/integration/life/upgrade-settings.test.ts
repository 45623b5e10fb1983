/** Settings of listening sockets that have changed when a new server inherits them (SIGUSR2). */
import { describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { gone } from "../../apps_life/processes.ts";
import {
  ESTABLISHED,
  KEEP_ALIVE_TIMER,
  kernelView,
  NO_TIMER,
  SYN_RECEIVED,
} from "../../apps_life/kernel.ts";
import { ask, begin, eventually, Place, serve, text } from "../../apps_life/serve.ts";
import { Line } from "../../apps_life/successors.ts";
import { RawClient } from "../../support/raw-client.ts";
import type { TestServer } from "../../support/server.ts";
import { run } from "../tls/support.ts";

const APP = `
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]
`;

/** The new server serves, and the old one has gone. */
async function upgrade(line: Line, place: Place, settings: string): Promise<void> {
  place.write("keelback.toml", settings);
  const old = line.newest;
  await line.upgrade();
  await gone([old]);
}

async function start(place: Place, settings: string): Promise<TestServer> {
  place.write("hello.py", APP);
  place.write("keelback.toml", settings);
  const args = ["--workers", "1"];
  const server = await serve("hello:app", { args, bind: null, cwd: place.path });
  await server.waitForLine(/Ready in/);
  return server;
}

const WARNINGS = / warning (?!the app runs as root)/;

describe.if(process.platform === "linux")("SIGUSR2 changes what open sockets can change", () => {
  test("keep-alive is switched off and on", async () => {
    using place = new Place();
    const bind = 'bind = ["127.0.0.1:0"]\n';
    await using server = await start(place, bind);
    await using line = new Line(server);
    const timerOfClient = async (wanted: string): Promise<void> => {
      await using client = await begin(server, "/");
      await client.readResponse();
      await eventually(`timer ${wanted}`, () => {
        const [socket] = kernelView(server.port, client.localPort);
        return socket?.state === ESTABLISHED && socket.timer === wanted;
      });
    };
    await timerOfClient(KEEP_ALIVE_TIMER);
    await upgrade(line, place, `${bind}tcp-keep-alive = 0\n`);
    await timerOfClient(NO_TIMER);
    await upgrade(line, place, `${bind}tcp-keep-alive = "9s"\n`);
    await timerOfClient(KEEP_ALIVE_TIMER);
    expect(server.output()).not.toMatch(WARNINGS);
  });

  test("connections without a request stay with the kernel, and do not any more; its queue has the new length", async () => {
    using place = new Place();
    const bind = 'bind = ["127.0.0.1:0"]\n';
    await using server = await start(place, bind);
    await using line = new Line(server);
    // A client is connected a moment before the server's side of its connection is.
    const silentBecomes = async (wanted: string): Promise<void> => {
      await using silent = await RawClient.connect(server.port);
      await eventually(`state ${wanted}`, () => {
        return kernelView(server.port, silent.localPort)[0]?.state === wanted;
      });
      if (wanted === ESTABLISHED) return;
      expect(await text(server, "/")).toBe("hello");
      expect(kernelView(server.port, silent.localPort)[0]?.state).toBe(wanted);
    };
    await silentBecomes(ESTABLISHED);
    await upgrade(line, place, `${bind}defer-accept = "60s"\nbacklog = 23\n`);
    await silentBecomes(SYN_RECEIVED);
    const { out } = await run(["ss", "-Htln", `sport = :${server.port}`]);
    expect(out.split(/\s+/)[2]).toBe("23");
    await upgrade(line, place, bind);
    await silentBecomes(ESTABLISHED);
  });

  test("a unix socket gets the mode and the owner", async () => {
    using place = new Place();
    const path = place.of("web.sock");
    const bind = `bind = ["unix:${path}"]\n`;
    await using server = await start(place, bind);
    await using line = new Line(server);
    const { ino, gid } = statSync(path);
    expect(statSync(path).mode & 0o7777).toBe(0o666);
    const group = process.getuid?.() === 0 ? gid + 1 : gid;
    await upgrade(line, place, `${bind}unix-mode = "0640"\nunix-owner = ":${group}"\n`);
    expect(statSync(path)).toMatchObject({ ino, gid: group });
    expect(statSync(path).mode & 0o7777).toBe(0o640);
    expect(await text(path, "/")).toBe("hello");
    expect(server.output()).not.toMatch(WARNINGS);
  });

  test("an upgrade that fails has changed nothing of it", async () => {
    using place = new Place();
    const path = place.of("web.sock");
    const bind = `bind = ["unix:${path}"]\n`;
    await using server = await start(place, bind);
    place.write("hello.py", "import no_such_module_here\n");
    place.write("keelback.toml", `${bind}unix-mode = "0600"\n`);
    server.kill("SIGUSR2");
    await server.waitForLine(/upgrade failed, this server stays/);
    expect(statSync(path).mode & 0o7777).toBe(0o666);
  });

  test("what it cannot change is said once, with what helps, and stays", async () => {
    using place = new Place();
    const bind = 'bind = ["[::]:0"]\n';
    await using server = await start(place, bind);
    await using line = new Line(server);
    await upgrade(line, place, `${bind}ipv6-only = true\nreuse-port = true\n`);
    const at = `[::]:${server.port}`;
    const said = server.output().match(/an upgrade cannot change.*/g);
    expect(said).toEqual([
      `an upgrade cannot change how sockets were bound: ${at} stays without reuse-port, ` +
        `${at} stays without ipv6-only; a restart opens them anew`,
    ]);
    expect((await ask(server, "/")).body).toBe("hello");
  });
});

describe.if(process.platform === "linux")("addresses beside those that are inherited", () => {
  test("[::] beside 0.0.0.0 on the same port", async () => {
    using place = new Place();
    await using server = await start(place, 'bind = ["0.0.0.0:0"]\n');
    await using line = new Line(server);
    await upgrade(line, place, `bind = ["0.0.0.0:0", "[::]:${server.port}"]\n`);
    expect(await text(server.port, "/")).toBe("hello");
    const six = await run(["curl", "-sg", `http://[::1]:${server.port}/`]);
    expect(six.out).toBe("hello");
  });

  test("0.0.0.0 beside [::], which has its clients already: the old server stays, and it is said why", async () => {
    using place = new Place();
    await using server = await start(place, 'bind = ["[::]:0"]\n');
    place.write("keelback.toml", `bind = ["[::]:0", "0.0.0.0:${server.port}"]\n`);
    server.kill("SIGUSR2");
    await server.waitForLine(/upgrade failed, this server stays/);
    expect(server.output()).toContain(
      `0.0.0.0:${server.port} is taken by [::]:${server.port}, which was opened for IPv4 clients too`,
    );
    expect(await text(server.port, "/")).toBe("hello");
  });
});
