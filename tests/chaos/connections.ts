/**
 * The connections that clients keep for further requests, and how each came to its end. A server may end one only for a reason that it
 * names in docs/behavior.md: a stop, an upgrade, a limit. A client that finds its connection gone and opens another one hides that, so
 * each end goes into the ledger, as the fate of the connection. Nobody keeps one here for as long as --keep-alive.
 */
import type { H2Client } from "../support/h2-client.ts";
import type { RawClient, RawResponse } from "../support/raw-client.ts";
import type { Door } from "./door.ts";
import type { Fate, Ledger } from "./ledger.ts";

/** Connections without a request that are kept for the next ones. */
const KEPT_MAX = 32;
/** Less than the server's 75 s. */
const IDLE_MS_MAX = 60_000;

interface Known {
  readonly openedAt: number;
  idleFrom: number;
  answers: number;
}

export class Connections {
  readonly #door: Door;
  readonly #ledger: Ledger;
  readonly #via: string;
  readonly #known = new Map<RawClient, Known>();
  /** Without a request, the last one first. */
  readonly #idle: RawClient[] = [];
  /** The last one is for new requests; those before it have said goodbye, or are gone. */
  readonly #h2: H2Client[] = [];
  readonly #told = new Set<H2Client>();
  #connecting: Promise<H2Client> | null = null;

  /** `via` stands before the kinds in the ledger. */
  constructor(door: Door, ledger: Ledger, via: string) {
    this.#door = door;
    this.#ledger = ledger;
    this.#via = via;
  }

  /** For one request: a connection that is kept, or a new one. */
  async take(): Promise<RawClient> {
    this.look();
    const kept = this.#idle.pop();
    if (kept !== undefined) return kept;
    const client = await this.#door.h1();
    const now = performance.now();
    this.#known.set(client, { openedAt: now, idleFrom: now, answers: 0 });
    return client;
  }

  /** After its answer; null: there was none, and the request has its own fate. */
  give(client: RawClient, answer: RawResponse | null): void {
    const known = this.#known.get(client);
    if (known === undefined) return;
    if (answer === null) {
      // Whether the server has ended it, or only the answer is late.
      this.look();
      if (this.#known.has(client)) this.#close(client);
      return;
    }
    known.answers += 1;
    known.idleFrom = performance.now();
    if (answer.headers["connection"]?.toLowerCase() === "close") {
      this.#ended(client, "end by Connection: close");
      client.close();
    } else if (this.#idle.length < KEPT_MAX) {
      this.#idle.push(client);
    } else {
      this.#close(client);
    }
  }

  /** One for all requests, another one when it says goodbye, as browsers do. */
  async h2(): Promise<H2Client> {
    this.look();
    const current = this.#h2.at(-1);
    if (current !== undefined && !this.#told.has(current)) return current;
    this.#connecting ??= this.#door.h2().finally(() => (this.#connecting = null));
    const client = await this.#connecting;
    if (!this.#h2.includes(client)) this.#h2.push(client);
    return client;
  }

  /** Looks for connections that have ended: again and again, as a client does that polls its sockets. */
  look(): void {
    for (const client of this.#known.keys()) {
      if (client.error !== undefined) this.#ended(client, "end by reset");
      else if (client.ended) this.#ended(client, "end by FIN");
    }
    for (;;) {
      const oldest = this.#idle[0];
      if (oldest === undefined || !this.#isOld(oldest)) break;
      this.#close(oldest);
    }
    for (const client of this.#h2) {
      if (this.#told.has(client) || (client.goaway === null && !client.ended)) continue;
      this.#told.add(client);
      const fate = client.goaway === null ? "end by FIN" : "end by GOAWAY";
      this.#done("h2 connection", fate, client.goaway?.text);
    }
  }

  /** None has a request any more. */
  close(): void {
    this.look();
    for (const client of this.#known.keys()) this.#close(client);
    for (const client of this.#h2.splice(0)) {
      if (!this.#told.delete(client)) this.#done("h2 connection", "ok");
      client.destroy();
    }
  }

  #isOld(client: RawClient): boolean {
    const known = this.#known.get(client);
    return known !== undefined && performance.now() - known.idleFrom > IDLE_MS_MAX;
  }

  #close(client: RawClient): void {
    this.#forget(client);
    client.close();
    this.#done("connection", "ok");
  }

  #ended(client: RawClient, fate: Fate): void {
    const { openedAt, idleFrom, answers } = this.#known.get(client)!;
    const idle = this.#idle.includes(client);
    const now = performance.now();
    const state = idle ? `idle for ${Math.round(now - idleFrom)} ms` : "with a request";
    const age = `open for ${Math.round(now - openedAt)} ms, ${answers} answers`;
    this.#forget(client);
    this.#done("connection", fate, `${state}, ${age}, port ${client.localPort}`);
  }

  #forget(client: RawClient): void {
    this.#known.delete(client);
    const at = this.#idle.indexOf(client);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  /** A connection is judged by the moment of its end: what befell it before is over. */
  #done(kind: string, fate: Fate, detail: string = ""): void {
    const request = { kind: this.#via + kind, id: "", startedAt: performance.now() };
    this.#ledger.done(request, fate, detail);
  }
}
