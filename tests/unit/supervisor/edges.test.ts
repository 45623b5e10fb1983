import { expect, test } from "bun:test";
import { monotonic } from "../../../src/core/clock.ts";
import { type Logger, openLogger } from "../../../src/observe/log.ts";
import { Edges } from "../../../src/supervisor/edges.ts";
import { eventually, Place } from "../../apps_life/serve.ts";
import { good } from "../config/support.ts";

const OWNER = {
  edgeListening: () => {},
  drained: () => {},
  stuck: () => {},
  linked: () => {},
  worn: () => {},
  edgeStats: () => {},
  edgesStopped: () => {},
  edgesFailed: () => {},
};

/** An edge that ends as soon as it begins, and writes that down; `died` is called before it is started anew. */
function edgesThatDie(place: Place, name: string, died: () => void): Edges {
  const log: Logger = { ...openLogger({ level: "error", format: "text" }), error: died };
  const options = {
    config: good(["--edges", "1"]).config,
    command: ["/bin/sh", "-c", `echo begun >> ${place.of(name)}; exit 7`],
    listeners: [],
    descriptorsMax: 100,
    lifeline: place.of("lifeline"),
    socketPath: () => place.of(`${name}.sock`),
    log,
    clock: monotonic,
  };
  return new Edges(options, OWNER);
}

test.each(["kill", "stop"] as const)("after %s no edge is started any more", async (how) => {
  using place = new Place();
  const end = (): void => {
    if (how === "kill") edges.kill();
    else edges.stop({ deadlineMs: 1000, lingerMs: 0, successor: false });
    // Its timer would be the first to ring.
    other.start();
  };
  const other = edgesThatDie(place, "other", () => {});
  const edges = edgesThatDie(place, "one", () => queueMicrotask(end));
  edges.start();
  await eventually("another edge to be started anew", () => place.lines("other").length > 1);
  other.kill();
  expect([place.lines("one").length, edges.pids]).toEqual([1, []]);
});
