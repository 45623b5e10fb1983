/** What a worker does before it goes when something still runs at the end of the graceful timeout. */
import { describe, expect, test } from "bun:test";
import { gone, treeOf } from "../../apps_life/processes.ts";
import { begin, Place, serve, text } from "../../apps_life/serve.ts";

/** Long enough that every step has to keep to its own time. */
const GRACE_MS = 3000;
/** Where only the steps after it matter. */
const SOON_MS = 500;
/**
 * What the steps after the graceful timeout may take: four seconds (docs/behavior.md), after which the server kills and says so; and as
 * much again for its own end and for a busy machine.
 */
const END_MS = 8000;
/** A worker that is replaced keeps to the graceful timeout, and ends what can be cancelled at once: less than another such time more. */
const LATE_MS = 2800;
const HOOK = ["--on-worker-stop", "farewells:stopped"];
const args = ["--workers", "2", "--graceful-timeout", `${GRACE_MS / 1000}`, ...HOOK];
const soon = ["--workers", "2", "--graceful-timeout", `${SOON_MS / 1000}`, ...HOOK];
const STARTED = ["--on-worker-start", "farewells:started"];

/** What each worker has written, by its pid. */
function lives(place: Place): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const line of place.lines("life")) {
    const [what = "", pid = ""] = line.split(" ");
    (found[pid] ??= []).push(what);
  }
  return found;
}

/** Runs the server to its end with one request under way; what its worker wrote, the others' too, and the time that it took. */
async function stopDuring(app: string, path: string, options: readonly string[], open = "") {
  using place = new Place();
  const server = await serve(app, { place, args: options });
  if (open !== "") place.open(open);
  await using client = await begin(server, path);
  const [line = ""] = await place.noted("life");
  const asked = performance.now();
  const code = await server.stop();
  const ms = performance.now() - asked;
  client.close();
  const all = lives(place);
  const busy = line.split(" ")[1] ?? "";
  const { [busy]: life, ...others } = all;
  return { code, ms, life, others: Object.values(others), output: server.output() };
}

describe("A stop cancels what does not end, and then shuts the app down", () => {
  test.each(["/forever", "/background"])(
    "the app hears of both, in this order (%s)",
    async (path) => {
      const { code, ms, life, others, output } = await stopDuring("farewells:asgi", path, args);
      expect(life).toEqual(["begun", "cancelled", "shutdown", "hook", "exit"]);
      expect(others).toEqual([["shutdown", "hook", "exit"]]);
      expect(code).toBe(0);
      expect(ms).toBeLessThan(GRACE_MS + END_MS);
      expect(output).toContain("1 tasks did not end in time: cancelled");
      expect(output).not.toContain("the graceful timeout is over");
    },
  );

  test("a task that swallows it holds nothing up", async () => {
    const { code, ms, life, output } = await stopDuring("farewells:asgi", "/deaf", soon);
    expect(life).toEqual(["begun", "cancelled", "shutdown", "cancelled", "hook", "exit"]);
    expect(code).toBe(0);
    expect(ms).toBeLessThan(SOON_MS + END_MS);
    expect(output).not.toContain("the graceful timeout is over");
  });

  test("an app whose shutdown does not end gets its time and is left", async () => {
    const done = await stopDuring("farewells:asgi", "/forever", soon, "endless");
    expect(done.life).toEqual(["begun", "cancelled", "shutdown", "hook", "exit"]);
    expect(done.code).toBe(0);
    expect(done.ms).toBeLessThan(SOON_MS + END_MS);
    expect(done.output).toContain("the app's shutdown did not end in time: cancelled");
  });

  test("a thread that nobody can cancel holds up neither hooks nor exit functions", async () => {
    const { code, life } = await stopDuring("farewells:asgi", "/thread", soon);
    expect(life).toEqual(["begun", "shutdown", "hook", "exit"]);
    expect(code).toBe(0);
  });

  test.each(["threads", "sync"])(
    "hooks and exit functions of a WSGI app run beside a view that does not end (%s)",
    async (kind) => {
      const options = [...soon, ...STARTED, "--worker", kind];
      const { code, ms, life, others, output } = await stopDuring(
        "farewells:wsgi",
        "/forever",
        options,
      );
      expect(life).toEqual(["begun", "hook", "exit"]);
      expect(others).toEqual([["hook", "exit"]]);
      expect(code).toBe(0);
      expect(ms).toBeLessThan(SOON_MS + END_MS);
      expect(output).toContain("what still runs is left behind");
      expect(output).not.toContain("the graceful timeout is over");
    },
  );

  test("so does a worker that a reload replaces, when its time is over", async () => {
    for (const [app, options, expected] of [
      ["farewells:asgi", args, ["begun", "cancelled", "shutdown", "hook", "exit"]],
      ["farewells:wsgi", [...args, ...STARTED], ["begun", "hook", "exit"]],
    ] as const) {
      using place = new Place();
      await using server = await serve(app, { place, args: options });
      const { workers } = treeOf(server);
      await using client = await begin(server, "/forever");
      const [line = ""] = await place.noted("life");
      server.kill("SIGHUP");
      await server.waitForLine(/the new workers serve/);
      const leaving = performance.now();
      await gone(workers);
      expect(performance.now() - leaving).toBeLessThan(GRACE_MS + LATE_MS);
      expect(lives(place)[line.split(" ")[1] ?? ""]).toEqual([...expected]);
      await server.waitForLine(/reload finished/);
      expect(await text(server, "/")).toBe("ok");
      client.close();
    }
  });
});
