/**
 * What generations of workers are started from: the plan of the one that serves, and that of the newest, which takes over when it is
 * ready, or never does.
 */
import type { Config } from "../config/config.ts";
import type { Listener } from "../net/open-result.ts";
import type { LaunchPlan } from "./launch.ts";
import type { Generations } from "./workers/generations.ts";
import { workerSettings } from "./workers/worker-settings.ts";

export interface PlansOptions {
  readonly first: LaunchPlan;
  readonly generations: Generations;
  /** The private one. */
  readonly directory: string;
  readonly listeners: readonly Listener[];
  /** Another plan serves, with these settings. */
  changed(config: Config): void;
}

export class Plans {
  readonly #options: PlansOptions;
  #serving: LaunchPlan;
  #newest: LaunchPlan;
  #next = 1;

  constructor(options: PlansOptions) {
    this.#options = options;
    this.#serving = options.first;
    this.#newest = options.first;
  }

  get serving(): LaunchPlan {
    return this.#serving;
  }

  get newest(): LaunchPlan {
    return this.#newest;
  }

  /** Of the generation that serves. */
  get config(): Config {
    return this.#serving.config;
  }

  /** Workers of this plan can be started; returns the number of their generation. */
  open(plan: LaunchPlan): number {
    const { generations, directory, listeners } = this.#options;
    const { config, app, interpreter } = plan;
    const generation = this.#next++;
    const settings = workerSettings({ config, app, directory, generation, listeners });
    generations.prepare(generation, { interpreter, settings });
    this.#newest = plan;
    return generation;
  }

  /** The newest generation serves, or is to be the first that does. */
  adopt(): void {
    if (this.#serving === this.#newest) return;
    this.#serving = this.#newest;
    this.#options.changed(this.config);
  }

  /** The newest generation never serves. */
  abandon(): void {
    this.#newest = this.#serving;
  }
}
