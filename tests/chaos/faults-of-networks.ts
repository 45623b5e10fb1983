/**
 * Connections that are delayed, throttled, sliced and cut on their way, by toxiproxy: requests of all kinds go through it for a while,
 * beside the others. What only takes longer must come out right; what is cut may be lost, and is never wrong.
 */
import type { Course } from "./course.ts";
import { type Fault, type Faults, isEnd, nothing, recovered, type Scene } from "./fault.ts";
import { WITHIN } from "./fault.ts";
import type { Toxic } from "./toxiproxy.ts";
import { Traffic } from "./traffic.ts";

/** The name of a kind of request that goes through a network that is at fault. */
const VIA = "via ";
const SCALE = 0.3;
const TRAFFIC_MS = 1500;

/** It goes for requests on this network only. */
const cuts: Fault["allows"] = (kind, fate) =>
  kind.startsWith(VIA) && (["lost", "cut", "late"].includes(fate) || isEnd(fate));

/** What it does to the answers only: the requests arrive. */
const DOWN = ["downstream"] as const;
const BOTH = ["upstream", "downstream"] as const;

const TOXICS: Readonly<Record<string, [Toxic, Fault["allows"]]>> = {
  "a slow network": [
    { type: "latency", attributes: { latency: 60, jitter: 50 }, streams: BOTH },
    nothing,
  ],
  // KB a second, for each connection.
  "a narrow network": [{ type: "bandwidth", attributes: { rate: 400 }, streams: BOTH }, nothing],
  "a network of single bytes": [
    {
      type: "slicer",
      attributes: { average_size: 3, size_variation: 2, delay: 0 },
      streams: BOTH,
    },
    nothing,
  ],
  "connections that close slowly": [
    { type: "slow_close", attributes: { delay: 700 }, streams: BOTH },
    nothing,
  ],
  "connections that are reset": [
    { type: "reset_peer", attributes: { timeout: 100 }, streams: DOWN },
    cuts,
  ],
  "connections into nowhere": [
    { type: "timeout", attributes: { timeout: 600 }, streams: BOTH },
    cuts,
  ],
  "connections that end half way": [
    { type: "limit_data", attributes: { bytes: 3000 }, streams: DOWN },
    cuts,
  ],
};

export const NETWORKS: Faults = Object.fromEntries(
  Object.entries(TOXICS).map(([name, [toxic, allows]]) => {
    const run: Fault["run"] = (scene, course) => through(scene, course, toxic);
    return [name, { weight: 0.5, allows, within: WITHIN.answer, run }];
  }),
);

async function through(scene: Scene, course: Course, toxic: Toxic): Promise<void> {
  const { toxiproxy, ledger, door } = scene;
  await toxiproxy.with(door.port, toxic, async (port) => {
    const traffic = new Traffic(door.by(port), ledger, VIA);
    traffic.start(SCALE);
    await Bun.sleep(TRAFFIC_MS);
    await traffic.stop();
  });
  course.over();
  await recovered(scene);
}
