import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, renameSync, statSync, symlinkSync } from "node:fs";
import { gone, processOf, treeOf } from "../../apps_life/processes.ts";
import {
  appsDirectory,
  ask,
  begin,
  eventually,
  Place,
  type ServeOptions,
  serve,
  text,
} from "../../apps_life/serve.ts";
import { runKeelback, type TestServer } from "../../support/server.ts";

const args = ["--workers", "1"];
const asRoot = process.getuid?.() === 0;
/** Debian's, whose files everybody may read; the one of the examples may lie in somebody's home. */
const SYSTEM_PYTHON = "/usr/bin/python3";

/** Answers with what the app's process is and can do. */
const APP = `
import grp, os, pwd
def app(environ, start_response):
    facts = [
        os.getuid(), os.getgid(), sorted(os.getgroups()), os.environ.get("HOME"),
        os.environ.get("USER"), "XDG_RUNTIME_DIR" in os.environ, oct(os.umask(0)),
    ]
    body = repr(facts).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
`;

function place(): Place {
  const made = new Place();
  made.write("facts.py", APP);
  chmodSync(made.path, 0o755);
  return made;
}

function start(
  here: Place,
  more: readonly string[],
  options: ServeOptions = {},
): Promise<TestServer> {
  return serve("facts:app", { args: [...args, ...more], cwd: here.path, ...options });
}

function statusOf(pid: number, name: string): string {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return (
    new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1]?.trim().replaceAll(/\s+/g, " ") ?? ""
  );
}

function everyProcess(server: TestServer): number[] {
  const { edges, zygotes, workers } = treeOf(server);
  return [server.pid, ...[...edges, ...zygotes, ...workers].map(({ pid }) => pid)];
}

describe.skipIf(!asRoot)("Root's rights are given up once the sockets are open", () => {
  const user = ["--python", SYSTEM_PYTHON, "--user", "nobody"];

  test("every process is that user, with a port of root's and nothing else of root", async () => {
    using here = place();
    await using server = await startOnLowPort(here, user);
    const { port } = server;
    for (const pid of everyProcess(server)) {
      expect(statusOf(pid, "Uid")).toBe("65534 65534 65534 65534");
      expect(statusOf(pid, "Gid")).toBe("65534 65534 65534 65534");
      expect(statusOf(pid, "Groups")).toBe("65534");
      expect(statusOf(pid, "CapEff")).toBe("0000000000000000");
      expect(statusOf(pid, "NoNewPrivs")).toBe("1");
    }
    expect(await text(port, "/")).toStartWith(
      "[65534, 65534, [65534], '/nonexistent', 'nobody', False,",
    );
    expect(server.output()).not.toContain("runs as root");
    server.kill("SIGHUP");
    await server.waitForLine(/the new workers serve/);
    expect(await text(port, "/")).toStartWith("[65534,");
  });

  test("a group and supplementary groups", async () => {
    using here = place();
    const named = ["--python", SYSTEM_PYTHON, "--user", "www-data", "--group", "daemon"];
    await using server = await start(here, [...named, "--no-no-new-privileges"]);
    const [pid = 0] = everyProcess(server);
    expect(statusOf(pid, "Uid")).toBe("33 33 33 33");
    expect(statusOf(pid, "Gid")).toBe("1 1 1 1");
    expect(statusOf(pid, "Groups").split(" ").map(Number)).toEqual([1, ...groupsOf("www-data")]);
    expect(statusOf(pid, "NoNewPrivs")).toBe("0");
  });

  test("a number that is no user's", async () => {
    using here = place();
    const numbers = ["--python", SYSTEM_PYTHON, "--user", "54321", "--group", "54322"];
    await using server = await start(here, numbers);
    expect(await text(server, "/")).toStartWith("[54321, 54322, [54322],");
  });

  test("log files belong to the user, and the PID file is emptied where it cannot be removed", async () => {
    using here = place();
    const [log, pid] = [here.of("server.log"), here.of("server.pid")];
    const files = ["--pid", pid, "--log-file", log];
    await using child = Bun.spawn([...command(["facts:app", ...args, ...user, ...files])], {
      cwd: here.path,
      stderr: "ignore",
    });
    await eventually("the start", () =>
      here.lines("server.log").some((line) => /Ready/.test(line)),
    );
    expect(statSync(log).uid).toBe(65534);
    expect(readFileSync(pid, "utf8")).toBe(`${child.pid}\n`);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(readFileSync(pid, "utf8")).toBe("");
  });

  test("what the user may not read stops the start, and so does one whom nobody knows", async () => {
    using here = place();
    const secret = new Place();
    using _ = secret;
    const run = (...more: string[]): Promise<{ code: number; stderr: string }> =>
      runKeelback(["facts:app", "--bind", "127.0.0.1:0", "--python", SYSTEM_PYTHON, ...more], {
        cwd: here.path,
      });
    secret.write("log", "");
    chmodSync(secret.path, 0o700);
    const unreadable = await run("--user", "nobody", "--access-log", secret.of("log"));
    expect(unreadable.code).toBe(1);
    expect(unreadable.stderr).toMatch(/access-log: .* \(as user 65534\)/);
    const control = await run("--user", "nobody", "--control", secret.of("ctl.sock"));
    expect(control.code).toBe(1);
    expect(control.stderr).toMatch(
      /control: .* cannot be written by this user .*\(as user 65534\)/,
    );
    const unknown = await run("--user", "no-such-user");
    expect([unknown.code, unknown.stderr]).toEqual([
      2,
      "keelback: user: no-such-user is no user of this system\n",
    ]);
    const group = await run("--group", "no-such-group");
    expect(group.stderr).toBe("keelback: group: no-such-group is no group of this system\n");
  });

  test("who is not root stays who it is, and says so", async () => {
    using here = place();
    const before = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    const other = Bun.spawnSync([...before, ...command(["facts:app", "--user", "www-data"])], {
      cwd: here.path,
    });
    expect(other.exitCode).toBe(2);
    expect(other.stderr.toString()).toContain("user: www-data needs root, and this is user 65534");
    await using server = await start(here, user, { before });
    expect(await text(server, "/")).toStartWith("[65534, 65534,");
  });
});

describe("The PID file is its owner's", () => {
  test("it is written, readable for all, and removed", async () => {
    using here = place();
    const file = here.of("server.pid");
    const server = await start(here, ["--pid", file]);
    expect(readFileSync(file, "utf8")).toBe(`${server.pid}\n`);
    expect((statSync(file).mode & 0o777).toString(8)).toBe("644");
    expect(await server.stop()).toBe(0);
    expect(existsSync(file)).toBe(false);
  });

  test("a running server's stops the start, one left behind is replaced", async () => {
    using here = place();
    const file = here.of("server.pid");
    const server = await start(here, ["--pid", file]);
    const second = await runKeelback(
      ["facts:app", "--bind", "127.0.0.1:0", "--pid", file, "--python", SYSTEM_PYTHON],
      { cwd: here.path },
    );
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`belongs to a running server (pid ${server.pid})`);
    expect(readFileSync(file, "utf8")).toBe(`${server.pid}\n`);
    server.kill("SIGKILL");
    await server.exited;
    expect(readFileSync(file, "utf8")).toBe(`${server.pid}\n`);
    await using third = await start(here, ["--pid", file]);
    expect(readFileSync(file, "utf8")).toBe(`${third.pid}\n`);
  });

  test("no link is followed", async () => {
    using here = place();
    const target = here.write("precious");
    symlinkSync(target, here.of("server.pid"));
    const { code, stderr } = await runKeelback(
      ["facts:app", "--bind", "127.0.0.1:0", "--pid", here.of("server.pid")],
      { cwd: here.path },
    );
    expect(code).toBe(1);
    expect(stderr).toContain("is a symbolic link");
    expect(readFileSync(target, "utf8")).toBe("");
  });
});

describe("SIGUSR1 opens the logs again", () => {
  test("the server's own log, of the supervisor and of the edge", async () => {
    using here = place();
    const log = here.of("server.log");
    await using child = Bun.spawn(
      [...command(["facts:app", ...args, "--log-file", log, "--log-level", "info"])],
      { cwd: here.path, stderr: "pipe" },
    );
    const port = await eventually("the port", () => {
      const found = existsSync(log) ? /127\.0\.0\.1:(\d+)/.exec(readFileSync(log, "utf8")) : null;
      return found === null ? undefined : Number(found[1]);
    });
    renameSync(log, here.of("server.log.1"));
    child.kill("SIGUSR1");
    await eventually("the log", () => existsSync(log));
    child.kill("SIGHUP");
    await eventually("a line of the supervisor", () => {
      return readFileSync(log, "utf8").includes("reload: SIGHUP");
    });
    await eventually("a line of the edge", async () => {
      const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } });
      socket.write("BAD\r\n\r\n");
      socket.end();
      return readFileSync(log, "utf8").includes("edge-0: refused");
    });
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(readFileSync(log, "utf8")).toContain("stopped");
    expect(await new Response(child.stderr).text()).toBe("");
  });
});

describe("--daemon ends when the server serves", () => {
  test("the server is in a session of its own, and says everything in its log", async () => {
    using here = place();
    const [log, pid] = [here.of("server.log"), here.of("server.pid")];
    const background = ["--daemon", "--log-file", log, "--pid", pid];
    const words = ["facts:app", "--bind", "127.0.0.1:0", ...args, ...background];
    const { code, stdout, stderr } = await runKeelback(words, { cwd: here.path });
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "", stderr: "" });
    const server = processOf(Number(readFileSync(pid, "utf8")))!;
    try {
      const url = /http:\S+/.exec(readFileSync(log, "utf8"))?.[0] ?? "";
      expect(await (await fetch(url)).text()).toStartWith("[");
      expect(statusOf(server.pid, "NSsid")).toBe(String(server.pid));
      const again = await runKeelback(words, { cwd: here.path });
      expect(again.code).toBe(1);
      expect(again.stderr).toContain(`belongs to a running server (pid ${server.pid})`);
    } finally {
      process.kill(server.pid);
    }
    await gone([server]);
    expect(readFileSync(log, "utf8")).toContain("stopped");
    expect(existsSync(pid)).toBe(false);
  });

  test("a start that fails is shown", async () => {
    using here = place();
    here.write("facts.py", "raise RuntimeError('not today')\n");
    const words = ["facts:app", "--bind", "127.0.0.1:0", ...args, "--daemon", "--log-file"];
    const failed = await runKeelback([...words, here.of("server.log")], { cwd: here.path });
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("RuntimeError: not today");
    const silent = await runKeelback(words.slice(0, -1), { cwd: here.path });
    expect(silent.code).toBe(2);
    expect(silent.stderr).toContain("daemon: (from --daemon) needs log-file");
  });
});

describe("SIGWINCH stops the workers of a daemon", () => {
  test("requests that run finish, others get 503, and SIGTTIN and SIGHUP bring workers back", async () => {
    using here = new Place();
    const [log, file] = [here.of("server.log"), here.of("server.pid")];
    const background = ["--daemon", "--log-file", log, "--pid", file, "--workers", "2"];
    const { code } = await runKeelback(["wsgi_app:app", "--bind", "127.0.0.1:0", ...background], {
      cwd: appsDirectory,
      env: { PLACE: here.path, PYTHONDONTWRITEBYTECODE: "1" },
    });
    expect(code).toBe(0);
    const server = processOf(Number(readFileSync(file, "utf8")))!;
    try {
      const port = Number(/http:\S+:(\d+)/.exec(readFileSync(log, "utf8"))?.[1]);
      const workers = (): number => treeOf(server).workers.length;
      const status = async (): Promise<number> => (await ask(port, "/hello")).status;
      expect([await status(), workers()]).toEqual([200, 2]);
      await using client = await begin(port, "/wait/slow");
      await here.noted("slow.begun");
      process.kill(server.pid, "SIGWINCH");
      await eventually("503", async () => (await status()) === 503);
      here.open("slow");
      expect((await client.readResponse()).body).toBe("waited for slow");
      await eventually("no workers", () => workers() === 0);
      process.kill(server.pid, "SIGTTIN");
      await eventually("an answer", async () => (await status()) === 200);
      expect(workers()).toBe(1);
      process.kill(server.pid, "SIGWINCH");
      await eventually("no workers", () => workers() === 0);
      process.kill(server.pid, "SIGHUP");
      await eventually("two workers", () => workers() === 2);
      await eventually("an answer", async () => (await status()) === 200);
    } finally {
      process.kill(server.pid);
    }
    await gone([server]);
  });
});

describe("Processes have names", () => {
  test("the kernel shows who is who", async () => {
    using here = place();
    await using server = await start(here, []);
    const name = (pid: number): string => readFileSync(`/proc/${pid}/comm`, "utf8").trim();
    expect(everyProcess(server).map(name)).toEqual([
      "keelback",
      "keelback:edge-0",
      "keelback:zygote",
      "keelback:w1",
    ]);
  });
});

describe("New files have the umask's permissions", () => {
  test("in the app and in the server", async () => {
    using here = place();
    const log = here.of("access.log");
    await using server = await start(here, ["--umask", "077", "--access-log", log]);
    expect(await text(server, "/")).toContain("'0o77'");
    await eventually("a line", () => here.lines("access.log").length > 0);
    expect((statSync(log).mode & 0o777).toString(8)).toBe("600");
  });

  test("a mask that would lock out the server itself is refused", async () => {
    for (const mask of ["0777", "9", "u=rw"]) {
      const { code, stderr } = await runKeelback(["facts:app", "--umask", mask]);
      expect(code).toBe(2);
      expect(stderr).toContain("is no mask; allowed: octal, 0 to 077");
    }
  });
});

/** Those that name this user as a member, beside its primary one. */
function groupsOf(user: string): number[] {
  return readFileSync("/etc/group", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .filter(([, , , members = ""]) => members.split(",").includes(user))
    .map(([, , number]) => Number(number));
}

function command(words: readonly string[]): readonly string[] {
  const executable = new URL("../../../keelback", import.meta.url).pathname;
  return [executable, "serve", "--bind", "127.0.0.1:0", ...words];
}

/** On a port that only root may bind: the first one that nobody else has. */
async function startOnLowPort(here: Place, more: readonly string[]): Promise<TestServer> {
  for (let port = 1023; port > 600; port--) {
    const started = await start(here, more, { bind: `127.0.0.1:${port}` }).catch(String);
    if (typeof started !== "string") return started;
    if (!started.includes("is in use")) throw new Error(started);
  }
  throw new Error("no free port below 1024");
}
