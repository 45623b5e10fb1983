/** Processes that are killed, stand still or hang. */
import { isAlive, treeOf } from "../apps_life/processes.ts";
import { ask, eventually } from "../apps_life/serve.ts";
import { answers, between, edgeDies, everyProcess, kill, nothing, pick } from "./fault.ts";
import { type Faults, RECOVERY_MS, recovered, reload, replaced, type Scene } from "./fault.ts";
import { workerDies, workerHangs } from "./fault.ts";
import { TIMEOUT_SECONDS } from "./stage.ts";

const PAUSE_MS_MIN = 300;
const PAUSE_MS_MAX = 1500;

export const PROCESSES: Faults = {
  "kill a worker": {
    weight: 6,
    allows: workerDies,
    async run(scene) {
      kill(pick(scene, treeOf(scene.supervisor).workers), "SIGKILL");
      await recovered(scene);
    },
  },
  "kill all workers": {
    weight: 1,
    allows: workerDies,
    async run(scene) {
      for (const worker of treeOf(scene.supervisor).workers) kill(worker, "SIGKILL");
      await recovered(scene);
    },
  },
  "kill the zygote": {
    weight: 2,
    allows: workerDies,
    async run(scene) {
      kill(pick(scene, treeOf(scene.supervisor).zygotes), "SIGKILL");
      await answers(scene);
      // The workers go on without it, and are nobody's children; a reload makes the tree whole.
      await reload(scene);
    },
  },
  "kill the edge": {
    weight: 1,
    allows: edgeDies,
    async run(scene) {
      kill(pick(scene, treeOf(scene.supervisor).edges), "SIGKILL");
      await recovered(scene);
    },
  },
  "kill a worker during a reload": {
    weight: 2,
    allows: workerDies,
    async run(scene) {
      const before = treeOf(scene.supervisor).workers.map(({ pid }) => pid);
      process.kill(scene.supervisor.pid, "SIGHUP");
      await Bun.sleep(between(scene, 0, 400));
      kill(pick(scene, treeOf(scene.supervisor).workers), "SIGKILL");
      await replaced(scene, before);
      await recovered(scene);
    },
  },
  "stop a worker for a while": {
    weight: 2,
    // What it holds waits; a worker that does not answer in time is killed.
    allows: workerHangs,
    async run(scene) {
      const worker = pick(scene, treeOf(scene.supervisor).workers);
      await pause(scene, [worker.pid], between(scene, PAUSE_MS_MIN, PAUSE_MS_MAX));
      await recovered(scene);
    },
  },
  "stop a worker for good": {
    weight: 1,
    allows: workerHangs,
    async run(scene) {
      const worker = pick(scene, treeOf(scene.supervisor).workers);
      kill(worker, "SIGSTOP");
      await eventually("the end of the one that is stopped", () => !isAlive(worker), RECOVERY_MS);
      await recovered(scene);
    },
  },
  "stop the edge for a while": {
    weight: 2,
    allows: nothing,
    async run(scene) {
      const edges = treeOf(scene.supervisor).edges.map(({ pid }) => pid);
      await pause(scene, edges, between(scene, PAUSE_MS_MIN, PAUSE_MS_MAX));
      await recovered(scene);
    },
  },
  "stop the supervisor for a while": {
    weight: 1,
    allows: nothing,
    async run(scene) {
      await pause(scene, [scene.supervisor.pid], between(scene, PAUSE_MS_MIN, PAUSE_MS_MAX));
      await recovered(scene);
    },
  },
  "stop everything for longer than the timeout": {
    weight: 1,
    // As when a virtual machine is moved: no time has passed for anybody.
    allows: nothing,
    async run(scene) {
      await pause(scene, everyProcess(scene), TIMEOUT_SECONDS * 1000 + between(scene, 0, 1000));
      await recovered(scene);
    },
  },
  "hang a worker": {
    weight: 1,
    allows: workerHangs,
    async run(scene) {
      await ask(scene.server, "/hang", { timeoutMs: RECOVERY_MS }).catch(() => null);
      await recovered(scene);
    },
  },
};

async function pause(scene: Scene, pids: readonly number[], ms: number): Promise<void> {
  const signal = (pid: number, name: NodeJS.Signals): void => {
    try {
      process.kill(pid, name);
    } catch {
      // It has just ended by itself.
    }
  };
  for (const pid of pids) signal(pid, "SIGSTOP");
  await Bun.sleep(ms);
  for (const pid of pids.toReversed()) signal(pid, "SIGCONT");
  await answers(scene);
}
