import { expect, test } from "bun:test";
import { startServer } from "../../support/server.ts";
import { ask, descendants, isAlive, makeProject, pidApp, until } from "./support.ts";

const ARGS = ["--interface", "asgi", "--workers", "2"];

test.each(["SIGTERM", "SIGINT"] as const)(
  "%s stops with exit code 0 after lifespan shutdown",
  async (signal) => {
    using project = makeProject({ "main.py": pidApp("v1") });
    const server = await startServer({ app: "main:app", args: ARGS, cwd: project.path });
    const { pid } = await ask(server.url);
    const children = descendants(server.pid).map((entry) => entry.pid);
    expect(children.length).toBe(4);
    server.kill(signal);
    expect(await server.exited).toBe(0);
    expect(server.output()).toContain(`shutdown of ${pid}`);
    expect(children.filter(isAlive)).toEqual([]);
  },
);

test("signals of other servers do not end this one", async () => {
  using project = makeProject({ "main.py": pidApp("v1") });
  await using server = await startServer({ app: "main:app", args: ARGS, cwd: project.path });
  for (const signal of ["SIGUSR1", "SIGWINCH", "SIGTTIN", "SIGTTOU"] as const) {
    server.kill(signal);
  }
  server.kill("SIGHUP");
  await server.waitForLine(/the new workers serve/);
  expect((await ask(server.url)).version).toBe("v1");
});

const HANGING = `
import asyncio
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError
    print("begun", flush=True)
    await asyncio.sleep(3600)
`;

test("a second signal stops at once", async () => {
  using project = makeProject({ "main.py": HANGING });
  const server = await startServer({ app: "main:app", args: ARGS, cwd: project.path });
  const request = fetch(server.url).catch(() => null);
  await server.waitForLine(/begun/);
  const children = descendants(server.pid).map((entry) => entry.pid);
  server.kill("SIGTERM");
  await server.waitForLine(/stopping/);
  expect(isAlive(server.pid)).toBe(true);
  server.kill("SIGTERM");
  expect(await server.exited).toBe(0);
  await until("the end of all processes", () => !children.some(isAlive));
  await request;
});

test("the graceful timeout cuts what still runs", async () => {
  using project = makeProject({ "main.py": HANGING });
  const args = [...ARGS, "--graceful-timeout", "0.2"];
  const server = await startServer({ app: "main:app", args, cwd: project.path });
  const request = fetch(server.url).catch(() => null);
  await server.waitForLine(/begun/);
  server.kill("SIGTERM");
  expect(await server.exited).toBe(0);
  await request;
});
