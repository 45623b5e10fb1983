/**
 * Starts `./keelback` for a test, on a port of the kernel's choice, and waits until it says where it listens. Everything
 * it printed is kept; waiting is always for a line or for the end of the process, never for time to pass.
 */
import { existsSync } from "node:fs";

export interface ServerOptions {
  /** `module:attribute`; left out, the server recognises the project in `cwd`. */
  app?: string;
  args?: readonly string[];
  env?: Record<string, string>;
  cwd?: string;
  /** Default `127.0.0.1:0`; null: no `--bind`. */
  bind?: string | null;
  /** A command that becomes the server: its words stand before it. */
  before?: readonly string[];
  /** Open files that each of its processes may have. */
  descriptorsMax?: number;
}

export interface TestServer extends AsyncDisposable {
  url: string;
  port: number;
  pid: number;
  /** Everything printed so far, stdout and stderr in the order they came. */
  output(): string;
  /** Resolves with the first line, printed before or from now on, that matches. */
  waitForLine(pattern: RegExp, timeoutMs?: number): Promise<string>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number>;
  /** Sends a signal, by default SIGKILL, and does not wait. */
  kill(signal?: NodeJS.Signals): void;
  exited: Promise<number>;
}

interface Waiter {
  pattern: RegExp;
  resolve(line: string): void;
  reject(error: Error): void;
}

export const repository: string = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** The command under test; a packaged build is tested by naming it in KEELBACK_EXECUTABLE. */
const executable = process.env.KEELBACK_EXECUTABLE ?? `${repository}/keelback`;

/** The server refuses variables of its prefix that it does not know; that one is ours. */
function environment(own: Record<string, string> = {}): Record<string, string | undefined> {
  return { ...process.env, KEELBACK_EXECUTABLE: undefined, ...own };
}

const START_TIMEOUT_MS = 20_000;
const LINE_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 15_000;

/** The interpreter of the examples' environment, or undefined when it has not been made. */
export function examplesPython(): string | undefined {
  const path = `${repository}/.venv/bin/python`;
  return existsSync(path) ? path : undefined;
}

/** What a process prints, and those who wait for a line of it. */
class Output {
  #text = "";
  #waiters = new Set<Waiter>();
  #over = false;

  get text(): string {
    return this.#text;
  }

  async read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.#text += decoder.decode(chunk, { stream: true });
      this.#settle();
    }
  }

  #settle(): void {
    for (const waiter of this.#waiters) {
      const line = this.#find(waiter.pattern);
      if (line !== undefined) waiter.resolve(line);
    }
  }

  #find(pattern: RegExp): string | undefined {
    const complete = this.#over
      ? this.#text
      : this.#text.slice(0, this.#text.lastIndexOf("\n") + 1);
    return complete.split("\n").find((line) => pattern.test(line));
  }

  end(): void {
    this.#over = true;
    this.#settle();
    for (const waiter of this.#waiters) {
      waiter.reject(new Error(`the server ended without ${waiter.pattern}:\n${this.#text}`));
    }
  }

  async line(pattern: RegExp, timeoutMs: number): Promise<string> {
    const line = this.#find(pattern);
    if (line !== undefined) return line;
    if (this.#over) throw new Error(`the server has ended without ${pattern}:\n${this.#text}`);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const waiter = { pattern, resolve, reject };
    this.#waiters.add(waiter);
    const timer = setTimeout(() => {
      reject(new Error(`no line ${pattern} within ${timeoutMs} ms:\n${this.#text}`));
    }, timeoutMs);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiters.delete(waiter);
    });
  }
}

function commandOf(options: ServerOptions): string[] {
  const { descriptorsMax } = options;
  const limited = descriptorsMax === undefined ? [] : ["prlimit", `--nofile=${descriptorsMax}`];
  const command = [...limited, ...(options.before ?? []), executable, "serve"];
  if (options.app !== undefined) command.push(options.app);
  if (options.bind !== null) command.push("--bind", options.bind ?? "127.0.0.1:0");
  const python = examplesPython();
  const args = options.args ?? [];
  if (python !== undefined && !args.includes("--python")) command.push("--python", python);
  return [...command, ...args];
}

/** Runs `./keelback` to its end with these arguments: for starts that must fail, and for `--help` and the like. */
export async function runKeelback(
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = Bun.spawn([executable, ...args], {
    cwd: options.cwd ?? repository,
    env: environment(options.env),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: START_TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

/** Starts the server; rejects, with everything it printed, when it ends before it listens. */
export function startServer(options: ServerOptions = {}): Promise<TestServer> {
  return launch(commandOf(options), {
    cwd: options.cwd ?? repository,
    env: environment(options.env),
  });
}

export interface LaunchOptions {
  cwd: string;
  env: Record<string, string | undefined>;
}

const ADDRESS = /https?:\/\/[^\s/"]+:\d+|unix:\S+|UNIX address \S+/;

/** Starts any server that says where it listens. */
export async function launch(
  command: readonly string[],
  options: LaunchOptions,
): Promise<TestServer> {
  const child = Bun.spawn([...command], {
    cwd: options.cwd,
    env: options.env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const output = new Output();
  const read = Promise.all([output.read(child.stdout), output.read(child.stderr)]);
  const exited = child.exited.then(async (code) => {
    await read;
    output.end();
    return code;
  });
  const stop = async (): Promise<number> => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    return exited.finally(() => clearTimeout(timer));
  };
  let line: string;
  try {
    line = await output.line(ADDRESS, START_TIMEOUT_MS);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  const url = /https?:\/\/[^\s/"]+:\d+/.exec(line)?.[0] ?? "";
  return {
    url,
    port: Number(/:(\d+)$/.exec(url)?.[1] ?? 0),
    pid: child.pid,
    output: () => output.text,
    waitForLine: (pattern, timeoutMs = LINE_TIMEOUT_MS) => output.line(pattern, timeoutMs),
    stop,
    kill: (signal = "SIGKILL") => child.kill(signal),
    exited,
    [Symbol.asyncDispose]: async () => {
      await stop();
    },
  };
}
