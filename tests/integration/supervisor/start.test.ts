import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { closeListeners, openListener } from "../../../src/net/sockets.ts";
import { examplesPython, repository, runKeelback, startServer } from "../../support/server.ts";
import { PLAIN_SOCKETS } from "../../support/sockets.ts";
import { ask, makeProject, pidApp } from "./support.ts";

function occurrences(text: string, part: string): number {
  return text.split(part).length - 1;
}

test("a port in use: the error names who holds it", async () => {
  using project = makeProject({ "main.py": pidApp("v1") });
  const taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const bind = `127.0.0.1:${taken.port}`;
  const { code, stderr } = await runKeelback(["main:app", "--bind", bind], { cwd: project.path });
  taken.stop();
  expect(stderr).toContain(`${bind} is in use by pid ${process.pid}`);
  expect(stderr).toContain("--bind 127.0.0.1:");
  expect(code).toBe(1);
});

test("an app that fails at import: its traceback once, exit code 1", async () => {
  using project = makeProject({ "main.py": "def make():\n    raise ValueError('boom')\nmake()\n" });
  const args = ["main:app", "--bind", "127.0.0.1:0", "--workers", "3", "--interface", "asgi"];
  const { code, stderr } = await runKeelback(args, { cwd: project.path });
  expect(occurrences(stderr, "Traceback")).toBe(1);
  expect(stderr).toContain("ValueError: boom");
  expect(code).toBe(1);
});

test("an interpreter that is none: its words, exit code 1", async () => {
  using project = makeProject({ "main.py": pidApp("v1") });
  const args = ["main:app", "--bind", "127.0.0.1:0", "--python", "/bin/false"];
  const { code, stderr } = await runKeelback(args, { cwd: project.path });
  expect(stderr).toContain("/bin/false ended with status 1");
  expect(stderr).toContain("--python");
  expect(code).toBe(1);
});

test("a missing interpreter is a wrong setting: exit code 2", async () => {
  using project = makeProject({ "main.py": pidApp("v1") });
  const args = ["main:app", "--bind", "127.0.0.1:0", "--python", "./none"];
  const { code, stderr } = await runKeelback(args, { cwd: project.path });
  expect(stderr).toContain("does not exist");
  expect(code).toBe(2);
});

test("--check-config starts the app and says so", async () => {
  using project = makeProject({ "main.py": pidApp("v1") });
  const args = ["main:app", "--check-config", "--interface", "asgi"];
  const { code, stderr } = await runKeelback(args, { cwd: project.path });
  expect(stderr).toContain("main:app");
  expect(code).toBe(0);
});

test("a stale unix socket is replaced and removed at the end, a living one is not touched", async () => {
  using project = makeProject({ "main.py": pidApp("v1") });
  const path = join(project.path, "app.sock");
  const dead = Bun.spawnSync([
    "python3",
    "-c",
    `import socket; socket.socket(socket.AF_UNIX).bind(${JSON.stringify(path)})`,
  ]);
  expect(dead.exitCode).toBe(0);
  expect(existsSync(path)).toBe(true);
  const bind = `unix:${path}`;
  const args = ["--interface", "asgi", "--workers", "1"];
  const server = await startServer({ app: "main:app", args, bind, cwd: project.path });
  const answer = await fetch("http://app/", { unix: path });
  expect(await answer.text()).toStartWith("v1 ");
  const second = await runKeelback(["main:app", "--bind", bind], { cwd: project.path });
  expect(second.stderr).toContain(`a server is listening on ${bind}`);
  expect(second.code).toBe(1);
  expect((await fetch("http://app/", { unix: path })).status).toBe(200);
  expect(await server.stop()).toBe(0);
  expect(existsSync(path)).toBe(false);
});

test("a listening socket is taken over as fd://, as socket activation hands it", async () => {
  using project = makeProject({ "main.py": pidApp("v1") });
  const opened = await openListener({ kind: "tcp", host: "127.0.0.1", port: 0 }, PLAIN_SOCKETS);
  if (!opened.ok) throw new Error(opened.failure.message);
  const { fd, address } = opened.listener;
  const python = examplesPython();
  const child = Bun.spawn(
    [
      ...[`${repository}/keelback`, "main:app", "--interface", "asgi", "--bind", "fd://3"],
      ...(python === undefined ? [] : ["--python", python]),
    ],
    { cwd: project.path, stdio: ["ignore", "ignore", "ignore", fd] },
  );
  // The kernel holds the request until the server accepts it.
  expect((await ask(`http://${address}`)).version).toBe("v1");
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  closeListeners([opened.listener]);
});

test("a descriptor that is no socket is refused", async () => {
  using project = makeProject({ "main.py": pidApp("v1") });
  const { code, stderr } = await runKeelback(["main:app", "--bind", "fd://3"], {
    cwd: project.path,
  });
  expect(stderr).toContain("fd://3 is not an open socket");
  expect(code).toBe(1);
});
