/** Routes from what was measured: the report of an audit or a comparison, a log with durations. Pure. */
import { type Distribution, fixed, measured, parseDistribution } from "./distribution.ts";
import type { Route } from "./workload.ts";

export interface Source {
  readonly routes: readonly Route[];
  /** What the reader must know. */
  readonly notes: readonly string[];
}

/** Routes of a log beyond so many are one. */
const ROUTES_MAX = 20;
/** Durations that are kept of each, evenly chosen. */
const VALUES_MAX = 20_000;
const OTHERS = "(others)";

type Facts = Readonly<Record<string, unknown>>;

/** `cpuShare` of what has none of its own: a log does not know it. Returns what is wrong as the rest of a sentence. */
export function readSource(text: string, cpuShare: number): Source | string {
  const whole = parseJson(text);
  if (whole !== null && isList(facts(whole["facts"])["routes"])) return ofAudit(whole);
  if (whole !== null && isList(whole["scenarios"])) return ofComparison(whole);
  return ofLog(text, cpuShare);
}

function ofAudit(report: Facts): Source | string {
  const routes = list(facts(report["facts"])["routes"]).flatMap((route): Route[] => {
    const [count, wall, cpu] = [route["count"], route["wall"], route["cpu"]].map(number);
    if (!count || !wall) return [];
    // Ready to run, without a core: that was the machine of the audit, not the app.
    const service = Math.max(cpu ?? 0, wall - (number(route["core"]) ?? 0));
    const [p50 = 0, p99 = 0] = [number(route["p50"]), number(route["p99"])];
    const waits = service - (cpu ?? 0);
    return [
      {
        name: textOf(route["route"]),
        weight: count,
        service: fitted(service, p50, p99),
        cpuShare: Math.min(1, (cpu ?? 0) / service),
        blocking: waits > 0 && (number(route["blocked"]) ?? 0) > waits / 2,
      },
    ];
  });
  if (routes.length === 0) return "is the report of an audit without any route that was called";
  return { routes, notes: [] };
}

function ofComparison(report: Facts): Source | string {
  for (const scenario of list(report["scenarios"])) {
    const row = list(scenario["rows"]).find(({ server }) => server === "keelback");
    const round = list(row?.["rounds"]).find(({ latency }) => latency !== undefined);
    if (round === undefined) continue;
    const latency = facts(round["latency"]);
    const [mean = 0, p50 = 0, p99 = 0] = ["mean", "p50", "p99"].map((key) => number(latency[key]));
    // CPU seconds for 1000 requests are milliseconds for one.
    const cpu = number(round["cpuPer1000"]) ?? mean;
    const name = textOf(scenario["name"]);
    return {
      routes: [
        {
          name,
          weight: 1,
          service: fitted(mean, p50, p99),
          cpuShare: mean === 0 ? 1 : Math.min(1, cpu / mean),
          blocking: false,
        },
      ],
      notes: [
        `The times are those of the scenario ${name} as clients saw them, with what waited: an audit knows better.`,
      ],
    };
  }
  return "is a comparison without latencies of keelback";
}

function ofLog(text: string, cpuShare: number): Source | string {
  const found = new Map<string, number[]>();
  let wrong = 0;
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const entry = ofLine(line);
    if (entry === null) wrong += 1;
    else found.set(entry.route, [...(found.get(entry.route) ?? []).slice(-VALUES_MAX), entry.ms]);
  }
  const all = [...found].sort((a, b) => b[1].length - a[1].length);
  if (all.length === 0) {
    return "holds no times: neither the JSON of keelback audit or compare, nor an access log of --access-log-format json, nor a number (milliseconds) on each line";
  }
  const kept = all.slice(0, ROUTES_MAX);
  const others = all.slice(ROUTES_MAX).flatMap(([, values]) => values);
  if (others.length > 0) kept.push([OTHERS, others]);
  const routes = kept.map(([name, values]) => ({
    name,
    weight: values.length,
    service: measured(values, `${values.length} measured`),
    cpuShare,
    blocking: false,
  }));
  const notes = wrong > 0 ? [`${wrong} lines hold no time and were left out.`] : [];
  return { routes, notes };
}

/** Of a log, without what the request waited for a worker. */
function ofLine(line: string): { route: string; ms: number } | null {
  const alone = Number(line);
  if (Number.isFinite(alone)) return alone < 0 ? null : { route: "/", ms: alone };
  const entry = parseJson(line);
  const ms = number(entry?.["duration_ms"]);
  if (entry === null || ms === undefined) return null;
  const [method, target] = [textOf(entry["method"]), textOf(entry["target"])];
  const path = target.split("?", 1)[0];
  return {
    route: `${method} ${path}`.trim(),
    ms: Math.max(0, ms - (number(entry["queue_ms"]) ?? 0)),
  };
}

/** With this mean, and the shape of these percentiles. */
function fitted(mean: number, p50: number, p99: number): Distribution {
  const shape = p50 > 0 && p99 > p50 * 1.05 ? parseDistribution(`lognormal:${p50}ms:${p99}ms`) : "";
  if (typeof shape === "string") return fixed(mean);
  const scale = mean / shape.mean;
  return { mean, text: shape.text, sample: (random) => scale * shape.sample(random) };
}

function parseJson(text: string): Facts | null {
  if (!text.trimStart().startsWith("{")) return null;
  try {
    return facts(JSON.parse(text));
  } catch {
    return null; // several lines of JSON, perhaps
  }
}

function facts(value: unknown): Facts {
  return typeof value === "object" && value !== null ? (value as Facts) : {};
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function isList(value: unknown): boolean {
  return Array.isArray(value);
}

function list(value: unknown): readonly Facts[] {
  return Array.isArray(value) ? value.map(facts) : [];
}

function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}
