/** Lines of an access log: which request, and when. Combined, common, either with a virtual host before it, or our JSON. Pure. */

export interface LoggedRequest {
  readonly method: string;
  /** With its query. */
  readonly target: string;
  /** Milliseconds since 1970, or null. */
  readonly time: number | null;
}

const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";
const REQUEST = /"([A-Z]{3,20}) (\S+)(?: HTTP\/[\d.]+)?"/;
const TIME = /\[(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})\]/;

/** Null: no request is told by this line. */
export function parseLogLine(line: string): LoggedRequest | null {
  return line.startsWith("{") ? parseJson(line) : parseCombined(line);
}

function parseCombined(line: string): LoggedRequest | null {
  const [, method = "", raw = ""] = REQUEST.exec(line) ?? [];
  const target = pathOf(raw);
  return target === null ? null : { method, target, time: timeOf(line) };
}

function parseJson(line: string): LoggedRequest | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof parsed !== "object" || parsed === null) return null;
  const fields = parsed as Readonly<Record<string, unknown>>;
  const { method, target, time } = fields;
  if (typeof method !== "string" || typeof target !== "string") return null;
  const path = pathOf(target);
  if (path === null) return null;
  const at = typeof time === "string" ? Date.parse(time) : Number.NaN;
  return { method, target: path, time: Number.isNaN(at) ? null : at };
}

/** Escapes of the log (`\x22`) become escapes of a path; null: it is none. */
function pathOf(raw: string): string | null {
  const path = raw
    .replaceAll(/\\x([0-9a-fA-F]{2})/g, (_, hex: string) => `%${hex.toUpperCase()}`)
    .replace(/^https?:\/\/[^/?]+/i, "");
  return /^\/[\x21-\x7e]*$/.test(path) ? path : null;
}

function timeOf(line: string): number | null {
  const match = TIME.exec(line);
  if (match === null) return null;
  const [, day, name = "", year, hour, minute, second, sign, hours, minutes] = match;
  const month = MONTHS.indexOf(name) / 3;
  if (!Number.isInteger(month)) return null;
  const offset = (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
  return (
    Date.UTC(Number(year), month, Number(day), Number(hour), Number(minute), Number(second)) -
    offset
  );
}

/** Requests a second in the busiest minute, or null where the times do not span one. */
export function peakPerSecond(requests: readonly LoggedRequest[]): number | null {
  const minutes = new Map<number, number>();
  let first = Number.POSITIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  for (const { time } of requests) {
    if (time === null) continue;
    const minute = Math.floor(time / 60_000);
    minutes.set(minute, (minutes.get(minute) ?? 0) + 1);
    first = Math.min(first, time);
    last = Math.max(last, time);
  }
  if (last - first < 60_000) return null;
  return Math.max(...minutes.values()) / 60;
}
