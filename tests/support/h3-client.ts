/**
 * An HTTP/3 client, quic-go's (tests/support/h3client): one connection for each instance. `make test` builds it before the tests, which
 * have too little time for that; a single test file builds it where its source has changed. Tests that need it are skipped by name where
 * Go is missing.
 */
import { ensureH3Client } from "../../tools/programs.ts";

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
  /** Says what it reads of the response's body at once: for `RunningRequest.read`. */
  tell?: boolean;
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
  /** Waits until the client has read a text of the body (with `tell`): a reset that comes before may take it away (RFC 9000, 3.2). */
  readonly read: (text: string) => Promise<void>;
  readonly cancel: () => void;
}

interface Line {
  id: number;
  /** Of a response's body; the line is a whole response without it. */
  piece?: string;
}

/** A request that has no response yet. */
class Waiting {
  readonly response = Promise.withResolvers<H3Response>();
  #body = "";
  #more = Promise.withResolvers<void>();

  readonly read = async (text: string): Promise<void> => {
    while (!this.#body.includes(text)) {
      const ended = await Promise.race([this.#more.promise, this.response.promise]);
      if (ended !== undefined) throw new Error(`no "${text}" came: ${JSON.stringify(ended)}`);
    }
  };

  told(piece: string): void {
    this.#body += piece;
    this.#more.resolve();
    this.#more = Promise.withResolvers<void>();
  }
}

let executable: string | null = null;

function program(): string {
  executable ??= ensureH3Client();
  if (executable === null) throw new Error("the HTTP/3 client cannot be built");
  return executable;
}

export class H3Client implements AsyncDisposable {
  readonly #base: string;
  readonly #process: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #waiting = new Map<number, Waiting>();
  #number = 0;

  /** `base`: `https://127.0.0.1:8443`. */
  constructor(base: string) {
    this.#base = base;
    this.#process = Bun.spawn([program()], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
    void this.#read();
  }

  fetch(path: string, request: H3Request = {}): Promise<H3Response> {
    return this.begin(path, request).response;
  }

  /** A request that may be cancelled. */
  begin(path: string, request: H3Request): RunningRequest {
    const id = this.#send({ Op: "request", Method: "GET", URL: this.#base + path, ...request });
    const waiting = this.#wait(id);
    const cancel = (): void => this.#write({ Op: "cancel", ID: id });
    return { response: waiting.response.promise, read: waiting.read, cancel };
  }

  /** Answers a second, with so many requests at a time. */
  async bench(path: string, streams: number, milliseconds: number): Promise<number> {
    const url = this.#base + path;
    const id = this.#send({ Op: "bench", URL: url, Streams: streams, Milliseconds: milliseconds });
    return (await this.#wait(id).response.promise).bytes;
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

  #wait(id: number): Waiting {
    const waiting = new Waiting();
    this.#waiting.set(id, waiting);
    return waiting;
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
    const { id, piece, ...response } = JSON.parse(line) as H3Response & Line;
    if (piece !== undefined) {
      this.#waiting.get(id)?.told(piece);
      return;
    }
    this.#waiting.get(id)?.response.resolve(response);
    this.#waiting.delete(id);
  }
}
