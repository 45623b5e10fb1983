/** What the load generators that are programs have in common: finding them, running them, and their command lines. */
import type { ErrorCounts } from "../types.ts";
import type { ClosedSpec } from "./closed.ts";
import type { LoadRequest } from "./http-load.ts";
import type { LoadHost } from "./order.ts";

export const NO_ERRORS: ErrorCounts = { connection: 0, timeout: 0, status: 0, body: 0 };
/** Of a single request, by every tool. */
export const REQUEST_TIMEOUT_SECONDS = 10;

/** What a program says of its version: the first number with a dot; null when it is not installed. */
export function programVersion(command: readonly string[]): string | null {
  const [program = ""] = command;
  if (Bun.which(program) === null) return null;
  const { stdout, stderr } = Bun.spawnSync([...command], { timeout: 5000 });
  return /\d+\.\d+[\w.-]*/.exec(`${stdout.toString()}\n${stderr.toString()}`)?.[0] ?? "unknown";
}

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly wallMs: number;
  /** Share of one core that it used. */
  readonly busy: number;
}

export async function runProgram(command: readonly string[], host: LoadHost): Promise<Ran> {
  const start = performance.now();
  const child = Bun.spawn([...host.pin, ...command], {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    ...(host.signal === undefined ? {} : { signal: host.signal }),
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  const wallMs = performance.now() - start;
  const busy = Number(child.resourceUsage()?.cpuTime.total ?? Number.NaN) / 1000 / wallMs;
  return { stdout, stderr, wallMs, busy };
}

/** One request over HTTP/1: what the simple tools can do. */
export function isSimple(spec: ClosedSpec): boolean {
  return spec.requests.length === 1 && spec.streams === undefined && isPlain(spec);
}

function isPlain({ origin, requests }: ClosedSpec): boolean {
  return origin.startsWith("http:") && requests.every(({ bodyBase64 }) => bodyBase64 !== true);
}

export function only(spec: ClosedSpec): LoadRequest {
  const [request] = spec.requests;
  if (request === undefined) throw new Error("a load has no request");
  return request;
}

export function urlOf(spec: ClosedSpec): string {
  return `${spec.origin}${only(spec).path}`;
}

/** `-H "name: value"` for each field. */
export function headerFlags(request: LoadRequest, flag: string): string[] {
  return Object.entries(request.headers).flatMap(([name, value]) => [flag, `${name}: ${value}`]);
}

const PLAIN_WORD = /^[\w@%+=:,./-]+$/;

/** A command line for a reader, who may paste it: quoted, the port replaced. */
export function shown(command: readonly string[], origin: string): string {
  const { port } = new URL(origin);
  const words = command.map((word) => {
    return PLAIN_WORD.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
  });
  return words.join(" ").replaceAll(`:${port}`, ":PORT");
}

/** Once for each process: versions do not change meanwhile. */
export function once<T>(find: () => T): () => T {
  let found: { readonly value: T } | undefined;
  return () => (found ??= { value: find() }).value;
}
