/** Named figures and counts of errors, in as few words as the measurements need. */
import type { StreamResult, StreamSpec } from "../../src/compare/load/http-load.ts";
import { NO_ERRORS } from "../../src/compare/load/tool.ts";
import type { Reading } from "../../src/compare/measurement.ts";
import { sum } from "../../src/compare/rounds.ts";
import type { ErrorCounts, NamedFigure } from "../../src/compare/types.ts";

export function less(label: string, unit: string, value: number): NamedFigure {
  return { label, unit, better: "less", value };
}

export function more(label: string, unit: string, value: number): NamedFigure {
  return { label, unit, better: "more", value };
}

export type Results = Record<string, StreamResult>;

/** The first figure of the streams together: the worst. */
export function worst(results: Results, key: "p99Ms" | "maxMs"): number {
  return Math.max(...Object.values(results).map((stream) => stream[key]));
}

/** Those that were never sent too. */
export function failed(results: Results): number {
  return Object.values(results).reduce((total, { errors }) => total + errors, 0);
}

/** What a row says of the streams: what was never sent has waited too long. */
export function countsOf(results: Results): Pick<Reading, "requests" | "errors"> {
  const all = Object.values(results);
  const errors = all.reduce<ErrorCounts>((total, { kinds, unsent }) => {
    return sum(total, { ...kinds, timeout: kinds.timeout + unsent });
  }, NO_ERRORS);
  return { requests: all.reduce((total, { sent, unsent }) => total + sent + unsent, 0), errors };
}

/** Of a client that does not say what kind of errors they were. */
export function unsorted(count: number): ErrorCounts {
  return { ...NO_ERRORS, connection: count };
}

export function describeStream(stream: StreamSpec): string {
  const pace = stream.rate === 0 ? "closed loop" : `${stream.rate}/s open loop`;
  const over = stream.fresh === true ? "new connections" : `${stream.connections} connections`;
  return `${stream.path} ${pace} over ${over}`;
}
