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

/** An edge that writes down what it is told; it has worker 1 at once, or when it is told of a log level. */
const TELLING = `
import { appendFileSync } from "node:fs";
let index = 0;
const link = () => process.send({ t: "link-up", worker: 1 });
process.on("message", (message) => {
  if (message.t === "config") {
    index = message.index;
    process.send({ t: "listening" });
    if (index === 0) link();
  }
  if (message.t === "log-level" && index === 1) link();
  if (message.t === "drain-worker") appendFileSync(process.argv[2], index + "\\n");
  if (message.t === "ready") process.send({ t: "drained", worker: 1 });
});
`;

test("an edge that comes to have a worker that leaves is told so, and waited for", async () => {
  using place = new Place();
  const drained: number[] = [];
  let links = 0;
  const options = {
    config: good(["--edges", "2"]).config,
    command: [process.execPath, place.write("edge.js", TELLING), place.of("told")],
    listeners: [],
    descriptorsMax: 100,
    lifeline: place.of("lifeline"),
    socketPath: (index: number) => place.of(`${index}.sock`),
    log: openLogger({ level: "error", format: "text" }),
    clock: monotonic,
  };
  const edges = new Edges(options, {
    ...OWNER,
    linked: () => {
      links += 1;
    },
    drained: (worker) => drained.push(worker),
  });
  edges.start();
  await eventually("both edges, one with the worker", () => links === 1 && edges.paths.length > 1);
  edges.drain(1, 60_000);
  await place.noted("told", 1);
  edges.setLogLevel("debug");
  expect(await place.noted("told", 2)).toEqual(["0", "1"]);
  expect(drained).toEqual([]);
  edges.setReady(false);
  await eventually("the end of both", () => drained.length > 0);
  expect(drained).toEqual([1]);
  edges.kill();
  await edges.exited();
});

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
