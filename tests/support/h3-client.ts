/**
 * An HTTP/3 client, quic-go's (tests/support/h3client): built once for each process, one connection for each instance. Tests that need it
 * are skipped by name where Go is missing.
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SOURCE = new URL("h3client", import.meta.url).pathname;
const BUILD_TIMEOUT_MS = 300_000;

/** Why these tests cannot run here, or null. */
export const missing: string | null = Bun.which("go") === null ? "Go is not installed" : null;

/** Skips are seen by their names: the reason is part of them. */
export function titled(name: string): string {
  return missing === null ? name : `${name} (${missing})`;
}

export interface H3Request {
  method?: string;
  headers?: readonly (readonly [string, string])[];
  body?: string;
  /** A body of so many bytes in place of `body`. */
  bodyBytes?: number;
  trailers?: Readonly<Record<string, string>>;
  /** Reads nothing of the response's body until it is cancelled. */
  stall?: boolean;
}

export interface H3Response {
  /** 0: there was none. */
  status: number;
  proto: string;
  /** Names as Go writes them: Content-Type. */
  headers: Record<string, string[]>;
  trailers: Record<string, string[]> | null;
  /** Statuses of interim responses. */
  interim: number[] | null;
  /** Of the response's body. */
  bytes: number;
  /** Bytes of the request's body that were given to HTTP/3. */
  sent: number;
  sha256: string;
  /** The beginning of the response's body. */
  body: string;
  /** SHA-256 of the server's certificate. */
  certificate: string;
  /** Empty: the response is complete. */
  error: string;
}

export interface RunningRequest {
  readonly response: Promise<H3Response>;
  readonly cancel: () => void;
}

let executable: string | null = null;

function build(): string {
  if (executable !== null) return executable;
  const directory = mkdtempSync(join(tmpdir(), "keelback-h3client-"));
  process.on("exit", () => Bun.spawnSync(["rm", "-rf", directory]));
  const path = join(directory, "h3client");
  const done = Bun.spawnSync(["go", "build", "-o", path, "."], {
    cwd: SOURCE,
    stderr: "pipe",
    timeout: BUILD_TIMEOUT_MS,
  });
  if (done.exitCode !== 0) throw new Error(`the client cannot be built: ${String(done.stderr)}`);
  executable = path;
  return path;
}

export class H3Client implements AsyncDisposable {
  readonly #base: string;
  readonly #process: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #waiting = new Map<number, (response: H3Response) => void>();
  #number = 0;

  /** `base`: `https://127.0.0.1:8443`. */
  constructor(base: string) {
    this.#base = base;
    this.#process = Bun.spawn([build()], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
    void this.#read();
  }

  fetch(path: string, request: H3Request = {}): Promise<H3Response> {
    return this.begin(path, request).response;
  }

  /** A request that may be cancelled. */
  begin(path: string, request: H3Request): RunningRequest {
    const id = this.#send({ Op: "request", Method: "GET", URL: this.#base + path, ...request });
    const { promise, resolve } = Promise.withResolvers<H3Response>();
    this.#waiting.set(id, resolve);
    return { response: promise, cancel: () => this.#write({ Op: "cancel", ID: id }) };
  }

  /** Answers a second, with so many requests at a time. */
  async bench(path: string, streams: number, milliseconds: number): Promise<number> {
    const url = this.#base + path;
    const id = this.#send({ Op: "bench", URL: url, Streams: streams, Milliseconds: milliseconds });
    const { promise, resolve } = Promise.withResolvers<H3Response>();
    this.#waiting.set(id, resolve);
    return (await promise).bytes;
  }

  /** Leaves without closing its connection, as a client does that has crashed. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#process.killed) await this.#process.stdin.end();
    await this.#process.exited;
  }

  #send(command: object): number {
    this.#number += 1;
    this.#write({ ...command, ID: this.#number });
    return this.#number;
  }

  #write(command: object): void {
    void this.#process.stdin.write(`${JSON.stringify(command)}\n`);
    void this.#process.stdin.flush();
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of this.#process.stdout) {
      text += decoder.decode(chunk, { stream: true });
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) this.#answered(line);
    }
  }

  #answered(line: string): void {
    const { id, ...response } = JSON.parse(line) as H3Response & { id: number };
    this.#waiting.get(id)?.(response);
    this.#waiting.delete(id);
  }
}
