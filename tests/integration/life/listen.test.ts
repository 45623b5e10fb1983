import { describe, expect, test } from "bun:test";
import { existsSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { processOf } from "../../apps_life/processes.ts";
import {
  ask,
  appsDirectory,
  begin,
  eventually,
  Place,
  serve,
  text,
} from "../../apps_life/serve.ts";
import { examplesPython, repository, runKeelback } from "../../support/server.ts";

const args = ["--workers", "1"];

async function failedBind(bind: string) {
  const python = examplesPython();
  const command = ["serve", "wsgi_app:app", "--bind", bind, ...args];
  if (python !== undefined) command.push("--python", python);
  const { code, stdout, stderr } = await runKeelback(command, { cwd: appsDirectory });
  return { code, output: stdout + stderr };
}

describe("A port in use is reported", () => {
  test("with who uses it", async () => {
    await using server = await serve("wsgi_app:app", { args });
    const { code, output } = await failedBind(`127.0.0.1:${server.port}`);
    expect(code).toBe(1);
    expect(output).toContain(`127.0.0.1:${server.port} is in use`);
    expect(output).toMatch(/by pid \d+ \(.+\)/);
    expect(processOf(Number(/by pid (\d+)/.exec(output)?.[1]))).toBeDefined();
    expect(output).toMatch(/hint: .*--bind/);
    expect(await text(server, "/hello")).toBe("hello");
  });

  test("a living unix socket is never displaced", async () => {
    using place = new Place();
    const path = place.of("socket");
    await using server = await serve("wsgi_app:app", { args, bind: `unix:${path}` });
    const { code, output } = await failedBind(`unix:${path}`);
    expect(code).toBe(1);
    expect(output).toContain(`a server is listening on unix:${path}`);
    expect(await text(path, "/hello")).toBe("hello");
    expect(await server.stop()).toBe(0);
  });

  test("addresses that are not ours or not allowed", async () => {
    const other = await failedBind("192.0.2.1:0");
    expect(other).toMatchObject({ code: 1 });
    expect(other.output).toContain("192.0.2.1 is no address of this machine");
    const descriptor = await failedBind("fd://63");
    expect(descriptor.code).toBe(1);
    expect(descriptor.output).toContain("fd://63 is not an open socket");
  });
});

describe("A unix socket is served", () => {
  test("and removed at the end", async () => {
    using place = new Place();
    const path = place.of("socket");
    const server = await serve("wsgi_app:app", { args, bind: `unix:${path}` });
    expect(statSync(path).isSocket()).toBe(true);
    const environ = JSON.parse(await text(path, "/environment")) as Record<string, string>;
    expect(environ).toMatchObject({ PATH_INFO: "/environment", REMOTE_ADDR: "" });
    expect(await server.stop()).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  test("a stale one of a server that was killed is replaced", async () => {
    using place = new Place();
    const path = place.of("socket");
    const first = await serve("wsgi_app:app", { args, bind: `unix:${path}` });
    first.kill("SIGKILL");
    await first.exited;
    expect(statSync(path).isSocket()).toBe(true);
    // Its edge needs a moment to die: until then the socket is not stale.
    await eventually("the killed server's socket to be dead", () =>
      ask(path, "/hello").then(
        () => false,
        () => true,
      ),
    );
    await using second = await serve("wsgi_app:app", { args, bind: `unix:${path}` });
    expect(await text(path, "/hello")).toBe("hello");
    expect(await second.stop()).toBe(0);
  });

  test("a file that is no socket is left alone", async () => {
    using place = new Place();
    const path = place.write("precious", "data");
    const { code, output } = await failedBind(`unix:${path}`);
    expect(code).toBe(1);
    expect(output).toContain("is no socket");
    expect(statSync(path).size).toBe(4);
  });
});

describe("An inherited descriptor is served", () => {
  test("as fd://N, which somebody else has bound", async () => {
    using place = new Place();
    const path = place.of("handed");
    const python = examplesPython() ?? "python3";
    const child = Bun.spawn(
      [python, "-c", HAND_OVER, path, `${repository}/keelback`, "serve", "wsgi_app:app"],
      {
        cwd: appsDirectory,
        env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
        stdio: ["ignore", "ignore", "ignore"],
      },
    );
    try {
      // The socket is bound before the server starts: the first client waits in the kernel.
      await eventually("the socket", () => existsSync(path));
      await eventually("an answer", () =>
        text(path, "/hello").then(
          (answer) => answer === "hello",
          () => false,
        ),
      );
    } finally {
      child.kill("SIGTERM");
      expect(await child.exited).toBe(0);
    }
    // It is not ours to remove.
    expect(existsSync(path)).toBe(true);
  });
});

describe("Programs that the app starts inherit nothing", () => {
  test("neither listening sockets nor the server's own descriptors", async () => {
    await using server = await serve("wsgi_app:app", { args });
    const listing = await text(server, "/descriptors");
    const targets = listing
      .split("\n")
      .map((line) => / (\d+) -> (.*)$/.exec(line))
      .flatMap((found) => (found === null ? [] : [{ fd: Number(found[1]), target: found[2] }]))
      .filter(({ fd, target }) => fd > 2 && !target!.startsWith("/proc/"));
    expect(targets).toEqual([]);
  });
});

describe("Several addresses are served at once", () => {
  test("TCP and a unix socket", async () => {
    using place = new Place();
    const path = place.of("socket");
    await using server = await serve("wsgi_app:app", { args: [...args, "--bind", `unix:${path}`] });
    expect(await text(server, "/hello")).toBe("hello");
    expect(await text(path, "/hello")).toBe("hello");
  });

  test("a port that was free is free again at once", async () => {
    const first = await serve("wsgi_app:app", { args });
    const { port } = first;
    await using client = await begin(first, "/hello");
    await client.readResponse();
    expect(await first.stop()).toBe(0);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const listener = createServer().once("error", reject).listen(port, "127.0.0.1", resolve);
    await promise;
    listener.close();
  });
});

/** Binds argv[1], puts it on descriptor 3 and becomes the server. */
const HAND_OVER = `
import os, socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.bind(sys.argv[1])
sock.listen()
if sock.fileno() == 3:
    sock.set_inheritable(True)
else:
    os.dup2(sock.fileno(), 3)
os.execv(sys.argv[2], [*sys.argv[2:], "--bind", "fd://3", "--workers", "1", "--python", sys.executable])
`;
