/**
 * `make soak`: half an hour of steady traffic of all kinds on a server that is reloaded, recycled, scaled and hurt all the while, at a
 * modest rate. Memory must not grow, and at rest there must be as many processes and descriptors as before.
 *
 * Upgrades and kills of the edge belong to the warm-up and to the end: they replace the processes whose memory is watched.
 */
import { eventually, Place } from "../apps_life/serve.ts";
import type { Scene } from "./fault.ts";
import { inflict } from "./faults.ts";
import { bytesOf, descriptorNames, descriptorsOf, isNoMore } from "./footprint.ts";
import { type Role, type Sample, sampleOf } from "./footprint.ts";
import { Ledger } from "./ledger.ts";
import { failureText, faultsOf, type Rows, rowsOf, runTwice } from "./report.ts";
import { type Point, slopeOf } from "./slope.ts";
import { ended, randomOf, startStage, Supervisor, WORKERS } from "./stage.ts";
import { Traffic } from "./traffic.ts";

const SAMPLE_MS = 10_000;
const WINDOW_SECONDS = 120;
const TICK_MS = 200;
/** Each kind of request has been answered by then, so that what is opened once is open. */
const FIRST_TRAFFIC_MS = 5000;
const SETTLE_MS = 30_000;
/** MiB an hour. */
const SLOPE_MAX = 1;
const LOG_LINES = 40;
const COLLECT = new URL("collect.ts", import.meta.url).pathname;
const RECYCLED = ["--max-requests", "5000", "--max-requests-jitter", "2000"];
const ROLES: readonly Role[] = ["supervisor", "edge", "zygote", "worker"];

/** What is done, and how often. */
const EVERY_SECONDS: Readonly<Record<string, number>> = {
  "kill a worker": 40,
  "half requests": 60,
  garbage: 70,
  "slow readers": 80,
  reload: 100,
  "scale up and down": 150,
  "reopen the logs": 170,
  "hang a worker": 290,
  "reload a broken release": 310,
  "leak in a worker": 330,
  "kill the zygote": 620,
};

/** At which part of the warm-up. */
const IN_WARM_UP: Readonly<Record<string, number>> = {
  "kill the edge": 0.2,
  upgrade: 0.3,
};

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

export interface SoakReport {
  readonly seed: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly scale: number;
  readonly asIs: boolean;
  readonly faults: Readonly<Record<string, number>>;
  readonly recoverySeconds: Readonly<Record<string, number>>;
  readonly traffic: Rows;
  /** MiB an hour after the warm-up, of what is not backed by files; null: the run was too short to say. */
  readonly slopes: Readonly<Record<"all" | Role, number | null>>;
  /** At rest: before, after the traffic, and after one upgrade more. */
  readonly descriptors: readonly string[];
  readonly samples: readonly Sample[];
  readonly broken: readonly string[];
}

export async function soak(options: SoakOptions): Promise<SoakReport> {
  using place = new Place();
  const collected = { BUN_OPTIONS: `--preload ${COLLECT}` };
  const server = await startStage(place, RECYCLED, options.asIs ? {} : collected);
  const supervisor = new Supervisor(server, place);
  const random = randomOf(options.seed);
  const about = { server, place, workers: WORKERS, supervisor, toxiproxy: null };
  const run = new Soak(options, { ...about, ledger: new Ledger(), random });
  try {
    await run.do("upgrade");
    await run.traffic(FIRST_TRAFFIC_MS / 1000, () => Promise.resolve());
    await run.rests();
    await run.traffic(options.seconds, () => run.disturb());
    await run.rests();
    await run.do("upgrade");
    await run.rests();
  } catch (error) {
    run.broken.push(String(error));
  } finally {
    run.broken.push(...(await ended(server, supervisor, place)));
  }
  const report = run.report();
  if (report.broken.length > 0) {
    options.say(server.output().split("\n").slice(-LOG_LINES).join("\n"));
  }
  return report;
}

class Soak {
  readonly broken: string[] = [];
  readonly #options: SoakOptions;
  readonly #scene: Scene;
  readonly #traffic: Traffic;
  readonly #faults: Record<string, number> = {};
  readonly #samples: Sample[] = [];
  /** At rest. */
  readonly #rests: Sample[] = [];
  readonly #due = new Map(Object.entries(EVERY_SECONDS));
  readonly #once = new Map(Object.entries(IN_WARM_UP));
  #from = performance.now();

  constructor(options: SoakOptions, scene: Scene) {
    this.#options = options;
    this.#scene = scene;
    this.#traffic = new Traffic(scene.server.port, scene.ledger);
  }

  get #seconds(): number {
    return (performance.now() - this.#from) / 1000;
  }

  async do(name: string): Promise<void> {
    this.#faults[name] = (this.#faults[name] ?? 0) + 1;
    this.#options.say(`${Math.round(this.#seconds)} s: ${name}`);
    const failure = await inflict(this.#scene, name);
    if (failure !== null) this.broken.push(failure);
  }

  /** Traffic for some seconds, `disturb` again and again meanwhile. */
  async traffic(seconds: number, disturb: () => Promise<void>): Promise<void> {
    this.#from = performance.now();
    const timer = setInterval(() => this.#sample(), SAMPLE_MS);
    this.#traffic.start(this.#options.scale);
    while (this.#seconds < seconds && this.broken.length === 0) {
      await disturb();
      await Bun.sleep(TICK_MS);
    }
    clearInterval(timer);
    await this.#traffic.stop();
  }

  #sample(): void {
    const sample = sampleOf(this.#scene.supervisor, this.#seconds);
    this.#samples.push(sample);
    const mib = (role?: Role): string => (bytesOf(sample, role) / 2 ** 20).toFixed(2);
    const roles = ROLES.map((role) => `${role} ${mib(role)}`).join(", ");
    this.#options.say(
      `${Math.round(sample.seconds)} s: ${mib()} MiB (${roles}); ${descriptorsOf(sample)}`,
    );
  }

  /** Does what is due. */
  async disturb(): Promise<void> {
    const { warmUpSeconds, seconds } = this.#options;
    for (const [name, part] of this.#once) {
      if (this.#seconds < warmUpSeconds * part) continue;
      this.#once.delete(name);
      await this.do(name);
    }
    for (const [name, at] of this.#due) {
      if (this.#seconds < at || this.#seconds > seconds) continue;
      this.#due.set(name, this.#seconds + EVERY_SECONDS[name]!);
      await this.do(name);
    }
  }

  /** The server is let come to rest; then it has no more than the first time. */
  async rests(): Promise<void> {
    const look = (): Sample => sampleOf(this.#scene.supervisor, this.#seconds);
    const [first] = this.#rests;
    const isAtRest = (): boolean =>
      first === undefined ? workersIn(look()) === WORKERS : isNoMore(look(), first);
    try {
      await eventually("rest", isAtRest, SETTLE_MS);
    } catch {
      const was = first === undefined ? `${WORKERS} workers` : descriptorsOf(first);
      this.broken.push(`descriptors at rest: ${descriptorsOf(look())}; at first ${was}`);
      for (const { role, pid } of look().processes) {
        this.#options.say(`${role} ${pid}: ${descriptorNames(pid).join("; ")}`);
      }
    }
    this.#rests.push(look());
  }

  report(): SoakReport {
    const { seed, seconds, warmUpSeconds, scale, asIs } = this.#options;
    const warm = this.#samples.filter((sample) => sample.seconds >= warmUpSeconds);
    const slope = (role?: Role): number | null => {
      const points = warm.map((sample): Point => ({
        seconds: sample.seconds,
        bytes: bytesOf(sample, role),
      }));
      return slopeOf(points, WINDOW_SECONDS);
    };
    const roles = ROLES.map((role) => [role, slope(role)] as const);
    const slopes = { all: slope(), ...Object.fromEntries(roles) } as SoakReport["slopes"];
    const faults = faultsOf(this.#faults, this.#scene.ledger);
    const { recoveries: recoverySeconds } = this.#scene.ledger;
    const twice = runTwice(this.#scene.place.lines("begun"));
    const failed = this.#scene.ledger.judge().map(failureText);
    const broken = [...this.broken, ...twice, ...failed];
    if (slopes.all !== null && slopes.all > SLOPE_MAX) {
      broken.push(`memory grows by ${slopes.all.toFixed(2)} MiB an hour, at most ${SLOPE_MAX}`);
    }
    return {
      ...{ seed, seconds, warmUpSeconds, scale, asIs, faults, recoverySeconds, slopes, broken },
      ...{
        traffic: rowsOf(this.#scene.ledger),
        descriptors: this.#rests.map(descriptorsOf),
        samples: this.#samples,
      },
    };
  }
}

function workersIn({ processes }: Sample): number {
  return processes.filter(({ role }) => role === "worker").length;
}
