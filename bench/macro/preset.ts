/** A preset: a scenario of `keelback compare` with the servers that take part and the bars that Keelback has to clear. */
import type { Measurement } from "../../src/compare/measurement.ts";
import type { HttpLoad, MeasuredLoad, Scenario } from "../../src/compare/scenarios.ts";
import { get } from "../../src/compare/scenarios.ts";
import type { RequestSpec, Setup } from "../../src/compare/types.ts";
import type { Judge } from "./bars.ts";

export interface Preset {
  readonly name: string;
  readonly title: string;
  /** One sentence: what it shows. */
  readonly about: string;
  readonly setup: Setup;
  readonly servers: readonly string[];
  readonly ranked: Scenario["ranked"];
  readonly load: Scenario["load"];
  readonly bars: readonly Judge[];
}

/** Start, warm-up of a third and stop, where a measurement does not say better. */
const AROUND = { seconds: 3, share: 4 / 3 };

interface MeasuredOptions {
  readonly connections?: number;
  /** Estimated seconds of a round. */
  readonly duration?: (seconds: number) => number;
}

export function measured(measure: Measurement, options: MeasuredOptions = {}): MeasuredLoad {
  const { connections = 0, duration } = options;
  const usual = (seconds: number): number => AROUND.seconds + AROUND.share * seconds;
  return { kind: "measured", connections, measure, duration: duration ?? usual };
}

/** The load of the `app` scenario of `keelback compare`: wrk's closed loop, then the open one. */
export function requests(headers: RequestSpec["headers"] = {}): HttpLoad {
  return { kind: "http", requests: [{ ...get("/"), headers }], connections: 64 };
}

/** `closedOnly`: no more than wrk's requests a second, in half of the time. */
export function scenarioOf(preset: Preset, closedOnly: boolean): Scenario {
  const { name, title, about, ranked, load } = preset;
  const only = closedOnly && load.kind === "http" ? { ...load, closedOnly } : load;
  return { ...{ name, title, about, ranked, own: true }, load: only };
}
