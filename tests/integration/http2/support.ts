/**
 * The probe apps (tests/apps) behind the real server, over HTTP/2: by prior knowledge on a plain port, or over TLS. A test talks to its
 * running request through the app's journal, on a connection of its own.
 */
import { afterAll, beforeAll, describe, setDefaultTimeout } from "bun:test";
import { testCertificate } from "../../support/certificate.ts";
import { H2Client, type H2ClientOptions } from "../../support/h2-client.ts";
import { repository, startServer, type TestServer } from "../../support/server.ts";

export const KIB = 1024;
export const MIB: number = 1024 * KIB;

/** That of `make test`, whose own limit this one replaces: it holds for the starts of servers too. */
const TEST_TIMEOUT_MS = 60_000;

export type Kind = "wsgi" | "asgi";
export type Transport = "h2c" | "tls";

export interface SiteOptions {
  kind: Kind;
  transport?: Transport;
  args?: readonly string[];
  /** A module of tests/apps with a `wsgi` or `asgi`; else the probe. */
  app?: string;
}

export class Site implements AsyncDisposable {
  readonly kind: Kind;
  readonly secure: boolean;
  readonly #options: SiteOptions;
  #server: TestServer | undefined;
  #talk: Promise<H2Client> | undefined;
  #keys = 0;

  constructor(options: SiteOptions) {
    this.kind = options.kind;
    this.secure = options.transport === "tls";
    this.#options = options;
  }

  static async start(options: SiteOptions): Promise<Site> {
    const site = new Site(options);
    await site.start();
    return site;
  }

  async start(): Promise<void> {
    const { kind, app, args = [] } = this.#options;
    const { certificate, key } = testCertificate();
    this.#server = await startServer({
      app: app === undefined ? `probe_${kind}:app` : `${app}:${kind}`,
      args: [
        ...["--workers", "1", "--chdir", `${repository}/tests/apps`, ...args],
        ...(this.secure ? ["--certfile", certificate, "--keyfile", key] : []),
      ],
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    (await this.#talk)?.destroy();
    await this.#server?.[Symbol.asyncDispose]();
  }

  get server(): TestServer {
    if (this.#server === undefined) throw new Error("the server has not been started");
    return this.#server;
  }

  connect(options: H2ClientOptions = {}): Promise<H2Client> {
    return H2Client.connect(this.server.port, { secure: this.secure, ...options });
  }

  /** A name that no other request of this server has. */
  key(): string {
    this.#keys += 1;
    return `k${this.#keys}`;
  }

  /** GET on a connection kept for this; the body of the answer. */
  async ask(path: string): Promise<string> {
    let client = await (this.#talk ??= this.connect());
    if (client.ended || client.goaway !== null) client = await (this.#talk = this.connect());
    const { status, body } = await client.answerOf(path);
    if (status !== 200) throw new Error(`${path} was answered with ${status}: ${body}`);
    return body;
  }

  async say(key: string, word: string = "go"): Promise<void> {
    await this.ask(`/say?key=${key}&word=${word}`);
  }

  /** Waits until the app has written a word. */
  async heard(key: string, word: string): Promise<void> {
    await this.ask(`/await?of=${key}&word=${word}`);
  }

  async words(key: string): Promise<string[]> {
    return JSON.parse(await this.ask(`/words?of=${key}`)) as string[];
  }

  async progress(key: string): Promise<number> {
    return Number(await this.ask(`/progress?of=${key}`));
  }
}

/** Declares a suite over a server with these arguments. */
export function onSite(options: SiteOptions, suite: (site: Site) => void): void {
  setDefaultTimeout(TEST_TIMEOUT_MS);
  const { kind, transport = "h2c" } = options;
  describe(`${kind} over ${transport}`, () => {
    const site = new Site(options);
    beforeAll(() => site.start());
    afterAll(() => site[Symbol.asyncDispose]());
    suite(site);
  });
}

/** Both apps, each over one of the transports. */
export function onBoth(args: readonly string[], suite: (site: Site) => void): void {
  onSite({ kind: "wsgi", transport: "h2c", args }, suite);
  onSite({ kind: "asgi", transport: "tls", args }, suite);
}
