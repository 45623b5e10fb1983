/**
 * The KEELBACK_* variables and those of hosting platforms. Pure. An empty variable counts as not
 * set, as container tools set variables that way when they have no value; lists are separated by
 * commas.
 */
import type { Given } from "./argv.ts";
import { splitList } from "./argv.ts";
import type { SourceKind } from "./config.ts";
import { ROWS } from "./config.ts";
import { nearest } from "./names.ts";
import type { OptionKey } from "./options.ts";
import type { Problem } from "./problem.ts";
import { didYouMean, problem } from "./problem.ts";
import type { OptionSpec } from "./spec.ts";
import { isRepeatable, OFF } from "./values.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ReadEnvironment {
  readonly given: ReadonlyMap<OptionKey, Given>;
  readonly platform: ReadonlyMap<OptionKey, Given>;
  readonly problems: readonly Problem[];
}

const PREFIX = "KEELBACK_";
const VARIABLES: ReadonlyMap<string, (typeof ROWS)[number]> = new Map(
  ROWS.flatMap((row) => (row.variable === null ? [] : [[row.variable, row] as const])),
);

/**
 * Kubernetes gives every container variables about each service of its namespace. With a service
 * that is named keelback they look like ours.
 */
const KUBERNETES_NAME =
  /^KEELBACK_(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)$/;
const KUBERNETES_PORT = /^(?:tcp|udp|sctp):\/\//;

export function readEnvironment(env: Environment): ReadEnvironment {
  const given = new Map<OptionKey, Given>();
  const platform = new Map<OptionKey, Given>();
  const problems: Problem[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(PREFIX) || value === undefined || isKubernetes(name, value)) continue;
    const row = VARIABLES.get(name);
    if (row === undefined) {
      const hint = didYouMean(nearest(name, VARIABLES.keys()));
      problems.push(problem(null, `unknown variable ${name}${hint}`));
      continue;
    }
    if (value === "") continue;
    given.set(row.key, { words: wordsOf(row.spec, value), source: source("variable", name) });
  }
  for (const { key, spec } of ROWS) {
    if (spec.platform === undefined) continue;
    const { variable, prefix = "" } = spec.platform;
    const value = env[variable];
    if (value === undefined || value === "") continue;
    platform.set(key, { words: [prefix + value], source: source("platform", variable) });
  }
  return { given, platform, problems };
}

function isKubernetes(name: string, value: string): boolean {
  return KUBERNETES_NAME.test(name) || (name === "KEELBACK_PORT" && KUBERNETES_PORT.test(value));
}

function wordsOf(spec: OptionSpec, value: string): readonly string[] {
  if (isRepeatable(spec)) return splitList(value);
  return [spec.negatable === true && value.toLowerCase() === "false" ? OFF : value];
}

function source(kind: SourceKind, name: string): Given["source"] {
  return { kind, name };
}
