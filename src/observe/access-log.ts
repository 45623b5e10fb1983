/**
 * The access log: one line for each request when its response is out, in the combined format, as JSON, or in gunicorn's format atoms.
 * Whatever a client sent is escaped: no line can be forged, no terminal be driven.
 */
import type { LineSink } from "./line-sink.ts";

/** What a line can say. The strings are made only when a format asks for them. */
export interface AccessRecord {
  readonly method: string;
  /** 10, 11, 20, 30. */
  readonly version: number;
  /** 0: the client left before there was one. */
  readonly status: number;
  readonly bytesOut: number;
  /** performance.now() when the head was complete. */
  readonly startedAt: number;
  readonly queuedMs: number;
  readonly workerPid: number;
  /** Not to be logged. */
  readonly quiet?: boolean;
  /** The client that a trusted proxy has named, or null. */
  readonly clientNamed?: string | null;
  /** The address at the other end of the connection. */
  client(): string;
  target(): string;
  /** A request field, or null. */
  requestField(name: string): string | null;
  /** A response field, or null; only when the log `wantsResponseHead`. */
  responseField(name: string): string | null;
}

type Atom = (r: AccessRecord, now: number) => string;

const COMBINED = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"';
/** The status that nginx made usual for a client that left before its response began. */
const CLIENT_LEFT = 499;

const ATOMS: Readonly<Record<string, Atom>> = {
  h: (r) => r.clientNamed ?? (r.client() || "-"),
  "{c}a": (r) => r.client() || "-",
  l: () => "-",
  u: (r) => escape(userName(r.requestField("authorization"))),
  t: () => `[${clfTime(new Date())}]`,
  r: (r) => escape(`${r.method} ${r.target()} ${protocol(r.version)}`),
  m: (r) => escape(r.method),
  U: (r) => escape(r.target().split("?", 1)[0] ?? ""),
  q: (r) => escape(query(r.target())),
  H: (r) => protocol(r.version),
  s: (r) => String(r.status || CLIENT_LEFT),
  B: (r) => String(r.bytesOut),
  b: (r) => (r.bytesOut === 0 ? "-" : String(r.bytesOut)),
  f: (r) => escape(r.requestField("referer") ?? "-"),
  a: (r) => escape(r.requestField("user-agent") ?? "-"),
  T: (r, now) => String(Math.floor((now - r.startedAt) / 1000)),
  M: (r, now) => String(Math.round(now - r.startedAt)),
  D: (r, now) => String(Math.round((now - r.startedAt) * 1000)),
  L: (r, now) => ((now - r.startedAt) / 1000).toFixed(6),
  p: (r) => `<${r.workerPid}>`,
};

export class AccessLog {
  /** A format names response fields: the driver must keep the head. */
  readonly wantsResponseHead: boolean;
  readonly #sink: LineSink;
  readonly #render: Atom;

  /** `format`: `combined`, `json`, or text with atoms (checked by the configuration). */
  constructor(format: string, sink: LineSink) {
    this.#sink = sink;
    this.wantsResponseHead = format.includes("}o");
    this.#render =
      format === "json" ? renderJson : compile(format === "combined" ? COMBINED : format);
  }

  get sink(): LineSink {
    return this.#sink;
  }

  write(record: AccessRecord): void {
    if (record.quiet !== true) this.#sink.write(this.#render(record, performance.now()));
  }
}

function compile(format: string): Atom {
  const parts: Atom[] = [];
  let at = 0;
  for (const match of format.matchAll(/%\(([^)]*)\)s|%%/g)) {
    const text = format.slice(at, match.index);
    if (text !== "") parts.push(() => text);
    const name = match[1];
    parts.push(name === undefined ? () => "%" : atom(name));
    at = match.index + match[0].length;
  }
  const rest = format.slice(at);
  return (r, now) => {
    let line = "";
    for (const part of parts) line += part(r, now);
    return line + rest;
  };
}

function atom(name: string): Atom {
  const known = ATOMS[name];
  if (known !== undefined) return known;
  const field = name.slice(1, -2).toLowerCase();
  if (name.endsWith("}i")) return (r) => escape(r.requestField(field) ?? "-");
  return (r) => escape(r.responseField(field) ?? "-");
}

function renderJson(r: AccessRecord, now: number): string {
  return JSON.stringify({
    time: new Date().toISOString(),
    client: r.clientNamed ?? r.client(),
    peer: r.client(),
    method: r.method,
    target: r.target(),
    protocol: protocol(r.version),
    status: r.status || CLIENT_LEFT,
    bytes: r.bytesOut,
    duration_ms: round(now - r.startedAt),
    queue_ms: round(r.queuedMs),
    worker_pid: r.workerPid,
    referer: r.requestField("referer"),
    user_agent: r.requestField("user-agent"),
  });
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function protocol(version: number): string {
  return version >= 20 ? `HTTP/${version / 10}` : `HTTP/1.${version - 10}`;
}

function query(target: string): string {
  const at = target.indexOf("?");
  return at < 0 ? "" : target.slice(at + 1);
}

/** The user of Basic authentication (RFC 7617), for logs. */
function userName(authorization: string | null): string {
  if (authorization === null || !/^basic /i.test(authorization)) return "-";
  const text = Buffer.from(authorization.slice(6).trim(), "base64").toString("latin1");
  const at = text.indexOf(":");
  return at > 0 ? text.slice(0, at) : "-";
}

/** Control characters, quotes, backslashes and what is not ASCII as \xHH, as nginx does. */
function escape(text: string): string {
  if (!/[^\x20-\x7e]|["\\]/.test(text)) return text;
  return text.replace(/[^\x20-\x7e]|["\\]/g, (c) => {
    const hex = (c.charCodeAt(0) & 0xff).toString(16).padStart(2, "0");
    return `\\x${hex}`;
  });
}

const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";

/** 10/Oct/2026:13:55:36 +0000 */
function clfTime(date: Date): string {
  const two = (n: number): string => String(n).padStart(2, "0");
  const month = MONTHS.slice(date.getUTCMonth() * 3, date.getUTCMonth() * 3 + 3);
  const day = `${two(date.getUTCDate())}/${month}/${date.getUTCFullYear()}`;
  const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  return `${day}:${time} +0000`;
}
