/**
 * What is done to the server, one thing at a time or several at once, and what each may do to requests that run meanwhile. Everything
 * that a row does not allow is a failure.
 */
import { rmSync } from "node:fs";
import { descendants, gone, type Process, treeOf } from "../apps_life/processes.ts";
import { ask, eventually, type Place } from "../apps_life/serve.ts";
import { RawClient } from "../support/raw-client.ts";
import type { TestServer } from "../support/server.ts";
import type { Excuse } from "./ledger.ts";

export interface Scene {
  readonly server: TestServer;
  readonly place: Place;
  readonly workers: number;
  /** A number in [0, 1), by the seed. */
  random(): number;
  /** The process that is the supervisor now. */
  readonly supervisor: { readonly pid: number };
}

export interface Fault {
  readonly weight: number;
  readonly allows: Excuse["allows"];
  /** Resolves when the server has recovered; rejects when it does not. */
  run(scene: Scene): Promise<void>;
}

const RECOVERY_MS = 15_000;
const LEAVING_MS = 40_000;
/** Of the server under chaos: see run.ts. */
export const TIMEOUT_SECONDS = 3;

const UNSAFE = new Set(["post", "h2 post", "upload"]);
/** Those that live on one worker for seconds. */
const LONG = new Set(["events", "websocket", "download"]);

const nothing = (): boolean => false;
/** A worker dies: what it had begun is run again only where that is safe, and a stream that has begun is cut. */
const workerDies: Excuse["allows"] = (kind, fate) =>
  (UNSAFE.has(kind) && fate === "status 502") || (LONG.has(kind) && fate !== "wrong");
/** An edge dies: every connection it held is gone. */
const edgeDies: Excuse["allows"] = (_, fate) => fate === "lost" || fate === "cut";

export const FAULTS: Readonly<Record<string, Fault>> = {
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
  reload: { weight: 6, allows: nothing, run: reload },
  upgrade: {
    weight: 2,
    // As in a stop: WebSockets are told to come again (1012).
    allows: (kind, fate) => kind === "websocket" && fate === "cut",
    async run(scene) {
      const { pid } = scene.supervisor;
      const old = descendants(pid);
      process.kill(pid, "SIGUSR2");
      await eventually("another supervisor", () => scene.supervisor.pid !== pid, RECOVERY_MS);
      // Streams may go on for as long as a stop lets them.
      await gone(old, LEAVING_MS);
      await recovered(scene);
    },
  },
  "reload a broken release": {
    weight: 2,
    allows: nothing,
    async run(scene) {
      const seen = count(scene.server.output(), /reload failed/g);
      scene.place.open("BROKEN");
      process.kill(scene.supervisor.pid, "SIGHUP");
      await eventually(
        "the reload to fail",
        () => count(scene.server.output(), /reload failed/g) > seen,
        RECOVERY_MS,
      );
      rmSync(scene.place.of("BROKEN"));
      await recovered(scene);
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
  "stop a worker for a while": {
    weight: 2,
    // What it holds waits; a worker that does not answer in time is killed.
    allows: (kind, fate) => workerDies(kind, fate) || fate === "status 504",
    async run(scene) {
      const worker = pick(scene, treeOf(scene.supervisor).workers);
      kill(worker, "SIGSTOP");
      await Bun.sleep(500 + scene.random() * 1000);
      kill(worker, "SIGCONT");
      await recovered(scene);
    },
  },
  "hang a worker": {
    weight: 1,
    allows: (kind, fate) => workerDies(kind, fate) || fate === "status 504",
    async run(scene) {
      await ask(scene.server, "/hang", { timeoutMs: RECOVERY_MS }).catch(() => null);
      await recovered(scene);
    },
  },
  "leak in a worker": {
    weight: 1,
    allows: nothing,
    async run(scene) {
      await ask(scene.server, "/leak/64");
      await recovered(scene);
    },
  },
  garbage: {
    weight: 2,
    allows: nothing,
    async run(scene) {
      const clients = await Promise.all(
        Array.from({ length: 20 }, () => RawClient.connect(scene.server.port)),
      );
      for (const client of clients) {
        const bytes = Buffer.alloc(200);
        for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(scene.random() * 256);
        await client.send(bytes);
        client.reset();
      }
    },
  },
  "half requests": {
    weight: 2,
    allows: nothing,
    async run(scene) {
      const halves = ["GET /sum/x HTTP/1.1\r\nHo", "POST /sum/half HTTP/1.1\r\nHost: x\r\n", "P"];
      for (let i = 0; i < 30; i++) {
        const client = await RawClient.connect(scene.server.port);
        await client.send(halves[i % halves.length]!);
        setTimeout(() => client.close(), scene.random() * 3000);
      }
    },
  },
  "slow readers": {
    weight: 1,
    allows: nothing,
    async run(scene) {
      for (let i = 0; i < 10; i++) {
        const client = await RawClient.connect(scene.server.port);
        client.pause();
        await client.send(`GET /download/slow${i}/64 HTTP/1.1\r\nHost: x\r\n\r\n`);
        setTimeout(() => client.reset(), 500 + scene.random() * 2000);
      }
    },
  },
};

async function reload(scene: Scene): Promise<void> {
  const before = treeOf(scene.supervisor).workers.map(({ pid }) => pid);
  process.kill(scene.supervisor.pid, "SIGHUP");
  await eventually(
    "workers of another generation",
    () => {
      const { workers } = treeOf(scene.supervisor);
      return workers.length >= scene.workers && !workers.some(({ pid }) => before.includes(pid));
    },
    RECOVERY_MS,
  );
}

function kill(process_: Process, signal: NodeJS.Signals): void {
  try {
    process.kill(process_.pid, signal);
  } catch {
    // It has just ended by itself.
  }
}

function pick(scene: Scene, from: readonly Process[]): Process {
  const one = from[Math.floor(scene.random() * from.length)];
  if (one === undefined) throw new Error("there is no such process");
  return one;
}

function count(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].length;
}

function workersAre(scene: Scene, wanted: number): Promise<unknown> {
  return eventually(
    () => `${wanted} workers, there are ${treeOf(scene.supervisor).workers.length}`,
    () => treeOf(scene.supervisor).workers.length === wanted,
    RECOVERY_MS,
  );
}

/** All workers are there again, and a request is answered. */
async function recovered(scene: Scene): Promise<void> {
  await eventually(
    () => `${scene.workers} workers, there are ${treeOf(scene.supervisor).workers.length}`,
    () => treeOf(scene.supervisor).workers.length >= scene.workers,
    RECOVERY_MS,
  );
  await answers(scene);
}

async function answers(scene: Scene): Promise<void> {
  await eventually(
    "an answer",
    async () => {
      const answer = await ask(scene.server, "/sum/probe").catch(() => null);
      return answer?.status === 200;
    },
    RECOVERY_MS,
  );
}
