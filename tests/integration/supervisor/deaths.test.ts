import { expect, test } from "bun:test";
import { startServer } from "../../support/server.ts";
import { ask, descendants, familyOf, isAlive, makeProject, pidApp, until } from "./support.ts";

const ARGS = ["--interface", "asgi", "--workers", "2"];

test("no process survives a supervisor that is killed", async () => {
  using project = makeProject({ "main.py": pidApp("v1") });
  const server = await startServer({ app: "main:app", args: ARGS, cwd: project.path });
  await ask(server.url);
  const children = descendants(server.pid).map((entry) => entry.pid);
  expect(children.length).toBe(4);
  server.kill("SIGKILL");
  await until("the end of all processes", () => !children.some(isAlive));
});

test("a killed worker is replaced", async () => {
  using project = makeProject({ "main.py": pidApp("v1") });
  await using server = await startServer({ app: "main:app", args: ARGS, cwd: project.path });
  const [victim = 0] = familyOf(server.pid).workers;
  process.kill(victim, "SIGKILL");
  await server.waitForLine(/worker-\d was killed by SIGKILL unexpectedly/);
  await until("a new worker", () => familyOf(server.pid).workers.length === 2);
  expect(familyOf(server.pid).workers).not.toContain(victim);
  expect((await ask(server.url)).version).toBe("v1");
});

test("a killed edge is replaced, on the same port and with the same workers", async () => {
  using project = makeProject({ "main.py": pidApp("v1") });
  await using server = await startServer({ app: "main:app", args: ARGS, cwd: project.path });
  const before = familyOf(server.pid);
  process.kill(before.edge, "SIGKILL");
  await server.waitForLine(/edge-0 .*a new one starts/);
  const { pid } = await until("an answer", () => ask(server.url).catch(() => null));
  const after = familyOf(server.pid);
  expect(after.edge).not.toBe(before.edge);
  expect(after.workers).toEqual([...before.workers]);
  expect(before.workers).toContain(pid);
});

test("workers outlive their zygote, and a new one forks their successors", async () => {
  using project = makeProject({ "main.py": pidApp("v1") });
  await using server = await startServer({ app: "main:app", args: ARGS, cwd: project.path });
  const before = familyOf(server.pid);
  process.kill(before.zygote, "SIGKILL");
  await server.waitForLine(/the zygote has ended/);
  const { pid } = await ask(server.url);
  expect(before.workers).toContain(pid);
  for (const worker of before.workers) process.kill(worker, "SIGKILL");
  const answer = await until("an answer of a new worker", () => ask(server.url).catch(() => null));
  expect(before.workers).not.toContain(answer.pid);
  expect(familyOf(server.pid).zygote).not.toBe(before.zygote);
});

const STUCK = `
import time
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError
    if scope["path"] == "/stuck":
        while True:
            try:
                time.sleep(3600)
            except BaseException:
                pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})
`;

test("a worker that is stuck is killed after its traceback, and the log names the request", async () => {
  using project = makeProject({ "main.py": STUCK });
  const args = [...ARGS, "--timeout", "1.5", "--interrupt", "0.1"];
  await using server = await startServer({ app: "main:app", args, cwd: project.path });
  const response = await fetch(`${server.url}/stuck`);
  expect(response.status).toBe(504);
  await server.waitForLine(/worker-\d does not answer.* request="GET \/stuck"/);
  await server.waitForLine(/worker-\d \| .*main\.py", line 9 in app/);
  await until("two workers", () => familyOf(server.pid).workers.length === 2);
  expect((await fetch(server.url)).status).toBe(204);
});
