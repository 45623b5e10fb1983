/** `keelback ctl` and a server that is being replaced: whom it means, and what the new one keeps of what was said to the old one. */
import { describe, expect, test } from "bun:test";
import { descendants, gone, processOf } from "../../apps_life/processes.ts";
import { ask, eventually, Place, serve } from "../../apps_life/serve.ts";
import { Line } from "../../apps_life/successors.ts";
import { runKeelback, type TestServer } from "../../support/server.ts";

/** Notes that it is imported, and waits for the gate of the file `gate`, if there is one. */
const APP = `
import os, time
place = os.environ["PLACE"]
with open(os.path.join(place, "imported"), "a") as notes:
    notes.write("here\\n")
if os.path.exists(os.path.join(place, "gate")):
    while not os.path.exists(os.path.join(place, "go")):
        time.sleep(0.005)
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
`;

const args = ["--workers", "1", "--ready-path", "/readyz"];

async function start(here: Place): Promise<TestServer> {
  here.write("waiting.py", APP);
  const server = await serve("waiting:app", { args, place: here, cwd: here.path });
  await server.waitForLine(/Ready in/);
  return server;
}

/** SIGUSR2, and the successor when it imports the app, which it goes on doing until `go`. */
async function upgrade(here: Place, server: TestServer): Promise<number> {
  here.write("gate");
  server.kill("SIGUSR2");
  await here.noted("imported", 2);
  return descendants(server.pid).find(({ command }) => command.includes("main.ts serve"))!.pid;
}

async function ctl(...words: string[]): Promise<Record<string, unknown>> {
  const { stdout, stderr } = await runKeelback(["ctl", ...words, "--json"]);
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** The old server steps back first, and may be gone before the new one has said so. */
function takenOver(server: TestServer, successor: number): Promise<string> {
  return server.waitForLine(new RegExp(`this is the server now pid=${successor}$`));
}

async function ready(server: TestServer): Promise<number> {
  return (await ask(server, "/readyz")).status;
}

describe("In an upgrade keelback ctl speaks with the server that serves", () => {
  test("a successor that starts is none yet, and says so", async () => {
    using here = new Place();
    await using server = await start(here);
    await using _ = new Line(server);
    const successor = await upgrade(here, server);
    const status = await ctl("status", "--pid", `${successor}`);
    expect(status).toMatchObject({ pid: successor, state: "starting", succeeds: server.pid });
    // Other tests' servers may be there: then these two are no two of several.
    const all = await runKeelback(["ctl", "status"]);
    expect(all.stdout + all.stderr).toContain(`pid ${server.pid}`);
    expect(all.stdout + all.stderr).not.toMatch(new RegExp(`pid ${successor}\\b`));
    const old = processOf(server.pid)!;
    here.open("go");
    await gone([old]);
    await takenOver(server, successor);
    const after = await ctl("status", "--pid", `${successor}`);
    expect(after).toMatchObject({ state: "serving", succeeds: null });
  });
});

describe("A drained server that is replaced stays drained", () => {
  test("and the log level is that of the settings again", async () => {
    using here = new Place();
    await using server = await start(here);
    await using line = new Line(server);
    await ctl("drain", "--pid", `${server.pid}`);
    await ctl("log-level", "debug", "--pid", `${server.pid}`);
    const old = processOf(server.pid)!;
    const successor = await line.upgrade();
    await gone([old]);
    expect(await ready(server)).toBe(503);
    expect(await ctl("status", "--pid", `${successor.pid}`)).toMatchObject({ state: "drained" });
    const before = server.output();
    process.kill(successor.pid, "SIGPIPE");
    await ctl("undrain", "--pid", `${successor.pid}`);
    await eventually("ready", async () => (await ready(server)) === 200);
    expect(server.output().slice(before.length)).not.toContain("SIGPIPE");
  });

  test.each(["drain", "undrain"])("%s said meanwhile counts", async (word) => {
    using here = new Place();
    await using server = await start(here);
    await using _ = new Line(server);
    const pid = ["--pid", `${server.pid}`];
    if (word === "undrain") await ctl("drain", ...pid);
    const successor = await upgrade(here, server);
    await ctl(word, ...pid);
    const old = processOf(server.pid)!;
    here.open("go");
    await gone([old]);
    await takenOver(server, successor);
    await eventually(
      "the word",
      async () => (await ready(server)) === (word === "drain" ? 503 : 200),
    );
    const state = word === "drain" ? "drained" : "serving";
    expect(await ctl("status", "--pid", `${successor}`)).toMatchObject({ state });
  });
});
