/**
 * What the compliance runs found, kept in results.json beside this file, and docs/compliance.md made from it. A run
 * replaces the section of its suite and server and nothing else, so the page holds the last run of each.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { repository } from "../support/server.ts";

export const SUITES = {
  "autobahn-h1": "WebSocket over HTTP/1.1: Autobahn fuzzing client",
  "autobahn-h2": "WebSocket over HTTP/2 (TLS): Autobahn fuzzing client through extended CONNECT",
  "h2spec-tls": "HTTP/2 over TLS: h2spec",
  "h2spec-h2c": "HTTP/2 by prior knowledge on a plain port: h2spec",
  tls: "TLS: sslyze",
} as const;
export type Suite = keyof typeof SUITES;

/** Outcomes as the suite names them, with their figures, and a line for each case that is not plainly right. */
export interface Finding {
  figures: Record<string, number | string>;
  remarks: string[];
}

interface Dated extends Finding {
  /** Such as 2026-11-21. */
  date: string;
  /** The server's name and version. */
  server: string;
}

export type Results = Partial<Record<Suite, Record<string, Dated>>>;

const resultsPath = `${repository}/tests/compliance/results.json`;
export const pagePath: string = `${repository}/docs/compliance.md`;
const REMARKS_SHOWN = 20;

export function readResults(): Results {
  return JSON.parse(readFileSync(resultsPath, "utf8"));
}

/** Keelback first, then by name. */
function order([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  if (a === b) return 0;
  return a === "keelback" || (b !== "keelback" && a < b) ? -1 : 1;
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function renderRemarks(name: string, remarks: readonly string[]): string[] {
  if (remarks.length === 0) return [];
  const more = remarks.length - REMARKS_SHOWN;
  const shown = remarks.slice(0, REMARKS_SHOWN).map((remark) => `- ${remark}`);
  if (more > 0) shown.push(`- and ${more} more`);
  return [`${name}:`, "", ...shown, ""];
}

function renderSuite(suite: Suite, servers: Record<string, Dated>): string[] {
  const entries = Object.entries(servers).sort(order);
  const names = [...new Set(entries.flatMap(([, found]) => Object.keys(found.figures)))];
  const rows = entries.map(([, { server, date, figures }]) =>
    line([server, ...names.map((name) => `${figures[name] ?? ""}`), date]),
  );
  return [
    `## ${SUITES[suite]}`,
    "",
    line(["server", ...names, "date"]),
    line(["---", ...names.map(() => "---"), "---"]),
    ...rows,
    "",
    ...entries.flatMap(([, { server, remarks }]) => renderRemarks(server, remarks)),
  ];
}

/** The page up to it is written by hand, what follows is written by `record`. */
const MARK = "<!-- From here on written by tests/compliance/run.ts. -->\n";

/** The page with these results in place of its own. */
export function renderPage(page: string, results: Results): string {
  const lines: string[] = [];
  for (const suite of Object.keys(SUITES) as Suite[]) {
    const servers = results[suite];
    if (servers !== undefined) lines.push(...renderSuite(suite, servers));
  }
  const head = page.slice(0, page.indexOf(MARK) + MARK.length);
  return `${head}\n${lines.join("\n").trimEnd()}\n`;
}

export function record(suite: Suite, name: string, finding: Dated): void {
  const results = readResults();
  results[suite] = { ...results[suite], [name]: finding };
  writeFileSync(resultsPath, `${JSON.stringify(results, undefined, 2)}\n`);
  writeFileSync(pagePath, renderPage(readFileSync(pagePath, "utf8"), results));
}
