/** The report for a terminal: what stands out first, then the routes, then the settings. Pure. */
import type { TextOptions, Tone } from "../compare/report/grid.ts";
import { encoded, padded, paint, wrapped } from "../compare/report/grid.ts";
import { changesOf } from "./advice.ts";
import type { AuditReport, Facts, Finding, Recommendation, RouteFacts } from "./types.ts";
import { number, plural, size, time } from "./words.ts";

const ROUTES_MAX = 20;
const FINDINGS_MAX = 10;
const ROUTE_COLUMNS_MAX = 40;

const TONES: Readonly<Record<Finding["severity"], Tone>> = {
  high: "bad",
  medium: "warn",
  low: "plain",
};

const MARKS = { high: "  ! ", medium: "  ! ", low: "  - " };

export function renderText(report: AuditReport, options: TextOptions): string {
  const { facts, findings, recommendations, verification, notes } = report;
  const parts = [
    headLines(report),
    section("What stands out", findingLines(findings, options), options),
    section(routesTitle(facts), routeLines(facts, options), options),
    section("Settings", adviceLines(recommendations, options), options),
  ];
  if (verification !== undefined) {
    const { rounds, rate, verdict } = verification;
    const how = `current and recommended settings in turns, ${plural(rounds, "round")}; latencies at ${number(rate)} requests a second`;
    const lines = [
      ...wrapped(verdict, options.columns, "  "),
      ...wrapped(how, options.columns, "  "),
    ];
    parts.push(section("Verified", lines, options));
  }
  if (notes.length > 0) {
    const lines = notes.flatMap((note) => wrapped(note, options.columns, "  - ", "    "));
    parts.push(section("Notes", lines, options));
  }
  return encoded(`${parts.join("\n\n")}\n`, options);
}

function section(title: string, lines: readonly string[], options: TextOptions): string {
  return [paint(title, "strong", options), ...lines].join("\n");
}

function headLines({ facts, tool, traffic }: AuditReport): string {
  const { found, python, current, cores, seconds, requests, perSecond } = facts;
  const { workers, kind, threads } = current;
  const each = kind === "threads" ? ` (up to ${threads} threads each)` : "";
  return [
    `keelback ${tool.version} audit of ${found}`,
    `  Python ${python}, ${plural(cores, "core")}, ${workers} x ${kind}${each}`,
    `  ${plural(requests, "request")} in ${number(seconds)} s (${number(perSecond)} a second): ${traffic}`,
  ].join("\n");
}

function findingLines(findings: readonly Finding[], options: TextOptions): string[] {
  if (findings.length === 0) return ["  nothing: no route blocks, waits or repeats itself"];
  const lines = findings.slice(0, FINDINGS_MAX).flatMap(({ severity, text, remedy }) => {
    const [first = "", ...more] = wrapped(text, options.columns, MARKS[severity], "    ");
    return [
      paint(first, TONES[severity], options),
      ...more.map((line) => paint(line, TONES[severity], options)),
      ...wrapped(remedy, options.columns, "    -> ", "       "),
    ];
  });
  const hidden = findings.length - FINDINGS_MAX;
  return hidden > 0 ? [...lines, `  and ${hidden} more: --json or --html has them`] : lines;
}

function routesTitle({ routes }: Facts): string {
  const shown =
    routes.length > ROUTES_MAX ? `, the ${ROUTES_MAX} of ${routes.length} that take most` : "";
  return `Routes, for each request${shown}`;
}

interface Column {
  readonly title: string;
  readonly value: (route: RouteFacts) => string;
  /** Left out where no route has anything to say. */
  readonly wanted?: (facts: Facts) => boolean;
}

const some = (pick: (route: RouteFacts) => number) => {
  return ({ routes }: Facts): boolean => routes.some((route) => pick(route) > 0);
};

export const COLUMNS: readonly Column[] = [
  { title: "requests", value: ({ count }) => Math.round(count).toLocaleString("en-US") },
  { title: "P50", value: ({ p50 }) => time(p50) },
  { title: "P99", value: ({ p99 }) => time(p99) },
  { title: "CPU", value: ({ cpu }) => time(cpu) },
  { title: "waits", value: ({ wait, blocked }) => time(Math.max(0, wait - blocked)) },
  {
    title: "blocks loop",
    value: ({ blocked }) => time(blocked),
    wanted: ({ current }) => current.interface === "asgi",
  },
  {
    title: "GIL ~",
    value: ({ gil }) => (gil === undefined ? "-" : time(gil)),
    wanted: ({ routes }) => routes.some(({ gil }) => gil !== undefined),
  },
  { title: "no core", value: ({ core }) => time(core) },
  { title: "queue", value: ({ queue }) => time(queue) },
  {
    title: "queries",
    value: ({ queries, query }) => (queries === 0 ? "-" : `${number(queries)}, ${time(query)}`),
    wanted: some(({ queries }) => queries),
  },
  { title: "size", value: ({ bytes }) => size(bytes) },
  {
    title: "memory/1000",
    value: ({ growthKibPer1000: kib }) => (kib === undefined ? "-" : size(Math.max(0, kib) * 1024)),
    wanted: ({ routes }) => routes.some(({ growthKibPer1000: kib }) => kib !== undefined),
  },
];

function routeLines(facts: Facts, options: TextOptions): string[] {
  const columns = COLUMNS.filter(({ wanted }) => wanted?.(facts) ?? true);
  const rows = facts.routes
    .slice(0, ROUTES_MAX)
    .map((route) => [shortened(route.route), ...columns.map((column) => column.value(route))]);
  const table = [["route", ...columns.map(({ title }) => title)], ...rows];
  const widths =
    table[0]?.map((_, at) => Math.max(...table.map((row) => Bun.stringWidth(row[at] ?? "")))) ?? [];
  return table.map((row, index) => {
    const cells = row.map((cell, at) => padded(cell, widths[at] ?? 0, at === 0 ? "left" : "right"));
    const line = `  ${cells.join("  ")}`.trimEnd();
    return index === 0 ? paint(line, "faint", options) : line;
  });
}

function shortened(route: string): string {
  return route.length > ROUTE_COLUMNS_MAX ? `${route.slice(0, ROUTE_COLUMNS_MAX - 3)}...` : route;
}

function adviceLines(advice: readonly Recommendation[], options: TextOptions): string[] {
  const width = Math.max(0, ...advice.map(({ setting }) => setting.length));
  const lines = advice.flatMap(({ setting, current, recommended, because, effect }) => {
    const name = `  ${setting.padEnd(width)}  `;
    const indent = " ".repeat(name.length);
    if (current === recommended)
      return wrapped(`${current}: keep it (${because})`, options.columns, name, indent);
    const [first = "", ...more] = wrapped(
      `${current} -> ${recommended}: ${effect}`,
      options.columns,
      name,
      indent,
    );
    return [
      paint(first, "good", options),
      ...more,
      ...wrapped(`because ${because}`, options.columns, indent, indent),
    ];
  });
  const flags = flagsOf(advice);
  return flags === "" ? lines : [...lines, "", `  keelback ${flags}`];
}

/** As one would type them. */
export function flagsOf(advice: readonly Recommendation[]): string {
  const changes = Object.entries(changesOf(advice));
  return changes.map(([name, value]) => (name === "app" ? value : `--${name} ${value}`)).join(" ");
}
