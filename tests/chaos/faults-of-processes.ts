/** Processes that are killed, stand still or hang. */
import { gone, isAlive, type Process, processOf, treeOf } from "../apps_life/processes.ts";
import { eventually } from "../apps_life/serve.ts";
import type { Course } from "./course.ts";
import { ctl } from "./ctl.ts";
import { answers, between, edgeDies, killed, kill, nothing, pick, WITHIN } from "./fault.ts";
import {
  type Fault,
  type Faults,
  RECOVERY_MS,
  recovered,
  reload,
  replaced,
  type Scene,
} from "./fault.ts";
import { serverDies, workerDies, workerHangs } from "./fault.ts";
import type { Excuse } from "./ledger.ts";
import { settled } from "./settled.ts";
import { INTERRUPT_SECONDS, leftBehind, TIMEOUT_SECONDS } from "./stage.ts";

/** What a killed supervisor held goes by the kernel, or by an end of file. */
const GONE_MS = 5000;
/** The least and the most. */
const PAUSE_MS = [300, 1500] as const;

/** Whom a fault befalls. */
type Victims = (scene: Scene) => readonly Process[];

const workers: Victims = (scene) => treeOf(scene.server).workers;
const edges: Victims = (scene) => treeOf(scene.server).edges;
/** As it is now: an upgrade makes another one. */
const supervisor: Victims = ({ server: { pid } }) => [processOf(pid) ?? []].flat();
const everyProcess: Victims = ({ server }) => server.processes();

const oneOf =
  (victims: Victims): Victims =>
  (scene) => [pick(scene, victims(scene))];

export const PROCESSES: Faults = {
  "kill a worker": kills(oneOf(workers), { weight: 6, allows: workerDies, within: WITHIN.fork }),
  "kill all workers": kills(workers, { weight: 1, allows: workerDies, within: WITHIN.fork }),
  "kill the zygote": {
    weight: 2,
    allows: workerDies,
    within: WITHIN.start,
    async run(scene, course) {
      await killed([pick(scene, treeOf(scene.server).zygotes)]);
      course.over();
      await answers(scene);
      // The workers go on without it, and are nobody's children; a reload makes the tree whole.
      await reload(scene);
    },
  },
  "kill an edge": kills(oneOf(edges), {
    ...{ weight: 1, allows: edgeDies, within: WITHIN.start, replaces: true },
  }),
  "kill the supervisor": {
    ...{ weight: 1, allows: serverDies, within: WITHIN.server, replaces: true },
    run: killSupervisor,
  },
  "kill a worker during a reload": {
    weight: 2,
    allows: workerDies,
    within: WITHIN.start,
    async run(scene, course) {
      const before = treeOf(scene.server).workers.map(({ pid }) => pid);
      process.kill(scene.server.pid, "SIGHUP");
      await Bun.sleep(between(scene, 0, 400));
      await killed([pick(scene, treeOf(scene.server).workers)]);
      course.over();
      await replaced(scene, before);
      await recovered(scene);
    },
  },
  // What it holds waits; a worker that does not answer in time is killed.
  "stop a worker for a while": pauses(oneOf(workers), {
    ...{ weight: 2, allows: workerHangs, within: WITHIN.fork },
  }),
  "stop a worker for good": {
    weight: 1,
    allows: workerHangs,
    within: TIMEOUT_SECONDS + 1 + WITHIN.fork,
    async run(scene) {
      const worker = pick(scene, treeOf(scene.server).workers);
      kill(worker, "SIGSTOP");
      await eventually("the end of the one that is stopped", () => !isAlive(worker), RECOVERY_MS);
      await recovered(scene);
    },
  },
  "stop the edges for a while": pauses(edges, {
    ...{ weight: 2, allows: nothing, within: WITHIN.answer },
  }),
  "stop the supervisor for a while": pauses(supervisor, {
    ...{ weight: 1, allows: nothing, within: WITHIN.answer },
  }),
  // As when a virtual machine is moved: no time has passed for anybody.
  "stop everything for longer than the timeout": pauses(
    everyProcess,
    { weight: 1, allows: nothing, within: WITHIN.fork },
    [TIMEOUT_SECONDS * 1000, (TIMEOUT_SECONDS + 1) * 1000],
  ),
  "hang a worker": {
    weight: 1,
    allows: workerHangs,
    // As the issue has it: replaced within the timeout and a second.
    within: TIMEOUT_SECONDS + 1,
    run: hang,
  },
};

async function hang(scene: Scene, course: Course): Promise<void> {
  const notes = scene.place.lines("hung").length;
  void scene.door.ask("/hang", RECOVERY_MS).catch(() => null);
  const pid = Number((await scene.place.noted("hung", notes + 1)).at(-1));
  course.over();
  const hung = processOf(pid);
  const others = (): number => workers(scene).filter((one) => one.pid !== pid).length;
  await eventually("others to serve", () => others() >= scene.workers, RECOVERY_MS);
  await answers(scene);
  course.recovered();
  const endsMs = (TIMEOUT_SECONDS + INTERRUPT_SECONDS + WITHIN.fork) * 1000;
  if (hung !== undefined) await gone([hung], endsMs);
  await recovered(scene);
}

/** All of it is to go with its supervisor, and nothing of it may be in the way of the next one. */
async function killSupervisor(scene: Scene, course: Course): Promise<void> {
  const { server, place } = scene;
  const all = server.processes();
  kill({ pid: server.pid }, "SIGKILL");
  await gone(all, GONE_MS);
  await eventually(
    () => `no process of a killed server, there are ${server.processes().length}`,
    () => {
      server.reap(all);
      return [...all, ...server.processes()].every(({ pid }) => processOf(pid) === undefined);
    },
    GONE_MS,
  );
  await settled();
  course.over();
  // These find nobody, and wait in the socket. The unix socket is the server's own, and refuses until the next one has made another.
  course.spare();
  const refuses: Excuse["allows"] = (kind, fate) => kind === "get unix" && fate === "lost";
  const refused = scene.ledger.excuse("no server on the unix socket", refuses);
  server.start();
  await answers(scene);
  refused.until = performance.now();
  await recovered(scene);
  course.recovered();
  await eventually("the PID file of the new server", () => server.leads, RECOVERY_MS);
  await eventually(
    "the control link of the new server",
    () =>
      ctl(scene, "status").then(
        () => true,
        () => false,
      ),
    RECOVERY_MS,
  );
  const left = leftBehind(server, place);
  if (left.length > 0) throw new Error(`a killed server has left behind ${left.join(", ")}`);
}

type Row = Omit<Fault, "run">;

function kills(victims: Victims, row: Row): Fault {
  return {
    ...row,
    async run(scene, course) {
      await killed(victims(scene));
      course.over();
      await recovered(scene);
    },
  };
}

/** They stand still for a time between these two. */
function pauses(
  victims: Victims,
  row: Row,
  [least, most]: readonly [number, number] = PAUSE_MS,
): Fault {
  return {
    ...row,
    async run(scene, course) {
      const stopped = victims(scene);
      const ms = between(scene, least, most);
      for (const victim of stopped) kill(victim, "SIGSTOP");
      await Bun.sleep(ms);
      for (const victim of stopped.toReversed()) kill(victim, "SIGCONT");
      course.over();
      await answers(scene);
      await recovered(scene);
    },
  };
}
