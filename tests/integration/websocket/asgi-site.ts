/** The app of tests/apps_life/websocket_app.py behind a plain port and one of TLS, each for both versions of HTTP. */
import { afterAll, beforeAll, describe, setDefaultTimeout } from "bun:test";
import { Place, serve } from "../../apps_life/serve.ts";
import { testCertificate } from "../../support/certificate.ts";
import type { TestServer } from "../../support/server.ts";
import { WsClient } from "./client.ts";
import { type Asked, TRANSPORTS, type Transport } from "./lines.ts";

const TEST_TIMEOUT_MS = 60_000;
export const MIB = 1024 * 1024;

export interface SiteOptions {
  transport?: Transport;
  args?: readonly string[];
}

export class Site implements AsyncDisposable {
  readonly place: Place = new Place();
  readonly transport: Transport;
  readonly #args: readonly string[];
  #server: TestServer | undefined;
  #names = 0;

  constructor(options: SiteOptions = {}) {
    this.transport = options.transport ?? "h1";
    this.#args = options.args ?? [];
  }

  static async start(options: SiteOptions = {}): Promise<Site> {
    const site = new Site(options);
    await site.start();
    return site;
  }

  async start(): Promise<void> {
    const { certificate, key } = testCertificate();
    const secure = this.transport.endsWith("TLS");
    this.#server = await serve("websocket_app:app", {
      place: this.place,
      args: [
        ...["--workers", "1", ...this.#args],
        ...(secure ? ["--certfile", certificate, "--keyfile", key] : []),
      ],
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    this.place[Symbol.dispose]();
  }

  get server(): TestServer {
    if (this.#server === undefined) throw new Error("the server has not been started");
    return this.#server;
  }

  /** A name that no other socket of this server has. */
  name(): string {
    this.#names += 1;
    return `socket-${this.#names}`;
  }

  /** Asks for a WebSocket; the answer may be anything. */
  ask(path: string, asked: Asked = {}): Promise<WsClient> {
    return WsClient.ask(this.server.port, path, { transport: this.transport, ...asked });
  }

  open(path: string, asked: Asked = {}): Promise<WsClient> {
    return WsClient.open(this.server.port, path, { transport: this.transport, ...asked });
  }

  noted(name: string, count: number = 1): Promise<string[]> {
    return this.place.noted(name, count);
  }
}

/** Declares a suite for each transport. */
export function onEach(
  args: readonly string[],
  suite: (site: Site) => void,
  transports: readonly Transport[] = TRANSPORTS,
): void {
  setDefaultTimeout(TEST_TIMEOUT_MS);
  for (const transport of transports) {
    describe(transport, () => {
      const site = new Site({ transport, args });
      beforeAll(() => site.start());
      afterAll(() => site[Symbol.asyncDispose]());
      suite(site);
    });
  }
}
