/** Every server that can be compared, in the order in which tables show them before anything is measured. */
import { asgi } from "./asgi.ts";
import { baselines } from "./baselines.ts";
import { caddysnake } from "./caddysnake.ts";
import { development } from "./development.ts";
import { granian } from "./granian.ts";
import { gunicorn } from "./gunicorn.ts";
import { keelback } from "./keelback.ts";
import type { Setup } from "../types.ts";
import type { ServerSpec } from "./spec.ts";
import { wsgi } from "./wsgi.ts";

export type { Launch, Listen, Resources, ServerSpec } from "./spec.ts";

export const catalogue: readonly ServerSpec[] = [
  keelback,
  ...gunicorn,
  ...asgi,
  ...granian,
  ...wsgi,
  ...caddysnake,
  ...development,
  ...baselines,
];

export interface Variation {
  /** Unique, as of any server. */
  readonly name: string;
  /** Further options. */
  readonly extra?: readonly string[];
  /** Another command line in its place. */
  readonly change?: (argv: readonly string[], setup: Setup) => readonly string[];
}

export interface Variant extends ServerSpec {
  /** Whose needs it has: that server's name in the catalogue. */
  readonly of: string;
}

/** A server of the catalogue with other options, for who compares them: none of the catalogue, and nobody meets it by default. */
export function variant(base: string, { name, extra = [], change }: Variation): Variant {
  const spec = catalogue.find((each) => each.name === base);
  if (spec === undefined) throw new Error(`no server of the catalogue is called ${base}`);
  return {
    ...spec,
    ...{ name, of: base },
    command: (setup, listen) => {
      const launch = spec.command(setup, listen);
      const argv = [...launch.argv, ...extra];
      return { ...launch, argv: change?.(argv, setup) ?? argv };
    },
  };
}

/** The specs that a name chooses: one server, or all of a family (`gunicorn`). */
export function named(name: string): readonly ServerSpec[] {
  const wanted = name.trim().toLowerCase();
  const exact = catalogue.filter((spec) => spec.name === wanted);
  return exact.length > 0 ? exact : catalogue.filter((spec) => spec.family === wanted);
}
