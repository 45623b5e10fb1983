/** What happens in a worker before it serves and after: tests/python has the details of each turn. */
import { describe, expect, test } from "bun:test";
import { Place, serve, text } from "../../apps_life/serve.ts";

const SITE = `
import os

def note(line):
    with open(os.path.join(os.environ["PLACE"], "log"), "a") as file:
        file.write(line + "\\n")

warm = []

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/warm":
        warm.append(path)
        if os.path.exists(os.path.join(os.environ["PLACE"], "broken")):
            raise RuntimeError("cold")
    start_response("200 OK", [])
    return [f"{path} {len(warm)}".encode()]

def started(info):
    note(f"start {info.name}")

def stopped():
    note("stop")
`;

describe("A worker answers its warm-up requests before it serves", () => {
  test("and a reload whose warm-up fails keeps the old workers", async () => {
    using place = new Place();
    place.write("site_app.py", SITE);
    const args = ["--workers", "1", "--warmup", "/warm", "--warmup", "/warm?again"];
    await using server = await serve("site_app:app", { args, place, cwd: place.path });
    expect(await text(server, "/first")).toBe("/first 2");
    place.open("broken");
    server.kill("SIGHUP");
    await server.waitForLine(/reload failed, the old workers stay.*warm-up request for \/warm/);
    await server.waitForLine(/RuntimeError: cold/);
    expect(await text(server, "/second")).toBe("/second 2");
  });
});

describe("Hooks run at the turns of a worker's life", () => {
  test("of each worker, in peace", async () => {
    using place = new Place();
    place.write("site_app.py", SITE);
    const hooks = ["--on-worker-start", "site_app:started", "--on-worker-stop", "site_app:stopped"];
    const args = ["--workers", "2", ...hooks];
    const server = await serve("site_app:app", { args, place, cwd: place.path });
    expect(await server.stop()).toBe(0);
    const lines = place.lines("log").toSorted();
    expect(lines).toEqual(["start worker-1", "start worker-2", "stop", "stop"]);
  });

  test("one that fails stops the start", async () => {
    using place = new Place();
    place.write("site_app.py", SITE);
    const args = ["--on-worker-start", "site_app:nothing"];
    const error = await serve("site_app:app", { args, place, cwd: place.path }).catch(String);
    expect(error).toMatch(/site_app has no attribute 'nothing'/);
  });
});
