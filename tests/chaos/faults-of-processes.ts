/** Processes that are killed, stand still or hang. */
import { isAlive, treeOf } from "../apps_life/processes.ts";
import { ask, eventually } from "../apps_life/serve.ts";
import { answers, between, edgeDies, everyProcess, kill, nothing, pick } from "./fault.ts";
import {
  type Fault,
  type Faults,
  RECOVERY_MS,
  recovered,
  reload,
  replaced,
  type Scene,
} from "./fault.ts";
import { workerDies, workerHangs } from "./fault.ts";
import { TIMEOUT_SECONDS } from "./stage.ts";

/** The least and the most. */
const PAUSE_MS = [300, 1500] as const;

/** Whom a fault befalls. */
type Victims = (scene: Scene) => readonly { readonly pid: number }[];

const workers: Victims = (scene) => treeOf(scene.supervisor).workers;
const edges: Victims = (scene) => treeOf(scene.supervisor).edges;
/** As it is now: an upgrade makes another one. */
const supervisor: Victims = ({ supervisor: { pid } }) => [{ pid }];

const oneOf =
  (victims: Victims): Victims =>
  (scene) => [pick(scene, victims(scene))];

export const PROCESSES: Faults = {
  "kill a worker": killed(oneOf(workers), { weight: 6, allows: workerDies }),
  "kill all workers": killed(workers, { weight: 1, allows: workerDies }),
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
  "kill the edge": killed(oneOf(edges), { weight: 1, allows: edgeDies }),
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
  // What it holds waits; a worker that does not answer in time is killed.
  "stop a worker for a while": paused(oneOf(workers), { weight: 2, allows: workerHangs }),
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
  "stop the edge for a while": paused(edges, { weight: 2, allows: nothing }),
  "stop the supervisor for a while": paused(supervisor, { weight: 1, allows: nothing }),
  // As when a virtual machine is moved: no time has passed for anybody.
  "stop everything for longer than the timeout": paused(
    everyProcess,
    { weight: 1, allows: nothing },
    [TIMEOUT_SECONDS * 1000, (TIMEOUT_SECONDS + 1) * 1000],
  ),
  "hang a worker": {
    weight: 1,
    allows: workerHangs,
    async run(scene) {
      await ask(scene.server, "/hang", { timeoutMs: RECOVERY_MS }).catch(() => null);
      await recovered(scene);
    },
  },
};

type Row = Omit<Fault, "run">;

function killed(victims: Victims, row: Row): Fault {
  return {
    ...row,
    async run(scene) {
      for (const victim of victims(scene)) kill(victim, "SIGKILL");
      await recovered(scene);
    },
  };
}

/** They stand still for a time between these two. */
function paused(
  victims: Victims,
  row: Row,
  [least, most]: readonly [number, number] = PAUSE_MS,
): Fault {
  return {
    ...row,
    async run(scene) {
      const stopped = victims(scene);
      const ms = between(scene, least, most);
      for (const victim of stopped) kill(victim, "SIGSTOP");
      await Bun.sleep(ms);
      for (const victim of stopped.toReversed()) kill(victim, "SIGCONT");
      await answers(scene);
      await recovered(scene);
    },
  };
}
