/** Every server that can be compared, in the order in which tables show them before anything is measured. */
import { asgi } from "./asgi.ts";
import { baselines } from "./baselines.ts";
import { caddysnake } from "./caddysnake.ts";
import { development } from "./development.ts";
import { granian } from "./granian.ts";
import { gunicorn } from "./gunicorn.ts";
import { keelback } from "./keelback.ts";
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

/** The specs that a name chooses: one server, or all of a family (`gunicorn`). */
export function named(name: string): readonly ServerSpec[] {
  const wanted = name.trim().toLowerCase();
  const exact = catalogue.filter((spec) => spec.name === wanted);
  return exact.length > 0 ? exact : catalogue.filter((spec) => spec.family === wanted);
}
