/** What the settings of workers ask of each other (see rules.ts). Pure. */
import type { Config } from "./config.ts";
import { publicName } from "./config.ts";
import { quote } from "./problem.ts";
import { from } from "./tls-rules.ts";
import type { Case, Rule } from "./tls-rules.ts";
import { formatBytes } from "./values.ts";

/**
 * How many new workers may exist beside `count` others: `2`, or `25%` of them, rounded up. Null: it
 * says neither.
 */
export function parseOverlap(text: string, count: number): number | null {
  const match = /^(\d{1,4})(%?)$/.exec(text.trim());
  const number = Number(match?.[1] ?? 0);
  if (match === null || number === 0) return null;
  return match[2] === "%" ? Math.ceil((Math.min(100, number) * count) / 100) : number;
}

export const WORKER_RULES: readonly Rule[] = [
  ({ config, sources }) => {
    const { minWorkers, maxWorkers } = config;
    if ((minWorkers === 0) === (maxWorkers === 0)) return null;
    const [key, other] =
      maxWorkers === 0
        ? (["minWorkers", "max-workers"] as const)
        : (["maxWorkers", "min-workers"] as const);
    const text =
      `${config[key]} ${from(sources, key)} needs ${other}: the number of workers follows the ` +
      "load between the two";
    return { key, text };
  },
  ({ config, sources }) => {
    const { minWorkers, maxWorkers } = config;
    if (maxWorkers === 0 || minWorkers <= maxWorkers) return null;
    const text =
      `${minWorkers} ${from(sources, "minWorkers")} is more than max-workers = ${maxWorkers} ` +
      from(sources, "maxWorkers");
    return { key: "minWorkers", text };
  },
  ({ config, sources }) => {
    const { maxWorkerMemoryBytes: soft, maxWorkerMemoryBytesHard: hard } = config;
    if (hard === 0 || soft <= hard) return null;
    const text =
      `${formatBytes(hard)} ${from(sources, "maxWorkerMemoryBytesHard")} is less than ` +
      `max-worker-memory = ${formatBytes(soft)}: the worker would be killed before it is replaced`;
    return { key: "maxWorkerMemoryBytesHard", text };
  },
  ({ config, sources }) => {
    const { reloadOverlap } = config;
    if (reloadOverlap === null || parseOverlap(reloadOverlap, config.workers) !== null) return null;
    const text =
      `${quote(reloadOverlap)} ${from(sources, "reloadOverlap")} is no number of workers; ` +
      "allowed: a number from 1, or a percentage from 1%";
    return { key: "reloadOverlap", text };
  },
];

/** Settings that do nothing without another one. */
const NEEDS = [
  ["maxRequestsJitter", "maxRequests", "max-requests-jitter has no effect without --max-requests"],
  [
    "maxWorkerLifetimeJitterMs",
    "maxWorkerLifetimeMs",
    "max-worker-lifetime-jitter has no effect without --max-worker-lifetime",
  ],
  ["workerIdleMs", "maxWorkers", "worker-idle has no effect without --min-workers, --max-workers"],
] as const;

/** What macOS has no means for; not refused, as files are shared between machines. */
const LINUX_ONLY = ["cpuAffinity", "maxWorkerMemoryBytes", "maxWorkerMemoryBytesHard"] as const;

export function workerNotes(
  { config, sources }: Case,
  system: string = process.platform,
): string[] {
  const idle = NEEDS.filter(([key, other]) => sources[key].kind === "flag" && config[other] === 0);
  const lacking = LINUX_ONLY.filter((key) => system !== "linux" && Boolean(config[key]));
  return [
    ...idle.map(([, , note]) => note),
    ...lacking.map(
      (key) => `${publicName(key)} ${from(sources, key)} has no effect: it needs Linux`,
    ),
  ];
}

/** Where their number follows the load, it begins between the bounds. */
export function workerDefaults({ config, sources }: Case): Case {
  const workers = boundedWorkers(config, config.workers);
  if (workers === config.workers) return { config, sources };
  const name = `${sources.workers.name}, within min-workers and max-workers`;
  return {
    config: { ...config, workers },
    sources: { ...sources, workers: { ...sources.workers, name } },
  };
}

/** So many workers, within the bounds where there are some. */
export function boundedWorkers({ minWorkers, maxWorkers }: Config, count: number): number {
  if (minWorkers === 0 || maxWorkers < minWorkers) return Math.max(1, count);
  return Math.min(maxWorkers, Math.max(minWorkers, count));
}
