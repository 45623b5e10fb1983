/** What an operator does: reloads, upgrades, scaling, logs; and releases that are broken. */
import { existsSync, rmSync } from "node:fs";
import { descendants, gone } from "../apps_life/processes.ts";
import { eventually } from "../apps_life/serve.ts";
import type { Course } from "./course.ts";
import { ctl } from "./ctl.ts";
import { answers, awaitLine, type Fault, type Faults, isEnd, nothing } from "./fault.ts";
import { RECOVERY_MS, recovered, reload, type Scene, WITHIN, workersAre } from "./fault.ts";
import { ACCESS_LOG } from "./stage.ts";

const LEAVING_MS = 40_000;
const SCALED = [1, 3, 4, 2];

/** As in a stop: WebSockets are told to come again (1012), kept connections end in order. */
const stops: Fault["allows"] = (kind, fate) =>
  (kind === "websocket" && fate === "cut") || (isEnd(fate) && fate !== "end by reset");

export const RELEASES: Faults = {
  reload: { weight: 6, allows: nothing, within: WITHIN.start, run: reload },
  upgrade: { weight: 2, allows: stops, within: WITHIN.server, replaces: true, run: upgrade },
  "reload a broken release": {
    weight: 2,
    allows: nothing,
    within: WITHIN.start,
    run: (scene) => breaks(scene, "SIGHUP", /reload failed/g),
  },
  "upgrade to a broken release": {
    weight: 1,
    allows: nothing,
    within: WITHIN.server,
    run: (scene) => breaks(scene, "SIGUSR2", /upgrade failed/g),
  },
  "two reloads at once": {
    within: WITHIN.start,
    weight: 1,
    allows: nothing,
    async run(scene) {
      process.kill(scene.server.pid, "SIGHUP");
      await Bun.sleep(scene.random() * 300);
      await reload(scene);
      await workersAre(scene, scene.workers);
    },
  },
  "scale up and down": {
    within: WITHIN.fork,
    weight: 2,
    allows: nothing,
    async run(scene) {
      process.kill(scene.server.pid, "SIGTTIN");
      await workersAre(scene, scene.workers + 1);
      process.kill(scene.server.pid, "SIGTTOU");
      await workersAre(scene, scene.workers);
    },
  },
  "scale without a pause": {
    within: WITHIN.start,
    weight: 1,
    allows: nothing,
    async run(scene) {
      for (const count of SCALED) await ctl(scene, "scale", `${count}`);
      await ctl(scene, "scale", `${scene.workers}`);
      await workersAre(scene, scene.workers);
    },
  },
  "reopen the logs": {
    within: WITHIN.answer,
    weight: 1,
    allows: nothing,
    async run(scene) {
      const path = scene.place.of(ACCESS_LOG);
      rmSync(path, { force: true });
      process.kill(scene.server.pid, "SIGUSR1");
      await eventually("the access log to be made again", () => existsSync(path), RECOVERY_MS);
      await answers(scene);
    },
  },
};

async function upgrade(scene: Scene, course: Course): Promise<void> {
  const { pid } = scene.server;
  const old = descendants(pid);
  process.kill(pid, "SIGUSR2");
  await eventually("another supervisor", () => scene.server.pid !== pid, RECOVERY_MS);
  course.recovered();
  // Streams may go on for as long as a stop lets them.
  await gone(old, LEAVING_MS);
  await recovered(scene);
}

async function breaks(scene: Scene, signal: NodeJS.Signals, failed: RegExp): Promise<void> {
  const line = awaitLine(scene, failed);
  scene.place.open("BROKEN");
  try {
    process.kill(scene.server.pid, signal);
    await line();
  } finally {
    rmSync(scene.place.of("BROKEN"));
  }
  await recovered(scene);
}
