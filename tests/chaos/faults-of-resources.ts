/** Descriptors, memory and room on the disk that run out: for a while, then there is enough again. */
import { readFileSync, rmSync, symlinkSync } from "node:fs";
import { descendants, type Process, treeOf } from "../apps_life/processes.ts";
import { RawClient } from "../support/raw-client.ts";
import type { Course } from "./course.ts";
import { between, edgeDies, type Fault, type Faults, isNoted, nothing, pick } from "./fault.ts";
import { RECOVERY_MS, recovered, type Scene, WITHIN, workerDies, workersAre } from "./fault.ts";
import { ACCESS_LOG } from "./stage.ts";

const SHORT_MS_MIN = 500;
const SHORT_MS_MAX = 1500;
/** What is open stays so, and nothing can be opened. */
const NO_MORE = 3;
const NEWCOMERS = 60;
const MIB = 1024 * 1024;

/** The app cannot note what it is to do, or has no socket for a WebSocket (WSGI), and answers 500. */
const descriptorsFail: Fault["allows"] = (kind, fate) =>
  (isNoted(kind) || kind === "websocket") && fate === "status 500";

/** What wants memory fails, in the app (500) or with the worker. */
const memoryFails: Fault["allows"] = (kind, fate) =>
  workerDies(kind, fate) || fate === "status 500";

export const RESOURCES: Faults = {
  "no descriptors for an edge": {
    weight: 1,
    within: WITHIN.answer,
    // Who has no connection yet waits for one; those that are idle make room.
    allows: (_, fate) => fate === "end by FIN",
    async run(scene, course) {
      const edge = pick(scene, treeOf(scene.server).edges);
      await limited(scene, course, [edge, "nofile", NO_MORE], async () => {
        const newcomers = await Promise.all(
          Array.from({ length: NEWCOMERS }, () => RawClient.connect(scene.door.port)),
        );
        await shortly(scene);
        for (const client of newcomers) client.close();
      });
    },
  },
  "no descriptors for a worker": {
    weight: 1,
    within: WITHIN.answer,
    allows: descriptorsFail,
    async run(scene, course) {
      const worker = pick(scene, treeOf(scene.server).workers);
      await limited(scene, course, [worker, "nofile", NO_MORE], () => shortly(scene));
    },
  },
  "no memory for a worker": {
    weight: 1,
    within: WITHIN.fork,
    allows: memoryFails,
    async run(scene, course) {
      const worker = pick(scene, treeOf(scene.server).workers);
      const bytes = virtualBytes(worker) + 4 * MIB;
      await limited(scene, course, [worker, "as", bytes], async () => {
        for (let n = 0; n < 4; n++) await scene.door.ask("/leak/16", RECOVERY_MS).catch(() => null);
        await shortly(scene);
      });
    },
  },
  "leak in a worker": {
    weight: 1,
    within: WITHIN.fork,
    allows: nothing,
    async run(scene) {
      await scene.door.ask("/leak/64", RECOVERY_MS);
      await recovered(scene);
    },
  },
  "no memory for an edge": {
    weight: 1,
    within: WITHIN.start,
    replaces: true,
    allows: edgeDies,
    async run(scene, course) {
      const edge = pick(scene, treeOf(scene.server).edges);
      await limited(scene, course, [edge, "as", virtualBytes(edge) + MIB], () => shortly(scene));
    },
  },
  "a full disk for the access log": {
    weight: 1,
    within: WITHIN.answer,
    allows: nothing,
    async run(scene, course) {
      const path = scene.place.of(ACCESS_LOG);
      const { pid } = scene.server;
      rmSync(path, { force: true });
      symlinkSync("/dev/full", path);
      process.kill(pid, "SIGUSR1");
      await shortly(scene);
      rmSync(path);
      process.kill(pid, "SIGUSR1");
      course.over();
      await recovered(scene);
    },
  },
  "no room for the files of an edge": {
    weight: 1,
    within: WITHIN.answer,
    allows: nothing,
    async run(scene, course) {
      const edge = pick(scene, treeOf(scene.server).edges);
      await limited(scene, course, [edge, "fsize", 0], () => shortly(scene));
    },
  },
  "no room for the files of new workers": {
    weight: 1,
    within: WITHIN.fork,
    allows: workerDies,
    async run(scene, course) {
      const zygote = pick(scene, treeOf(scene.server).zygotes);
      await limited(scene, course, [zygote, "fsize", 0], async () => {
        const worker = pick(scene, treeOf(scene.server).workers);
        process.kill(worker.pid, "SIGKILL");
        await shortly(scene);
      });
      await workersAre(scene, scene.workers);
    },
  },
};

function shortly(scene: Scene): Promise<void> {
  return Bun.sleep(between(scene, SHORT_MS_MIN, SHORT_MS_MAX));
}

function virtualBytes({ pid }: Process): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmSize:\s+(\d+)/.exec(status)?.[1]) * 1024;
}

/** The process may have no more than this, until `work` is done; it may have ended meanwhile. */
async function limited(
  scene: Scene,
  course: Course,
  [{ pid }, resource, most]: readonly [Process, "nofile" | "as" | "fsize", number],
  work: () => Promise<void>,
): Promise<void> {
  const read = Bun.spawnSync([
    ...["prlimit", "--pid", `${pid}`, `--${resource}`, "--output", "SOFT", "--noheadings", "--raw"],
  ]);
  const limit = (of: number, value: number | string): void => {
    Bun.spawnSync(["prlimit", "--pid", `${of}`, `--${resource}=${value}:`]);
  };
  limit(pid, most);
  try {
    await work();
  } finally {
    // What it has started meanwhile has its limits.
    const children = descendants(pid).map((one) => one.pid);
    for (const one of [pid, ...children]) limit(one, read.stdout.toString().trim());
  }
  course.over();
  await recovered(scene);
}
