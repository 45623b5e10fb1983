/**
 * `make soak`: half an hour of steady traffic of all kinds, at a modest rate, on a server to which everything is done that `make chaos`
 * does. Memory must not grow, and at rest there must be as many processes and descriptors as before.
 *
 * What grows can be seen in a process that lives for long. So there are three stretches: the warm-up, with all faults, those first that
 * replace the supervisor or an edge (upgrades, kills); one life, with all others, in which those two stay; and then all faults again. Every
 * two minutes or so the server is let come to rest, right after a reload, so that workers and zygote are as young as they were before; what
 * it takes then is what is compared: supervisor and edges each with themselves alone, the others in sum.
 */
import { Place } from "../apps_life/serve.ts";
import { answers, type Scene } from "./fault.ts";
import { FAULTS, inflict } from "./faults.ts";
import { bytesOf, descriptorsOf, type Role, type Sample, sampleOf } from "./footprint.ts";
import { Ledger } from "./ledger.ts";
import { failureText, faultsOf, type Rows, rowsOf, runTwice } from "./report.ts";
import { restOf } from "./rest.ts";
import { shuffled } from "./round.ts";
import { randomOf, type Shape, shapeOf, shapeText } from "./shape.ts";
import { slopes, type Slopes } from "./soaked.ts";
import { ended, startStage, WORKERS } from "./stage.ts";
import { Toxiproxy } from "./toxiproxy.ts";
import { Traffic } from "./traffic.ts";

const TICK_MS = 200;
const PACE_MS = 6000;
/** Each kind of request has been answered by then, so that what is opened once is open. */
const FIRST_TRAFFIC_MS = 5000;
/** How often the server rests: this part of the run. */
const REST_PART = 1 / 16;
/** The longest without a collection (collect.ts), and a look more. */
const COLLECTED_MS = 6000;
const LOOK_MS = 500;
/** The one life ends at this part of the run. */
const LIFE_PART = 0.7;
/** MiB an hour. */
const SLOPE_MAX = 1;
/** A run of so long must be able to say it. */
const JUDGED_SECONDS = 1500;
/** MiB that a server takes at the end, new from an upgrade, beyond what it took at first, new too. */
const MORE_MAX = 16;
const MIB = 1024 * 1024;
const LOG_LINES = 40;
const COLLECT = new URL("collect.ts", import.meta.url).pathname;
const RECYCLED = ["--max-requests", "5000", "--max-requests-jitter", "2000"];

const ALL = Object.keys(FAULTS);
const REPLACING = ALL.filter((name) => FAULTS[name]?.replaces === true);
const STAYING = ALL.filter((name) => !REPLACING.includes(name));

export interface SoakOptions {
  readonly seed: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** Of the rates in traffic.ts. */
  readonly scale: number;
  /** Garbage is left to the runtime; else it is collected before memory is looked at. */
  readonly asIs: boolean;
  readonly say: (line: string) => void;
}

export interface SoakReport extends Omit<SoakOptions, "say"> {
  readonly shape: Shape;
  readonly faults: Readonly<Record<string, number>>;
  readonly recoverySeconds: Readonly<Record<string, number>>;
  readonly traffic: Rows;
  readonly slopes: Slopes;
  /** At rest: the first one before everything, the last ones after the traffic and after one upgrade more. */
  readonly rests: readonly Sample[];
  readonly broken: readonly string[];
}

export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { seed, say } = options;
  using place = new Place();
  await using toxiproxy = await Toxiproxy.start(seed);
  const shape = shapeOf(randomOf(seed));
  say(shapeText(shape));
  const collected = { BUN_OPTIONS: `--preload ${COLLECT}` };
  const { server, door } = startStage(place, shape, RECYCLED, options.asIs ? {} : collected);
  using _socket = server;
  const { edges } = shape;
  const about = { server, door, place, workers: WORKERS, edges, ledger: new Ledger(), toxiproxy };
  const run = new Soak(options, shape, { ...about, random: randomOf(seed) });
  try {
    await answers(run.scene);
    await run.everything();
  } catch (error) {
    run.broken.push(String(error));
  } finally {
    run.broken.push(...(await ended(server, place)));
  }
  const report = run.report();
  if (report.broken.length > 0) say(server.output().split("\n").slice(-LOG_LINES).join("\n"));
  return report;
}

class Soak {
  readonly scene: Scene;
  readonly broken: string[] = [];
  readonly #options: SoakOptions;
  readonly #shape: Shape;
  readonly #traffic: Traffic;
  readonly #faults: Record<string, number> = {};
  readonly #rests: Sample[] = [];
  /** What is to be done next. */
  #deck: string[] = [];
  #from = performance.now();

  constructor(options: SoakOptions, shape: Shape, scene: Scene) {
    this.#options = options;
    this.#shape = shape;
    this.scene = scene;
    this.#traffic = new Traffic(scene.door, scene.ledger);
  }

  get #seconds(): number {
    return (performance.now() - this.#from) / 1000;
  }

  async everything(): Promise<void> {
    const { seconds, warmUpSeconds } = this.#options;
    await this.#do("upgrade");
    await this.#stretch(FIRST_TRAFFIC_MS / 1000, null);
    await this.#rest();
    this.#from = performance.now();
    this.#deck = shuffled(REPLACING, this.scene.random);
    await this.#stretch(warmUpSeconds, ALL);
    this.#deck = [];
    const step = seconds * REST_PART;
    const lifeSeconds = Math.max(warmUpSeconds + 2 * step, seconds * LIFE_PART);
    while (this.#seconds < lifeSeconds) await this.#restAfter(step, STAYING);
    this.#deck = shuffled(REPLACING, this.scene.random);
    while (this.#seconds < seconds) await this.#restAfter(step, [...ALL, ...REPLACING]);
    await this.#do("upgrade");
    await this.#rest();
  }

  async #do(name: string): Promise<void> {
    this.#faults[name] = (this.#faults[name] ?? 0) + 1;
    this.#options.say(`${Math.round(this.#seconds)} s: ${name}`);
    const failure = await inflict(this.scene, name);
    if (failure !== null) this.broken.push(failure);
    if (failure !== null) throw new Error("it ends here");
  }

  /** Traffic for some seconds, and of these faults one after the other in any order; null: none. */
  async #stretch(seconds: number, names: readonly string[] | null): Promise<void> {
    const until = performance.now() + seconds * 1000;
    this.#traffic.start(this.#options.scale);
    try {
      while (performance.now() < until) {
        await Bun.sleep(TICK_MS);
        if (names === null) continue;
        const paceMs = performance.now() + PACE_MS;
        if (this.#deck.length === 0) this.#deck = shuffled(names, this.scene.random);
        await this.#do(this.#deck.shift()!);
        await Bun.sleep(Math.max(0, Math.min(paceMs, until) - performance.now()));
      }
      if (names !== null) await this.#do("reload");
    } finally {
      await this.#traffic.stop();
    }
  }

  async #restAfter(seconds: number, names: readonly string[]): Promise<void> {
    await this.#stretch(seconds, names);
    await this.#rest();
  }

  /** The server is let come to rest, then it has no more than the first time; the least that it takes is kept. */
  async #rest(): Promise<void> {
    const { say } = this.#options;
    const first = this.#rests[0] ?? null;
    const rest = await restOf(this.scene, first, say, this.#seconds);
    this.broken.push(...rest.broken);
    let least = rest.sample;
    const until = performance.now() + COLLECTED_MS;
    while (performance.now() < until) {
      await Bun.sleep(LOOK_MS);
      const sample = sampleOf(this.scene.server, this.#seconds);
      if (bytesOf(sample) < bytesOf(least)) least = sample;
    }
    this.#rests.push(least);
    const mib = (role?: Role): string => (bytesOf(least, role) / MIB).toFixed(2);
    const roles = (["supervisor", "edge", "zygote", "worker"] as const).map(
      (role) => `${role} ${mib(role)}`,
    );
    const text = `${mib()} MiB (${roles.join(", ")}); ${descriptorsOf(least)}`;
    say(`${Math.round(this.#seconds)} s: at rest ${text}`);
  }

  report(): SoakReport {
    const { say: _, ...options } = this.#options;
    const { ledger, place } = this.scene;
    const found = slopes(this.#rests, options.warmUpSeconds);
    const broken = [...this.broken, ...runTwice(place.lines("begun"))];
    broken.push(...ledger.judge().map(failureText));
    if (found.all !== null && found.all > SLOPE_MAX) {
      broken.push(`memory grows by ${found.all.toFixed(2)} MiB an hour, at most ${SLOPE_MAX}`);
    }
    if (found.all === null && options.seconds >= JUDGED_SECONDS) {
      broken.push("of memory nothing can be said: no process has lived for long enough");
    }
    const [first, last] = [this.#rests[0], this.#rests.at(-1)];
    const more = first === undefined ? 0 : (bytesOf(last!) - bytesOf(first)) / MIB;
    if (more > MORE_MAX)
      broken.push(`a new server takes ${more.toFixed(1)} MiB more than at first`);
    return {
      ...{ ...options, shape: this.#shape, faults: faultsOf(this.#faults, ledger) },
      ...{ recoverySeconds: ledger.recoveries, traffic: rowsOf(ledger), slopes: found },
      ...{ rests: this.#rests, broken },
    };
  }
}
