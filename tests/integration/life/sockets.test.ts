/** Sockets that the server makes itself: who may connect, what they are called, and what the kernel does for them. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import {
  ESTABLISHED,
  KEEP_ALIVE_TIMER,
  kernelView,
  NO_TIMER,
  SYN_RECEIVED,
} from "../../apps_life/kernel.ts";
import {
  appsDirectory,
  ask,
  begin,
  eventually,
  Place,
  serve,
  text,
} from "../../apps_life/serve.ts";
import { RawClient } from "../../support/raw-client.ts";
import { examplesPython, repository, runKeelback, type TestServer } from "../../support/server.ts";
import { Authority, run, tlsArgs } from "../tls/support.ts";

setDefaultTimeout(60_000);

const one = ["--workers", "1"];
const isRoot = process.getuid?.() === 0;
const { which } = Bun;

async function refused(...args: string[]): Promise<{ code: number; stderr: string }> {
  const python = examplesPython();
  const command = ["serve", "wsgi_app:app", ...one, ...args];
  if (python !== undefined) command.push("--python", python);
  return runKeelback(command, { cwd: appsDirectory });
}

describe("A unix socket has the mode and the owner that are asked for", () => {
  test("0666 and this user, or what the flags say, under any umask", async () => {
    using place = new Place();
    const path = place.of("socket");
    const { gid } = userInfo();
    const strict = ["sh", "-c", 'umask 077; exec "$@"', "sh"];
    await using open = await serve("wsgi_app:app", {
      before: strict,
      bind: `unix:${path}`,
      args: one,
    });
    expect(statSync(path).mode & 0o7777).toBe(0o666);
    expect(await open.stop()).toBe(0);
    const args = [...one, "--unix-mode", "0600", "--unix-owner", `:${gid}`];
    await using shut = await serve("wsgi_app:app", { bind: `unix:${path}`, args });
    expect(statSync(path).mode & 0o7777).toBe(0o600);
    expect(statSync(path).gid).toBe(gid);
    expect(await text(path, "/hello")).toBe("hello");
    expect(await shut.stop()).toBe(0);
  });

  test.if(isRoot)("root gives it to a proxy's user and group", async () => {
    using place = new Place();
    const path = place.of("socket");
    const args = [...one, "--unix-mode", "660", "--unix-owner", "nobody:daemon"];
    await using server = await serve("wsgi_app:app", { bind: `unix:${path}`, args });
    const { out } = await run(["stat", "-c", "%U:%G %a", path]);
    expect(out.trim()).toBe("nobody:daemon 660");
    expect(await server.stop()).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  test("names that nobody has stop the start", async () => {
    using place = new Place();
    const bind = ["--bind", `unix:${place.of("socket")}`];
    const user = await refused(...bind, "--unix-owner", "no-such-user");
    expect(user.code).toBe(2);
    expect(user.stderr).toContain('unix-owner: "no-such-user" names the user no-such-user');
    const group = await refused(...bind, "--unix-owner", ":no-such-group");
    expect(group.stderr).toContain("names the group no-such-group, which this system lacks");
    const mode = await refused(...bind, "--unix-mode", "rw");
    expect(mode).toMatchObject({ code: 2 });
    expect(existsSync(place.of("socket"))).toBe(false);
  });

  test.if(isRoot && which("setpriv") !== null)(
    "an owner that this user may not choose stops the start",
    async () => {
      using place = new Place();
      // All the rest stays root's.
      const before = ["setpriv", "--bounding-set=-chown", "--inh-caps=-chown", "--"];
      const path = place.of("socket");
      const child = Bun.spawn(
        [...before, `${repository}/keelback`, "serve", "wsgi_app:app", "--bind", path].concat([
          "--unix-owner",
          "12345",
        ]),
        { cwd: appsDirectory, stdio: ["ignore", "ignore", "pipe"] },
      );
      const output = await new Response(child.stderr).text();
      expect(await child.exited).toBe(1);
      expect(output).toContain(`unix-owner: unix:${path} cannot be given to 12345: EPERM`);
      expect(output).toContain("hint: start as root, or name a group that this user is in");
      expect(existsSync(path)).toBe(false);
    },
  );
});

describe("Servers that start at once on one unix socket do not displace each other", () => {
  test("one of them serves, the others say so", async () => {
    using place = new Place();
    const path = place.of("socket");
    const stale = `import socket; socket.socket(socket.AF_UNIX).bind(${JSON.stringify(path)})`;
    expect((await run(["python3", "-c", stale])).code).toBe(0);
    expect(statSync(path).isSocket()).toBe(true);
    const started = Array.from({ length: 4 }, () =>
      serve("wsgi_app:app", { bind: `unix:${path}`, args: one })
        .then((server) => server.waitForLine(/Ready in/).then(() => server))
        .catch(String),
    );
    const results = await Promise.all(started);
    const servers = results.filter((result): result is TestServer => typeof result === "object");
    try {
      expect(servers).toHaveLength(1);
      for (const result of results) {
        if (typeof result === "string") {
          expect(result).toContain(`a server is listening on unix:${path}`);
        }
      }
      expect(await text(path, "/hello")).toBe("hello");
    } finally {
      for (const server of servers) expect(await server.stop()).toBe(0);
    }
    expect(existsSync(path)).toBe(false);
  });
});

describe.if(process.platform === "linux")("Abstract sockets are served", () => {
  const name = `keelback-test-${process.pid}`;

  function curl(target: string) {
    return run(["curl", "-s", "--abstract-unix-socket", name, `http://any${target}`]);
  }

  test("under their name, beside other kinds, one server for each", async () => {
    using place = new Place();
    const path = place.of("socket");
    const binds = [`unix:${path}`, "[::1]:0", "127.0.0.1:0"].flatMap((bind) => ["--bind", bind]);
    const args = [...one, ...binds];
    await using server = await serve("asgi_app:app", { bind: `unix:@${name}`, args });
    await server.waitForLine(/Ready in/);
    expect(server.output()).toContain(`  listening  unix:@${name}\n`);
    expect((await curl("/hello")).out).toBe("hello");
    expect(await text(path, "/hello")).toBe("hello");
    for (const [, url] of server.output().matchAll(/listening {2}(http:\S+)/g)) {
      expect((await run(["curl", "-sg", `${url}/hello`])).out).toBe("hello");
    }
    const second = await refused("--bind", `unix:@${name}`);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`unix:@${name} is in use by another program`);
    expect((await curl("/hello")).out).toBe("hello");
    expect(await server.stop()).toBe(0);
    expect((await curl("/hello")).code).not.toBe(0);
  });
});

/** The second connection has the cookie of the first one; prints the answers, and how many the kernel has opened that way. */
const FAST_OPEN_TWICE = `
import socket, sys
for _ in range(2):
    with socket.socket() as client:
        request = b"GET /hello HTTP/1.0\\r\\nHost: a\\r\\n\\r\\n"
        client.sendto(request, socket.MSG_FASTOPEN, ("127.0.0.1", int(sys.argv[1])))
        print(client.makefile("r").read().split("\\n")[-1])
names, values = (line.split() for line in open("/proc/net/netstat") if line.startswith("TcpExt"))
print(dict(zip(names, values))["TCPFastOpenPassive"])
`;

describe.if(process.platform === "linux")("The kernel does for TCP what the settings say", () => {
  const authority = new Authority();
  afterAll(() => authority[Symbol.dispose]());

  test("--reuse-port: two servers share a port, a third one without it does not", async () => {
    const args = [...one, "--reuse-port"];
    await using first = await serve("wsgi_app:app", { args });
    const bind = `127.0.0.1:${first.port}`;
    const second = await serve("wsgi_app:app", { args, bind });
    const third = await refused("--bind", bind);
    expect(third.code).toBe(1);
    expect(third.stderr).toContain(`${bind} is in use by pid`);
    const pids = new Set<string>();
    await eventually("an answer of each", async () => {
      pids.add(await text(first, "/pid"));
      return pids.size === 2;
    });
    await using client = await begin(second, "/hello");
    await client.readResponse();
    expect(await first.stop()).toBe(0);
    expect(await text(second, "/hello")).toBe("hello");
    expect(await second.stop()).toBe(0);
  });

  test("--tcp-keep-alive: the kernel asks for silent clients, unless it is off", async () => {
    for (const [args, timer] of [
      [[], KEEP_ALIVE_TIMER],
      [["--tcp-keep-alive", "9"], KEEP_ALIVE_TIMER],
      [["--tcp-keep-alive", "0"], NO_TIMER],
    ] as const) {
      await using server = await serve("wsgi_app:app", { args: [...one, ...args] });
      await using client = await begin(server, "/hello");
      await client.readResponse();
      const port = client.localPort;
      await eventually("its timer alone", () => {
        const [socket] = kernelView(server.port, port);
        return socket?.state === ESTABLISHED && socket.timer === timer;
      });
    }
  });

  test("--defer-accept: a client that says nothing stays with the kernel", async () => {
    await using server = await serve("wsgi_app:app", { args: [...one, "--defer-accept", "60"] });
    await using silent = await RawClient.connect(server.port);
    const view = (): string | undefined => kernelView(server.port, silent.localPort)[0]?.state;
    expect(view()).toBe(SYN_RECEIVED);
    expect(await text(server, "/hello")).toBe("hello");
    expect(view()).toBe(SYN_RECEIVED);
    await silent.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    expect((await silent.readResponse()).body).toBe("hello");
    expect(view()).toBe(ESTABLISHED);
  });

  test("--fast-open: without the kernel's consent there is a warning, and it serves", async () => {
    const allowed = (Number(readFileSync("/proc/sys/net/ipv4/tcp_fastopen", "utf8")) & 2) !== 0;
    await using server = await serve("wsgi_app:app", { args: [...one, "--fast-open", "64"] });
    expect(await text(server, "/hello")).toBe("hello");
    expect(server.output().includes("fast-open has no effect: net.ipv4.tcp_fastopen")).toBe(
      !allowed,
    );
  });

  // Its own settings of the network; a container's root may not make one.
  const namespace =
    [which("unshare"), which("nsenter"), which("ip")].every((tool) => tool !== null) &&
    Bun.spawnSync(["unshare", "--net", "true"]).exitCode === 0;

  test.if(namespace)("--fast-open: a returning client sends its request at once", async () => {
    const prepare = "ip link set lo up && echo 3 > /proc/sys/net/ipv4/tcp_fastopen";
    const before = ["unshare", "--net", "sh", "-c", `${prepare} && exec "$@"`, "sh"];
    await using server = await serve("wsgi_app:app", {
      before,
      args: [...one, "--fast-open", "9"],
    });
    const inside = ["nsenter", "--net", `--target=${server.pid}`, "python3", "-c"];
    const { out, err } = await run([...inside, FAST_OPEN_TWICE, String(server.port)]);
    expect(err).toBe("");
    expect(out.split("\n").slice(0, 3)).toEqual(["hello", "hello", "1"]);
    expect(server.output()).not.toContain("fast-open has no effect");
  });

  test("--ipv6-only: no IPv4 client gets in", async () => {
    const both = await serve("wsgi_app:app", { bind: "[::]:0", args: one });
    expect(await text(both, "/hello")).toBe("hello");
    expect(await both.stop()).toBe(0);
    await using server = await serve("wsgi_app:app", {
      bind: "[::]:0",
      args: [...one, "--ipv6-only"],
    });
    const four = await ask(server, "/hello").catch(String);
    expect(four).toContain("ECONNREFUSED");
    const { out } = await run(["curl", "-sg", `http://[::1]:${server.port}/hello`]);
    expect(out).toBe("hello");
  });

  test("--backlog is the kernel's queue, for TLS and unix sockets too", async () => {
    using place = new Place();
    const path = place.of("socket");
    const args = [...one, "--backlog", "21", "--bind", path, ...tlsArgs(authority.server())];
    await using server = await serve("wsgi_app:app", { args });
    expect(await text(path, "/hello")).toBe("hello");
    server.kill("SIGHUP");
    await server.waitForLine(/the new workers serve/);
    const tcp = await run(["ss", "-Htln", `sport = :${server.port}`]);
    expect(tcp.out.split(/\s+/)[2]).toBe("21");
    const unix = await run(["ss", "-Hxln"]);
    const line = unix.out.split("\n").find((row) => row.includes(path));
    expect(line?.split(/\s+/)[3]).toBe("21");
  });
});
