/** What the rows of faults are made of: the scene, who may fail, and the conditions by which a server has recovered. */
import { isAlive, type Process, treeOf } from "../apps_life/processes.ts";
import { eventually, type Place } from "../apps_life/serve.ts";
import type { Course } from "./course.ts";
import type { Door } from "./door.ts";
import type { Excuse, Ledger } from "./ledger.ts";
import type { Service } from "./service.ts";
import type { Toxiproxy } from "./toxiproxy.ts";

export interface Scene {
  readonly server: Service;
  readonly door: Door;
  readonly place: Place;
  readonly workers: number;
  readonly edges: number;
  readonly ledger: Ledger;
  readonly toxiproxy: Toxiproxy;
  /** A number in [0, 1), by the seed. */
  readonly random: () => number;
}

export interface Fault {
  /** How often it comes, beside the others. */
  readonly weight: number;
  readonly allows: Excuse["allows"];
  /** Seconds: by then the server has recovered, counted from when the fault was over (Course). */
  readonly within: number;
  /** The supervisor or an edge is another one afterwards: their memory cannot be compared. */
  readonly replaces?: true;
  /** Resolves when the server has recovered; rejects when it does not. */
  run(scene: Scene, course: Course): Promise<void>;
}

export type Faults = Readonly<Record<string, Fault>>;

/** After so long nobody waits any more. What the rows promise is far less. */
export const RECOVERY_MS = 20_000;

/**
 * What the rows promise, in seconds. The server itself takes a tenth of it or less (docs/behavior.md, bench/results); the rest is for a
 * machine that is busy with the traffic and with other work.
 */
export const WITHIN = {
  /** Nothing is to be started. */
  answer: 2,
  /** A fork of the zygote. */
  fork: 2,
  /** A process is started from its program: an edge, a zygote; or a generation of workers, and the last requests of the one before. */
  start: 5,
  /** The server is started from nothing. */
  server: 8,
} as const;

const UNSAFE = new Set(["post", "h2 post", "upload", "h2 upload"]);
/** Those that live on one worker for seconds. */
const LONG = new Set(["events", "websocket", "download", "h2 download"]);

export const nothing: Excuse["allows"] = () => false;

/** A worker dies: what it had begun is run again only where that is safe, and a stream that has begun is cut. */
export const workerDies: Excuse["allows"] = (kind, fate) =>
  (UNSAFE.has(kind) && fate === "status 502") || (LONG.has(kind) && fate !== "wrong");

/** A worker that does not answer within the timeout is killed. */
export const workerHangs: Excuse["allows"] = (kind, fate) =>
  workerDies(kind, fate) || fate === "status 504";

/** An edge dies: every connection it held is gone. */
export const edgeDies: Excuse["allows"] = (_, fate) =>
  fate === "lost" || fate === "cut" || isEnd(fate);

/** All of it dies, in any order. */
export const serverDies: Excuse["allows"] = (kind, fate) =>
  edgeDies(kind, fate) || workerDies(kind, fate);

/** The app notes these in a file before it does anything. */
export function isNoted(kind: string): boolean {
  return UNSAFE.has(kind);
}

/** One of those with which a connection comes to its end. */
export function isEnd(fate: string): boolean {
  return fate.startsWith("end ");
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

/** Waits for one more line like this in the log than there are when it is called. */
export function awaitLine(scene: Scene, pattern: RegExp): () => Promise<unknown> {
  const count = (): number => [...scene.server.output().matchAll(pattern)].length;
  const seen = count();
  return () => eventually(`a line ${pattern}`, () => count() > seen, RECOVERY_MS);
}

export async function reload(scene: Scene): Promise<void> {
  const before = treeOf(scene.server).workers.map(({ pid }) => pid);
  process.kill(scene.server.pid, "SIGHUP");
  await replaced(scene, before);
}

/** None of these workers is left, and there are as many others. */
export async function replaced(scene: Scene, before: readonly number[]): Promise<void> {
  await eventually(
    "workers of another generation",
    () => {
      const { workers } = treeOf(scene.server);
      return workers.length >= scene.workers && !workers.some(({ pid }) => before.includes(pid));
    },
    RECOVERY_MS,
  );
}

export function workersAre(scene: Scene, wanted: number): Promise<unknown> {
  return eventually(
    () => `${wanted} workers, there are ${treeOf(scene.server).workers.length}`,
    () => treeOf(scene.server).workers.length === wanted,
    RECOVERY_MS,
  );
}

/** Kills them; resolves when the kernel has done it. */
export async function killed(victims: readonly Process[]): Promise<void> {
  for (const victim of victims) kill(victim, "SIGKILL");
  await eventually("the end of who was killed", () => !victims.some(isAlive), RECOVERY_MS);
}

/** All workers and edges are there again, and a request is answered. */
export async function recovered(scene: Scene): Promise<void> {
  const { workers, edges } = scene;
  const now = (): [number, number] => {
    const tree = treeOf(scene.server);
    return [tree.workers.length, tree.edges.length];
  };
  await eventually(
    () => `${workers} workers and ${edges} edges, there are ${now().join(" and ")}`,
    () => {
      const [workersNow, edgesNow] = now();
      return workersNow >= workers && edgesNow >= edges;
    },
    RECOVERY_MS,
  );
  await answers(scene);
}

export async function answers({ door }: Scene): Promise<void> {
  await eventually(
    "an answer",
    async () => (await door.ask("/sum/probe", RECOVERY_MS).catch(() => null))?.status === 200,
    RECOVERY_MS,
  );
}
