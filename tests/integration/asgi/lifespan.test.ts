import { describe, expect, test } from "bun:test";
import { supervisorOf } from "../../apps_life/processes.ts";
import {
  appsDirectory,
  ask,
  begin,
  eventually,
  Place,
  serve,
  text,
} from "../../apps_life/serve.ts";
import { examplesPython, runKeelback } from "../../support/server.ts";

const args = ["--workers", "1"];

/** A start that must fail. */
async function failedStart(app: string, place: Place, ...more: string[]) {
  const python = examplesPython();
  const command = ["serve", app, "--bind", "127.0.0.1:0", ...args, ...more];
  if (python !== undefined) command.push("--python", python);
  const env = { PLACE: place.path, PYTHONDONTWRITEBYTECODE: "1" };
  const { code, stdout, stderr } = await runKeelback(command, { cwd: appsDirectory, env });
  return { code, output: stdout + stderr };
}

describe("Lifespan startup and shutdown run once", () => {
  test("in each worker, in one task, shutdown after the last answer", async () => {
    using place = new Place();
    const server = await serve("lifespans:good", { place, args });
    const pid = await text(server, "/");
    await using client = await begin(server, "/wait/gate");
    await place.noted("life", 2);
    const stopped = server.stop();
    await server.waitForLine(/stopping/);
    place.open("gate");
    expect((await client.readResponse()).body).toBe("waited");
    expect(await stopped).toBe(0);
    const events = ["lifespan.startup", "request", "answered", "lifespan.shutdown"];
    expect(place.lines("life")).toEqual(events.map((event) => `${event} ${pid}`));
    expect(place.lines("tasks")).toEqual(["same task"]);
  });

  test("startup.failed ends the start with exit code 1 and its message, once", async () => {
    using place = new Place();
    const { code, output } = await failedStart("lifespans:refuses", place);
    expect(code).toBe(1);
    expect(output).toContain("the database is away");
    expect(place.lines("life").length).toBe(1);
  });

  test("an app that does not know lifespan is served without", async () => {
    using place = new Place();
    for (const app of ["lifespans:unaware", "lifespans:returns", "lifespans:raises"]) {
      await using server = await serve(app, { place, args });
      expect((await ask(server, "/")).status).toBe(200);
      expect(await server.stop()).toBe(0);
    }
  });

  test("with --lifespan on it is an error, with off it is not asked", async () => {
    using place = new Place();
    const { code, output } = await failedStart("lifespans:raises", place, "--lifespan", "on");
    expect(code).toBe(1);
    expect(output).toContain("startup blew up");
    expect(output).toContain("lifespans.py");
    await using server = await serve("lifespans:good", {
      place,
      args: [...args, "--lifespan", "off"],
    });
    expect(await text(server, "/")).toMatch(/^\d+$/);
    expect(await server.stop()).toBe(0);
    expect(place.lines("life")).toEqual([]);
  });

  test("SIGTERM during startup still runs shutdown", async () => {
    using place = new Place();
    const starting = serve("lifespans:slow_start", { place, args });
    starting.catch(() => {});
    await place.noted("life");
    // The server says where it listens only when the app has started: its pid is the workers' grandparent.
    const worker = Number(place.lines("life")[0]?.split(" ")[1]);
    process.kill(supervisorOf(worker), "SIGTERM");
    place.open("started");
    const lines = await place.noted("life", 2);
    expect(lines[1]).toBe(`lifespan.shutdown ${worker}`);
    expect(await starting.catch(String)).toContain("ended");
  });

  test("a lifespan that dies later stops its worker, and another takes its place", async () => {
    using place = new Place();
    await using server = await serve("lifespans:dies_later", { place, args });
    const pid = await text(server, "/");
    place.open("die");
    await server.waitForLine(/the background task fell over/);
    await eventually("another worker", async () => (await ask(server, "/")).body !== pid);
  });

  test("a shutdown that fails is logged and the server ends all the same", async () => {
    using place = new Place();
    const server = await serve("lifespans:bad_shutdown", { place, args });
    expect(await text(server, "/")).toBe("served");
    expect(await server.stop()).toBe(0);
    expect(server.output()).toContain("shutdown blew up");
  });
});

describe("Lifespan state reaches each request", () => {
  test("as a shallow copy", async () => {
    using place = new Place();
    await using server = await serve("lifespans:good", { place, args });
    expect(JSON.parse(await text(server, "/state"))).toEqual(["from startup", 1]);
    expect(JSON.parse(await text(server, "/state"))).toEqual(["from startup", 2]);
    expect(JSON.parse(await text(server, "/state"))).toEqual(["from startup", 3]);
  });
});
