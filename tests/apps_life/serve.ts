/**
 * Starts the apps of this folder, and what their tests share: a directory seen by test and app (gates to open, notes to
 * read), one request, load, and conditions to wait for. Every wait has a deadline and says what it waited for.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RawClient, type RawResponse } from "../support/raw-client.ts";
import { startServer, type ServerOptions, type TestServer } from "../support/server.ts";

export const appsDirectory: string = new URL(".", import.meta.url).pathname.replace(/\/$/, "");

const DEADLINE_MS = 15_000;
const POLL_MS = 5;

/** Looks until what it sees is neither false nor undefined; fails at the deadline with what `what` says then. */
export async function eventually<T>(
  what: string | (() => string),
  look: () => T | Promise<T>,
  deadlineMs: number = DEADLINE_MS,
): Promise<Exclude<T, false | undefined>> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const answer = await look();
    if (answer !== undefined && answer !== false) return answer as Exclude<T, false | undefined>;
    if (performance.now() > deadline) {
      throw new Error(`not within ${deadlineMs} ms: ${typeof what === "string" ? what : what()}`);
    }
    await Bun.sleep(POLL_MS);
  }
}

/** A temporary directory, which the apps know as `place`. */
export class Place implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), "keelback-test-"));

  of(name: string): string {
    return join(this.path, name);
  }

  write(name: string, content: string | Uint8Array = ""): string {
    writeFileSync(this.of(name), content);
    return this.of(name);
  }

  /** Lets go what waits for this gate, now and later. */
  open(gate: string): void {
    this.write(gate);
  }

  shut(gate: string): void {
    rmSync(this.of(gate));
  }

  lines(name: string): string[] {
    if (!existsSync(this.of(name))) return [];
    return readFileSync(this.of(name), "utf8").split("\n").slice(0, -1);
  }

  /** Waits until the app has written so many lines. */
  async noted(name: string, count: number = 1): Promise<string[]> {
    return eventually(
      () => `${count} lines in ${name}, there are ${this.lines(name).length}`,
      () => {
        const lines = this.lines(name);
        return lines.length >= count && lines;
      },
    );
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export interface ServeOptions extends Omit<ServerOptions, "app"> {
  place?: Place;
}

/** Starts an app of this folder, or of `cwd`. Nothing is compiled into __pycache__. */
export function serve(app: string, options: ServeOptions = {}): Promise<TestServer> {
  const { place, env, ...rest } = options;
  const shared = place === undefined ? {} : { PLACE: place.path };
  return startServer({
    cwd: appsDirectory,
    ...rest,
    app,
    env: { PYTHONDONTWRITEBYTECODE: "1", ...shared, ...env },
  });
}

export interface Question {
  method?: string;
  headers?: readonly string[];
  body?: string;
  timeoutMs?: number;
}

export function requestText(path: string, question: Question = {}): string {
  const { method = "GET", headers = [], body } = question;
  const host = headers.some((line) => line.startsWith("Host:")) ? [] : ["Host: test"];
  const lines = [`${method} ${path} HTTP/1.1`, ...host, ...headers];
  if (body !== undefined) lines.push(`Content-Length: ${body.length}`);
  return `${lines.join("\r\n")}\r\n\r\n${body ?? ""}`;
}

type Address = number | string | { readonly port: number };

function connect(to: Address): Promise<RawClient> {
  return RawClient.connect(typeof to === "object" ? to.port : to);
}

/** One request on a connection of its own. */
export async function ask(
  to: Address,
  path: string,
  question: Question = {},
): Promise<RawResponse> {
  await using client = await connect(to);
  await client.send(requestText(path, question));
  return await client.readResponse(question.method, question.timeoutMs ?? DEADLINE_MS);
}

/** The body of a GET that must succeed. */
export async function text(to: Address, path: string): Promise<string> {
  const { status, body } = await ask(to, path);
  if (status !== 200) throw new Error(`${path}: ${status} ${body}`);
  return body;
}

/** A client that has sent a request and has not read the answer. */
export async function begin(
  to: Address,
  path: string,
  question: Question = {},
): Promise<RawClient> {
  const client = await connect(to);
  await client.send(requestText(path, question));
  return client;
}

/** What comes until the connection ends, in whichever way. */
export async function untilCut(client: RawClient): Promise<string> {
  await eventually("the connection to end", () => client.ended || client.error !== undefined);
  return client.received;
}

/** Clients that ask for one path over and over on kept connections, and count. */
export class Load implements AsyncDisposable {
  answered = 0;
  /** What did not go as it should. */
  readonly failures: string[] = [];
  /** How often each body came. */
  readonly bodies: Map<string, number> = new Map();
  readonly #to: Address;
  readonly #path: string;
  #stopping = false;
  readonly #clients: Promise<void>[];

  constructor(to: Address, path: string, connections: number = 8) {
    this.#to = to;
    this.#path = path;
    this.#clients = Array.from({ length: connections }, () => this.#run());
  }

  /** Waits for so many more answers. */
  async goesOn(count: number = 200): Promise<void> {
    const wanted = this.answered + count;
    const seen = (): string =>
      `${wanted} answers; ${this.answered} came, failures: ${this.failures.slice(0, 5).join("; ")}`;
    await eventually(seen, () => this.answered >= wanted);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#clients);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      try {
        await this.#connection();
      } catch (error) {
        this.failures.push(String(error));
        await Bun.sleep(POLL_MS);
      }
    }
  }

  async #connection(): Promise<void> {
    await using client = await connect(this.#to);
    const request = requestText(this.#path);
    while (!this.#stopping) {
      await client.send(request);
      const { status, headers, body } = await client.readResponse("GET", DEADLINE_MS);
      if (status === 200) this.answered += 1;
      else this.failures.push(`${status} ${body}`);
      this.bodies.set(body, (this.bodies.get(body) ?? 0) + 1);
      if (headers["connection"] === "close") return;
    }
  }
}
