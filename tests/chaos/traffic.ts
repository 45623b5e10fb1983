/**
 * Open-loop traffic: each kind at its own steady rate, whatever the server does. A request that finds no kept connection opens one.
 * Every answer is compared with what its request asks for.
 */
import { createHash } from "node:crypto";
import { requestText } from "../apps_life/serve.ts";
import { WsClient } from "../integration/websocket/client.ts";
import { H2Client } from "../support/h2-client.ts";
import { RawClient } from "../support/raw-client.ts";
import { text } from "../support/ws-frames.ts";
import type { Fate, Ledger, Request } from "./ledger.ts";

const KIB = 1024;
const BLOCK_BYTES = 64 * KIB;
/** Longer is `late`: no timeout of the server's is longer. */
const LATE_MS = 30_000;
const TICK_MS = 5;
/** A machine on which this process gets no time for so long gives the server none either. */
const STALL_MS = 1000;
/** RFC 9113 advises servers not to allow fewer. */
const STREAMS_MAX = 100;
/** Connections without a request that are kept for the next ones. */
const KEPT_MAX = 32;
const UPLOAD = "u".repeat(256 * KIB);
const DOWNLOAD_BLOCKS = 16;
const EVENTS_WANTED = 20;

/** No two requests of a run have the same id. */
let traffics = 0;

type Kind = (traffic: Traffic, request: Request) => Promise<Fate>;

interface Flow {
  readonly perSecond: number;
  readonly run: Kind;
}

export const FLOWS: Readonly<Record<string, Flow>> = {
  "get kept": { perSecond: 300, run: (traffic, { id }) => traffic.h1("GET", `/sum/${id}`) },
  "get new": { perSecond: 100, run: (traffic, { id }) => traffic.h1New("GET", `/sum/${id}`) },
  post: { perSecond: 60, run: (traffic, { id }) => traffic.h1("POST", `/sum/${id}`, id) },
  upload: { perSecond: 4, run: (traffic, { id }) => traffic.h1New("POST", `/sum/${id}`, UPLOAD) },
  download: { perSecond: 4, run: (traffic, { id }) => traffic.download(id) },
  "h2 get": { perSecond: 150, run: (traffic, { id }) => traffic.h2("GET", `/sum/${id}`) },
  "h2 post": { perSecond: 30, run: (traffic, { id }) => traffic.h2("POST", `/sum/${id}`, id) },
  events: { perSecond: 1, run: (traffic) => traffic.events() },
  websocket: { perSecond: 5, run: (traffic, { id }) => traffic.websocket(id) },
};

export class Traffic {
  readonly #port: number;
  readonly #ledger: Ledger;
  readonly #via: string;
  readonly #number: number;
  readonly #running = new Set<Promise<void>>();
  readonly #kept: RawClient[] = [];
  #h2: Promise<H2Client> | null = null;
  #timer: Timer | null = null;
  #count = 0;

  /** `via` stands before the kinds in the ledger. */
  constructor(port: number, ledger: Ledger, via: string = "") {
    this.#port = port;
    this.#ledger = ledger;
    this.#via = via;
    traffics += 1;
    this.#number = traffics;
  }

  get underWay(): number {
    return this.#running.size;
  }

  /** `scale` of the rates above. */
  start(scale: number): void {
    const begun = new Map<string, number>();
    let from = performance.now();
    let last = from;
    this.#timer = setInterval(() => {
      const stalledMs = performance.now() - last;
      if (stalledMs > STALL_MS) {
        this.#ledger.stalled(last);
        from += stalledMs;
      }
      last = performance.now();
      const seconds = (performance.now() - from) / 1000;
      for (const [kind, { perSecond }] of Object.entries(FLOWS)) {
        const due = Math.floor(seconds * perSecond * scale);
        for (let n = begun.get(kind) ?? 0; n < due; n++) this.#begin(kind);
        begun.set(kind, due);
      }
    }, TICK_MS);
  }

  /** Begins nothing more until the next start; resolves when all has come to an end. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await Promise.all(this.#running);
    for (const client of this.#kept.splice(0)) client.close();
    (await this.#h2?.catch(() => null))?.destroy();
    this.#h2 = null;
  }

  #begin(kind: string): void {
    this.#count += 1;
    const id = `${this.#number}-${this.#count}`;
    const request = { kind: this.#via + kind, id, startedAt: performance.now() };
    const running = FLOWS[kind]!.run(this, request).then(
      (fate) => this.#ledger.done(request, fate),
      (error: unknown) => this.#ledger.done(request, fateOf(error), String(error).slice(0, 300)),
    );
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  async h1(method: string, path: string, body?: string): Promise<Fate> {
    let client = this.#kept.pop();
    while (client?.ended === true) client = this.#kept.pop();
    client ??= await RawClient.connect(this.#port);
    const fate = await exchange(client, method, path, body);
    if (client.ended) return fate;
    if (this.#kept.length < KEPT_MAX) this.#kept.push(client);
    else client.close();
    return fate;
  }

  async h1New(method: string, path: string, body?: string): Promise<Fate> {
    await using client = await RawClient.connect(this.#port);
    return await exchange(client, method, path, body, ["Connection: close"]);
  }

  async download(id: string): Promise<Fate> {
    await using client = await RawClient.connect(this.#port);
    const path = `/download/${id}/${DOWNLOAD_BLOCKS}`;
    await client.send(requestText(path));
    const { status, body } = await client.readResponse("GET", LATE_MS);
    if (status !== 200) return `status ${status}`;
    return body === sumOf("GET", path).repeat((DOWNLOAD_BLOCKS * BLOCK_BYTES) / 64)
      ? "ok"
      : "wrong";
  }

  async h2(method: string, path: string, body: string = ""): Promise<Fate> {
    const client = await this.#h2ClientWithRoom();
    const call = method === "GET" ? client.get(path) : client.post(path, body);
    // What a GOAWAY leaves out has not been run: the client asks again (RFC 9113 section 6.8).
    const left = (): boolean => client.goaway !== null && call.id > client.goaway.last;
    await client.until(`answer to ${call.id}`, () => call.over || left(), LATE_MS);
    client.calls.delete(call.id);
    if (left()) return await this.h2(method, path, body);
    if (call.resetCode >= 0) throw new Error(`reset with the code ${call.resetCode}`);
    if (call.status !== 200) return `status ${call.status}`;
    return call.body === sumOf(method, path, body) ? "ok" : "wrong";
  }

  /** After a pause more requests are due than a connection may have streams. */
  async #h2ClientWithRoom(): Promise<H2Client> {
    for (;;) {
      const client = await this.#h2Client();
      if (client.calls.size < STREAMS_MAX) return client;
      await Bun.sleep(TICK_MS);
    }
  }

  /** One connection for all, another when it says goodbye, as browsers do. */
  async #h2Client(): Promise<H2Client> {
    const known = (await this.#h2?.catch(() => null)) ?? null;
    if (known !== null && !known.ended && known.goaway === null) return known;
    this.#h2 = H2Client.connect(this.#port);
    return await this.#h2;
  }

  async events(): Promise<Fate> {
    await using client = await RawClient.connect(this.#port);
    await client.send(requestText("/events"));
    const head = await client.readUntil("\r\n\r\n", LATE_MS);
    const status = Number(head.slice(9, 12));
    if (status !== 200) return `status ${status}`;
    for (let number = 1; number <= EVENTS_WANTED; number++) {
      const event = await client.readUntil("\n\n", LATE_MS);
      if (!event.endsWith(`data: ${number}\n\n`)) return "wrong";
    }
    return "ok";
  }

  async websocket(id: string): Promise<Fate> {
    await using client = await WsClient.open(this.#port, "/ws");
    for (let n = 0; n < 20; n++) {
      await client.send(text(`${id} ${n}`));
      if ((await client.message()).toString() !== `${id} ${n}`) return "wrong";
    }
    return "ok";
  }
}

async function exchange(
  client: RawClient,
  method: string,
  path: string,
  body?: string,
  headers: readonly string[] = [],
): Promise<Fate> {
  const question = { method, headers, ...(body === undefined ? {} : { body }) };
  await client.send(requestText(path, question));
  const response = await client.readResponse(method, LATE_MS);
  if (response.headers["connection"] === "close") client.close();
  if (response.status !== 200) return `status ${response.status}`;
  return response.body === sumOf(method, path, body) ? "ok" : "wrong";
}

function sumOf(method: string, path: string, body: string = ""): string {
  return createHash("sha256")
    .update(method + path + body)
    .digest("hex");
}

function fateOf(error: unknown): Fate {
  const said = String(error);
  const status = /was answered with (\d+)/.exec(said);
  if (status !== null) return `status ${Number(status[1])}`;
  if (/\bin \d+ ms\b|not within/.test(said)) return "late";
  return /received ""|ECONN|EPIPE/.test(said) ? "lost" : "cut";
}
