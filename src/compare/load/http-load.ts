/** What the built-in HTTP load generator is told, and what it answers: JSON between two processes. */
import type { ErrorCounts, Histogram, Latency, Round } from "../types.ts";

/** How a body is judged: all of it, all but its numbers (process ids, counters, times), or not at all. */
export type BodyCheck =
  { readonly how: "exact" | "numbers"; readonly hash: string } | { readonly how: "any" };

export interface Check {
  /** Left out: anything below 400. */
  readonly status?: number;
  readonly body?: BodyCheck;
}

export interface LoadRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly bodyBase64?: boolean;
  readonly weight: number;
  readonly check: Check;
}

export interface StreamSpec {
  name: string;
  /** Of a plain GET; `requests` takes its place. */
  path: string;
  requests?: readonly LoadRequest[];
  connections: number;
  /** Requests a second; 0: closed, each connection sends when its answer has come. */
  rate: number;
  /** Each request on a connection of its own, `connections` at a time; of an open stream with 0 as many as are due. */
  fresh?: boolean;
  /** Milliseconds between two bytes of a request: a slow client. */
  trickleMs?: number;
  /** A closed stream ends after so many requests; the run ends when the first stream has. */
  count?: number;
}

export interface OpenLoopSpec {
  port: number;
  warmupMs: number;
  durationMs: number;
  streams: StreamSpec[];
  /** False: sleep between sends, as there is no core to spin on. Default: spin. */
  spin?: boolean;
}

export interface StreamResult {
  sent: number;
  answered: number;
  /** Of all kinds, and those that were never sent. */
  errors: number;
  kinds: ErrorCounts;
  /** Due requests that still waited for a free connection when all was over: the server could not keep up. */
  unsent: number;
  /** Right answers in the measured time, a second. */
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  p999Ms: number;
  maxMs: number;
  latency: Latency | null;
  histogram: Histogram;
  timeline: NonNullable<Round["timeline"]>;
}

/** What stands for the body in a comparison. */
export function bodyHash(body: Uint8Array, how: "exact" | "numbers"): string {
  if (how === "exact") return Bun.hash(body).toString(36);
  return Bun.hash(withoutNumbers(Buffer.from(body).toString("latin1"))).toString(36);
}

/** Process ids, counters, ports and times differ from answer to answer, and so does what a server says it can do. */
export function withoutNumbers(text: string): string {
  return text.replaceAll(/\d+(?:\.\d+)?|\b(?:true|false)\b/gi, "0");
}

/** The bytes of a request. `last`: the connection is for this one only. */
export function requestBytes(
  request: Omit<LoadRequest, "weight" | "check">,
  port: number,
  last: boolean,
): Buffer {
  const { method, path, headers, body, bodyBase64 } = request;
  const content = Buffer.from(body ?? "", bodyBase64 === true ? "base64" : "utf8");
  const given = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  const lines = [`${method} ${path} HTTP/1.1`];
  if (!given.has("host")) lines.push(`Host: 127.0.0.1:${port}`);
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (body !== undefined && !given.has("content-length")) {
    lines.push(`Content-Length: ${content.length}`);
  }
  if (last) lines.push("Connection: close");
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), content]);
}
