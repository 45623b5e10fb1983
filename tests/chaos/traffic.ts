/**
 * Open-loop traffic: each kind at its own steady rate, whatever the server does. A request that finds no kept connection opens one.
 * Every answer is compared with what its request asks for.
 */
import { createHash } from "node:crypto";
import { requestText } from "../apps_life/serve.ts";
import type { H2Call, H2Client } from "../support/h2-client.ts";
import { headers } from "../support/h2-connection.ts";
import { RawClient, type RawResponse } from "../support/raw-client.ts";
import { text } from "../support/ws-frames.ts";
import { Connections } from "./connections.ts";
import type { Door } from "./door.ts";
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
  "h2 upload": { perSecond: 3, run: (traffic, { id }) => traffic.h2Upload(`/sum/${id}`) },
  "h2 download": { perSecond: 3, run: (traffic, { id }) => traffic.h2Download(id) },
  events: { perSecond: 1, run: (traffic, { id }) => traffic.events(id) },
  websocket: { perSecond: 5, run: (traffic, { id }) => traffic.websocket(id) },
};

/** Where there is a unix socket. */
const BESIDE: Readonly<Record<string, Flow>> = {
  "get unix": { perSecond: 50, run: (traffic, { id }) => traffic.beside("GET", `/sum/${id}`) },
};

export class Traffic {
  readonly #door: Door;
  readonly #ledger: Ledger;
  readonly #via: string;
  readonly #number: number;
  readonly #running = new Set<Promise<void>>();
  readonly #connections: Connections;
  readonly #flows: readonly [string, Flow][];
  #timer: Timer | null = null;
  #count = 0;

  /** `via` stands before the kinds in the ledger. */
  constructor(door: Door, ledger: Ledger, via: string = "") {
    this.#door = door;
    this.#connections = new Connections(door, ledger, via);
    this.#flows = Object.entries({ ...FLOWS, ...(door.unix === null ? {} : BESIDE) });
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
      for (const [kind, { perSecond, run }] of this.#flows) {
        const due = Math.floor(seconds * perSecond * scale);
        for (let n = begun.get(kind) ?? 0; n < due; n++) this.#begin(kind, run);
        begun.set(kind, due);
      }
      this.#connections.look();
    }, TICK_MS);
  }

  /** Begins nothing more until the next start; resolves when all has come to an end. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await Promise.all(this.#running);
    this.#connections.close();
  }

  #begin(kind: string, run: Kind): void {
    this.#count += 1;
    const id = `${this.#number}-${this.#count}`;
    const request = { kind: this.#via + kind, id, startedAt: performance.now() };
    const running = run(this, request).then(
      (fate) => this.#ledger.done(request, fate),
      (error: unknown) => this.#ledger.done(request, fateOf(error), String(error).slice(0, 300)),
    );
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  async h1(method: string, path: string, body?: string): Promise<Fate> {
    const client = await this.#connections.take();
    let answer: RawResponse | null = null;
    try {
      answer = await exchange(client, method, path, body);
    } finally {
      this.#connections.give(client, answer);
    }
    return judged(answer, method, path, body);
  }

  async h1New(method: string, path: string, body?: string): Promise<Fate> {
    await using client = await this.#door.h1();
    return judged(await exchange(client, method, path, body, true), method, path, body);
  }

  async beside(method: string, path: string): Promise<Fate> {
    await using client = await RawClient.connect(this.#door.unix!);
    return judged(await exchange(client, method, path, undefined, true), method, path);
  }

  async download(id: string): Promise<Fate> {
    await using client = await this.#door.h1();
    const path = `/download/${id}/${DOWNLOAD_BLOCKS}`;
    await client.send(requestText(path));
    const { status, body } = await client.readResponse("GET", LATE_MS);
    if (status !== 200) return `status ${status}`;
    return body === blocksOf(path) ? "ok" : "wrong";
  }

  async h2(method: string, path: string, body: string = ""): Promise<Fate> {
    return await this.#onH2(
      (client) => (method === "GET" ? client.get(path) : client.post(path, body)),
      (call) => (call.body === sumOf(method, path, body) ? "ok" : "wrong"),
    );
  }

  async h2Upload(path: string): Promise<Fate> {
    return await this.#onH2(
      (client) => {
        const call = client.open();
        void client.send(headers(call.id, client.fields("POST", path), 0));
        // That it fails shows in the answer.
        client.upload(call, Buffer.from(UPLOAD, "latin1")).catch(() => undefined);
        return call;
      },
      (call) => (call.body === sumOf("POST", path, UPLOAD) ? "ok" : "wrong"),
    );
  }

  async h2Download(id: string): Promise<Fate> {
    const path = `/download/${id}/${DOWNLOAD_BLOCKS}`;
    return await this.#onH2(
      (client) => client.get(path),
      (call) => (call.body === blocksOf(path) ? "ok" : "wrong"),
    );
  }

  async #onH2(ask: (client: H2Client) => H2Call, judge: (call: H2Call) => Fate): Promise<Fate> {
    const { client, call } = await this.#whereRoomIs(ask);
    // What a GOAWAY leaves out has not been run: the client asks again (RFC 9113 section 6.8).
    const left = (): boolean => client.goaway !== null && call.id > client.goaway.last;
    try {
      await client.until(`answer to ${call.id}`, () => call.over || left(), LATE_MS);
    } finally {
      client.calls.delete(call.id);
    }
    if (left()) return await this.#onH2(ask, judge);
    // After a whole answer NO_ERROR says that the rest of the body is not wanted.
    if (!call.ended || call.resetCode > 0) throw new Error(`reset with the code ${call.resetCode}`);
    return call.status === 200 ? judge(call) : `status ${call.status}`;
  }

  /** After a pause more requests are due than a connection may have streams: each counts before the next one looks. */
  async #whereRoomIs(
    ask: (client: H2Client) => H2Call,
  ): Promise<{ readonly client: H2Client; readonly call: H2Call }> {
    for (;;) {
      const client = await this.#connections.h2();
      if (client.calls.size < STREAMS_MAX) return { client, call: ask(client) };
      await Bun.sleep(TICK_MS);
    }
  }

  async events(id: string): Promise<Fate> {
    await using client = await this.#door.h1();
    const path = `/events/${id}`;
    await client.send(requestText(path));
    const head = await client.readUntil("\r\n\r\n", LATE_MS);
    const status = Number(head.slice(9, 12));
    if (status !== 200) return `status ${status}`;
    const sum = sumOf("GET", path);
    for (let number = 1; number <= EVENTS_WANTED; number++) {
      const event = await client.readUntil("\n\n", LATE_MS);
      if (!event.endsWith(`data: ${number} ${sum}\n\n`)) return "wrong";
    }
    return "ok";
  }

  async websocket(id: string): Promise<Fate> {
    await using client = await this.#door.webSocket(`/ws/${id}`);
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
  last: boolean = false,
): Promise<RawResponse> {
  const lines = last ? ["Connection: close"] : [];
  const question = { method, headers: lines, ...(body === undefined ? {} : { body }) };
  await client.send(requestText(path, question));
  return await client.readResponse(method, LATE_MS);
}

function judged(answer: RawResponse, method: string, path: string, body?: string): Fate {
  if (answer.status !== 200) return `status ${answer.status}`;
  return answer.body === sumOf(method, path, body) ? "ok" : "wrong";
}

function blocksOf(path: string): string {
  return sumOf("GET", path).repeat((DOWNLOAD_BLOCKS * BLOCK_BYTES) / 64);
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
