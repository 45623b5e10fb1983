/**
 * Which requests an audit sends: paths that were named, a scenario, or what an access log has recorded. A log has no bodies: of it only
 * requests that change nothing are repeated, and it says how many were not.
 */
import { readFileSync } from "node:fs";
import type { LoadRequest } from "../compare/load/http-load.ts";
import { readScenarioFile, ScenarioFileError } from "../compare/scenario-file.ts";
import type { LoggedRequest } from "./log-lines.ts";
import { parseLogLine, peakPerSecond } from "./log-lines.ts";

const REPEATABLE = new Set(["GET", "HEAD", "OPTIONS"]);
/** Different requests taken from a log, the most frequent ones. */
const REQUESTS_MAX = 500;
/** The weights' sum: the pattern that the load generator repeats is as long. */
const WEIGHTS_MAX = 5000;
const LOG_BYTES_MAX = 512 * 1024 * 1024;

export interface Traffic {
  readonly requests: readonly LoadRequest[];
  /** For the report: `access.log: 1204 requests, 37 different`. */
  readonly about: string;
  readonly peakPerSecond: number | null;
  readonly notes: readonly string[];
}

export type TrafficResult = Traffic | { readonly complaint: string };

export type TrafficChoice =
  | { readonly from: "paths"; readonly paths: readonly string[] }
  | { readonly from: "log" | "scenario"; readonly file: string };

export function readTraffic(
  choice: TrafficChoice,
  headers: Readonly<Record<string, string>>,
): TrafficResult {
  if (choice.from === "paths") return fromPaths(choice.paths, headers);
  const { file } = choice;
  const option = `--${choice.from}`;
  let text: string;
  try {
    if (Bun.file(file).size > LOG_BYTES_MAX) {
      return {
        complaint: `${option}: ${file} is larger than 512 MiB; give a part: tail -n 100000 ${file}`,
      };
    }
    text = readFileSync(file, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { complaint: `${option}: ${file} cannot be read: ${why}` };
  }
  return choice.from === "log" ? fromLog(file, text, headers) : fromScenario(file, text, headers);
}

function request(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
): LoadRequest {
  return { method, path, headers, weight: 1, check: { body: { how: "any" } } };
}

function fromPaths(
  paths: readonly string[],
  headers: Readonly<Record<string, string>>,
): TrafficResult {
  for (const path of paths) {
    if (!/^\/[\x21-\x7e]*$/.test(path)) {
      return {
        complaint: `--path: ${JSON.stringify(path)} is no path: it begins with / and has no blanks`,
      };
    }
  }
  const requests = paths.map((path) => request("GET", path, headers));
  return { requests, about: paths.join(" "), peakPerSecond: null, notes: [] };
}

export function fromLog(
  name: string,
  text: string,
  headers: Readonly<Record<string, string>>,
): TrafficResult {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const logged: LoggedRequest[] = [];
  for (const line of lines) {
    const parsed = parseLogLine(line);
    if (parsed !== null) logged.push(parsed);
  }
  if (logged.length === 0) {
    const what =
      lines.length === 0 ? "is empty" : `has no line that tells a request (of ${lines.length})`;
    return {
      complaint: `--log: ${name} ${what}; it takes the combined format, or JSON as --access-log-format json writes it`,
    };
  }
  const counts = new Map<string, number>();
  let left = 0;
  for (const { method, target } of logged) {
    if (!REPEATABLE.has(method)) left += 1;
    else counts.set(`${method} ${target}`, (counts.get(`${method} ${target}`) ?? 0) + 1);
  }
  if (counts.size === 0) {
    return {
      complaint: `--log: ${name} has no GET, HEAD or OPTIONS; a log holds no bodies, so others cannot be repeated: write them in a --scenario`,
    };
  }
  const unread = lines.length - logged.length;
  const notes = [
    ...(left > 0
      ? [
          `${left} requests of ${name} change something and were not repeated (a log has no bodies): give them as --scenario`,
        ]
      : []),
    ...(unread > 0 ? [`${unread} lines of ${name} tell no request`] : []),
    ...(counts.size > REQUESTS_MAX
      ? [
          `${name} has ${counts.size} different requests; the ${REQUESTS_MAX} most frequent were sent`,
        ]
      : []),
  ];
  const most = [...counts].sort(([, a], [, b]) => b - a).slice(0, REQUESTS_MAX);
  const total = most.reduce((sum, [, count]) => sum + count, 0);
  const scale = Math.min(1, WEIGHTS_MAX / total);
  const requests = most.map(([key, count]): LoadRequest => {
    const at = key.indexOf(" ");
    const weight = Math.max(1, Math.round(count * scale));
    return { ...request(key.slice(0, at), key.slice(at + 1), headers), weight };
  });
  const about = `${name}: ${logged.length} requests, ${counts.size} different`;
  return { requests, about, peakPerSecond: peakPerSecond(logged), notes };
}

/** A scenario of `keelback compare`: one file serves both. */
export function fromScenario(
  name: string,
  text: string,
  headers: Readonly<Record<string, string>>,
): TrafficResult {
  try {
    const { requests } = readScenarioFile(text);
    return {
      requests: requests.map((one) => ({
        ...one,
        headers: { ...headers, ...one.headers },
        check: { body: { how: "any" } },
      })),
      about: `${name}: ${requests.length} requests`,
      peakPerSecond: null,
      notes: [],
    };
  } catch (error) {
    if (!(error instanceof ScenarioFileError)) throw error;
    return { complaint: `--scenario: ${name}: ${error.message}` };
  }
}
