/** The arguments of `keelback simulate`, read into plans: each combination of what has several values is one. */
import { availableParallelism } from "node:os";
import { readFileSync } from "node:fs";
import { nearest } from "../config/names.ts";
import { didYouMean, quote } from "../config/problem.ts";
import { parseDistribution, parseTime } from "../simulate/distribution.ts";
import { BALANCES, MODELS, type Plan } from "../simulate/simulate.ts";
import { readSource } from "../simulate/sources.ts";
import { type Route, Workload } from "../simulate/workload.ts";

export type Parsed =
  | {
      readonly kind: "plans";
      readonly plans: readonly Plan[];
      readonly json: boolean;
      readonly p99Ms: number | null;
      readonly notes: readonly string[];
    }
  | { readonly kind: "help" }
  | { readonly kind: "wrong"; readonly text: string };

/** What is wrong with an argument, for the operator. */
class Wrong extends Error {}

const OPTIONS = [
  ...["service", "cpu", "route", "from", "rate", "nodes", "cores", "workers", "threads"],
  ...["interface", "server", "connections", "fresh", "arrivals", "balance", "p99", "seconds"],
  "seed",
] as const;
type Option = (typeof OPTIONS)[number];
type Given = Partial<Record<Option, readonly string[]>>;

const ROWS_MAX = 200;
const REQUESTS = 50_000;
const SECONDS_MIN = 20;
const SECONDS_MAX = 86_400;
/** Of the measured time, before it. */
const WARMUP_SHARE = 0.1;
/** --queue and --queue-timeout of the server. */
const QUEUE = { queueMax: 10_000, queueTimeoutMs: 30_000 };

export function parseSimulate(argv: readonly string[]): Parsed {
  if (argv.includes("--help") || argv.includes("-h")) return { kind: "help" };
  try {
    const { given, json } = collect(argv);
    const { routes, notes } = routesOf(given);
    const plans = plansOf(given, new Workload(routes));
    const [p99] = given.p99 ?? [];
    const p99Ms = p99 === undefined ? null : parseTime(p99);
    if (p99 !== undefined && p99Ms === null) wrong(`--p99 ${quote(p99)} is no time; write 50ms`);
    return { kind: "plans", plans, json, p99Ms, notes };
  } catch (error) {
    if (error instanceof Wrong) return { kind: "wrong", text: error.message };
    throw error;
  }
}

function wrong(text: string): never {
  throw new Wrong(text);
}

function collect(argv: readonly string[]): { given: Given; json: boolean } {
  const given: Partial<Record<Option, string[]>> = {};
  let json = false;
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? "";
    const [, name = "", attached] = /^--([a-z0-9-]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (word === "--json") json = true;
    else if (isOption(name)) {
      const value = attached ?? argv[++at] ?? "";
      if (value === "") wrong(`--${name} needs a value; keelback simulate --help shows which`);
      (given[name] ??= []).push(value);
    } else if (name !== "")
      wrong(`there is no option ${quote(word)}${didYouMean(nearest(name, OPTIONS))}`);
    else wrong(`${quote(word)} is too much; keelback simulate --help shows the options`);
  }
  return { given, json };
}

function isOption(name: string): name is Option {
  return (OPTIONS as readonly string[]).includes(name);
}

function routesOf(given: Given): { routes: readonly Route[]; notes: readonly string[] } {
  const { service, route, from } = given;
  const cpuShare = percentOf("cpu", given.cpu?.at(-1) ?? "100");
  const ways = [service, route, from].filter((way) => way !== undefined).length;
  if (ways !== 1) {
    const what = ways === 0 ? "what does a request cost?" : "a request costs one of these only:";
    wrong(`${what} --service TIME, --route or --from FILE`);
  }
  if (route !== undefined)
    return { routes: route.map((text) => routeOf(text, cpuShare)), notes: [] };
  const [first = ""] = service ?? from ?? [];
  if (from !== undefined) return fileOf(first, cpuShare);
  return { routes: [simpleRoute(first, cpuShare)], notes: [] };
}

function simpleRoute(text: string, cpuShare: number): Route {
  const service = parseDistribution(text);
  if (typeof service === "string") wrong(`--service ${quote(text)} ${service}`);
  return { name: "/", weight: 1, service, cpuShare, blocking: false };
}

function fileOf(path: string, cpuShare: number): ReturnType<typeof routesOf> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return wrong(`--from ${quote(path)} cannot be read: ${why}`);
  }
  const source = readSource(text, cpuShare);
  return typeof source === "string" ? wrong(`--from ${quote(path)} ${source}`) : source;
}

function routeOf(text: string, cpuShare: number): Route {
  const words = new Map<string, string>();
  for (const word of text.trim().split(/[\s,]+/)) {
    const [key = "", value] = word.split("=", 2);
    const known = key === "blocking" || (value !== undefined && value !== "");
    if (!known || !["service", "cpu", "weight", "name", "blocking"].includes(key)) {
      wrong(
        `--route ${quote(text)}: ${quote(word)} is not one of service=, cpu=, weight=, name=, blocking`,
      );
    }
    words.set(key, value ?? "");
  }
  const time = words.get("service");
  if (time === undefined) return wrong(`--route ${quote(text)} needs service=TIME`);
  const service = parseDistribution(time);
  if (typeof service === "string")
    return wrong(`--route ${quote(text)}: ${quote(time)} ${service}`);
  const weight = Number(words.get("weight") ?? "1");
  if (!(weight > 0)) wrong(`--route ${quote(text)}: the weight must be above 0`);
  const cpu = words.get("cpu");
  return {
    name: words.get("name") ?? "/",
    weight,
    service,
    cpuShare: cpu === undefined ? cpuShare : percentOf("cpu", cpu),
    blocking: words.has("blocking"),
  };
}

function plansOf(given: Given, workload: Workload): Plan[] {
  const rates = numbersOf(given, "rate", { least: 0.001, most: 1e6 });
  if (rates.length === 0) wrong("how many requests a second? --rate N");
  const kind = oneOf(given, "interface", ["wsgi", "asgi"] as const) ?? "wsgi";
  const pinned = kind === "asgi" ? (["loop"] as const) : (["gthread", "sync"] as const);
  const models = listOf(given, "server", MODELS) ?? ["keelback" as const, ...pinned];
  const count = (option: Option, most: number): number[] =>
    numbersOf(given, option, { least: 1, most, whole: true });
  const cores = orElse(count("cores", 1024), availableParallelism());
  const [seconds] = numbersOf(given, "seconds", { least: 1, most: SECONDS_MAX });
  const [connections = 100] = numbersOf(given, "connections", { least: 0, most: 1e6, whole: true });
  const [seed = 1] = numbersOf(given, "seed", { least: 0, most: 2 ** 31, whole: true });
  const shared = {
    ...{ interface: kind, workload, connections, seed, ...QUEUE },
    fresh: percentOf("fresh", given.fresh?.at(-1) ?? "0"),
    arrivals: oneOf(given, "arrivals", ["poisson", "even"] as const) ?? ("poisson" as const),
    balance: oneOf(given, "balance", BALANCES) ?? ("round-robin" as const),
  };
  const nodes = orElse(count("nodes", 1024), 1);
  const threads = orElse(count("threads", 1024), 16);
  const workersOf = (core: number): readonly number[] => orElse(count("workers", 1024), core);
  const machines = cores.flatMap((core) =>
    workersOf(core).map((workers) => ({ cores: core, workers })),
  );
  // The order of the rows: by rate, then from few to many, servers beside each other.
  const fleets = cross(nodes, machines, (n, one) => ({ nodes: n, ...one }));
  const loaded = cross(rates, fleets, (rate, fleet) => ({
    rate,
    ...timeOf(rate, seconds),
    ...fleet,
  }));
  const threaded = cross(loaded, threads, (one, n) => ({ ...one, threads: n }));
  const plans = cross(threaded, models, (one, model): Plan => ({ ...shared, ...one, model }));
  if (plans.length > ROWS_MAX)
    wrong(`these are ${plans.length} combinations; ${ROWS_MAX} at most, give fewer values`);
  return plans;
}

function timeOf(
  rate: number,
  asked: number | undefined,
): { seconds: number; warmupSeconds: number } {
  const enough = Math.min(SECONDS_MAX, Math.max(SECONDS_MIN, REQUESTS / rate));
  const seconds = asked ?? enough;
  return { seconds, warmupSeconds: seconds * WARMUP_SHARE };
}

/** Each with each. */
function cross<A, B, C>(as: readonly A[], bs: readonly B[], join: (a: A, b: B) => C): C[] {
  return as.flatMap((a) => bs.map((b) => join(a, b)));
}

function orElse(values: readonly number[], value: number): readonly number[] {
  return values.length === 0 ? [value] : values;
}

interface Range {
  readonly least: number;
  readonly most: number;
  readonly whole?: true;
}

function numbersOf(given: Given, option: Option, { least, most, whole }: Range): number[] {
  return (given[option] ?? []).flatMap((text) =>
    text.split(",").map((word) => {
      const value = /^\d+(\.\d+)?$/.test(word) ? Number(word) : Number.NaN;
      const fits = value >= least && value <= most && (whole !== true || Number.isInteger(value));
      if (fits) return value;
      const what = whole === true ? "whole number" : "number";
      return wrong(
        `--${option} ${quote(text)}: ${quote(word)} is no ${what} from ${least} to ${most}`,
      );
    }),
  );
}

function listOf<T extends string>(given: Given, option: Option, all: readonly T[]): T[] | null {
  const words = given[option]?.flatMap((text) => text.split(","));
  if (words === undefined) return null;
  return words.map((word) => {
    const found = all.find((one) => one === word);
    return found ?? wrong(`--${option} ${quote(word)}: there are ${all.join(", ")}`);
  });
}

function oneOf<T extends string>(given: Given, option: Option, all: readonly T[]): T | null {
  return listOf(given, option, all)?.at(-1) ?? null;
}

function percentOf(option: string, text: string): number {
  const value = Number(/^(\d+(?:\.\d+)?)\s*%?$/.exec(text)?.[1] ?? Number.NaN);
  if (value >= 0 && value <= 100) return value / 100;
  return wrong(`--${option} ${quote(text)} is no percentage from 0 to 100`);
}
