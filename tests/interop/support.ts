/**
 * What the interoperability tests share: an example served by `./keelback` with the examples' environment, and a payload
 * whose checksum the app must report.
 */
import { createHash } from "node:crypto";
import { examplesPython, repository, startServer } from "../support/server.ts";
import type { ServerOptions, TestServer } from "../support/server.ts";

export async function serveExample(
  folder: string,
  options: Omit<ServerOptions, "cwd"> = {},
): Promise<TestServer> {
  if (examplesPython() === undefined) {
    throw new Error("the examples' environment is missing: run `make setup`");
  }
  return startServer({ ...options, cwd: `${repository}/examples/${folder}` });
}

export interface Payload {
  bytes: Uint8Array<ArrayBuffer>;
  sha256: string;
}

/** Bytes that no filter or line-end translation leaves unchanged, the same for each length. */
export function payload(length: number): Payload {
  const bytes = new Uint8Array(length);
  for (let index = 0, state = 1; index < length; index += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[index] = state >>> 16;
  }
  return { bytes, sha256: sha256(bytes) };
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Asks again, at once, until the answer is as wanted: for effects that follow an answer. */
export async function eventually<T>(
  ask: () => Promise<T>,
  wanted: (answer: T) => boolean,
  timeoutMs: number = 10_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (wanted(answer)) return answer;
    if (performance.now() > deadline) {
      throw new Error(`not so within ${timeoutMs} ms; last: ${JSON.stringify(answer)}`);
    }
  }
}

/** A browser's cookies and forms, as far as these tests need them. */
export class Visitor {
  #url: string;
  #cookies = new Map<string, string>();

  constructor(url: string) {
    this.#url = url;
  }

  cookie(name: string): string | undefined {
    return this.#cookies.get(name);
  }

  async #request(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("cookie", [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; "));
    headers.set("referer", new URL(path, this.#url).href);
    const response = await fetch(new URL(path, this.#url), {
      ...init,
      headers,
      redirect: "manual",
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      this.#cookies.set(name, value);
    }
    return response;
  }

  async get(path: string): Promise<Response> {
    return this.#request(path);
  }

  /** Reads the form's page first, for its CSRF token, as a browser would. */
  async submit(path: string, fields: Record<string, string>): Promise<Response> {
    const page = await (await this.get(path)).text();
    const token = /name="csrfmiddlewaretoken" value="([^"]+)"/.exec(page)?.[1] ?? "";
    return this.#request(path, {
      method: "POST",
      body: new URLSearchParams({ csrfmiddlewaretoken: token, ...fields }),
    });
  }
}
