/** What an operator does: reloads, upgrades, scaling, logs; and releases that are broken. */
import { existsSync, rmSync } from "node:fs";
import { descendants, gone } from "../apps_life/processes.ts";
import { eventually } from "../apps_life/serve.ts";
import { repository } from "../support/server.ts";
import { answers, awaitLine, type Fault, type Faults, nothing, RECOVERY_MS } from "./fault.ts";
import { recovered, reload, type Scene, workersAre } from "./fault.ts";
import { ACCESS_LOG } from "./stage.ts";

const LEAVING_MS = 40_000;
const SCALED = [1, 3, 4, 2];

/** As in a stop: WebSockets are told to come again (1012). */
const stops: Fault["allows"] = (kind, fate) => kind === "websocket" && fate === "cut";

export const RELEASES: Faults = {
  reload: { weight: 6, allows: nothing, run: reload },
  upgrade: { weight: 2, allows: stops, run: upgrade },
  "reload a broken release": {
    weight: 2,
    allows: nothing,
    run: (scene) => breaks(scene, "SIGHUP", /reload failed/g),
  },
  "upgrade to a broken release": {
    weight: 1,
    allows: nothing,
    run: (scene) => breaks(scene, "SIGUSR2", /upgrade failed/g),
  },
  "two reloads at once": {
    weight: 1,
    allows: nothing,
    async run(scene) {
      process.kill(scene.supervisor.pid, "SIGHUP");
      await Bun.sleep(scene.random() * 300);
      await reload(scene);
      await workersAre(scene, scene.workers);
    },
  },
  "scale up and down": {
    weight: 2,
    allows: nothing,
    async run(scene) {
      process.kill(scene.supervisor.pid, "SIGTTIN");
      await workersAre(scene, scene.workers + 1);
      process.kill(scene.supervisor.pid, "SIGTTOU");
      await workersAre(scene, scene.workers);
    },
  },
  "scale without a pause": {
    weight: 1,
    allows: nothing,
    async run(scene) {
      for (const count of SCALED) await ctl(scene, "scale", `${count}`);
      await ctl(scene, "scale", `${scene.workers}`);
      await workersAre(scene, scene.workers);
    },
  },
  "reopen the logs": {
    weight: 1,
    allows: nothing,
    async run(scene) {
      const path = scene.place.of(ACCESS_LOG);
      rmSync(path, { force: true });
      process.kill(scene.supervisor.pid, "SIGUSR1");
      await eventually("the access log to be made again", () => existsSync(path), RECOVERY_MS);
      await answers(scene);
    },
  },
};

async function upgrade(scene: Scene): Promise<void> {
  const { pid } = scene.supervisor;
  const old = descendants(pid);
  process.kill(pid, "SIGUSR2");
  await eventually("another supervisor", () => scene.supervisor.pid !== pid, RECOVERY_MS);
  // Streams may go on for as long as a stop lets them.
  await gone(old, LEAVING_MS);
  await recovered(scene);
}

async function breaks(scene: Scene, signal: NodeJS.Signals, failed: RegExp): Promise<void> {
  const line = awaitLine(scene, failed);
  scene.place.open("BROKEN");
  try {
    process.kill(scene.supervisor.pid, signal);
    await line();
  } finally {
    rmSync(scene.place.of("BROKEN"));
  }
  await recovered(scene);
}

async function ctl(scene: Scene, ...words: readonly string[]): Promise<void> {
  const command = [`${repository}/keelback`, "ctl", ...words, "--pid", `${scene.supervisor.pid}`];
  const child = Bun.spawn(command, {
    stdout: "ignore",
    stderr: "pipe",
  });
  const [code, said] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  if (code !== 0) throw new Error(`keelback ctl ${words.join(" ")}: ${said}`);
}
