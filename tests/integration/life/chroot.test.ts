/** The server in another root directory: one of bind mounts, in a mount namespace of its own that ends with it. */
import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, realpathSync } from "node:fs";
import { inContainer } from "../../../src/supervisor/process/privileges.ts";
import { gone, processOf, treeOf } from "../../apps_life/processes.ts";
import { eventually, Place, serve, text } from "../../apps_life/serve.ts";
import { Line } from "../../apps_life/successors.ts";
import { repository, runKeelback } from "../../support/server.ts";
import { ServiceManager } from "../../support/service-manager.ts";

const asRoot = process.getuid?.() === 0;
const PYTHON = ["--python", "/usr/bin/python3"];
/** What the interpreter and Keelback need. */
const SHARED = ["/usr", "/etc", "/dev", "/proc", repository];
/** On a merged system these lead into /usr. */
const LIBRARIES = ["/lib", "/lib64"];

const APP = `
import os
def app(environ, start_response):
    length = len(environ["wsgi.input"].read())
    body = repr((os.getcwd(), sorted(os.listdir("/")), os.getuid(), length)).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
`;

/** An empty root with an app in /srv; `before` mounts the rest and starts the command. */
function jail(): { here: Place; before: string[] } {
  const here = new Place();
  chmodSync(here.path, 0o755);
  for (const name of ["srv", "tmp"]) mkdirSync(here.of(name));
  chmodSync(here.of("tmp"), 0o1777);
  here.write("srv/inside.py", APP);
  const mounts = [...SHARED, ...LIBRARIES.filter((path) => existsSync(path))].map((path) => {
    mkdirSync(here.of(path), { recursive: true });
    return `mount --rbind ${realpathSync(path)} ${here.of(path)}`;
  });
  const script = [...mounts, 'exec "$@"'].join(" && ");
  const own = ["unshare", "--mount", "--propagation", "private"];
  return { here, before: [...own, "sh", "-c", script, "sh"] };
}

describe.skipIf(!asRoot)("With chroot the whole server is inside before anything is opened", () => {
  test("every process, a reload and a successor", async () => {
    const { here, before } = jail();
    using _ = here;
    const user = ["--user", "33", "--group", "33", "--workers", "1"];
    await using server = await serve("inside:app", {
      ...{ before, cwd: here.of("srv") },
      args: ["--chroot", here.path, ...PYTHON, ...user],
    });
    await using line = new Line(server);
    const names = rootNames(here).map((name) => `'${name}'`);
    const inside = `('/srv', [${names.join(", ")}], 33, 0)`;
    expect(await text(server, "/")).toBe(inside);
    const { edges, zygotes, workers } = treeOf(server);
    for (const { pid } of [server, ...edges, ...zygotes, ...workers]) {
      expect(realpathSync(`/proc/${pid}/root`)).toBe(here.path);
    }
    server.kill("SIGHUP");
    await server.waitForLine(/the new workers serve/);
    expect(await text(server, "/")).toBe(inside);
    const old = processOf(server.pid)!;
    const successor = await line.upgrade();
    await gone([old]);
    expect(await text(server, "/")).toBe(inside);
    expect(realpathSync(`/proc/${successor.pid}/root`)).toBe(here.path);
  });

  test("the service manager is told, who is outside, by a successor too", async () => {
    const { here, before } = jail();
    using _ = here;
    using outside = new Place();
    using manager = new ServiceManager(outside.of("notify"));
    chmodSync(outside.path, 0o755);
    chmodSync(outside.of("notify"), 0o777);
    const user = ["--user", "33", "--group", "33", "--workers", "1"];
    await using server = await serve("inside:app", {
      ...{ before, cwd: here.of("srv"), env: { NOTIFY_SOCKET: manager.name } },
      args: ["--chroot", here.path, ...PYTHON, ...user],
    });
    await using line = new Line(server);
    const said = (pid: number, what: string): Promise<unknown> =>
      eventually(
        () => `${what} of ${pid} in ${manager.news.join("; ")}`,
        () => manager.news.some((news) => news.includes(what) && news.includes(`=${pid}\n`)),
      );
    await said(server.pid, "READY=1");
    const successor = await line.upgrade();
    await said(successor.pid, "READY=1");
    expect(server.output()).not.toContain("cannot be told");
  });

  test("what is missing is named", async () => {
    using here = new Place();
    const run = (): Promise<{ code: number; stderr: string }> =>
      runKeelback(["x:app", "--bind", "127.0.0.1:0", "--chroot", here.path]);
    const empty = await run();
    expect(empty.code).toBe(1);
    expect(empty.stderr).toContain(`chroot: ${here.path} has no ${repository}`);
    expect(empty.stderr).toContain("must be there (mount --bind)");
  });
});

/** Apart from its files, which a jail has not: nothing is warned of in a container. */
const contained = inContainer({
  ...{ pid: process.pid, env: process.env, exists: () => false },
  read: (path) => (existsSync(path) ? readFileSync(path, "utf8") : null),
});

describe.skipIf(!asRoot || contained)(
  "Root's rights are given up once the sockets are open",
  () => {
    test("an app that runs as root is warned of (needs root, outside a container)", async () => {
      const { here, before } = jail();
      using _ = here;
      const options = { before, cwd: here.of("srv") };
      const words = ["--chroot", here.path, ...PYTHON, "--workers", "1"];
      await using server = await serve("inside:app", { ...options, args: words });
      await server.waitForLine(/the app runs as root: name a user .* --user USER/);
      const user = ["--user", "33", "--group", "33"];
      await using other = await serve("inside:app", { ...options, args: [...words, ...user] });
      await other.waitForLine(/Ready in/);
      expect(other.output()).not.toContain("runs as root");
    });
  },
);

test("chroot needs root", async () => {
  const words = ["x:app", "--bind", "127.0.0.1:0", "--chroot", "/"];
  const before = asRoot
    ? ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    : [];
  const { exitCode, stderr } = Bun.spawnSync([...before, `${repository}/keelback`, ...words]);
  expect(exitCode).toBe(1);
  expect(stderr.toString()).toBe("keelback: chroot: / is refused: EPERM; it needs root\n");
});

function rootNames(here: Place): string[] {
  return [...new Bun.Glob("*").scanSync({ cwd: here.path, onlyFiles: false })].sort();
}
