/** One run of chaos: a server of one shape, traffic, faults one after the other, and what is left of it all. */
import { Place } from "../apps_life/serve.ts";
import { answers, type Scene } from "./fault.ts";
import { choose, inflict } from "./faults.ts";
import { bytesOf, type Sample } from "./footprint.ts";
import { Ledger } from "./ledger.ts";
import { failureText, faultsOf, type Rows, rowsOf, runTwice } from "./report.ts";
import { restOf } from "./rest.ts";
import { randomOf, type Shape, shapeOf, shapeText } from "./shape.ts";
import { ended, startStage, WORKERS } from "./stage.ts";
import { Toxiproxy } from "./toxiproxy.ts";
import { Traffic } from "./traffic.ts";

/** Each kind of request has been answered by then, so that what is opened once is open. */
const WARM_MS = 3000;
const QUIET_MS = 500;
/** Of the log, when something is broken. */
const LOG_LINES = 300;
/** What edges may have grown by at the end: their heaps are collected when the runtime likes. */
const GROWTH_BYTES_MAX = 100 * 1024 * 1024;

export interface ChaosOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Of the rates in traffic.ts. */
  readonly scale: number;
  /** Null: by the seed. */
  readonly shape: Shape | null;
  /** Names of faults among which the seed chooses; empty: all. */
  readonly only: readonly string[];
  /** These once each, in this order, however long that takes; null: for the seconds, by the seed. */
  readonly names: readonly string[] | null;
  readonly say: (line: string) => void;
}

export interface ChaosReport {
  readonly seed: number;
  readonly seconds: number;
  readonly shape: Shape;
  readonly faults: Readonly<Record<string, number>>;
  /** The longest time that the recovery from each took, with what is done to the server itself. */
  readonly recoverySeconds: Readonly<Record<string, number>>;
  readonly traffic: Rows;
  /** What was broken, in words; empty: nothing. */
  readonly broken: readonly string[];
}

export async function chaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed, say } = options;
  using place = new Place();
  await using toxiproxy = await Toxiproxy.start(seed);
  const shape = options.shape ?? shapeOf(randomOf(seed));
  say(shapeText(shape));
  const { server, door } = startStage(place, shape);
  using _socket = server;
  const ledger = new Ledger();
  const { edges } = shape;
  const about = { server, door, place, workers: WORKERS, edges, ledger, toxiproxy };
  const scene: Scene = { ...about, random: randomOf(seed) };
  const broken: string[] = [];
  const faults: Record<string, number> = {};
  try {
    await answers(scene);
    const first = await warmUp(scene, options);
    const traffic = new Traffic(door, ledger);
    traffic.start(options.scale);
    const left = nextOf(scene, options);
    for (let name = left(); name !== null && broken.length === 0; name = left()) {
      faults[name] = (faults[name] ?? 0) + 1;
      say(name);
      const failure = await inflict(scene, name);
      if (failure !== null) broken.push(failure);
      await Bun.sleep(QUIET_MS * (0.5 + scene.random()));
    }
    await traffic.stop();
    broken.push(...(await leftovers(scene, first, say)));
  } catch (error) {
    broken.push(String(error));
  } finally {
    broken.push(...(await ended(server, place)));
  }
  broken.push(...runTwice(place.lines("begun")), ...ledger.judge().map(failureText));
  if (broken.length > 0) say(server.output().split("\n").slice(-LOG_LINES).join("\n"));
  const { recoveries: recoverySeconds } = ledger;
  const facts = { faults: faultsOf(faults, ledger), recoverySeconds, traffic: rowsOf(ledger) };
  return { seed, seconds: options.seconds, shape, ...facts, broken };
}

/** The name of the next fault; null: it is enough. */
function nextOf(scene: Scene, { seconds, only, names }: ChaosOptions): () => string | null {
  const end = performance.now() + seconds * 1000;
  const left = [...(names ?? [])];
  if (names !== null) return () => left.shift() ?? null;
  return () => (performance.now() < end ? choose(scene, only) : null);
}

async function warmUp(scene: Scene, { scale, say }: ChaosOptions): Promise<Sample> {
  const traffic = new Traffic(scene.door, scene.ledger);
  traffic.start(scale);
  await Bun.sleep(WARM_MS);
  await traffic.stop();
  const { sample, broken } = await restOf(scene, null, say);
  if (broken.length > 0) throw new Error(broken.join("; "));
  return sample;
}

async function leftovers(
  scene: Scene,
  first: Sample,
  say: (line: string) => void,
): Promise<readonly string[]> {
  const { sample, broken } = await restOf(scene, first, say);
  const [before, after] = [bytesOf(first, "edge"), bytesOf(sample, "edge")];
  if (after <= before + GROWTH_BYTES_MAX) return broken;
  return [...broken, `edges have grown from ${before} to ${after} bytes`];
}
