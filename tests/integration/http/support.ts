/**
 * The probe apps (tests/apps) behind the real server: one suite runs against the WSGI and the ASGI one. A test talks to its
 * running request through the app's journal: `say` writes a word that the request waits for, `heard` waits for one of its own.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { RawClient, type RawResponse } from "../../support/raw-client.ts";
import { repository, startServer, type TestServer } from "../../support/server.ts";

/** That of `make test`, whose own limit this one replaces: it holds for the starts of servers too. */
const TEST_TIMEOUT_MS = 60_000;

export type Kind = "wsgi" | "asgi";

/** What /dump saw of a request. */
export interface Seen {
  method: string;
  path: string;
  raw_path: string;
  query: string;
  version: string;
  scheme: string;
  root: string;
  client: string;
  headers: [string, string][];
  body: string;
}

export class Probe {
  readonly kind: Kind;
  readonly #args: readonly string[];
  #server: TestServer | undefined;
  #keys = 0;

  constructor(kind: Kind, args: readonly string[] = []) {
    this.kind = kind;
    this.#args = args;
  }

  async start(): Promise<void> {
    this.#server = await startServer({
      app: `probe_${this.kind}:app`,
      args: ["--workers", "1", "--chdir", `${repository}/tests/apps`, ...this.#args],
    });
  }

  async stop(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  get server(): TestServer {
    if (this.#server === undefined) throw new Error("the server has not been started");
    return this.#server;
  }

  /** A name that no other request of this server has. */
  key(): string {
    this.#keys += 1;
    return `k${this.#keys}`;
  }

  connect(): Promise<RawClient> {
    return RawClient.connect(this.server.port);
  }

  /** A new connection on which these bytes were sent. */
  async send(bytes: string | Uint8Array): Promise<RawClient> {
    const client = await this.connect();
    await client.send(bytes);
    return client;
  }

  /** The answer to these bytes on a connection of their own. */
  async answer(bytes: string | Uint8Array, method: string = "GET"): Promise<RawResponse> {
    await using client = await this.send(bytes);
    return await client.readResponse(method);
  }

  /** GET; the body of the answer. */
  async ask(target: string): Promise<string> {
    const { status, body } = await this.answer(get(target, "Connection: close"));
    if (status !== 200) throw new Error(`${target} was answered with ${status}: ${body}`);
    return body;
  }

  /** What the app sees of a request, given by its lines. */
  async seen(bytes: string | Uint8Array): Promise<Seen> {
    const { status, body } = await this.answer(bytes);
    if (status !== 200) throw new Error(`the request was answered with ${status}: ${body}`);
    return JSON.parse(body) as Seen;
  }

  /** Writes a word into the journal. */
  async say(key: string, word: string = "go"): Promise<void> {
    await this.ask(`/say?key=${key}&word=${word}`);
  }

  /** Waits until the app has written a word. */
  async heard(key: string, word: string): Promise<void> {
    await this.ask(`/await?of=${key}&word=${word}`);
  }

  /** All words of a key so far. */
  async words(key: string): Promise<string[]> {
    return JSON.parse(await this.ask(`/words?of=${key}`)) as string[];
  }

  async progress(key: string): Promise<number> {
    return Number(await this.ask(`/progress?of=${key}`));
  }

  /** Runs curl against the server; `target` is the path. */
  async curl(target: string, ...args: string[]): Promise<{ code: number; out: string }> {
    const url = `${this.server.url}${target}`;
    const child = Bun.spawn(
      ["curl", "--silent", "--show-error", "--max-time", "15", ...args, url],
      {
        stdin: "ignore",
        stdout: "pipe",
        stderr: "ignore",
      },
    );
    const [out, code] = await Promise.all([new Response(child.stdout).text(), child.exited]);
    return { code, out };
  }
}

/** Declares the suite twice, over the WSGI and the ASGI app, each with a server started with these arguments. */
export function onBoth(args: readonly string[], suite: (probe: Probe) => void): void {
  for (const kind of ["wsgi", "asgi"] as const) onOne(kind, args, suite);
}

export function onOne(kind: Kind, args: readonly string[], suite: (probe: Probe) => void): void {
  setDefaultTimeout(TEST_TIMEOUT_MS);
  describe(kind, () => {
    const probe = new Probe(kind, args);
    beforeAll(() => probe.start());
    afterAll(() => probe.stop());
    suite(probe);
  });
}

/** The bytes of a message from its lines; the last ones are a body when `body` is given. */
export function message(lines: readonly string[], body: string = ""): string {
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}

export function get(target: string, ...fields: string[]): string {
  return message([`GET ${target} HTTP/1.1`, "Host: test", ...fields]);
}

/** POST with a Content-Length. */
export function post(target: string, body: string, ...fields: string[]): string {
  const length = `Content-Length: ${body.length}`;
  return message([`POST ${target} HTTP/1.1`, "Host: test", length, ...fields], body);
}

/** POST in chunks, whose bytes are given. */
export function postChunks(target: string, chunks: string, ...fields: string[]): string {
  const coding = "Transfer-Encoding: chunked";
  return message([`POST ${target} HTTP/1.1`, "Host: test", coding, ...fields], chunks);
}

/** What a test expects of a refusal. */
export interface Refusal {
  status: number;
  code: string;
}

/**
 * Sends these bytes and another request behind them: the answer has the status, says that the connection closes, and is the
 * last; the request behind is never run; the log has a line with the code.
 */
export async function expectRefused(
  probe: Probe,
  bytes: string | Uint8Array,
  { status, code }: Refusal,
): Promise<RawResponse> {
  const key = probe.key();
  const behind = Buffer.from(get(`/say?key=${key}&word=smuggled`));
  const bad = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
  await using client = await probe.send(Buffer.concat([bad, behind]));
  const response = await client.readResponse();
  expect({ status: response.status, close: response.headers["connection"] }).toEqual({
    status,
    close: "close",
  });
  expect(await client.readToEnd()).toBe("");
  expect(await probe.words(key)).toEqual([]);
  await probe.server.waitForLine(new RegExp(`refused \\[${code}\\] ${status} 127\\.0\\.0\\.1`));
  return response;
}

/** One test for each row: a name, the bytes, and how they are refused. */
export function refusals(
  probe: Probe,
  rows: readonly (readonly [name: string, bytes: string | Uint8Array, refusal: Refusal])[],
): void {
  for (const [name, bytes, refusal] of rows) {
    test(name, async () => {
      await expectRefused(probe, bytes, refusal);
    });
  }
}

/** The values of a field in a dump. */
export function valuesOf(seen: Seen, name: string): string[] {
  return seen.headers.filter(([field]) => field === name).map(([, value]) => value);
}

/** What is left on a connection that the server closes or cuts. */
export async function rest(client: RawClient): Promise<string> {
  try {
    return await client.readToEnd();
  } catch (error) {
    if (client.error === undefined) throw error;
    return client.received;
  }
}
