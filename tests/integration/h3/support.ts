/** The probe apps (tests/apps) behind HTTP/3, and what tests say to them. */
import { testCertificate } from "../../support/certificate.ts";
import { H3Client, type H3Request, type H3Response } from "../../support/h3-client.ts";
import { repository, startServer, type TestServer } from "../../support/server.ts";
import type { Kind, Seen } from "../http/support.ts";

/** The client is built first, which takes a while where nothing is cached. */
export const TEST_TIMEOUT_MS = 60_000;

export function h3Args(): string[] {
  const { certificate, key } = testCertificate();
  return ["--certfile", certificate, "--keyfile", key, "--http3"];
}

export interface H3Options {
  args?: readonly string[];
  env?: Record<string, string>;
}

/** A server with one worker, a client for the test and one for what the test says to its running request. */
export class H3Probe implements AsyncDisposable {
  readonly server: TestServer;
  readonly client: H3Client;
  readonly #aside: H3Client;
  #keys = 0;

  private constructor(server: TestServer) {
    this.server = server;
    this.client = new H3Client(server.url);
    this.#aside = new H3Client(server.url);
  }

  static async start(kind: Kind, { args = [], env = {} }: H3Options = {}): Promise<H3Probe> {
    const place = ["--workers", "1", "--chdir", `${repository}/tests/apps`];
    const app = `probe_${kind}:app`;
    return new H3Probe(
      await startServer({ app, args: [...place, "--access-log", "-", ...h3Args(), ...args], env }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
    await this.#aside[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }

  /** A name that no other request of this server has. */
  key(): string {
    this.#keys += 1;
    return `k${this.#keys}`;
  }

  fetch(path: string, request: H3Request = {}): Promise<H3Response> {
    return this.client.fetch(path, request);
  }

  /** What the app sees of a request. */
  async seen(path: string, request: H3Request = {}): Promise<Seen> {
    const { status, body, error } = await this.fetch(path, request);
    if (status !== 200) throw new Error(`${path} was answered with ${status} ${error}: ${body}`);
    return JSON.parse(body) as Seen;
  }

  /** Writes a word into the journal. */
  async say(key: string, word: string = "go"): Promise<void> {
    await this.#ask(`/say?key=${key}&word=${word}`);
  }

  /** Waits until the app has written a word. */
  async heard(key: string, word: string): Promise<void> {
    await this.#ask(`/await?of=${key}&word=${word}`);
  }

  async #ask(target: string): Promise<void> {
    const { status, error } = await this.#aside.fetch(target);
    if (status !== 200) throw new Error(`${target}: ${status} ${error}`);
  }
}
