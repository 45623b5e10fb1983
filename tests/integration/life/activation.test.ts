/** Sockets that a parent opens and passes, as systemd's socket units do; the parent here is tests/apps_life/activate.py. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { descendants } from "../../apps_life/processes.ts";
import { appsDirectory, ask, eventually, Place, serve, text } from "../../apps_life/serve.ts";
import { examplesPython, repository, type TestServer } from "../../support/server.ts";
import { Authority, run, tlsArgs } from "../tls/support.ts";

setDefaultTimeout(60_000);

/** A flag in /proc/net/unix (__SO_ACCEPTCON). */
const ACCEPTS_CONNECTIONS = 0x1_0000;

interface PassedSocket {
  kind: "tcp" | "tcp6" | "unix" | "abstract" | "udp" | "bound" | "file";
  name?: string;
  path?: string;
}

function parent(sockets: readonly PassedSocket[]): string[] {
  const python = examplesPython() ?? "python3";
  return [python, `${appsDirectory}/activate.py`, JSON.stringify(sockets)];
}

/** The server that has been passed these sockets; no `--bind` but those in `args`. */
function activated(
  sockets: readonly PassedSocket[],
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<TestServer> {
  const before = parent(sockets);
  return serve("wsgi_app:app", { before, bind: null, args: ["--workers", "1", ...args], env });
}

/** What it says when it does not start. */
async function failed(sockets: readonly PassedSocket[], args: readonly string[] = []) {
  const command = [`${repository}/keelback`, "serve", "wsgi_app:app", ...args];
  const python = examplesPython();
  if (python !== undefined) command.push("--python", python);
  const child = Bun.spawn([...parent(sockets), ...command], {
    cwd: appsDirectory,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const output = await new Response(child.stderr).text();
  expect(await child.exited).toBe(1);
  return output;
}

/** The addresses of the start-up screen. */
async function addresses(server: TestServer): Promise<string[]> {
  await server.waitForLine(/Ready in/);
  return server
    .output()
    .split("\n")
    .flatMap((line) => /^ {2}listening +(.*)$/.exec(line)?.[1] ?? []);
}

function portOf(address: string | undefined): number {
  return Number(/:(\d+)(?: |$)/.exec(address ?? "")?.[1]);
}

describe("Sockets that systemd passes are served", () => {
  test("all of them, when there is no --bind", async () => {
    using place = new Place();
    const path = place.of("socket");
    const abstract = `keelback-passed-${process.pid}`;
    const sockets: PassedSocket[] = [
      { kind: "tcp", name: "web.socket" },
      { kind: "tcp6", name: "web.socket" },
      { kind: "unix", name: "local", path },
      { kind: "abstract", path: abstract },
    ];
    // The platform's PORT is about no server in particular.
    await using server = await activated(sockets, ["--edges", "2"], { PORT: "1" });
    const [tcp, tcp6, ...others] = await addresses(server);
    expect(tcp).toMatch(/^http:\/\/127\.0\.0\.1:\d+ \(passed as fd:\/\/web\.socket\)$/);
    expect(tcp6).toMatch(/^http:\/\/\[::1\]:\d+ \(passed as fd:\/\/web\.socket\)$/);
    expect(others).toEqual([
      `unix:${path} (passed as fd://local)`,
      `unix:@${abstract} (passed as fd://6)`,
    ]);
    expect(await text(portOf(tcp), "/hello")).toBe("hello");
    const six = await run(["curl", "-sg", `http://[::1]:${portOf(tcp6)}/hello`]);
    expect(six.out).toBe("hello");
    expect(await text(path, "/hello")).toBe("hello");
    const named = await run(["curl", "-s", "--abstract-unix-socket", abstract, "http://a/hello"]);
    expect(named.out).toBe("hello");
    expect(await server.stop()).toBe(0);
    // It is not ours to remove.
    expect(existsSync(path)).toBe(true);
  });

  test("those that --bind names, beside others; the rest is told", async () => {
    using place = new Place();
    const path = place.of("socket");
    const binds = ["fd://web", `unix:${path}`, "127.0.0.1:0"].flatMap((bind) => ["--bind", bind]);
    const sockets: PassedSocket[] = [
      { kind: "tcp", name: "admin" },
      { kind: "tcp", name: "web" },
      { kind: "tcp", name: "web" },
    ];
    await using server = await activated(sockets, binds);
    const served = await addresses(server);
    expect(served.map((address) => address.replace(/^.*?(?: \(|$)/, "("))).toEqual([
      "(passed as fd://web)",
      "(passed as fd://web)",
      "(",
      "(",
    ]);
    for (const at of [0, 1, 3]) expect(await text(portOf(served[at]), "/hello")).toBe("hello");
    expect(await text(path, "/hello")).toBe("hello");
    expect(server.output()).toContain("nobody serves sockets that were passed: fd://admin;");
  });

  test("the app sees neither the variables nor the sockets", async () => {
    await using server = await activated([{ kind: "tcp", name: "web" }, { kind: "tcp" }]);
    const [first] = await addresses(server);
    for (const name of ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"]) {
      expect(await text(portOf(first), `/variable/${name}`)).toBe("(unset)");
    }
    const open = (await text(portOf(first), "/descriptors")).split("\n");
    expect(open.filter((line) => / [3-9]\d* -> (?!\/proc\/)/.test(line))).toEqual([]);
    for (const { pid } of descendants(server.pid)) {
      expect(readFileSync(`/proc/${pid}/environ`, "latin1")).not.toContain("LISTEN_");
    }
  });

  test("those of another process are left alone, with a warning", async () => {
    const args = ["--bind", "127.0.0.1:0"];
    await using server = await activated([{ kind: "tcp" }], args, { LISTEN_PID: "1" });
    expect(await text(server, "/hello")).toBe("hello");
    expect(await text(server, "/variable/LISTEN_FDS")).toBe("(unset)");
    expect(server.output()).toContain("LISTEN_FDS=1, but they are for process 1, and this is");
  });

  test("settings of sockets that are made here have no effect on them, which is told", async () => {
    const args = ["--tcp-keep-alive", "5", "--fast-open", "5"];
    await using server = await activated([{ kind: "tcp" }], args);
    await server.waitForLine(
      /warning sockets that were passed stay as .*; no effect has fast-open, tcp-keep-alive$/,
    );
  });

  test("a kill and a reload change nothing", async () => {
    await using server = await activated([{ kind: "tcp", name: "web" }]);
    const [address] = await addresses(server);
    server.kill("SIGHUP");
    await server.waitForLine(/the new workers serve/);
    const edge = descendants(server.pid).find(({ command }) => command.includes("__edge"));
    process.kill(edge!.pid, "SIGKILL");
    await server.waitForLine(/edge-0 was killed/);
    expect(await text(portOf(address), "/hello")).toBe("hello");
    expect(await addresses(server)).toHaveLength(1);
  });

  test("the kernel's queue is what --backlog says", async () => {
    await using server = await activated([{ kind: "tcp" }], ["--backlog", "33"]);
    const port = portOf((await addresses(server))[0]);
    const { out } = await run(["ss", "-Htln", `sport = :${port}`]);
    expect(out.split(/\s+/)[2]).toBe("33");
  });
});

describe("Sockets that cannot be served stop the start", () => {
  test.each<[PassedSocket, string, string]>([
    [{ kind: "udp", name: "quic" }, "fd://quic (descriptor 3) is no stream socket", "HTTP/3"],
    [{ kind: "bound", name: "web" }, "fd://web (descriptor 3) is a socket that does", "Accept=no"],
    [{ kind: "file" }, "fd://3 is not an open socket", "ListenStream="],
  ])("%p", async (socket, message, remedy) => {
    const output = await failed([socket]);
    expect(output).toContain(message);
    expect(output).toMatch(new RegExp(`hint: .*${remedy}`));
  });

  test("one behind a good one, too", async () => {
    expect(await failed([{ kind: "tcp" }, { kind: "udp" }])).toContain("fd://4 is no stream");
  });

  test("a name that none has", async () => {
    const output = await failed([{ kind: "tcp", name: "web" }], ["--bind", "fd://wep"]);
    expect(output).toContain("fd://wep: no socket of that name was passed to this process");
    expect(output).toContain("hint: there are fd://web;");
  });

  test("one that is named twice", async () => {
    const args = ["--bind", "fd://web", "--bind", "fd://3"];
    const output = await failed([{ kind: "tcp", name: "web" }], args);
    expect(output).toContain("fd://web is given twice, as fd://3");
  });
});

describe("Passed sockets go with TLS", () => {
  const authority = new Authority();
  afterAll(() => authority[Symbol.dispose]());
  const both: PassedSocket[] = [
    { kind: "tcp", name: "http" },
    { kind: "tcp", name: "https" },
  ];

  test("the one that is named for the redirect sends clients to the other", async () => {
    const args = [...tlsArgs(authority.server()), "--redirect-http", "fd://http"];
    await using server = await activated(both, args);
    const [https, http] = await addresses(server);
    expect(https).toMatch(/^https:\/\/127\.0\.0\.1:\d+ \(passed as fd:\/\/https\)$/);
    expect(http).toMatch(/ \(sends clients to HTTPS\) \(passed as fd:\/\/http\)$/);
    const { status, headers } = await ask(portOf(http), "/a?b", { headers: ["Host: test:80"] });
    expect([status, headers["location"]]).toEqual([308, `https://test:${portOf(https)}/a?b`]);
    const url = `https://localhost:${portOf(https)}/hello`;
    expect((await run(["curl", "-s", "--cacert", authority.certificate, url])).out).toBe("hello");
  });

  test("a redirect of our own is beside them", async () => {
    const args = [...tlsArgs(authority.server()), "--redirect-http", "0"];
    await using server = await activated([both[1]!], args);
    const [https, http] = await addresses(server);
    expect(http).toMatch(/^http:\/\/127\.0\.0\.1:\d+ \(sends clients to HTTPS\)$/);
    const { headers } = await ask(portOf(http), "/", { headers: ["Host: test:80"] });
    expect(headers["location"]).toBe(`https://test:${portOf(https)}/`);
  });

  test("HTTP/3 is on the same port", async () => {
    const args = [...tlsArgs(authority.server()), "--http3"];
    await using server = await activated([both[1]!], args);
    const port = portOf((await addresses(server))[0]);
    const url = `https://localhost:${port}/hello`;
    const { out } = await run(["curl", "-si", "--cacert", authority.certificate, url]);
    expect(out.toLowerCase()).toContain(`alt-svc: h3=":${port}"`);
    const hex = port.toString(16).toUpperCase().padStart(4, "0");
    await eventually("the UDP port", () => {
      return readFileSync("/proc/net/udp", "utf8").includes(` 0100007F:${hex} `);
    });
  });
});

/** It is bound first: a client that comes before it listens is refused. */
function listensAt(path: string): boolean {
  const lines = readFileSync("/proc/net/unix", "utf8").split("\n");
  const flags = lines.find((line) => line.endsWith(` ${path}`))?.split(" ")[3] ?? "0";
  return (Number.parseInt(flags, 16) & ACCEPTS_CONNECTIONS) !== 0;
}

const activator = Bun.which("systemd-socket-activate");

describe.if(activator !== null)("systemd's own tool", () => {
  test("starts the server with the first client, who is answered", async () => {
    using place = new Place();
    const path = place.of("socket");
    const python = examplesPython() ?? "python3";
    const command = [`${repository}/keelback`, "serve", "wsgi_app:app", "--python", python];
    const child = Bun.spawn(
      [activator!, `--listen=${path}`, "--fdname=web", ...command, "--workers", "1"],
      {
        cwd: appsDirectory,
        env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
        stdio: ["ignore", "ignore", "pipe"],
      },
    );
    const output = new Response(child.stderr).text();
    await eventually("the socket to listen", () => listensAt(path));
    expect(await text(path, "/hello")).toBe("hello");
    expect(await text(path, "/variable/LISTEN_PIDFDID")).toBe("(unset)");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(await output).toContain(`unix:${path} (passed as fd://web)`);
  });
});
