import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { gone, type Process, processOf, supervisorOf, treeOf } from "../../apps_life/processes.ts";
import {
  appsDirectory,
  ask,
  begin,
  eventually,
  Load,
  Place,
  requestText,
  serve,
  text,
} from "../../apps_life/serve.ts";
import { Line, Newcomers } from "../../apps_life/successors.ts";
import { testCertificate } from "../../support/certificate.ts";
import { H2Client } from "../../support/h2-client.ts";
import { H3Client } from "../../support/h3-client.ts";
import { examplesPython, runKeelback } from "../../support/server.ts";
import { ServiceManager } from "../../support/service-manager.ts";

const args = ["--workers", "2"];

function version(number: number): string {
  return `
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "9")])
    return [b"version ${number}"]
`;
}

describe("SIGUSR2 replaces the server without losing a request", () => {
  test("under load, on kept and on new connections, there is no error", async () => {
    using place = new Place();
    place.write("changing.py", version(1));
    await using server = await serve("changing:app", { args, cwd: place.path });
    await using line = new Line(server);
    await using kept = new Load(server, "/", 6);
    await using fresh = new Newcomers(server.port, 4);
    await kept.goesOn();
    for (let round = 2; round <= 4; round++) {
      place.write("changing.py", version(round));
      const old = [line.newest, ...processesOf(line.newest)];
      await line.upgrade();
      await gone(old);
      await kept.goesOn();
      await fresh.goesOn(20);
      expect(await text(server.port, "/")).toBe(`version ${round}`);
    }
    await kept.stop();
    await fresh.stop();
    expect(kept.failures).toEqual([]);
    expect(fresh.failures).toEqual([]);
    expect([...kept.bodies.keys()].toSorted()).toEqual([1, 2, 3, 4].map((n) => `version ${n}`));
  });

  test("requests that run finish on the old server, which ends with 0", async () => {
    using place = new Place();
    await using server = await serve("wsgi_app:app", { args, place });
    await using line = new Line(server);
    await using client = await begin(server, "/wait/slow");
    await place.noted("slow.begun");
    const successor = await line.upgrade();
    expect(await text(server, "/hello")).toBe("hello");
    server.kill("SIGUSR2");
    await server.waitForLine(/no upgrade: this server stops/);
    place.open("slow");
    const answer = await client.readResponse();
    expect([answer.body, answer.headers["connection"]]).toEqual(["waited for slow", "close"]);
    client.close();
    await eventually("the end of the old server", () => processOf(server.pid) === undefined);
    process.kill(successor.pid);
    expect(await server.exited).toBe(0);
  });

  test("a kept connection gets its next answer, with Connection: close", async () => {
    await using server = await serve("wsgi_app:app", { args });
    await using line = new Line(server);
    await using client = await begin(server, "/hello");
    expect((await client.readResponse()).headers["connection"]).toBeUndefined();
    await line.upgrade();
    // The old server's edge hears of it a moment later: until then it keeps the connection.
    await eventually("an answer that is the last one", async () => {
      await client.send(requestText("/hello"));
      const { status, headers } = await client.readResponse();
      expect(status).toBe(200);
      return headers["connection"] === "close";
    });
  });

  test("the PID file and the service manager follow", async () => {
    using place = new Place();
    using manager = new ServiceManager(place.of("notify"));
    const file = place.of("server.pid");
    const env = { NOTIFY_SOCKET: manager.name, WATCHDOG_USEC: "1000000" };
    await using server = await serve("wsgi_app:app", { args: [...args, "--pid", file], env });
    await using line = new Line(server);
    expect(readFileSync(file, "utf8")).toBe(`${server.pid}\n`);
    const old = line.newest;
    const { pid } = await line.upgrade();
    await gone([old]);
    expect(readFileSync(file, "utf8")).toBe(`${pid}\n`);
    const told = (): string[] =>
      manager.news.map((message) => message.split("\n").slice(0, 2).join(" "));
    await eventually("what the new one has to say", () => told().length === 4);
    expect(told()).toEqual([
      `READY=1 MAINPID=${server.pid}`,
      expect.stringMatching(/^STATUS=.*upgrading/),
      expect.stringMatching(new RegExp(`^MAINPID=${pid} STATUS=`)),
      `READY=1 MAINPID=${pid}`,
    ]);
    process.kill(pid);
    await server.exited;
    expect(existsSync(file)).toBe(false);
    expect(manager.news.at(-1)).toStartWith("STOPPING=1");
  });

  test("a unix socket stays where it is, and goes with the last server", async () => {
    using place = new Place();
    const path = place.of("web.sock");
    await using server = await serve("wsgi_app:app", { args, bind: `unix:${path}` });
    await using line = new Line(server);
    const old = line.newest;
    const { pid } = await line.upgrade();
    await gone([old]);
    expect(await text(path, "/hello")).toBe("hello");
    process.kill(pid);
    await server.exited;
    expect(existsSync(path)).toBe(false);
  });

  test("sockets that a service manager has passed in keep their numbers and names", async () => {
    const python = examplesPython() ?? "python3";
    const sockets = [
      { kind: "tcp", name: "other" },
      { kind: "tcp", name: "web" },
      { kind: "tcp", name: "web" },
    ];
    const before = [python, `${appsDirectory}/activate.py`, JSON.stringify(sockets)];
    const named = [...args, "--bind", "127.0.0.1:0", "--bind", "fd://5"];
    await using server = await serve("wsgi_app:app", { args: named, before, bind: null });
    await using line = new Line(server);
    await server.waitForLine(/Ready in/);
    const ports = [...server.output().matchAll(/listening .*?:(\d+)/g)].map(([, port]) =>
      Number(port),
    );
    expect(ports.length).toBe(2);
    for (let round = 0; round < 2; round++) {
      const old = line.newest;
      await line.upgrade();
      await gone([old]);
      for (const port of ports) expect(await text(port, "/hello")).toBe("hello");
    }
  });

  test("over TLS, with HTTP/2 connections that are told to go, and HTTP/3 as soon as its port is free", async () => {
    const { certificate, key } = testCertificate();
    const tls = ["--certfile", certificate, "--keyfile", key, "--http3", "--redirect-http", "0"];
    await using server = await serve("wsgi_app:app", { args: [...args, ...tls] });
    await using line = new Line(server);
    const redirect = /http:\/\/127\.0\.0\.1:(\d+)/.exec(server.output())?.[1];
    await using h2 = await H2Client.connect(server.port, { secure: true });
    const hello = async (client: H2Client): Promise<string> => {
      const call = client.get("/hello");
      await client.until("an answer", () => call.over);
      return call.body;
    };
    expect(await hello(h2)).toBe("hello");
    const old = line.newest;
    await line.upgrade();
    await h2.until("GOAWAY", () => h2.goaway !== null);
    expect(h2.goaway?.code).toBe(0);
    await gone([old]);
    await using again = await H2Client.connect(server.port, { secure: true });
    expect(await hello(again)).toBe("hello");
    const moved = await ask(Number(redirect), "/hello", { headers: [`Host: test:${redirect}`] });
    expect(moved.headers["location"]).toBe(`https://test:${server.port}/hello`);
    await eventually("HTTP/3", async () => {
      await using h3 = new H3Client(server.url);
      return (await h3.fetch("/hello")).body === "hello";
    });
  });

  test("the control socket leads to the new one", async () => {
    using place = new Place();
    const control = place.of("control.sock");
    await using server = await serve("wsgi_app:app", { args: [...args, "--control", control] });
    await using line = new Line(server);
    await eventually("the control socket", () => existsSync(control));
    const old = line.newest;
    const { pid } = await line.upgrade();
    await gone([old]);
    const { code, stdout } = await runKeelback(["ctl", "status", "--control", control, "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ pid });
  });

  test("an old server that is killed meanwhile is replaced all the same", async () => {
    using place = new Place();
    place.write("slow.py", SLOW);
    const file = place.of("server.pid");
    await using server = await serve("slow:app", {
      args: [...args, "--pid", file],
      place,
      cwd: place.path,
    });
    await using line = new Line(server);
    place.open("slow");
    server.kill("SIGUSR2");
    await place.noted("importing");
    const edges = treeOf(server).edges.filter(({ parent }) => parent === server.pid);
    server.kill("SIGKILL");
    await gone(edges);
    await using client = await begin(server, "/");
    place.open("go");
    expect((await client.readResponse()).body).toBe("version 1");
    await server.waitForLine(/this is the server now/);
    expect(readFileSync(file, "utf8")).toBe(`${line.newest.pid}\n`);
  });

  test("settings that a reload cannot change are those of the new server", async () => {
    using place = new Place();
    place.write("changing.py", version(1));
    const [first, second] = [place.of("first.pid"), place.of("second.pid")];
    place.write("keelback.toml", `pid = "${first}"\n`);
    await using server = await serve("changing:app", { args, cwd: place.path });
    await using line = new Line(server);
    const log = `access-log = "${place.of("access.log")}"\n`;
    place.write("keelback.toml", `${log}pid = "${second}"\n`);
    const old = line.newest;
    await line.upgrade();
    await gone([old]);
    await text(server, "/");
    await eventually("a line", () => place.lines("access.log").length === 1);
    expect(existsSync(first)).toBe(false);
    expect(readFileSync(second, "utf8")).toBe(`${line.newest.pid}\n`);
  });
});

test("SIGUSR2 is refused by process 1, with which its container ends", async () => {
  const before = ["unshare", "--pid", "--fork", "--kill-child"];
  if (Bun.spawnSync([...before, "true"]).exitCode !== 0) return;
  await using server = await serve("wsgi_app:app", { args, before });
  const [inside] = childrenOf(server.pid);
  process.kill(inside!, "SIGUSR2");
  await server.waitForLine(/no upgrade: its container ends with process 1/);
  expect(await text(server, "/hello")).toBe("hello");
  process.kill(inside!, "SIGTERM");
  expect(await server.exited).toBe(0);
});

describe("A new server that fails leaves the old one serving", () => {
  test("an app that cannot be imported", async () => {
    using place = new Place();
    using manager = new ServiceManager(place.of("notify"));
    place.write("changing.py", version(1));
    const file = place.of("server.pid");
    const path = place.of("web.sock");
    await using server = await serve("changing:app", {
      args: [...args, "--pid", file, "--bind", `unix:${path}`],
      cwd: place.path,
      env: { NOTIFY_SOCKET: manager.name },
    });
    await using line = new Line(server);
    await using load = new Load(server, "/", 4);
    place.write("changing.py", "import no_such_module_here\n");
    server.kill("SIGUSR2");
    await server.waitForLine(/No module named 'no_such_module_here'/);
    await server.waitForLine(/upgrade failed, this server stays: .* ended with status 1/);
    await load.goesOn();
    await load.stop();
    expect(load.failures).toEqual([]);
    expect([...load.bodies.keys()]).toEqual(["version 1"]);
    expect(await text(path, "/")).toBe("version 1");
    expect(readFileSync(file, "utf8")).toBe(`${server.pid}\n`);
    expect(manager.news.at(-1)).toContain("the last upgrade failed");
    place.write("changing.py", version(2));
    const old = line.newest;
    await line.upgrade();
    await gone([old]);
    expect(await text(server.port, "/")).toBe("version 2");
    expect(await text(path, "/")).toBe("version 2");
  });

  test("settings that are wrong", async () => {
    using place = new Place();
    place.write("changing.py", version(1));
    await using server = await serve("changing:app", { args, cwd: place.path });
    place.write("keelback.toml", "workers = many\n");
    server.kill("SIGUSR2");
    await server.waitForLine(/upgrade failed, this server stays: .* ended with status 2/);
    expect(await text(server, "/")).toBe("version 1");
  });

  test("one that is killed, and one that the old one's end catches on its way", async () => {
    using place = new Place();
    place.write("slow.py", SLOW);
    // Another worker of the killed one might begin its import when the next one does.
    const single = ["--workers", "1"];
    await using server = await serve("slow:app", { args: single, place, cwd: place.path });
    place.open("slow");
    const starting = async (): Promise<number> => {
      const pids = new Set(place.lines("importing"));
      server.kill("SIGUSR2");
      const line = await eventually("an import", () =>
        place.lines("importing").find((pid) => !pids.has(pid)),
      );
      return supervisorOf(Number(line));
    };
    process.kill(await starting(), "SIGKILL");
    await server.waitForLine(/upgrade failed, this server stays: .* was killed/);
    expect(await text(server, "/")).toBe("version 1");
    const second = processOf(await starting())!;
    server.kill("SIGUSR2");
    await server.waitForLine(/an upgrade is under way, by pid/);
    expect(await server.stop()).toBe(0);
    await gone([second]);
  });
});

/** While the file `slow` is there its import waits for the file `go`. */
const SLOW = `
import os
import time
def _at(name):
    return os.path.join(os.environ["PLACE"], name)
if os.path.exists(_at("slow")):
    with open(_at("importing"), "a") as notes:
        notes.write(str(os.getpid()) + "\\n")
    while not os.path.exists(_at("go")):
        time.sleep(0.01)
${version(1)}
`;

function childrenOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return children.split(" ").filter(Boolean).map(Number);
}

function processesOf(server: Process): Process[] {
  const { edges, zygotes, workers } = treeOf(server);
  return [...edges, ...zygotes, ...workers];
}
