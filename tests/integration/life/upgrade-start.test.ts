/** In which order the processes of a new server start, beside those of the old one that serves (SIGUSR2). */
import { describe, expect, test } from "bun:test";
import { descendants, gone, type Process } from "../../apps_life/processes.ts";
import { eventually, Load, Place, serve, text } from "../../apps_life/serve.ts";
import { Line } from "../../apps_life/successors.ts";

const args = ["--workers", "2"];

/** Says how many servers' edges were up when the zygote, which imports this, was started. */
const LOOKING = `
import glob, os, time

ticks = int(open("/proc/self/stat").read().rpartition(")")[2].split()[19])
up = float(open("/proc/uptime").read().split()[0])
TICK = 1 / os.sysconf("SC_CLK_TCK")
started = time.time() - up + ticks * TICK
sockets = glob.glob(os.environ["XDG_RUNTIME_DIR"] + "/keelback-*/edge-0.sock")
body = b"%d" % sum(os.stat(path).st_ctime < started + 2 * TICK for path in sockets)

def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "1")])
    return [body]
`;

/** Preloaded: no edge starts while the file `shut` is there. */
const EDGES_WAIT = `
import { existsSync } from "node:fs";
const shut = process.env.PLACE + "/shut";
if (process.argv.includes("__edge")) while (existsSync(shut)) Bun.sleepSync(2);
`;

describe("The edge of a new server starts before its workers", () => {
  test("workers of the new server start when its edge has: both at once would take the processors from the old one", async () => {
    using place = new Place();
    place.write("looking.py", LOOKING);
    const env = { XDG_RUNTIME_DIR: place.path };
    const early = [...args, "--preload"];
    await using server = await serve("looking:app", { args: early, env, cwd: place.path });
    await using line = new Line(server);
    const old = line.newest;
    await line.upgrade();
    await gone([old]);
    expect(await text(server.port, "/")).toBe("2");
  });

  test("a new server that is told to reload before its edge has started serves all the same, and says so when it does", async () => {
    using place = new Place();
    const env = { BUN_OPTIONS: `--preload ${place.write("edges-wait.ts", EDGES_WAIT)}` };
    await using server = await serve("wsgi_app:app", { args, place, env });
    await using line = new Line(server);
    await using load = new Load(server, "/hello", 4);
    await load.goesOn();
    const old = line.newest;
    const found = (what: string, pid: number): Process | undefined =>
      descendants(pid).find(({ command }) => command.includes(what));
    place.open("shut");
    process.kill(old.pid, "SIGUSR2");
    const successor = await eventually("a new server", () => found("main.ts serve", old.pid));
    await eventually("its edge", () => found("__edge", successor.pid));
    process.kill(successor.pid, "SIGHUP");
    await server.waitForLine(/reload: SIGHUP generation=2/);
    await server.waitForLine(/reload finished: generation 2 serves/);
    // Its workers are ready; its clients could not know.
    expect(server.output().match(/Ready in/g)?.length).toBe(1);
    place.shut("shut");
    await eventually("the other Ready", () => /Ready in[^]*Ready in/.test(server.output()));
    await gone([old]);
    expect(line.newest.pid).toBe(successor.pid);
    await load.goesOn();
    await load.stop();
    expect(load.failures).toEqual([]);
  });
});
