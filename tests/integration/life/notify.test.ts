import { describe, expect, test } from "bun:test";
import { descendants, gone, processOf } from "../../apps_life/processes.ts";
import { eventually, Place, serve, text } from "../../apps_life/serve.ts";
import { Line } from "../../apps_life/successors.ts";
import { ServiceManager } from "../../support/service-manager.ts";

const args = ["--workers", "1"];

/** Answers with the variables that are the service manager's, and cannot be imported while the file `broken` is there. */
const APP = `
import os
if os.path.exists(os.path.join(os.environ["PLACE"], "broken")):
    raise RuntimeError("broken for a test")
def app(environ, start_response):
    names = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
    body = ",".join(name for name in names if name in os.environ).encode() or b"none"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
`;

/** Its import does not end by itself. */
const ENDLESS = `
import os, time
with open(os.path.join(os.environ["PLACE"], "imported"), "a") as file:
    print(os.getpid(), file=file)
while True:
    time.sleep(0.01)
`;

function place(): Place {
  const made = new Place();
  made.write("notified.py", APP);
  return made;
}

describe("The service manager is told", () => {
  test("of the start, of reloads that succeed and that fail, and of the stop, in order", async () => {
    using here = place();
    using manager = new ServiceManager(here.of("notify"));
    const env = { NOTIFY_SOCKET: manager.name };
    const server = await serve("notified:app", { args, env, place: here, cwd: here.path });
    const news = (count: number): Promise<unknown> =>
      eventually(`${count} messages`, () => manager.news.length >= count);
    await news(1);
    server.kill("SIGHUP");
    await news(3);
    here.write("broken");
    server.kill("SIGHUP");
    await news(5);
    expect(await server.stop()).toBe(0);
    const main = `MAINPID=${server.pid}`;
    const found = "STATUS=notified:app (function, WSGI)";
    expect(manager.news.map((message) => message.split("\n"))).toEqual([
      ["READY=1", main, found],
      ["RELOADING=1", expect.stringMatching(/^MONOTONIC_USEC=[1-9]\d+$/), "STATUS=reloading"],
      ["READY=1", main, found],
      ["RELOADING=1", expect.stringMatching(/^MONOTONIC_USEC=[1-9]\d+$/), "STATUS=reloading"],
      ["READY=1", main, `${found}; the last reload failed`],
      ["STOPPING=1", "STATUS=stopping"],
    ]);
  });

  test("of a stop by SIGQUIT, which ends a new server that is on its way too", async () => {
    using here = place();
    using manager = new ServiceManager(here.of("notify"));
    const env = { NOTIFY_SOCKET: manager.name };
    const server = await serve("notified:app", { args, env, place: here, cwd: here.path });
    await eventually("the start", () => manager.news.length === 1);
    here.write("notified.py", ENDLESS);
    server.kill("SIGUSR2");
    const [successor] = await here.noted("imported");
    const family = descendants(server.pid);
    server.kill("SIGQUIT");
    expect(await server.exited).toBe(0);
    await gone(family);
    expect(family.map(({ pid }) => `${pid}`)).toContain(successor!);
    expect(manager.news.at(-1)).toBe("STOPPING=1\nSTATUS=stopping");
    expect(manager.news.filter((message) => message.startsWith("STOPPING")).length).toBe(1);
  });

  test("the time of a reload is that of the system's clock", async () => {
    using here = place();
    using manager = new ServiceManager(here.of("notify"));
    const env = { NOTIFY_SOCKET: manager.name };
    await using server = await serve("notified:app", { args, env, place: here, cwd: here.path });
    const before = monotonic();
    server.kill("SIGHUP");
    const reloading = await eventually("the reload", () =>
      manager.news.find((message) => message.startsWith("RELOADING=1")),
    );
    const microseconds = Number(/MONOTONIC_USEC=(\d+)/.exec(reloading)?.[1]);
    expect(microseconds / 1e6).toBeGreaterThan(before);
    expect(microseconds / 1e6).toBeLessThan(monotonic());
  });

  test("settings that are wrong end a reload, too", async () => {
    using here = place();
    using manager = new ServiceManager(here.of("notify"));
    here.write("keelback.toml", "threads = 4\n");
    const env = { NOTIFY_SOCKET: manager.name };
    await using server = await serve("notified:app", { args, env, place: here, cwd: here.path });
    await eventually("the start", () => manager.news.length === 1);
    here.write("keelback.toml", "threads = many\n");
    server.kill("SIGHUP");
    await eventually("the end of the reload", () => manager.news.length === 3);
    expect(manager.news[2]).toContain("READY=1");
  });

  test("signs of life come as long as it is asked for them, and the app sees nothing of it", async () => {
    using here = place();
    using manager = new ServiceManager(`@keelback-test-${process.pid}-${Date.now()}`);
    const env = { NOTIFY_SOCKET: manager.name, WATCHDOG_USEC: "40000", WATCHDOG_PID: "" };
    await using server = await serve("notified:app", { args, env, place: here, cwd: here.path });
    await eventually("signs of life", () => {
      return manager.messages.filter((message) => message === "WATCHDOG=1").length >= 5;
    });
    expect(await text(server, "/")).toBe("none");
  });

  test("signs of life come from a successor when the old server is gone", async () => {
    using here = place();
    using manager = new ServiceManager(here.of("notify"));
    const env = { NOTIFY_SOCKET: manager.name, WATCHDOG_USEC: "40000", WATCHDOG_PID: "" };
    await using server = await serve("notified:app", { args, env, place: here, cwd: here.path });
    await using line = new Line(server);
    await eventually("the start", () => manager.news.length > 0);
    const old = processOf(server.pid)!;
    await line.upgrade();
    await gone([old]);
    const before = manager.messages.length;
    await eventually("signs of life", () => {
      return manager.messages.slice(before).filter((one) => one === "WATCHDOG=1").length >= 5;
    });
  });

  test("signs of life that another process is asked for are not sent", async () => {
    using here = place();
    using manager = new ServiceManager(here.of("notify"));
    const env = { NOTIFY_SOCKET: manager.name, WATCHDOG_USEC: "1000", WATCHDOG_PID: "1" };
    const server = await serve("notified:app", { args, env, place: here, cwd: here.path });
    await eventually("the start", () => manager.messages.length > 0);
    expect(await server.stop()).toBe(0);
    expect(manager.messages.map((message) => message.split("\n")[0])).toEqual([
      "READY=1",
      "STOPPING=1",
    ]);
  });

  test("a manager that is gone does not stop the server", async () => {
    using here = place();
    const env = { NOTIFY_SOCKET: here.of("nobody") };
    await using server = await serve("notified:app", { args, env, place: here, cwd: here.path });
    await server.waitForLine(/the service manager cannot be told at \S+nobody: ENOENT/);
    expect(await text(server, "/")).toBe("none");
  });
});

/** CLOCK_MONOTONIC, in seconds, as another program reads it. */
function monotonic(): number {
  const program = "import time; print(time.monotonic())";
  return Number(Bun.spawnSync(["python3", "-c", program]).stdout.toString());
}
