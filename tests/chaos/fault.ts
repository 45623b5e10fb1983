/** What the rows of faults are made of: the scene, who may fail, and the conditions by which a server has recovered. */
import { descendants, treeOf } from "../apps_life/processes.ts";
import { ask, eventually, type Place } from "../apps_life/serve.ts";
import type { TestServer } from "../support/server.ts";
import type { Excuse, Ledger } from "./ledger.ts";
import type { Toxiproxy } from "./toxiproxy.ts";

export interface Scene {
  readonly server: TestServer;
  readonly place: Place;
  readonly workers: number;
  readonly ledger: Ledger;
  /** Null: it is not installed. */
  readonly toxiproxy: Toxiproxy | null;
  /** A number in [0, 1), by the seed. */
  random(): number;
  /** The process that is the supervisor now. */
  readonly supervisor: { readonly pid: number };
}

export interface Fault {
  /** How often it comes, beside the others. */
  readonly weight: number;
  readonly allows: Excuse["allows"];
  /** Resolves when the server has recovered; rejects when it does not. */
  run(scene: Scene): Promise<void>;
}

export type Faults = Readonly<Record<string, Fault>>;

export const RECOVERY_MS = 15_000;

const UNSAFE = new Set(["post", "h2 post", "upload"]);
/** Those that live on one worker for seconds. */
const LONG = new Set(["events", "websocket", "download"]);

export const nothing: Excuse["allows"] = () => false;

/** A worker dies: what it had begun is run again only where that is safe, and a stream that has begun is cut. */
export const workerDies: Excuse["allows"] = (kind, fate) =>
  (UNSAFE.has(kind) && fate === "status 502") || (LONG.has(kind) && fate !== "wrong");

/** A worker that does not answer within the timeout is killed. */
export const workerHangs: Excuse["allows"] = (kind, fate) =>
  workerDies(kind, fate) || fate === "status 504";

/** An edge dies: every connection it held is gone. */
export const edgeDies: Excuse["allows"] = (_, fate) => fate === "lost" || fate === "cut";

/** The app notes these in a file before it does anything. */
export function isNoted(kind: string): boolean {
  return UNSAFE.has(kind);
}

/** Between two numbers, by the seed. */
export function between(scene: Scene, least: number, most: number): number {
  return least + scene.random() * (most - least);
}

export function kill({ pid }: { readonly pid: number }, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has just ended by itself.
  }
}

export function pick<T>(scene: Scene, from: readonly T[]): T {
  const one = from[Math.floor(scene.random() * from.length)];
  if (one === undefined) throw new Error("there is nothing to pick");
  return one;
}

/** All processes of the server, with the one that leads. */
export function everyProcess({ supervisor }: Scene): readonly { readonly pid: number }[] {
  const { pid } = supervisor;
  return [{ pid }, ...descendants(pid)];
}

/** Waits for one more line like this in the log than there are when it is called. */
export function awaitLine(scene: Scene, pattern: RegExp): () => Promise<unknown> {
  const count = (): number => [...scene.server.output().matchAll(pattern)].length;
  const seen = count();
  return () => eventually(`a line ${pattern}`, () => count() > seen, RECOVERY_MS);
}

export async function reload(scene: Scene): Promise<void> {
  const before = treeOf(scene.supervisor).workers.map(({ pid }) => pid);
  process.kill(scene.supervisor.pid, "SIGHUP");
  await replaced(scene, before);
}

/** None of these workers is left, and there are as many others. */
export async function replaced(scene: Scene, before: readonly number[]): Promise<void> {
  await eventually(
    "workers of another generation",
    () => {
      const { workers } = treeOf(scene.supervisor);
      return workers.length >= scene.workers && !workers.some(({ pid }) => before.includes(pid));
    },
    RECOVERY_MS,
  );
}

export function workersAre(scene: Scene, wanted: number): Promise<unknown> {
  return eventually(
    () => `${wanted} workers, there are ${treeOf(scene.supervisor).workers.length}`,
    () => treeOf(scene.supervisor).workers.length === wanted,
    RECOVERY_MS,
  );
}

/** All workers are there again, and a request is answered. */
export async function recovered(scene: Scene): Promise<void> {
  await eventually(
    () => `${scene.workers} workers, there are ${treeOf(scene.supervisor).workers.length}`,
    () => treeOf(scene.supervisor).workers.length >= scene.workers,
    RECOVERY_MS,
  );
  await answers(scene);
}

export async function answers(scene: Scene): Promise<void> {
  await eventually(
    "an answer",
    async () => {
      const answer = await ask(scene.server, "/sum/probe").catch(() => null);
      return answer?.status === 200;
    },
    RECOVERY_MS,
  );
}
