import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startServer } from "../../support/server.ts";
import { ask, familyOf, makeProject, pidApp, until } from "./support.ts";

const ARGS = ["--interface", "asgi", "--workers", "2"];

test("SIGHUP brings the new code in, and no request fails meanwhile", async () => {
  using project = makeProject({ "main.py": pidApp("v1") });
  await using server = await startServer({ app: "main:app", args: ARGS, cwd: project.path });
  const before = familyOf(server.pid);
  writeFileSync(join(project.path, "main.py"), pidApp("v2 "));
  let stop = false;
  const versions = new Set<string>();
  const load = (async (): Promise<void> => {
    while (!stop) versions.add((await ask(server.url)).version);
  })();
  server.kill("SIGHUP");
  await server.waitForLine(/the new workers serve/);
  await until("the new code alone", () => !before.workers.some((pid) => isWorker(server.pid, pid)));
  await until("an answer of the new code", () => versions.has("v2"));
  stop = true;
  await load;
  expect((await ask(server.url)).version).toBe("v2");
  await until("the end of the old zygote", () => familyOf(server.pid).zygote !== before.zygote);
});

function isWorker(supervisor: number, pid: number): boolean {
  try {
    process.kill(pid, 0);
    return supervisor > 0;
  } catch {
    return false;
  }
}

test("a reload that fails leaves the old workers and shows the traceback", async () => {
  using project = makeProject({ "main.py": pidApp("v1") });
  await using server = await startServer({ app: "main:app", args: ARGS, cwd: project.path });
  const before = familyOf(server.pid);
  writeFileSync(join(project.path, "main.py"), "raise ValueError('broken')\n");
  server.kill("SIGHUP");
  await server.waitForLine(/reload failed/);
  await server.waitForLine(/ValueError: broken/);
  const answer = await ask(server.url);
  expect(answer.version).toBe("v1");
  expect(before.workers).toContain(answer.pid);
});

test("--reload follows saves, also of new files, and serves the old code while the new fails", async () => {
  using project = makeProject({ "main.py": pidApp("v1") });
  const args = [...ARGS, "--reload"];
  await using server = await startServer({ app: "main:app", args, cwd: project.path });
  const { zygote } = familyOf(server.pid);
  writeFileSync(join(project.path, "main.py"), "def broken(:\n");
  await server.waitForLine(/SyntaxError/);
  expect((await ask(server.url)).version).toBe("v1");
  mkdirSync(join(project.path, "part"));
  writeFileSync(join(project.path, "part", "__init__.py"), "VERSION = 'new'\n");
  writeFileSync(join(project.path, "main.py"), `import part\n${pidApp("v2")}`);
  await until("the new code", async () => (await ask(server.url)).version === "v2");
  writeFileSync(join(project.path, "part", "__init__.py"), "VERSION = 'newer'\n");
  await server.waitForLine(/part.__init__\.py changed/);
  expect(familyOf(server.pid).zygote).toBe(zygote);
});

test("SIGHUP reads the settings again: live ones apply, wrong ones change nothing", async () => {
  using project = makeProject({
    "main.py": pidApp("v1"),
    "keelback.toml": "workers = 1\nqueue = 100\n",
  });
  const args = ["--interface", "asgi"];
  await using server = await startServer({ app: "main:app", args, cwd: project.path });
  expect(familyOf(server.pid).workers.length).toBe(1);
  writeFileSync(join(project.path, "keelback.toml"), "workers = 3\nqueue = 200\n");
  server.kill("SIGHUP");
  await server.waitForLine(/need a restart: queue/);
  await server.waitForLine(/the new workers serve/);
  const more = await until("three workers", () => {
    const { workers } = familyOf(server.pid);
    return workers.length === 3 ? workers : null;
  });
  writeFileSync(join(project.path, "keelback.toml"), "workers = 'many'\n");
  server.kill("SIGHUP");
  await server.waitForLine(/reload failed, everything stays: .*workers/);
  expect(familyOf(server.pid).workers).toEqual([...more]);
});

test("--preload imports once for all workers, and a reload imports anew", async () => {
  const counted = `print("imported", flush=True)\n${pidApp("v1")}`;
  using project = makeProject({ "main.py": counted });
  const args = [...ARGS, "--preload"];
  await using server = await startServer({ app: "main:app", args, cwd: project.path });
  const count = (): number => server.output().split("zygote | imported").length - 1;
  await until("the app's output", () => count() === 1);
  server.kill("SIGHUP");
  await server.waitForLine(/the new workers serve/);
  await until("the app's output", () => count() === 2);
  writeFileSync(join(project.path, "main.py"), "raise ValueError('broken')\n");
  server.kill("SIGHUP");
  await server.waitForLine(/ValueError: broken/);
  expect((await ask(server.url)).version).toBe("v1");
});
